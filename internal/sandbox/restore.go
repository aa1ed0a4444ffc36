package sandbox

import (
	"encoding/json"
	"strconv"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// restoreState is what the leading meta knows about the restore of a partition, and whether
// the partition has been restored. Cluster.mu guards it.
type restoreState struct {
	status   idl.ErrorCode // "" for ERR_OK
	progress int32         // to restoreDone
	done     bool
}

// restoring tells whether a partition that no server has yet must be downloaded first.
func (p *partitionState) restoring() bool {
	_, restored := p.table.envs[envRestorePolicy]
	return restored && !p.restore.done && p.ballot == 0
}

// restoreTask is one try of a server to download a partition (replica_restore.cpp).
type restoreTask struct {
	c     *Cluster
	p     *partitionState
	n     *replicaNode
	epoch int64
	fs    *blockService
	dir   string // of the checkpoint, on the store
	meta  backupMetadata
	got   int64
}

// restorePartition lets a server download a partition as its first primary. Cluster.mu must
// be held.
func (c *Cluster) restorePartition(p *partitionState, n *replicaNode) {
	p.copying = true
	r := &restoreTask{c: c, p: p, n: n, epoch: n.srv.epoch.Load(), fs: c.blockService(p.table.envs[envRestoreProvider])}
	part := joinRemote(restoreDir(p.table.envs), strconv.Itoa(int(p.index)))
	c.afterLocked(0, func() { r.begin(part) })
}

// later goes on without any lock, unless the process of the server ended.
func (r *restoreTask) later(d time.Duration, f func()) {
	r.c.afterLocked(d, func() {
		if r.n.srv.epoch.Load() != r.epoch {
			r.fail(idl.ErrNetworkFailure)
			return
		}
		f()
	})
}

// begin reads which checkpoint is the valid one, and its list of files.
func (r *restoreTask) begin(part string) {
	if r.fs == nil {
		r.fail(idl.ErrCorruption)
		return
	}
	current, code := r.fs.read(joinRemote(part, "current_checkpoint"))
	if !code.OK() {
		r.fail(code)
		return
	}
	r.dir = joinRemote(part, string(current))
	data, code := r.fs.read(joinRemote(r.dir, "backup_metadata"))
	if code == idl.ErrObjectNotFound {
		code = idl.ErrCorruption // block_service_manager::download_file
	}
	if !code.OK() {
		r.fail(code)
		return
	}
	known := []string{"checkpoint_decree", "checkpoint_timestamp", "files", "checkpoint_total_size"}
	if !jsonAccepted(data, known) || json.Unmarshal(data, &r.meta) != nil {
		r.fail(idl.ErrFileOperationFailed)
		return
	}
	r.download(0)
}

// download takes the file with an index and compares it with its metadata.
func (r *restoreTask) download(i int) {
	if i == len(r.meta.Files) {
		r.open()
		return
	}
	f := r.meta.Files[i]
	if _, hit := r.c.faults.take(FaultFailDownload, r.p.gpid()); hit {
		r.fail(idl.ErrFSInternal)
		return
	}
	d := r.c.timing.Download / time.Duration(len(r.meta.Files))
	if slow, hit := r.c.faults.take(FaultSlowTransfer, r.p.gpid()); hit {
		d += slow.Delay
	}
	d += r.n.readTime(r.fs, f.Size)
	var move func()
	move = func() {
		if r.c.held(r.p.gpid()) {
			r.later(holdPoll, move)
			return
		}
		path := r.fs.path(joinRemote(r.dir, f.Name))
		if !r.fs.has(joinRemote(r.dir, f.Name)) {
			r.fail(idl.ErrCorruption)
			return
		}
		if _, code := loadSidecar(path); !code.OK() {
			r.fail(code)
			return
		}
		if got, err := sumFile(path); err != nil || got.Size != f.Size || got.MD5 != f.MD5 {
			r.fail(idl.ErrCorruption)
			return
		}
		r.got += f.Size
		r.report("", r.got)
		r.download(i + 1)
	}
	r.later(d, move)
}

// report tells the leading meta how far it is; progress never goes back there.
func (r *restoreTask) report(status idl.ErrorCode, got int64) {
	r.c.mu.Lock()
	defer r.c.mu.Unlock()
	if r.c.leader == nil || !r.c.active {
		return
	}
	progress := int32(restoreDone)
	if r.meta.Total > 0 {
		progress = int32(min(got*restoreDone/r.meta.Total, restoreDone))
	}
	r.p.restore.status, r.p.restore.progress = status, max(r.p.restore.progress, progress)
}

// open opens RocksDB over what was downloaded.
func (r *restoreTask) open() {
	names := make([]string, 0, len(r.meta.Files))
	for _, f := range r.meta.Files {
		names = append(names, f.Name)
	}
	restored, err := readCheckpoint(r.fs.path(r.dir), names)
	if err != nil {
		r.fail(idl.ErrLocalAppFailure)
		return
	}
	restored.decree = max(restored.decree, r.meta.Decree)
	r.finish(restored)
}

// fail ends a try. Missing and damaged files end the restore: the partition is empty where
// that was asked for, otherwise the table is dropped again. Anything else is tried again
// when the meta chooses a primary anew.
func (r *restoreTask) fail(code idl.ErrorCode) {
	if code == idl.ErrObjectNotFound || code == idl.ErrCorruption {
		r.c.mu.Lock()
		_, skip := r.p.table.envs[envRestoreSkip]
		r.c.mu.Unlock()
		if skip {
			r.report(idl.ErrIgnoreBadData, r.meta.Total)
			r.finish(&restoredRows{store: newStore(), version: dataVersion})
			return
		}
		r.rollBack()
		return
	}
	r.c.mu.Lock()
	defer r.c.mu.Unlock()
	r.p.copying = false
	r.p.cureAt = r.c.now().Add(r.c.timing.Assign)
}

// rollBack drops the new table, to be kept for a second (tell_meta_to_restore_rollback).
func (r *restoreTask) rollBack() {
	c, t := r.c, r.p.table
	c.mu.Lock()
	defer c.mu.Unlock()
	r.p.copying = false
	r.p.cureAt = c.now().Add(c.timing.Assign)
	r.p.restore.status = idl.ErrCorruption
	if c.leader == nil || !c.active || !t.serving() {
		return // the next try ends it
	}
	t.info.Status, t.reserve = idl.AppDropping, 1
	c.afterLocked(c.timing.TableState, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.settleTable(t)
	})
}

// finish gives the partition its rows.
func (r *restoreTask) finish(rows *restoredRows) {
	c := r.c
	c.mu.Lock()
	defer c.mu.Unlock()
	r.p.copying = false
	if !r.p.table.serving() || r.n.srv.epoch.Load() != r.epoch {
		r.p.cureAt = c.now().Add(c.timing.Assign)
		return
	}
	r.p.data.adoptRestored(rows)
	r.p.restore.done, r.p.cureAt = true, c.now()
}

// adoptRestored opens a new partition with restored rows, as they are.
func (p *partition) adoptRestored(rows *restoredRows) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.store, p.decree, p.dataVersion = rows.store, rows.decree, rows.version
	p.levels = rows.levels
	p.takeCheckpoint()
}
