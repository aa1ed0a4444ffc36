package pegasus

import "time"

// Row is one row of a table.
type Row struct {
	// Key is the raw key, see pegkey.Encode.
	Key   []byte
	Value []byte
	// Expire is seconds since 2016-01-01 UTC, 0 for never; see pegkey.ExpireAt. It is
	// absolute: copying it keeps the expiry to the second.
	Expire uint32
}

// KV is one row of a MultiPut.
type KV struct{ SortKey, Value []byte }

// Retry is a request about to be repeated.
type Retry struct {
	// Op is put, multi_put, check_and_set, get, ttl, remove or scan.
	Op        string
	Partition int32
	// Addr is the server it was sent to, "" when there was no primary.
	Addr string
	// Reason is short and groups alike: an error code such as "ERR_BUSY", a storage
	// status, "no primary", "timeout", "connection" or "scan context lost".
	Reason string
	// Err is the whole cause.
	Err error
	// Attempt counts from 1.
	Attempt int
	// Pause is the time until the repetition.
	Pause time.Duration
}

// PutOptions are shared by many writes; the zero value is usable.
type PutOptions struct {
	// Deadline is when a write that is not acknowledged fails. The zero time means 60 s
	// after its first failure.
	Deadline time.Time
	// OnRetry is told of every repetition before it happens, on a goroutine of the
	// connection: it must not block. May be nil.
	OnRetry func(Retry)
	// Timeout is how long the first attempt may take, and others twice as long as the one before them that got no
	// reply, up to 30 s; 0 means Config.RPCTimeout.
	Timeout time.Duration
	// Overwrite says what becomes of a row that the table has already.
	Overwrite Overwrite
}

// Acker learns the outcome of writes that were started by Send or SendMulti.
type Acker interface {
	// Acked is called exactly once per write with the tag that was given, err nil when
	// the row is stored, ErrKept when it was not to be overwritten. It runs on a goroutine of the connection, or on the caller's
	// when the write fails at once, and must not block.
	Acked(tag uint64, err error)
}

// ackFunc makes a function an Acker, without an allocation.
type ackFunc func(error)

// Acked implements Acker.
func (f ackFunc) Acked(_ uint64, err error) { f(err) }

// TableInfo describes a table as the meta lists it.
type TableInfo struct {
	Name string
	ID   int32
	// Partitions and Replicas are what the table was declared with.
	Partitions, Replicas int32
	// Status is AVAILABLE, CREATING, CREATE_FAILED, DROPPING, DROP_FAILED, DROPPED or
	// RECALLING.
	Status string
	Envs   map[string]string
	// Duplicating and BulkLoading are false when the server does not say.
	Duplicating, BulkLoading bool
	// CreatedAt, DroppedAt and ExpireAt are zero when unset; at ExpireAt a dropped table
	// is deleted for good.
	CreatedAt, DroppedAt, ExpireAt time.Time
	// InitPartitions is the count before the first split, -1 when unknown.
	InitPartitions int32
}

// TableConfig is where the partitions of a table live.
type TableConfig struct {
	AppID int32
	// Partitions is indexed by partition.
	Partitions []PartitionConfig
}

// PartitionConfig is who serves one partition.
type PartitionConfig struct {
	Index int32
	// Ballot grows with every change of the group.
	Ballot int64
	// Primary is "ip:port", "" while there is none.
	Primary     string
	Secondaries []string
	MaxReplicas int32
}

// Node is a replica server as the meta lists it.
type Node struct {
	Addr  string
	Alive bool
}

// ClusterInfo is what a cluster says about itself.
type ClusterInfo struct {
	// Name is the cluster's own name (cluster_name of its configuration).
	Name string
	// MetaServers and PrimaryMeta are addresses.
	MetaServers []string
	PrimaryMeta string
	// ZookeeperHosts and ZookeeperRoot are the meta's own.
	ZookeeperHosts []string
	ZookeeperRoot  string
	// Level is the meta function level: stopped, blind, freezed, steady or lively.
	Level string
	// Raw holds everything by the server's keys.
	Raw map[string]string
}

// ReplicaInfo is one replica on a node.
type ReplicaInfo struct {
	AppID, Partition int32
	Ballot           int64
	// Status is the server's word, e.g. "PS_PRIMARY"; Primary is Status == PS_PRIMARY.
	Status  string
	Primary bool
	// Committed, Prepared and Durable are decrees.
	Committed, Prepared, Durable int64
}

// DiskInfo is the room on the disks of a node.
type DiskInfo struct {
	TotalMB, AvailableMB int64
	Disks                []Disk
}

// Disk is one disk of a node.
type Disk struct {
	Tag, Dir             string
	TotalMB, AvailableMB int64
}

// Duplication is one duplication of a table.
type Duplication struct {
	ID int32
	// Status is the server's word, e.g. "DS_LOG".
	Status string
	// Remote is the target's name in [pegasus.clusters].
	Remote string
	// FailMode is the server's word, "" when it does not say.
	FailMode  string
	CreatedAt time.Time
	// Progress maps partitions to confirmed decrees; nil when the server does not say.
	Progress map[int32]int64
	// RemoteTable and RemoteReplicas are the follower's name and replica count; "" and 0 up to 2.5,
	// where both are the source's.
	RemoteTable    string
	RemoteReplicas int32
	// PartitionStates is what the meta knows of each partition; nil up to 2.5.
	PartitionStates map[int32]DuplicationState
}

// DuplicationState is the progress of one partition as the meta knows it: the replica's last report,
// some ten seconds old or more.
type DuplicationState struct {
	// Confirmed is the decree up to which the remote cluster has everything, Committed the source's
	// last one when that was reported.
	Confirmed, Committed int64
}

// BulkLoad is the state of a table's bulk load.
type BulkLoad struct {
	// Loading tells whether one is under way; servers that do not say are taken to be
	// loading when Status is neither invalid nor an end.
	Loading bool
	// Status and Partitions are the server's words, e.g. "BLS_DOWNLOADING".
	Status     string
	Partitions []string
	Hint       string
}
