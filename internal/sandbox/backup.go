package sandbox

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// coldBackup is a one-time backup as the leading meta knows it (backup_engine.cpp). It
// lives in the memory of that meta only. Cluster.mu guards it.
type coldBackup struct {
	id       int64 // also the start in unix milliseconds
	appID    int32
	app      string
	provider string
	fs       *blockService
	path     string // backup_path of the request
	end      int64
	failed   bool
	done     []bool // by partition
}

// running tells whether it has not ended in any way (is_in_progress).
func (b *coldBackup) running() bool { return b.end == 0 && !b.failed }

// dir is the folder of the backup.
func (c *Cluster) backupDir(b *coldBackup) string {
	return joinRemote(b.path, c.cfg.Name, strconv.FormatInt(b.id, 10))
}

// tableDir is the folder of the backup's table.
func (c *Cluster) backupTableDir(b *coldBackup) string {
	return joinRemote(c.backupDir(b), fmt.Sprintf("%s_%d", b.app, b.appID))
}

// knows tells whether the leading meta still has a backup.
func (c *Cluster) knowsBackup(b *coldBackup) bool {
	if c.leader == nil || !c.active {
		return false
	}
	for _, known := range c.backups {
		if known == b {
			return true
		}
	}
	return false
}

// bit is how servers write a bool into JSON.
func bit(b *bool) int {
	if b != nil && *b {
		return 1
	}
	return 0
}

// appMetadata is the table as app_metadata has it. Its envs are left out on purpose
// (backup_engine::backup_app_meta).
func (c *Cluster) appMetadata(t *table) []byte {
	stateful := bit(&t.info.IsStateful)
	name, _ := json.Marshal(t.info.AppName) // a string can always be written
	text := fmt.Appendf(nil, `{"status":"app_status::AS_AVAILABLE","app_type":"%s","app_name":%s,"app_id":%d,"partition_count":%d,"envs":{},`+
		`"is_stateful":%d,"max_replica_count":%d,"expire_second":%d,"create_second":%d,"drop_second":%d,"duplicating":%d,"init_partition_count":%d,"is_bulk_loading":%d`,
		t.info.AppType, name, t.info.AppID, t.info.PartitionCount, stateful, t.info.MaxReplicaCount, t.info.ExpireSecond, t.info.CreateSecond,
		t.info.DropSecond, bit(t.info.Duplicating), t.info.InitPartitionCount, bit(t.info.IsBulkLoading))
	if c.release >= release26 {
		text = append(text, `,"atomic_idempotent":0`...)
	}
	return append(text, '}')
}

// startBackup writes app_metadata and lets the partitions begin. Cluster.mu must be held.
func (c *Cluster) startBackup(b *coldBackup, t *table) idl.ErrorCode {
	code := b.fs.write(joinRemote(c.backupTableDir(b), "meta", "app_metadata"), c.appMetadata(t), c.storeFault(b.appID, -1))
	if !code.OK() {
		return code
	}
	b.done = make([]bool, len(t.partitions))
	c.backups = append(c.backups, b)
	for i := range b.done {
		c.againBackup(b, i, 0)
	}
	return idl.ErrOK
}

// againBackup asks the primary of a partition, later.
func (c *Cluster) againBackup(b *coldBackup, i int, d time.Duration) {
	c.afterLocked(d, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.backupPartition(b, i)
	})
}

// backupPartition is one exchange with the primary of a partition
// (backup_engine::backup_app_partition and on_backup_reply). Cluster.mu must be held.
func (c *Cluster) backupPartition(b *coldBackup, i int) {
	if !c.knowsBackup(b) {
		return
	}
	t := c.tableByID(b.appID)
	if t == nil || !t.serving() {
		b.failed = true
		return
	}
	p := t.partitions[i]
	if p.primary == nil {
		c.againBackup(b, i, c.timing.BackupRetry)
		return
	}
	code, progress := c.callColdBackup(p, b)
	switch {
	case b.failed:
		// One that failed is not asked any more; what it uploads goes on.
	case code == idl.ErrLocalAppFailure:
		b.failed = true
	case !code.OK() || progress < restoreDone:
		c.againBackup(b, i, c.timing.BackupPoll)
	default:
		b.done[i] = true
		c.completeBackup(b)
	}
}

// callColdBackup is RPC_COLD_BACKUP.
func (c *Cluster) callColdBackup(p *partitionState, b *coldBackup) (idl.ErrorCode, int) {
	if code := c.innerCall(p.primary, nameColdBackup, p.gpid()); !code.OK() {
		return code, 0
	}
	r := p.primary.replica(p.gpid())
	if r == nil {
		return idl.ErrObjectNotFound, 0
	}
	return r.coldBackup(b)
}

// completeBackup writes backup_info when all partitions are done. What the file says about
// the end is 0: the end comes when it is written.
func (c *Cluster) completeBackup(b *coldBackup) {
	for _, done := range b.done {
		if !done {
			return
		}
	}
	name, _ := json.Marshal(b.app) // a string can always be written
	text := fmt.Appendf(nil, `{"backup_id":%d,"start_time_ms":%d,"end_time_ms":0,"app_id":%d,"app_name":%s}`, b.id, b.id, b.appID, name)
	switch code := b.fs.write(joinRemote(c.backupDir(b), "backup_info"), text, c.storeFault(b.appID, -1)); code {
	case idl.ErrOK:
		b.end = c.now().UnixMilli()
	default: // ERR_FS_INTERNAL, which is not tried again
		b.failed = true
	}
}

// forgetBackups is what a meta that stops leading does to its memory.
func (c *Cluster) forgetBackups() { c.backups = nil }
