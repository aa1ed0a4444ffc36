package plan

import "time"

// ServerConfig is what one server says of its own configuration, as far as duplication rests on it.
type ServerConfig struct {
	Addr string `json:"addr"`
	Meta bool   `json:"meta,omitempty"` // a meta server, else a replica server
	// DuplicationEnabled is [replication] duplication_enabled.
	DuplicationEnabled bool `json:"duplication_enabled"`
	// ClusterIDs is [duplication-group]: cluster name to id.
	ClusterIDs map[string]int `json:"cluster_ids,omitempty"`
	// Clusters is [pegasus.clusters]: cluster name to meta servers.
	Clusters map[string][]string `json:"clusters,omitempty"`
	// Problem says why it could not be read, "" when it could.
	Problem string `json:"problem,omitempty"`
}

// DuplicationProbe is what a cluster's leading meta answered to a duplication request for a table
// that does not exist, with the other cluster as remote.
type DuplicationProbe struct {
	Asked bool
	// Ready: ERR_APP_NOT_EXIST, everything before it was right.
	Ready bool
	// Code and Hint are the server's words otherwise; ERR_SERVICE_NOT_ACTIVE means that
	// duplication_enabled is false.
	Code, Hint string
}

// DuplicationEntry is one duplication of a table.
type DuplicationEntry struct {
	ID        int32
	Remote    string
	Status    string // DS_INIT, DS_PREPARE, DS_APP, DS_LOG, DS_PAUSE
	FailMode  string
	CreatedAt time.Time
}

// DuplicationFacts is what only method duplication needs to know; nil when it was not asked for.
type DuplicationFacts struct {
	// SourceConfig and TargetConfig hold every meta and replica server, ordered by address.
	SourceConfig, TargetConfig []ServerConfig
	SourceProbe, TargetProbe   DuplicationProbe
	// RemoteNames says that the source's servers take another table name and replica count for the
	// follower (2.6 and later; RPC_CM_LIST_DUPLICATION is known there).
	RemoteNames bool
	// Entries are the source table's duplications, TargetEntries those of a table of the target's name.
	Entries, TargetEntries []DuplicationEntry
	// EmptyPartitions of the source hold no row, ascending. Looked for on 2.4 and 2.5 only.
	EmptyPartitions []int
	// NonIdempotentQPS is the rate of incr, check_and_set and check_and_mutate on the source.
	NonIdempotentQPS float64
	// ArrivingQPS is the rate of writes that a duplication ships into the source.
	ArrivingQPS float64
	// ReadQPS and WriteQPS are the source's, by clients.
	ReadQPS, WriteQPS float64
	// LargestRow is the largest key and value of a sample of the source, in bytes.
	LargestRow int64
	// BatchBytes is the source's duplicate_log_batch_bytes, 0 when unknown.
	BatchBytes int64
	// DuplicationSync is the interval at which replicas and meta agree about duplications, 0 when
	// no server told.
	DuplicationSync time.Duration
	// Route is nil without a metaproxy block.
	Route *RouteFacts
	// TargetDropped says that a dropped table of the target's name can still be recalled.
	TargetDropped bool
	// SameID names a living table of the target's cluster that has the source's app id, "" for none.
	SameID string
}

// RouteFacts is what the route record and the proxies say.
type RouteFacts struct {
	ZooKeeper []string // as used; the source cluster's own by default
	Path      string
	Exists    bool
	// Problem says why the record could not be read: ZooKeeper is silent, no right, invalid JSON.
	Problem     string
	ClusterName string
	MetaAddrs   []string
	// Writable is false when the ACL of the record keeps us from changing it; WritableReason says who
	// may then, or on what the right rests when that is not certain.
	Writable       bool
	WritableReason string
	Proxies        []ProxyFacts
}

// ProxyFacts is what one MetaProxy answers when asked for the table.
type ProxyFacts struct {
	Addr    string
	AppID   int32
	Problem string // "" when it answered
	// LeadsTo is "source", "target", or "elsewhere".
	LeadsTo string
}
