package plan

import "time"

// FileServer is what one server says of itself, as far as backups, restores and bulk loads rest on it.
type FileServer struct {
	Addr string `json:"addr"`
	Meta bool   `json:"meta,omitempty"` // a meta server, else a replica server
	// Providers are the sections [block_service.NAME]: name to type and args. Servers tell them at /config? as
	// far as they have flags for them; ProvidersTold is false when they do not.
	Providers     map[string]ProviderConfig `json:"providers,omitempty"`
	ProvidersTold bool                      `json:"providers_told,omitempty"`
	// ColdBackupRoot is [replication] cold_backup_root, of replica servers; RootTold is false when it was not told.
	ColdBackupRoot string `json:"cold_backup_root,omitempty"`
	RootTold       bool   `json:"root_told,omitempty"`
	// BackupDisabled is [meta_server] cold_backup_disabled, of meta servers; nil when it was not told.
	BackupDisabled *bool `json:"backup_disabled,omitempty"`
	// Rates are the values of the flags that limit transfers, by name, in the flag's own unit (MB per second).
	// A flag that the server does not have is absent.
	Rates map[string]int64 `json:"rates,omitempty"`
	// Problem says why it could not be asked, "" when it could.
	Problem string `json:"problem,omitempty"`
}

// ProviderConfig is one section [block_service.NAME].
type ProviderConfig struct {
	Type string `json:"type"`
	Args string `json:"args"`
}

// ProviderProbe is what a leading meta answers when it is asked to restore a backup that cannot exist: it looks for
// the block service first (ERR_INVALID_PARAMETERS without one), then for the file (ERR_OBJECT_NOT_FOUND), and
// changes nothing.
type ProviderProbe struct {
	Asked bool
	// Known says that the meta has a block service of that name.
	Known bool
	// Code is the server's answer.
	Code string
}

// The flags that limit transfers, by use. Both kinds are megabytes (2^20 bytes) per second; of HDFS over one
// replica server (hdfs_service.cpp, 2.4 to 2.6), of NFS over one disk (nfs_server_impl.cpp, 2.4 to 2.6).
const (
	FlagHDFSWrite  = "hdfs_write_limit_rate_mb_per_sec"
	FlagHDFSRead   = "hdfs_read_limit_rate_mb_per_sec"
	FlagCheckpoint = "max_send_rate_megabytes_per_disk" // section nfs
	FlagRateUnit   = 1 << 20
)

// StoreFacts is what this tool sees of one block store.
type StoreFacts struct {
	Provider Provider
	// Problem says why it cannot be used from here, "" when it can.
	Problem string
	// Free is the room on it in bytes, 0 when it does not tell.
	Free uint64
	// Writable says that a file was written and removed below the root; only looked at when the tool has to write.
	Writable bool
}

// BackupFacts is one cold backup of the table on the store.
type BackupFacts struct {
	Root  string
	ID    int64
	Table string
	AppID int32
	// Finished says that every metadata file is there and fits, and every file has its size. Not that the content is
	// right: VerifyBackup reads it.
	Finished bool
	Problem  string // why not
	// The rest is only known of a finished one.
	Partitions int32
	Replicas   int32 // a restore makes as many
	Bytes      uint64
	Files      int
	Taken      time.Time // when the oldest partition was taken, by that server's clock
	// DataVersion of its rows, -1 when it was not read.
	DataVersion int32
	// Duplicating says that its app_metadata says so, which a restore gives to the new table.
	Duplicating bool
}

// BackupRunning is a one-time backup that a meta server knows.
type BackupRunning struct {
	ID       int64
	Provider string
	Path     string
	Started  time.Time
	// Ended is zero while it is under way. Failed says that it ended badly.
	Ended  time.Time
	Failed bool
}

// Underway says that the backup has not ended.
func (b BackupRunning) Underway() bool { return b.Ended.IsZero() && !b.Failed }

// LoadRunning is a bulk load on the target's cluster.
type LoadRunning struct {
	Table  string
	Status string // BLS_DOWNLOADING, ...
}

// FilesFacts is what only the methods that go through files need to know; nil when they were not asked for.
type FilesFacts struct {
	// SourceServers and TargetServers hold every meta and replica server, ordered by address. Source is empty
	// without a source cluster.
	SourceServers, TargetServers []FileServer
	// Store is where the backup goes, TargetStore where the target's servers read.
	Store, TargetStore StoreFacts
	// SourceProbe and TargetProbe are what the leading metas say of the provider's name.
	SourceProbe, TargetProbe ProviderProbe
	// Root is the folder of backups below the store's root: declared backup path and cold_backup_root. "" when the
	// latter is neither told nor declared.
	Root string
	// Backups of the table below Root, newest first; Found is the declared one of source { backup }, nil without.
	Backups []BackupFacts
	Found   *BackupFacts
	// Running are the one-time backups of the table that the meta knows; Uploading is the largest upload of the
	// source's replica servers (cold.backup.max.upload.file.size), 0 when none uploads, -1 when they did not tell.
	Running   []BackupRunning
	Uploading int64
	// Loads are the bulk loads under way on the target's cluster.
	Loads []LoadRunning
	// Staged says that the staging folder holds something already; StagedFor is the app id in its
	// bulk_load_info, 0 without one.
	Staged    bool
	StagedFor int32
	// Usage is rocksdb.usage_scenario in force on the target's replicas, "" when it is absent or not told.
	Usage string
	// WriteQPS and ReadQPS are the source's and TargetWriteQPS is the target's, by clients.
	ReadQPS, WriteQPS, TargetWriteQPS float64
	// Now is the time of the observation, against which ages of backups are measured.
	Now time.Time
}
