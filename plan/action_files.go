package plan

import (
	"fmt"
	"time"
)

// Store is a block store as this tool reaches it.
type Store struct {
	Type string `json:"type"` // local_service, hdfs_service
	// Root is the folder that all paths of the provider begin at, absolute.
	Root string `json:"root"`
	// NameNodes are host:port, or one logical name; HDFS only.
	NameNodes []string `json:"name_nodes,omitempty"`
	// User to act as on HDFS, "" for the one that runs this tool.
	User string `json:"user,omitempty"`
}

// Provider is a block store as servers know it, and how this tool reaches the same.
type Provider struct {
	// Name is the suffix of the servers' section [block_service.NAME]: backup_provider_type and
	// file_provider_type of requests.
	Name  string `json:"name"`
	Store Store  `json:"store"`
}

// BackupRef names a cold backup: one that exists, or one that a step of the plan makes or adopts.
type BackupRef struct {
	// Step is the id of the Backup step whose record holds the backup id; "" when ID says it.
	Step string `json:"step,omitempty"`
	// Root is the folder of backups below the store's root: backup path and cold_backup_root.
	Root  string `json:"root"`
	ID    int64  `json:"id,omitempty"` // unix milliseconds of its start; 0 with Step
	Table string `json:"table"`
	AppID int32  `json:"app_id"`
	// Partitions is the table's partition count.
	Partitions int32 `json:"partitions"`
}

// String names the folder of the backup, with "<backup_id>" where only the step will know it.
func (r BackupRef) String() string {
	id := "<backup_id>"
	if r.ID != 0 {
		id = fmt.Sprint(r.ID)
	}
	return fmt.Sprintf("%s/%s/%s_%d", r.Root, id, r.Table, r.AppID)
}

// Staging is where the input of a bulk load lies: <store root>/<Root>/<Cluster>/<Table>.
type Staging struct {
	Provider Provider `json:"provider"`
	Root     string   `json:"root"`    // remote_root_path of the request
	Cluster  string   `json:"cluster"` // cluster_name of the request: as the target's cluster reports itself
	Table    string   `json:"table"`   // app_name of the request
}

// Ramp is a rate that rises: Start, then Step more after each Every, up to Max. Bytes per second.
type Ramp struct {
	Start int64         `json:"start"`
	Step  int64         `json:"step"`
	Max   int64         `json:"max"`
	Every time.Duration `json:"every_ns"`
}

// The uses of a rate limit.
const (
	UseUpload     = "upload"          // cold backup to HDFS
	UseDownload   = "download"        // restore and bulk load from HDFS
	UseCheckpoint = "checkpoint copy" // replica to replica: learning, and the checkpoint of a duplication
)

// LimitRate asks every replica server of the cluster for the value of a flag, keeps it, and sets the flag to the
// ramp's start. The step that names this one as its Rate raises it while bytes flow. Only where the flag has
// an effect: local_service has no limiter.
type LimitRate struct {
	Cluster string `json:"cluster"` // label
	Use     string `json:"use"`     // UseUpload, UseDownload, UseCheckpoint
	// Flag is the name for the servers' updateConfig, Unit the bytes per second of its 1: 1 MiB (MB in
	// the servers' names; hdfs_service.cpp shifts it by 20).
	Flag string `json:"flag"`
	Unit int64  `json:"unit"`
	Ramp Ramp   `json:"ramp"`
}

// RestoreRate gives every server the value back that it had before the named LimitRate step.
type RestoreRate struct {
	Cluster string `json:"cluster"`
	Step    string `json:"step"`
}

// Backup makes a cold backup, or adopts a finished one of the table. There is no cancel in the servers' protocol.
type Backup struct {
	Source   TableRef `json:"source"`
	Provider Provider `json:"provider"`
	// Path is backup_path of the request, "" for none; Root is Path and cold_backup_root, where the files appear.
	Path string `json:"path,omitempty"`
	Root string `json:"root"`
	// AppID and Partitions are the source table's.
	AppID      int32 `json:"app_id"`
	Partitions int32 `json:"partitions"`
	// AdoptMaxAge is how old a finished backup may be that is taken instead, measured from its start; 0: none is.
	AdoptMaxAge time.Duration `json:"adopt_max_age_ns,omitempty"`
	// After is the id of the step behind whose end the backup must have begun (a fence, a gate): no older one is
	// adopted then, whatever AdoptMaxAge says. "" for none.
	After string `json:"after,omitempty"`
	// Rate is the id of the LimitRate step whose ramp rises while this uploads, "" for none.
	Rate string `json:"rate,omitempty"`
	// Attempts bounds how often a backup that died is removed and begun again.
	Attempts int `json:"attempts"`
}

// RemoveBackup removes the backup that the named step of this run made, never one that it adopted.
type RemoveBackup struct {
	Source   TableRef `json:"source"`
	Provider Provider `json:"provider"`
	Step     string   `json:"step"`
}

// VerifyBackup reads every file of a finished backup and holds name, size and md5 against its metadata.
type VerifyBackup struct {
	Provider Provider  `json:"provider"`
	Backup   BackupRef `json:"backup"`
}

// Restore makes the target from a backup. It keeps the table's partition and replica count.
type Restore struct {
	Target   TableRef  `json:"target"`
	Provider Provider  `json:"provider"` // of the target's servers
	Backup   BackupRef `json:"backup"`
	Replicas int32     `json:"replicas"`
	// SkipBadPartition lets damaged partitions come up empty instead of ending the restore.
	SkipBadPartition bool   `json:"skip_bad_partition,omitempty"`
	Rate             string `json:"rate,omitempty"` // as in Backup
}

// VerifyBackupRows compares the target with the rows in a backup's files: key, value, expiry, partition. Of what
// expired meanwhile nothing is said.
type VerifyBackupRows struct {
	Provider Provider   `json:"provider"`
	Backup   BackupRef  `json:"backup"`
	Target   TableRef   `json:"target"`
	Limits   CopyLimits `json:"limits"`
	// DefaultTTL is the target's default_ttl in seconds that was in force while rows came in, 0 for none.
	DefaultTTL int64 `json:"default_ttl,omitempty"`
}

// Split writes the input of a bulk load for the target from the files of a backup.
type Split struct {
	From    Provider  `json:"from"` // where the backup lies
	Backup  BackupRef `json:"backup"`
	Target  TableRef  `json:"target"` // its app id is asked for when the step runs
	Staging Staging   `json:"staging"`
	// Partitions is the target's count, a power of two.
	Partitions int32 `json:"partitions"`
	// Compression is none, snappy, lz4 or zstd; FileSize in bytes.
	Compression string `json:"compression"`
	FileSize    int64  `json:"file_size"`
	DropExpired bool   `json:"drop_expired,omitempty"`
	Parallel    int    `json:"parallel,omitempty"` // 0: the machine's cores
}

// RemoveStaging removes the input of a bulk load, only what this run wrote: the app id in it is the target's.
type RemoveStaging struct {
	Staging Staging  `json:"staging"`
	Target  TableRef `json:"target"`
	Step    string   `json:"step"` // id of the Split step
}

// SetUsage sets rocksdb.usage_scenario and waits until it is in force on every replica. The prior value is kept.
type SetUsage struct {
	Table    TableRef `json:"table"`
	Scenario string   `json:"scenario"` // bulk_load
}

// RestoreUsage gives rocksdb.usage_scenario the value back that the named step found ("normal" where it was absent:
// deleting the env leaves the old one in force), proves it, and only then takes an absent one out.
type RestoreUsage struct {
	Table TableRef `json:"table"`
	Step  string   `json:"step"`
}

// BulkLoad makes the target's servers load the staged files. They set the meta function level to steady, which is
// kept before, and given back by RestoreLevel or CancelBulkLoad.
type BulkLoad struct {
	Target     TableRef `json:"target"`
	Staging    Staging  `json:"staging"`
	Partitions int32    `json:"partitions"`
	Replicas   int32    `json:"replicas"`
	// IngestBehind puts the rows behind everything that is in the table.
	IngestBehind bool   `json:"ingest_behind,omitempty"`
	Rate         string `json:"rate,omitempty"` // as in Backup
	// Reject is how long writes to the target are expected to be rejected while files are ingested, for people.
	Reject time.Duration `json:"reject_ns,omitempty"`
}

// CancelBulkLoad ends the load of the named step, waits until the servers have cleaned up, and gives the meta
// function level back. Rows that were ingested stay.
type CancelBulkLoad struct {
	Target TableRef `json:"target"`
	Step   string   `json:"step"`
}

// RestoreLevel gives the meta function level back that the named BulkLoad step found.
type RestoreLevel struct {
	Cluster string `json:"cluster"` // label
	Step    string `json:"step"`
}

// ManualCompact compacts the whole table once and follows the progress to its end.
type ManualCompact struct {
	Table TableRef `json:"table"`
}

// AwaitCompaction waits until RocksDB of every replica has no compaction debt: nothing pending, few level-0 files.
type AwaitCompaction struct {
	Table TableRef `json:"table"`
}

// ProveDualWrite proves the gate before it: live rows of the source that were written after it are on the target
// with the same value and expiry, and rows that the source lost are not.
type ProveDualWrite struct {
	Source TableRef `json:"source"`
	Target TableRef `json:"target"`
	// Rows is how many written rows are wanted at least, For how long they are looked for at most.
	Rows int           `json:"rows"`
	For  time.Duration `json:"for_ns"`
	// Gate is the id of the Approve step.
	Gate string `json:"gate"`
}

// RepairResurrected deletes rows from the target that have the backup's value there and that the source no longer
// has: they were deleted on the source before clients wrote both, or by a delete that never reached the target.
type RepairResurrected struct {
	Provider Provider   `json:"provider"` // where the backup lies
	Backup   BackupRef  `json:"backup"`
	Source   TableRef   `json:"source"`
	Target   TableRef   `json:"target"`
	Limits   CopyLimits `json:"limits"`
}

// Kind implements Action.
func (LimitRate) Kind() string { return "limit_rate" }

// Kind implements Action.
func (RestoreRate) Kind() string { return "restore_rate" }

// Kind implements Action.
func (Backup) Kind() string { return "backup" }

// Kind implements Action.
func (RemoveBackup) Kind() string { return "remove_backup" }

// Kind implements Action.
func (VerifyBackup) Kind() string { return "verify_backup" }

// Kind implements Action.
func (Restore) Kind() string { return "restore" }

// Kind implements Action.
func (VerifyBackupRows) Kind() string { return "verify_backup_rows" }

// Kind implements Action.
func (Split) Kind() string { return "split" }

// Kind implements Action.
func (RemoveStaging) Kind() string { return "remove_staging" }

// Kind implements Action.
func (SetUsage) Kind() string { return "set_usage" }

// Kind implements Action.
func (RestoreUsage) Kind() string { return "restore_usage" }

// Kind implements Action.
func (BulkLoad) Kind() string { return "bulk_load" }

// Kind implements Action.
func (CancelBulkLoad) Kind() string { return "cancel_bulk_load" }

// Kind implements Action.
func (RestoreLevel) Kind() string { return "restore_level" }

// Kind implements Action.
func (ManualCompact) Kind() string { return "manual_compact" }

// Kind implements Action.
func (AwaitCompaction) Kind() string { return "await_compaction" }

// Kind implements Action.
func (ProveDualWrite) Kind() string { return "prove_dual_write" }

// Kind implements Action.
func (RepairResurrected) Kind() string { return "repair_resurrected" }

func (LimitRate) sealed()         {}
func (RestoreRate) sealed()       {}
func (Backup) sealed()            {}
func (RemoveBackup) sealed()      {}
func (VerifyBackup) sealed()      {}
func (Restore) sealed()           {}
func (VerifyBackupRows) sealed()  {}
func (Split) sealed()             {}
func (RemoveStaging) sealed()     {}
func (SetUsage) sealed()          {}
func (RestoreUsage) sealed()      {}
func (BulkLoad) sealed()          {}
func (CancelBulkLoad) sealed()    {}
func (RestoreLevel) sealed()      {}
func (ManualCompact) sealed()     {}
func (AwaitCompaction) sealed()   {}
func (ProveDualWrite) sealed()    {}
func (RepairResurrected) sealed() {}
