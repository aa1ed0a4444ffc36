package sandbox

import (
	"encoding/json"
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// coldStatus is how far a replica is with a backup (cold_backup_status).
type coldStatus int

const (
	coldInvalid coldStatus = iota
	coldChecking
	coldChecked
	coldCheckpointing
	coldCheckpointed
	coldUploading
	coldCompleted
	coldFailed
)

// coldContext is the work of one primary for one backup (cold_backup_context.cpp), in the
// memory of its server only. partition.mu guards it.
type coldContext struct {
	backup  *coldBackup
	status  coldStatus
	epoch   int64 // of the server's process
	started time.Time
	// uploading is when the upload began.
	uploading time.Time

	dir       string // local, with the checkpoint
	files     []backupFile
	decree    int64
	takenMs   int64
	total     int64
	uploaded  int64
	partition string // folder on the store
}

// backupFile is one file of backup_metadata.
type backupFile struct {
	Name string `json:"name"`
	Size int64  `json:"size"`
	MD5  string `json:"md5"`
}

// backupMetadata is backup_metadata.
type backupMetadata struct {
	Decree    int64        `json:"checkpoint_decree"`
	Timestamp int64        `json:"checkpoint_timestamp"`
	Files     []backupFile `json:"files"`
	Total     int64        `json:"checkpoint_total_size"`
}

// progress counts to 1000.
func (x *coldContext) progress() int {
	switch {
	case x.status == coldCompleted:
		return restoreDone
	case x.total == 0:
		return 0
	}
	return int(x.uploaded * restoreDone / x.total)
}

// chkptDir is how a server calls its checkpoint on the store: by IP up to 2.5, by the name
// of its host later, which is the same where a host has no name.
func (r *replica) chkptDir() string {
	host, port, _ := net.SplitHostPort(r.node.srv.addr)
	return "chkpt_" + host + "_" + port
}

// coldBackup takes the next step of a backup (replica::on_cold_backup). Cluster.mu must be
// held; it guards the backup.
func (r *replica) coldBackup(b *coldBackup) (idl.ErrorCode, int) {
	r.part.mu.Lock()
	defer r.part.mu.Unlock()
	if r.status != idl.ReplicaPrimary {
		return idl.ErrInvalidState, 0
	}
	x := r.cold[b.id]
	if x == nil {
		x = &coldContext{backup: b, epoch: r.node.srv.epoch.Load(), started: r.now(),
			partition: joinRemote(r.node.c.backupTableDir(b), strconv.Itoa(int(r.gpid.Partition)))}
		r.cold[b.id] = x
	}
	switch x.status {
	case coldInvalid:
		x.status = coldChecking
		r.node.srv.perf.files.backupStart.Add(1)
		r.cold.step(r, x, 0, r.checkRemote)
	case coldChecked:
		x.status = coldCheckpointing
		r.cold.step(r, x, r.node.c.timing.BackupCheckpoint, r.makeCheckpoint)
	case coldCheckpointed:
		x.status, x.uploading = coldUploading, r.now()
		r.cold.step(r, x, 0, func(x *coldContext) { r.uploadNext(x, 0) })
	case coldFailed:
		delete(r.cold, b.id)
		return idl.ErrLocalAppFailure, 0
	case coldCompleted:
		return idl.ErrOK, restoreDone
	}
	return idl.ErrBusy, x.progress()
}

// coldContexts are those of one replica, by backup.
type coldContexts map[int64]*coldContext

// step runs f later, without any lock, unless the process of the server ended.
func (coldContexts) step(r *replica, x *coldContext, d time.Duration, f func(*coldContext)) {
	r.node.c.afterLocked(d, func() {
		if r.node.srv.epoch.Load() == x.epoch {
			f(x)
		}
	})
}

// become is a change of status.
func (r *replica) coldStatus(x *coldContext, status coldStatus) {
	r.part.mu.Lock()
	defer r.part.mu.Unlock()
	x.status = status
	switch status {
	case coldFailed:
		r.node.srv.perf.files.backupFail.Add(1)
	case coldCompleted:
		r.node.srv.perf.files.backupSucc.Add(1)
	}
}

// checkRemote looks whether the backup of the partition is there already, uploaded by this
// server or another one.
func (r *replica) checkRemote(x *coldContext) {
	current, code := x.backup.fs.read(joinRemote(x.partition, "current_checkpoint"))
	switch {
	case code == idl.ErrFSInternal:
		r.coldStatus(x, coldFailed)
	case code.OK() && len(current) > 0 && x.backup.fs.hasDir(joinRemote(x.partition, string(current))):
		r.coldStatus(x, coldCompleted)
	default:
		r.coldStatus(x, coldChecked)
	}
}

// makeCheckpoint writes the rows of the moment into files of the server's own disk.
func (r *replica) makeCheckpoint(x *coldContext) {
	r.part.mu.Lock()
	rows := checkpointRows{
		rows: r.part.store.snapshot(), decree: r.part.decree, version: r.part.dataVersion,
		at: r.now(), compacted: r.part.compacted, scenario: r.env.scenario, behind: r.part.allowBehind, cluster: r.node.srv.peers.get().ids[r.node.c.cfg.Name],
	}
	r.part.flushed()
	r.part.mu.Unlock()
	dir, err := r.node.c.scratch("backup", gpidText(r.gpid), strconv.FormatInt(x.backup.id, 10), strconv.Itoa(r.node.index))
	var files []backupFile
	if err == nil {
		files, err = rows.write(dir)
	}
	if err != nil {
		r.coldStatus(x, coldFailed)
		return
	}
	r.part.mu.Lock()
	defer r.part.mu.Unlock()
	x.dir, x.files, x.decree, x.takenMs = dir, files, rows.decree, rows.at.UnixMilli()
	for _, f := range files {
		x.total += f.Size
	}
	x.status = coldCheckpointed
}

// uploadNext uploads the file with an index, and behind the last one the two that say that
// all is there.
func (r *replica) uploadNext(x *coldContext, i int) {
	c := r.node.c
	if i == len(x.files) {
		r.finishUpload(x)
		return
	}
	f := x.files[i]
	name := joinRemote(x.partition, r.chkptDir(), f.Name)
	next := func(x *coldContext) { r.uploadNext(x, i+1) }
	if _, hit := c.faults.take(FaultFailUpload, r.gpid); hit {
		r.node.srv.perf.files.uploadFail.Add(1)
		r.coldStatus(x, coldFailed)
		return
	}
	if side, code := loadSidecar(x.backup.fs.path(name)); code.OK() && x.backup.fs.has(name) && side == (sidecar{MD5: f.MD5, Size: f.Size}) {
		r.countUpload(x, f) // an earlier process of this server uploaded it
		r.cold.step(r, x, 0, next)
		return
	}
	if err := x.backup.fs.beginUpload(name); err != nil {
		r.node.srv.perf.files.uploadFail.Add(1)
		r.coldStatus(x, coldFailed)
		return
	}
	d := c.timing.Upload / time.Duration(len(x.files))
	if slow, hit := c.faults.take(FaultSlowTransfer, r.gpid); hit {
		d += slow.Delay
	}
	d += r.node.writeTime(x.backup.fs, f.Size)
	var move func(*coldContext)
	move = func(x *coldContext) {
		if c.held(r.gpid) {
			r.cold.step(r, x, holdPoll, move)
			return
		}
		code := x.backup.fs.upload(name, filepath.Join(x.dir, f.Name), sidecar{MD5: f.MD5, Size: f.Size}, c.storeFault(r.gpid.AppID, r.gpid.Partition))
		if !code.OK() {
			r.node.srv.perf.files.uploadFail.Add(1)
			r.coldStatus(x, coldFailed)
			return
		}
		r.countUpload(x, f)
		next(x)
	}
	r.cold.step(r, x, d, move)
}

func (r *replica) countUpload(x *coldContext, f backupFile) {
	r.node.srv.perf.files.uploadSucc.Add(1)
	r.node.srv.perf.files.uploadBytes.Add(uint64(f.Size))
	r.part.mu.Lock()
	defer r.part.mu.Unlock()
	x.uploaded += f.Size
	r.counts.uploaded += f.Size
}

// finishUpload writes backup_metadata and then current_checkpoint.
func (r *replica) finishUpload(x *coldContext) {
	text, err := json.Marshal(backupMetadata{Decree: x.decree, Timestamp: x.takenMs, Files: x.files, Total: x.total})
	code := idl.ErrFSInternal
	if err == nil {
		fault := r.node.c.storeFault(r.gpid.AppID, r.gpid.Partition)
		fault.damage = false // of files with rows
		code = x.backup.fs.write(joinRemote(x.partition, r.chkptDir(), "backup_metadata"), text, fault)
		if code.OK() {
			code = x.backup.fs.write(joinRemote(x.partition, "current_checkpoint"), []byte(r.chkptDir()), fault)
		}
	}
	if !code.OK() {
		r.coldStatus(x, coldFailed)
		return
	}
	r.coldStatus(x, coldCompleted)
}

// coldWork is what counters show of the backups on a server: replicas at work, and of those
// that upload the longest time and the most bytes (replica_backup_manager::collect_backup_info).
func (n *replicaNode) coldWork() (running int, longest time.Duration, most int64) {
	n.each(func(r *replica) {
		r.part.mu.Lock()
		defer r.part.mu.Unlock()
		for _, x := range r.cold {
			if x.status < coldChecking || x.status > coldUploading {
				continue
			}
			running++
			if x.status == coldUploading {
				longest = max(longest, r.now().Sub(x.uploading))
				most = max(most, x.uploaded)
			}
		}
	})
	return running, longest, most
}

// storeFault is what the faults do to a file of a partition; -1 stands for a meta's files.
func (c *Cluster) storeFault(appID, partition int32) storeFault {
	gpid := idl.Gpid{AppID: appID, Partition: partition}
	_, full := c.faults.take(FaultDiskFull, gpid)
	damaged := false
	if partition >= 0 {
		_, damaged = c.faults.take(FaultDamageFile, gpid)
	}
	return storeFault{full: full, damage: damaged}
}

// String is for messages of tests.
func (s coldStatus) String() string { return fmt.Sprintf("cold backup status %d", int(s)) }
