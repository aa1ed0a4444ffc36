package plan

import "time"

// Facts is what was observed. Build reads nothing else besides the declaration.
type Facts struct {
	Source      ClusterFacts
	Target      ClusterFacts
	SourceTable *TableFacts // nil: absent
	TargetTable *TableFacts // nil: absent
	// Owned says what the state file of this migration knows of the tables; nil without one.
	Owned *Ownership
	// Traffic is what clients do to the source, for a copy that is caught up; nil when it was not asked for.
	Traffic *TrafficFacts
	// Index is what stands where a copy with a geo block makes its index; nil when it was not asked for.
	Index *IndexFacts
	// Duplication is what method duplication rests on; nil for other methods.
	Duplication *DuplicationFacts
	// Files is what the methods that go through files rest on; nil when it was not asked for.
	Files *FilesFacts
}

// TrafficFacts are rates of requests per second by clients, as the servers count them.
type TrafficFacts struct {
	ReadQPS, WriteQPS float64
}

// IndexFacts is what is known of tables of a geo index.
type IndexFacts struct {
	// Table is the one that has the name of the target's index, nil when there is none.
	Table *TableFacts
	// OnSource says that the source has an index of its own.
	OnSource bool
}

// ClusterFacts is what one cluster says of itself.
type ClusterFacts struct {
	Label string
	Name  string
	// MetaServers are the declared ones, host:port, with addresses in place of names.
	MetaServers []string
	// MetaNames says which name stands for which address, "host:port is ip:port"; MetaUnresolved are names
	// without one, each with its reason.
	MetaNames, MetaUnresolved []string

	PrimaryMeta string
	Level       string // meta function level: lively, steady, freezed, blind, stopped
	Nodes       []NodeFacts
	// ConfigSync and GroupCheck are the intervals that the servers report; the largest over all
	// nodes. 0 when no node told.
	ConfigSync time.Duration
	GroupCheck time.Duration
	// MaxReplicaCount is the meta's max_allowed_replica_count, 0 when it did not tell.
	MaxReplicaCount int32
	MaxWriteSize    int64 // max_allowed_write_size in bytes, 0 when unknown
}

// Alive counts the nodes that the meta sees alive.
func (c ClusterFacts) Alive() int {
	n := 0
	for _, node := range c.Nodes {
		if node.Alive {
			n++
		}
	}
	return n
}

// NodeFacts is one replica server.
type NodeFacts struct {
	Addr    string
	Alive   bool
	Version string // "2.5.0"; "" when it did not answer
	// DiskTotal and DiskAvailable are bytes over all its disks, 0 when unknown.
	DiskTotal     uint64
	DiskAvailable uint64
	Problem       string // why something of this node could not be read, "" when all could
}

// TableFacts is one table as its cluster describes it.
type TableFacts struct {
	Name       string
	ID         int32
	Status     string // AVAILABLE, CREATING, DROPPING, DROPPED, RECALLING, ...
	Partitions int32
	Replicas   int32
	Envs       map[string]string
	Health     HealthFacts
	// DataVersions counts replicas by data version.
	DataVersions map[int32]int
	// Rows and Bytes are RocksDB's estimates over the primaries.
	Rows  uint64
	Bytes uint64
	// HasRows is proven by reading one row, not estimated.
	HasRows bool
	// PermanentRows says that a sample of the table holds rows without expiry.
	PermanentRows bool
	Duplications  []string // remote cluster names
	BulkLoading   bool
	Splitting     bool
	Compacting    bool
	Marker        *MarkerFacts // ownership marker, nil when there is none
}

// HealthFacts counts partitions by replication.
type HealthFacts struct {
	Full           int
	NoPrimary      int
	UnderReplicate int   // with a primary, fewer secondaries than wanted
	Unhealthy      []int // indices of partitions that are not Full, ascending
}

// MarkerFacts is an ownership marker found in a table's business.info.
type MarkerFacts struct {
	Lineage   string
	Migration string
	Owner     string // user@host
	Since     time.Time
	Prior     string // the text that was there before
	HadPrior  bool
	Damaged   bool // it starts like a marker but cannot be read
}

// Ownership is what a state document remembers. It lets a plan tell its own half-finished work
// from a stranger's table.
type Ownership struct {
	Lineage string
	// CreatedTarget is the app id of the target table that this migration created, 0 when it
	// created none.
	CreatedTarget int32
	// Creating is set when the intent to create the target is recorded but not its outcome.
	Creating bool
	Progress Progress
}

// Progress is how far a migration is.
type Progress struct {
	StepsDone int    `json:"steps_done"`
	StepsAll  int    `json:"steps_all"`
	Serial    uint64 `json:"serial"`
	// Next is the id of the step that apply would go on with.
	Next string `json:"next,omitempty"`
	// PartitionsCopied of PartitionCount source partitions are copied; rows up to now.
	PartitionsCopied int    `json:"partitions_copied"`
	PartitionCount   int    `json:"partition_count"`
	RowsCopied       uint64 `json:"rows_copied"`
	Finished         bool   `json:"finished,omitempty"`
	RolledBack       bool   `json:"rolled_back,omitempty"`
}
