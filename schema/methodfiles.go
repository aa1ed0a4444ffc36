package schema

import (
	"time"

	"github.com/hashicorp/hcl/v2"
)

// ProviderType is how servers reach a block store.
type ProviderType string

// The types of the servers' own block services (src/block_service of 2.4 to 2.6).
const (
	LocalService ProviderType = "local_service" // a directory that all servers see
	HDFSService  ProviderType = "hdfs_service"
)

// Provider is one provider block: a block store as the servers' configuration names and describes it.
type Provider struct {
	// Label is local to the configuration.
	Label string
	// Name is the suffix of the servers' section, [block_service.NAME]: what requests carry. Default: the label.
	Name string
	Type ProviderType
	// Args are the words of the section's args line, as declared.
	Args string
	// Root is the folder that all paths of this provider begin at, absolute: of local_service its args, of
	// hdfs_service the second word, "/" without one.
	Root string
	// NameNodes are host:port of HDFS, or one logical name; empty with local_service. Default: the first word of
	// the args, without its scheme.
	NameNodes []string
	// User to act as on HDFS, "" for the one that runs pegmigrate.
	User  string
	Range hcl.Range
}

// BackupSource is a cold backup that exists, whose table and cluster may be gone.
type BackupSource struct {
	// Path is the folder of the backup below the provider's root, with its id as last part:
	// [<backup_path>/]<cold_backup_root>/<backup_id>. No slash at either end.
	Path string
	// Root is Path without the id, ID the backup id: unix milliseconds of its start.
	Root string
	ID   int64
	// AppID and Table name the table's folder, <table>_<app_id>.
	AppID int32
	Table string
	Range hcl.Range
}

// BackupUse is what the methods that begin with a cold backup have in common.
type BackupUse struct {
	// Provider is where the source's servers write the backup, never nil.
	Provider *Provider
	// TargetProvider is where the target's servers read, never nil; Provider when it is not declared.
	TargetProvider *Provider
	// BackupPath is the folder below the provider's root that the backup goes to, "" for the servers' own choice.
	BackupPath string
	// ColdBackupRoot is what [replication] cold_backup_root says on the source's replica servers; "" to ask them.
	ColdBackupRoot string
	// AdoptMaxAge allows a finished backup of the table that is not older; zero: always a new one.
	AdoptMaxAge time.Duration
}

// Compression is how blocks of the files of a bulk load are packed.
type Compression string

// The values of compression. The default is CompressLZ4: what servers use themselves from level 2 on.
const (
	CompressNone   Compression = "none"
	CompressSnappy Compression = "snappy"
	CompressLZ4    Compression = "lz4"
	CompressZSTD   Compression = "zstd"
)

// SplitUse is what the methods that end with a bulk load have in common.
type SplitUse struct {
	// Staging is the folder below the target provider's root that the input of the bulk load goes to: the
	// remote_root_path of the request. Default DefaultStaging.
	Staging     string
	Compression Compression
	// FileSize is where files are cut, in bytes. Default DefaultFileSize.
	FileSize int64
	// Parallel is how many pieces are worked on at once; zero: as many as the machine has cores.
	Parallel int
}

// What holds where the declaration is silent.
const (
	DefaultStaging = "pegmigrate"
	// DefaultFileSize is target_file_size_base of the servers (pegasus_server_impl_init.cpp).
	DefaultFileSize int64 = 64 << 20
)

// BackupRestoreMethod makes a cold backup of the source, and the target's servers restore it. The table keeps
// its partition and replica count.
type BackupRestoreMethod struct {
	BackupUse
	// SkipBadPartition lets partitions whose backup is damaged come up empty.
	SkipBadPartition bool
	SourceWrites     SourceWrites
}

// BackupBulkLoadMethod makes a cold backup of the source, splits its files for the target's partitions, and the
// target's servers load them.
type BackupBulkLoadMethod struct {
	BackupUse
	SplitUse
	// DropExpired leaves rows out that are expired when the files are split.
	DropExpired  bool
	SourceWrites SourceWrites
}

// FilesOf gives what a method declares about backup and split; nil where it has none.
func FilesOf(m Method) (*BackupUse, *SplitUse) {
	switch m := m.(type) {
	case *BackupRestoreMethod:
		return &m.BackupUse, nil
	case *BackupBulkLoadMethod:
		return &m.BackupUse, &m.SplitUse
	case *DualWriteMethod:
		return &m.BackupUse, &m.SplitUse
	}
	return nil, nil
}

// DualWriteMethod goes with clients that write both tables: a backup that is made after they began is loaded
// behind what they wrote.
type DualWriteMethod struct {
	BackupUse
	SplitUse
}

// The gates of the methods that go through files, in order. GateUnfence is there with a fence only.
const (
	GateBackup    = "backup"     // before the source is fenced or backed up; GateUnfence and GateCutover as in copy and duplication
	GateDualWrite = "dual_write" // a person says that every writer writes both tables, with retries
)

// Kind implements Method.
func (*BackupRestoreMethod) Kind() string { return "backup_restore" }

// Kind implements Method.
func (*BackupBulkLoadMethod) Kind() string { return "backup_bulk_load" }

// Kind implements Method.
func (*DualWriteMethod) Kind() string { return "dual_write" }

// Gates implements Method.
func (m *BackupRestoreMethod) Gates() []string { return backupGates(m.SourceWrites) }

// Gates implements Method.
func (m *BackupBulkLoadMethod) Gates() []string { return backupGates(m.SourceWrites) }

// Gates implements Method.
func (*DualWriteMethod) Gates() []string { return []string{GateDualWrite, GateCutover} }

func backupGates(writes SourceWrites) []string {
	if writes == SourceWritesFenced {
		return []string{GateBackup, GateUnfence}
	}
	return []string{GateBackup}
}

func (*BackupRestoreMethod) sealedMethod()  {}
func (*BackupBulkLoadMethod) sealedMethod() {}
func (*DualWriteMethod) sealedMethod()      {}
