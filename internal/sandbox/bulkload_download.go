package sandbox

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// stagedFile is a file that a replica has downloaded. All replicas of a partition share the
// copy on this machine; each of them has to fetch it for itself all the same.
type stagedFile struct {
	path string
	size int64
}

// downloadLimit is how many replicas of a server download at once.
func (s *server) downloadLimit() int64 {
	if text, ok := s.settings.get(downloadsSetting); ok {
		if n, err := strconv.ParseInt(text, 10, 32); err == nil {
			return n
		}
	}
	return s.flagInt(flagDownloads)
}

// bulkDir is the folder of a partition's files on the store.
func (l *bulkLoad) dir(index int32) string {
	return joinRemote(l.root, l.cluster, l.app, strconv.Itoa(int(index)))
}

// startDownload begins to fetch, unless the server downloads enough already.
func (r *replica) startDownload(l *bulkLoad) idl.ErrorCode {
	if r.node.downloads.Load() >= r.node.srv.downloadLimit() {
		return idl.ErrBusy
	}
	fs := r.node.c.blockService(l.provider)
	round := r.bulk.round + 1
	r.stopDownload()
	r.bulk = bulkContext{status: idl.BulkLoadDownloading, started: r.now(), downloading: true, round: round, peers: r.bulk.peers}
	r.node.downloads.Add(1)
	r.node.srv.perf.files.bulkDownloading.Add(1)
	d := &bulkDownload{r: r, fs: fs, dir: l.dir(r.gpid.Partition), round: round, epoch: r.node.srv.epoch.Load()}
	d.later(0, d.begin)
	return idl.ErrOK
}

// stopDownload gives the place among the server's downloads back and stops what runs.
func (r *replica) stopDownload() {
	if r.bulk.downloading {
		r.bulk.downloading = false
		r.node.downloads.Add(-1)
	}
	r.bulk.round++
}

// bulkDownload is one download of one replica: its files one after the other, from the end
// of the list.
type bulkDownload struct {
	r     *replica
	fs    *blockService
	dir   string
	round int
	epoch int64
	meta  idl.BulkLoadMetadata
}

// later goes on without any lock, unless the download was stopped.
func (d *bulkDownload) later(after time.Duration, f func()) {
	r := d.r
	r.node.c.afterLocked(after, func() {
		r.part.mu.Lock()
		goes := r.bulk.round == d.round && r.bulk.downloading && r.node.srv.epoch.Load() == d.epoch
		r.part.mu.Unlock()
		if goes {
			f()
		}
	})
}

// begin reads bulk_load_metadata.
func (d *bulkDownload) begin() {
	if d.fs == nil {
		d.fail(idl.ErrFSInternal)
		return
	}
	data, code := d.fs.read(joinRemote(d.dir, "bulk_load_metadata"))
	if code == idl.ErrObjectNotFound {
		code = idl.ErrCorruption
	}
	if !code.OK() {
		d.fail(code)
		return
	}
	meta, ok := decodeBulkMetadata(data)
	if !ok || meta.FileTotalSize <= 0 {
		d.fail(idl.ErrCorruption)
		return
	}
	d.meta = meta
	d.r.part.mu.Lock()
	d.r.bulk.metadata = &d.meta
	d.r.part.mu.Unlock()
	if n := len(meta.Files); n > 0 {
		d.fetch(n - 1)
	}
}

// decodeBulkMetadata reads bulk_load_metadata.
func decodeBulkMetadata(data []byte) (meta idl.BulkLoadMetadata, ok bool) {
	var text struct {
		Files []backupFile `json:"files"`
		Total int64        `json:"file_total_size"`
	}
	if !jsonAccepted(data, []string{"files", "file_total_size"}) || json.Unmarshal(data, &text) != nil {
		return meta, false
	}
	meta.FileTotalSize = text.Total
	for _, f := range text.Files {
		meta.Files = append(meta.Files, idl.FileMeta{Name: f.Name, Size: f.Size, MD5: f.MD5})
	}
	return meta, true
}

// fetch downloads the file with an index and then the one before it.
func (d *bulkDownload) fetch(i int) {
	r := d.r
	if _, hit := r.node.c.faults.take(FaultFailDownload, r.gpid); hit {
		d.failFile(idl.ErrFSInternal)
		return
	}
	after := r.node.c.timing.Download / time.Duration(len(d.meta.Files))
	if slow, hit := r.node.c.faults.take(FaultSlowTransfer, r.gpid); hit {
		after += slow.Delay
	}
	f := d.meta.Files[i]
	after += r.node.readTime(d.fs, f.Size)
	var move func()
	move = func() {
		if r.node.c.held(r.gpid) {
			d.later(holdPoll, move)
			return
		}
		if code := d.stage(f); !code.OK() {
			d.failFile(code)
			return
		}
		r.node.srv.perf.files.bulkFileSucc.Add(1)
		r.node.srv.perf.files.bulkFileBytes.Add(uint64(f.Size))
		r.part.mu.Lock()
		b := &r.bulk
		b.size += f.Size
		r.counts.downloaded += f.Size
		b.progress = int32(float64(b.size) / float64(d.meta.FileTotalSize) * bulkComplete)
		if b.progress == bulkComplete && b.status == idl.BulkLoadDownloading {
			b.status = idl.BulkLoadDownloaded
			if b.downloading {
				b.downloading = false
				r.node.downloads.Add(-1)
			}
		}
		r.part.mu.Unlock()
		if i > 0 {
			d.next(i - 1)
		}
	}
	d.later(after, move)
}

// next goes on even when what came exceeds what file_total_size promised: real servers do not
// look at it either, and such a load never ends.
func (d *bulkDownload) next(i int) {
	d.r.part.mu.Lock()
	goes := d.r.bulk.round == d.round && d.r.bulk.status == idl.BulkLoadDownloading
	d.r.part.mu.Unlock()
	if goes {
		d.fetch(i)
	}
}

// stage brings a file to the replica's disk. One that is there already is believed when its
// size fits; a new one is compared with size and sum.
func (d *bulkDownload) stage(f idl.FileMeta) idl.ErrorCode {
	r := d.r
	r.part.mu.Lock()
	have, ok := r.staged[f.Name]
	r.part.mu.Unlock()
	if ok && have.size == f.Size && isFile(have.path) {
		return idl.ErrOK
	}
	remote := joinRemote(d.dir, f.Name)
	if !d.fs.has(remote) {
		return idl.ErrCorruption
	}
	if _, code := loadSidecar(d.fs.path(remote)); !code.OK() {
		return code
	}
	dir, err := r.node.c.scratch("bulk_load", gpidText(r.gpid), strconv.Itoa(r.node.index))
	if err != nil {
		return idl.ErrFileOperationFailed
	}
	local := filepath.Join(dir, filepath.Base(f.Name))
	if err := linkOrCopy(local, d.fs.path(remote)); err != nil {
		return idl.ErrFileOperationFailed
	}
	got, err := sumFile(local)
	switch {
	case err != nil:
		return idl.ErrFileOperationFailed
	case got.Size != f.Size, f.MD5 != "" && f.MD5 != got.MD5:
		return idl.ErrCorruption
	}
	r.part.mu.Lock()
	defer r.part.mu.Unlock()
	r.staged[f.Name] = stagedFile{path: local, size: f.Size}
	return idl.ErrOK
}

// linkOrCopy makes a file of its own, which what happens on the store later does not change
// as long as files there are replaced and not written over.
func linkOrCopy(to, from string) error {
	if err := os.Remove(to); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if os.Link(from, to) == nil {
		return nil
	}
	info, err := os.Stat(from)
	if err != nil {
		return err
	}
	return copyFile(to, from, info.Size())
}

func (d *bulkDownload) failFile(code idl.ErrorCode) {
	d.r.node.srv.perf.files.bulkFileFail.Add(1)
	d.fail(code)
}

// fail ends the download; the meta sees why at its next request.
func (d *bulkDownload) fail(code idl.ErrorCode) {
	r := d.r
	r.part.mu.Lock()
	defer r.part.mu.Unlock()
	r.bulk.download = code
	r.stopDownload()
}
