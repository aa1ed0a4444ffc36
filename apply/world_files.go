package apply

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/event"
	"github.com/pegmigrate/pegmigrate/plan"
)

// ErrNoBackup says that a backup is not known to the meta server, or not on the store: after a change of the meta
// leader a backup that was under way is never finished.
var ErrNoBackup = errors.New("no such backup")

// ErrDamaged says that files on a block store are not what their metadata says; the error lists them.
var ErrDamaged = errors.New("damaged files")

// BackupStatus is a one-time backup as the meta server knows it. Its memory is the leader's alone.
type BackupStatus struct {
	ID       int64     `json:"id"`
	Provider string    `json:"provider,omitempty"`
	Path     string    `json:"path,omitempty"`
	Started  time.Time `json:"started,omitzero"` // by the meta's clock
	Ended    time.Time `json:"ended,omitzero"`   // zero while it is under way, and when it failed
	Failed   bool      `json:"failed,omitempty"`
}

// Backups makes cold backups. Safe for concurrent use; one attempt per call, like Tables.
type Backups interface {
	// StartBackup answers ErrRefused with the server's hint when it will not (a backup of the table is under way, the
	// provider is unknown), ErrOutcomeUnknown when the reply was lost: then Backups shows what there is.
	StartBackup(ctx context.Context, a plan.Backup) (id int64, err error)
	// Backups lists the one-time backups of the table that the leader remembers, newest first.
	Backups(ctx context.Context, t plan.TableRef, appID int32) ([]BackupStatus, error)
	// Backup asks for one; ErrNoBackup when the leader does not know it (any more).
	Backup(ctx context.Context, t plan.TableRef, appID int32, id int64) (BackupStatus, error)
	// Uploading is the largest cold.backup.max.upload.file.size over all replica servers, in bytes: 0 when nobody
	// uploads. A server that does not tell is an error.
	Uploading(ctx context.Context, cluster string) (int64, error)
}

// RestorePartition is how far one partition of a restore is.
type RestorePartition struct {
	Partition int32 `json:"partition"`
	// Progress is 0 to 1000; it may go back to 0 with a change of the meta leader.
	Progress int32 `json:"progress"`
	// Status is ERR_OK, ERR_BUSY, or ERR_IGNORE_BAD_DATA of a partition that came up empty.
	Status string `json:"status"`
}

// Restores makes tables from backups. Safe for concurrent use; one attempt per call.
type Restores interface {
	// StartRestore answers the new table's id; ErrRefused with the server's words when it will not, ErrOutcomeUnknown
	// when the reply was lost. The caller has read id and name from the backup: a wrong one ends the meta server.
	StartRestore(ctx context.Context, a plan.Restore, backupID int64) (id int32, err error)
	// RestoreProgress answers ErrNoTable when LIST_APPS does not show the id as a living table: the servers are not
	// asked for an id that they may have forgotten, which ends the meta server. Ordered by partition.
	RestoreProgress(ctx context.Context, t plan.TableRef, id int32) ([]RestorePartition, error)
	// LiveNodes counts the replica servers of the cluster that its meta server takes for alive.
	LiveNodes(ctx context.Context, cluster string) (int, error)
}

// LoadPartition is how far one partition of a bulk load is.
type LoadPartition struct {
	Partition int32  `json:"partition"`
	Status    string `json:"status"` // BLS_DOWNLOADING, ...
	// Download is the lowest download percentage over its replicas, Ingested says that every replica has ingested.
	Download int32 `json:"download"`
	Ingested bool  `json:"ingested,omitempty"`
	// Replicas tells them one by one.
	Replicas []LoadReplica `json:"replicas,omitempty"`
}

// LoadReplica is one replica of a partition that is being loaded.
type LoadReplica struct {
	Addr     string `json:"addr"`
	Download int32  `json:"download"`
	// Error is the download's or ingestion's own error code, "" for none.
	Error     string `json:"error,omitempty"`
	Ingest    string `json:"ingest,omitempty"` // IS_RUNNING, IS_SUCCEED, IS_FAILED
	CleanedUp bool   `json:"cleaned_up,omitempty"`
	Paused    bool   `json:"paused,omitempty"`
}

// LoadStatus is a bulk load as the meta server tells it.
type LoadStatus struct {
	// Status is BLS_INVALID when the table has none, BLS_DOWNLOADING, BLS_DOWNLOADED, BLS_INGESTING, BLS_SUCCEED,
	// BLS_FAILED, BLS_PAUSING, BLS_PAUSED, BLS_CANCELED.
	Status string `json:"status"`
	// Loading is the table's is_bulk_loading: servers clean up as long as it is set.
	Loading    bool            `json:"loading"`
	Partitions []LoadPartition `json:"partitions,omitempty"`
	// Err and Hint are the response's error code and words of a load that ended badly, "" otherwise.
	Err  string `json:"err,omitempty"`
	Hint string `json:"hint,omitempty"`
}

// LoadControl is a request about a load that is under way (bulk_load_control_type).
type LoadControl string

// The controls.
const (
	PauseLoad       LoadControl = "pause" // only while downloading
	ResumeLoad      LoadControl = "restart"
	CancelLoad      LoadControl = "cancel"       // while downloading or paused
	ForceCancelLoad LoadControl = "force_cancel" // in any state; what is ingested stays
)

// BulkLoads loads files into tables. Safe for concurrent use; one attempt per call.
type BulkLoads interface {
	// StartBulkLoad answers ErrRefused with the server's hint when it will not (ERR_BUSY too: another load on the
	// cluster), ErrOutcomeUnknown when the reply was lost.
	StartBulkLoad(ctx context.Context, a plan.BulkLoad) error
	BulkLoad(ctx context.Context, t plan.TableRef) (LoadStatus, error)
	// ControlBulkLoad answers ErrRefused in a state that does not allow it.
	ControlBulkLoad(ctx context.Context, t plan.TableRef, c LoadControl) error
	// ClearBulkLoad forgets the result of a load that ended. Idempotent.
	ClearBulkLoad(ctx context.Context, t plan.TableRef) error
	// LoadsUnderway lists the tables of the cluster that are being loaded.
	LoadsUnderway(ctx context.Context, cluster string) ([]string, error)
}

// StoredBackup is a finished backup as its metadata describes it.
type StoredBackup struct {
	Ref BackupRef `json:"ref"`
	// Replicas is what a restore makes.
	Replicas int32     `json:"replicas"`
	Bytes    int64     `json:"bytes"`
	Files    int       `json:"files"`
	Taken    time.Time `json:"taken,omitzero"` // the oldest partition's
	// Duplicating is what app_metadata says: a table that is restored from it is marked as duplicated for ever.
	Duplicating bool `json:"duplicating,omitempty"`
	// Loading says that the table took part in a bulk load then, by its app_metadata.
	Loading bool
	// Decrees are the last mutations in it, by partition.
	Decrees []int64 `json:"decrees,omitempty"`
	// Damaged are the partitions that ErrDamaged is about, as far as they can be told; beside that error the rest is
	// filled in as far as it was read, and Ref.AppID is 0 when not even app_metadata was.
	Damaged []int32 `json:"damaged,omitempty"`
}

// BackupRef is a plan.BackupRef whose ID is known.
type BackupRef = plan.BackupRef

// BackupProgress is how far a backup is, as its files show it.
type BackupProgress struct {
	Finished int   `json:"finished"` // partitions
	Bytes    int64 `json:"bytes"`
	Info     bool  `json:"info"` // backup_info is there: the whole backup is
}

// Stores reads and changes block stores. Safe for concurrent use. Errors name path, cause and what to do. A
// BackupRef that is given has its ID.
type Stores interface {
	// FindBackups lists backups of ref's table and app id below ref.Root, newest first, finished or not.
	FindBackups(ctx context.Context, p plan.Provider, ref BackupRef) ([]BackupRef, error)
	// ReadBackup takes in the metadata and looks whether every file is there with its size. ErrNoBackup when there is
	// no folder or backup_info is missing; ErrDamaged when parts do not fit together.
	ReadBackup(ctx context.Context, p plan.Provider, ref BackupRef) (StoredBackup, error)
	WatchBackup(ctx context.Context, p plan.Provider, ref BackupRef) (BackupProgress, error)
	// VerifyBackup reads every byte of the partitions that are not verified yet; ErrDamaged lists what is wrong. It
	// returns nil only when all of them are.
	VerifyBackup(ctx context.Context, job BackupVerifyJob) (StoredBackup, error)
	// RemoveBackup removes the table's folder, and the backup's when nothing else is in it. Idempotent. unfinished
	// refuses one that is finished (ErrRefused).
	RemoveBackup(ctx context.Context, p plan.Provider, ref BackupRef, unfinished bool) error
	// Staged is the app id in the staging's bulk_load_info, 0 when there is none; exists tells of anything there.
	Staged(ctx context.Context, s plan.Staging) (appID int32, exists bool, err error)
	// RemoveStaging removes the staging's folder and folders above it that became empty, up to Root. Idempotent.
	RemoveStaging(ctx context.Context, s plan.Staging) error
}

// BackupVerifyJob reads the files of a backup.
type BackupVerifyJob struct {
	plan.VerifyBackup
	Ref BackupRef
	// Verified are the partitions that an earlier run found whole: they need not be read again.
	Verified []int32
	// Save makes durable that a partition is whole. An error stops the reading.
	Save   func(partition int32) error
	Report func(event.MoveProgress) // about once a second
}

// SplitJob is one split.
type SplitJob struct {
	plan.Split
	// Ref is Split.Backup with its id, TargetID the target's app id.
	Ref      BackupRef
	TargetID int32
	// Resume goes on with what an earlier run of the same job left. Now is what expiry is measured against; an
	// earlier run's is given again.
	Resume bool
	Now    time.Time
	Report func(event.MoveProgress)
}

// SplitOutcome counts rows and files of a finished split; In = Out + Expired + Skipped + Leftover.
type SplitOutcome struct {
	In      uint64 `json:"in"`
	Out     uint64 `json:"out"`
	Expired uint64 `json:"expired"`
	Skipped uint64 `json:"skipped"` // the servers' own empty-key rows
	// Leftover are rows of another partition that a partition split of the source left behind, which no
	// client can read (splitter.Counts).
	Leftover     uint64 `json:"leftover,omitempty"`
	Placeholders int    `json:"placeholders"`
	Files        int    `json:"files"`
	Bytes        uint64 `json:"bytes"`
}

// BackupRowsJob compares the target with a backup's rows.
type BackupRowsJob struct {
	plan.VerifyBackupRows
	Ref BackupRef
	// Empty are partitions of the target that came up empty, as declared: nothing is compared there.
	Empty []int32
	// Cursors and Save as in CopyJob: what was compared need not be compared again, its counts are in the cursors.
	Cursors map[string]json.RawMessage
	Save    func(map[string]json.RawMessage) error
	Report  func(event.MoveProgress)
}

// ResurrectionJob looks for rows that only the target still has, with the backup's value.
type ResurrectionJob struct {
	plan.RepairResurrected
	Ref BackupRef
	// Cursors and Save as in CopyJob.
	Cursors map[string]json.RawMessage
	Save    func(map[string]json.RawMessage) error
	Report  func(event.MoveProgress)
}

// ResurrectionOutcome counts what was found.
type ResurrectionOutcome struct {
	Rows     uint64 `json:"rows"`     // of the backup, looked at
	Found    uint64 `json:"found"`    // that the source no longer had and the target did
	Repaired uint64 `json:"repaired"` // deleted there by a compare-and-delete on the backup's value
	Open     uint64 `json:"open"`     // that changed while they were looked at: no verdict
}

// FileEngine moves and compares rows of files.
type FileEngine interface {
	// Split returns nil only when the staging is complete and verified, its bulk_load_info last.
	Split(ctx context.Context, job SplitJob) (SplitOutcome, error)
	VerifyBackupRows(ctx context.Context, job BackupRowsJob) (event.Verified, error)
	RepairResurrected(ctx context.Context, job ResurrectionJob) (ResurrectionOutcome, error)
}

// FlagValue is a flag of one server.
type FlagValue struct {
	Server string `json:"server"` // host:port
	Value  string `json:"value"`
}

// Rates reads and changes the flags that limit transfers. Idempotent.
type Rates interface {
	// Rates asks every living replica server of the cluster. One that does not answer is an error.
	Rates(ctx context.Context, cluster, flag string) ([]FlagValue, error)
	// SetRate sets the flag of one server and reads it back; ErrRefused when it will not.
	SetRate(ctx context.Context, cluster, server, flag, value string) error
	// Transferred is how many bytes replica servers have moved for a use since they began to count, -1 when they do
	// not tell: a ramp begins with the first bytes.
	Transferred(ctx context.Context, cluster, use string) (int64, error)
}

// Debt is what RocksDB still has to compact, over all replicas of a table.
type Debt struct {
	PendingBytes int64 `json:"pending_bytes"`
	// Level0Files is the largest number of level-0 files of one replica.
	Level0Files int `json:"level0_files"`
	// Running counts replicas that compact or wait for it. Unknown counts those that did not tell.
	Running int `json:"running"`
	Unknown int `json:"unknown"`
}

// CompactedReplica is what one replica says of its manual compactions.
type CompactedReplica struct {
	Partition int32  `json:"partition"`
	Server    string `json:"server"` // host:port
	// Finished is when the last one ended, as its server prints it, "" for never: another text than before is the
	// proof of a compaction. It is kept in the files, so a replica that moves takes it along.
	Finished string `json:"finished,omitempty"`
	// Busy says that one is waiting or under way.
	Busy bool `json:"busy,omitempty"`
}

// Compactions starts and follows compactions and usage scenarios.
type Compactions interface {
	// StartCompaction asks for one manual compaction of the whole table, to the bottommost level. ErrRefused with
	// the server's hint when it will not.
	StartCompaction(ctx context.Context, t plan.TableRef) error
	// CompactionProgress is 0 to 100; running is false when none was asked for, or it is over.
	CompactionProgress(ctx context.Context, t plan.TableRef) (percent int, running bool, err error)
	// Compacted asks every replica for its last manual compaction (replica.query-compact): the meta server's progress
	// counts those of earlier ones as finished. A server with replicas that does not answer is an error.
	Compacted(ctx context.Context, t plan.TableRef) ([]CompactedReplica, error)
	Debt(ctx context.Context, t plan.TableRef) (Debt, error)
	// Usage is rocksdb.usage_scenario in force on every replica server that has replicas of the table; "normal" where
	// none is set. A server that does not answer is an error.
	Usage(ctx context.Context, t plan.TableRef) ([]FlagValue, error)
}

// DualWriteJob watches writes of clients arrive on both tables.
type DualWriteJob struct {
	plan.ProveDualWrite
	// Since is when the gate was passed: only rows that were written later count, by the timetag in their value.
	Since time.Time
	// Patience is how long a write may take to be on the target, see Waits.Arrival.
	Patience time.Duration
	Report   func(event.MoveProgress)
}

// DualWriteOutcome is what was seen.
type DualWriteOutcome struct {
	// Written rows of the source are younger than the gate. Both of them are on the target, equal; Lagging were
	// equal only at a later look; Missing never were.
	Written int `json:"written"`
	Both    int `json:"both"`
	Lagging int `json:"lagging"`
	Missing int `json:"missing"`
	// Examples are keys of Missing, escaped for people, a handful at most.
	Examples []string `json:"examples,omitempty"`
}

// DualWrites proves dual writing. It returns when enough rows were seen, or the job's time is up.
type DualWrites interface {
	ProveDualWrite(ctx context.Context, job DualWriteJob) (DualWriteOutcome, error)
}
