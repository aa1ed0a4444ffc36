package sandbox

import (
	"sync/atomic"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// filePerf counts what a server did for backups and bulk loads since it started.
type filePerf struct {
	backupStart, backupSucc, backupFail                       atomic.Uint64
	uploadSucc, uploadFail, uploadBytes                       atomic.Uint64
	bulkDownloading, bulkIngestion, bulkSucceed, bulkFailed   atomic.Uint64
	bulkFileSucc, bulkFileFail, bulkFileBytes, ingestRejected atomic.Uint64
	sent                                                      atomic.Uint64 // by NFS, of checkpoints
}

func (p *filePerf) reset() {
	for _, c := range []*atomic.Uint64{
		&p.backupStart, &p.backupSucc, &p.backupFail, &p.uploadSucc, &p.uploadFail, &p.uploadBytes, &p.bulkDownloading,
		&p.bulkIngestion, &p.bulkSucceed, &p.bulkFailed, &p.bulkFileSucc, &p.bulkFileFail, &p.bulkFileBytes, &p.ingestRejected, &p.sent,
	} {
		c.Store(0)
	}
}

// fileCounters are the counters of backups, bulk loads and manual compactions of a server
// (replica_stub.cpp).
func (s *server) fileCounters() []counter {
	p := &s.perf.files
	var list []counter
	for name, total := range map[string]*atomic.Uint64{
		"cold.backup.recent.start.count": &p.backupStart, "cold.backup.recent.succ.count": &p.backupSucc,
		"cold.backup.recent.fail.count": &p.backupFail, "cold.backup.recent.upload.file.succ.count": &p.uploadSucc,
		"cold.backup.recent.upload.file.fail.count": &p.uploadFail, "cold.backup.recent.upload.file.size": &p.uploadBytes,
		"bulk.load.downloading.count": &p.bulkDownloading, "bulk.load.ingestion.count": &p.bulkIngestion,
		"bulk.load.succeed.count": &p.bulkSucceed, "bulk.load.failed.count": &p.bulkFailed,
		"bulk.load.download.file.success.count": &p.bulkFileSucc, "bulk.load.download.file.fail.count": &p.bulkFileFail,
		"bulk.load.download.file.size": &p.bulkFileBytes,
	} {
		c := stub(name, volatile, name, 0)
		c.total = total.Load()
		list = append(list, c)
	}
	list = append(list, counter{name: "replica*eon.nfs_server*recent_copy_data_size", kind: volatile, help: "nfs server copy data size in the recent period", total: p.sent.Load()})
	for _, name := range []string{"cold.backup.recent.cancel.count", "cold.backup.recent.pause.count"} {
		list = append(list, stub(name, volatile, name, 0))
	}
	running, longest, most := s.node.coldWork()
	loads := s.node.bulkWork()
	queued, compacting := s.node.compactionCounts()
	app := func(name string, v int) counter {
		return counter{name: "replica*app.pegasus*" + name, kind: number, help: name, value: float64(v)}
	}
	return append(list,
		stub("cold.backup.running.count", number, "current cold backup count", float64(running)),
		stub("cold.backup.max.duration.time.ms", number, "current cold backup max duration time", float64(longest.Milliseconds())),
		stub("cold.backup.max.upload.file.size", number, "current cold backup max upload file size", float64(most)),
		counter{name: "replica*eon.replica_stub*bulk.load.running.count", kind: volatile, help: "current bulk load running count", level: new(float64(loads.running))},
		stub("bulk.load.max.ingestion.duration.time.ms", number, "bulk load max ingestion duration time(ms)", float64(loads.ingestion.Milliseconds())),
		stub("bulk.load.max.duration.time.ms", number, "bulk load max duration time(ms)", float64(loads.longest.Milliseconds())),
		app("manual.compact.enqueue.count", queued), app("manual.compact.running.count", compacting),
	)
}

// bulkWork is what the bulk loads of a server's replicas amount to.
type bulkWork struct {
	running            int
	ingestion, longest time.Duration
}

func (n *replicaNode) bulkWork() (w bulkWork) {
	n.each(func(r *replica) {
		r.part.mu.Lock()
		defer r.part.mu.Unlock()
		if r.bulk.status == idl.BulkLoadInvalid {
			return
		}
		w.running++
		w.longest = max(w.longest, r.now().Sub(r.bulk.started))
		if r.bulk.ingesting {
			w.ingestion = max(w.ingestion, r.now().Sub(r.bulk.ingestSince))
		}
	})
	return w
}

// fileMetrics are the same of one replica from 2.6 on. partition.mu must be held.
func (r *replica) fileMetrics(values map[string]int64) {
	running, uploaded, longest := int64(0), int64(0), time.Duration(0)
	for _, x := range r.cold {
		if x.status < coldChecking || x.status > coldUploading {
			continue
		}
		running++
		if x.status == coldUploading {
			uploaded, longest = max(uploaded, x.uploaded), max(longest, r.now().Sub(x.uploading))
		}
	}
	values["backup_running_count"], values["backup_file_upload_max_bytes"] = running, uploaded
	values["backup_max_duration_ms"] = longest.Milliseconds()
	values["backup_file_upload_total_bytes"] = r.counts.uploaded
	values["bulk_load_download_file_bytes"] = r.counts.downloaded
	values["bulk_load_ingestion_rejected_write_requests"] = r.counts.rejected
	l := &r.part.levels
	values["rdb_total_sst_files"], values["rdb_total_sst_size_mb"] = int64(l.count()), int64(r.part.store.bytes>>20)
	values["rdb_compaction_output_bytes"], values["rdb_read_amplification"] = l.written, 0
	values["rdb_manual_compact_running_tasks"], values["rdb_manual_compact_queued_tasks"] = 0, 0
	switch r.manual.status() {
	case compactRunning:
		values["rdb_manual_compact_running_tasks"] = 1
	case compactQueuing:
		values["rdb_manual_compact_queued_tasks"] = 1
	}
}

// replicaCounts are counters of one replica for files, since its server started.
type replicaCounts struct{ uploaded, downloaded, rejected int64 }
