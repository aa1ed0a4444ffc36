package sandbox

import (
	"bytes"
	"slices"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// fileRange is the keys from first to last, both included.
type fileRange struct{ first, last []byte }

func (k fileRange) overlaps(o fileRange) bool {
	return bytes.Compare(k.first, o.last) <= 0 && bytes.Compare(o.first, k.last) <= 0
}

// ingest begins the ingestion of what the replicas of a partition downloaded; the primary's
// decree moves on at once, the files follow (pegasus_write_service::ingest_files). Until the
// meta has heard that all replicas have ingested, no write is taken. partition.mu must be held.
func (r *replica) ingest(req *idl.IngestionRequest) {
	r.bulk.ingesting, r.bulk.ingestSince = true, r.now()
	r.part.empty()
	r.runIngestion(req)
	// Secondaries commit the mutation with the next one.
	for _, n := range r.node.c.nodes {
		if s := n.replica(r.gpid); s != nil && s.status == idl.ReplicaSecondary && n.srv.up() {
			s.runIngestion(req)
		}
	}
}

// runIngestion lets one replica ingest its files.
func (r *replica) runIngestion(req *idl.IngestionRequest) {
	r.bulk.ingest = idl.IngestionRunning
	epoch, round, primary := r.node.srv.epoch.Load(), r.bulk.round, r.status == idl.ReplicaPrimary
	staged := make([]stagedFile, 0, len(req.Metadata.Files))
	missing := false
	for _, f := range req.Metadata.Files {
		s, ok := r.staged[f.Name]
		missing = missing || !ok
		staged = append(staged, s)
	}
	r.node.c.afterLocked(r.node.c.timing.Ingest, func() {
		status := idl.IngestionFailed
		_, fails := r.node.c.faults.take(FaultFailIngest, r.gpid)
		if !fails && !missing && (!req.VerifyBeforeIngest || verifyStaged(staged, req.Metadata.Files)) {
			status = idl.IngestionSucceed
			if primary && !r.part.ingestFiles(staged, req.IngestBehind, r) {
				status = idl.IngestionFailed
			}
		}
		r.part.mu.Lock()
		defer r.part.mu.Unlock()
		if r.node.srv.epoch.Load() == epoch && r.bulk.round == round && r.bulk.ingest == idl.IngestionRunning {
			r.bulk.ingest = status
		}
	})
}

// verifyStaged compares local files with what the metadata says.
func verifyStaged(staged []stagedFile, files []idl.FileMeta) bool {
	for i, f := range files {
		got, err := sumFile(staged[i].path)
		if err != nil || got.Size != f.Size || f.MD5 != "" && got.MD5 != f.MD5 {
			return false
		}
	}
	return true
}

// ingested is what one file holds.
type ingested struct {
	rows *store
	fileRange
}

// readIngested reads one file; rows of other partitions are among them if the file has any.
func readIngested(path string, version int) (ingested, error) {
	f := ingested{rows: newStore()}
	cp, err := openIngested(path)
	if err != nil {
		return f, err
	}
	err = eachRow(cp, func(key, value []byte) {
		expire, user := splitValue(value, version)
		f.rows.set(key, user, expire)
		if f.first == nil {
			f.first = slices.Clone(key)
		}
		f.last = append(f.last[:0], key...)
	})
	return f, err
}

// ingestFiles puts the rows of files into the partition: over what is there, or behind it
// with sequence number 0. It is false when RocksDB would refuse, which leaves nothing done.
func (p *partition) ingestFiles(staged []stagedFile, behind bool, r *replica) bool {
	p.mu.Lock()
	version := p.dataVersion
	p.mu.Unlock()
	files := make([]ingested, 0, len(staged))
	for _, s := range staged {
		f, err := readIngested(s.path, version)
		if err != nil || f.first == nil { // RocksDB refuses files without a row, too
			return false
		}
		files = append(files, f)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if behind && !p.levels.admitsBehind(p.allowBehind, files) {
		return false
	}
	for _, f := range files {
		f.rows.tree.Scan(func(row row) bool {
			if !behind {
				p.store.set(row.key(), row.value(), row.expire())
			} else if _, exists := p.store.find(row.key()); !exists && !p.store.deleted(row.key()) {
				p.store.set(row.key(), row.value(), row.expire())
			}
			return true
		})
	}
	p.levels.ingested(files, behind)
	r.compactIfNeeded()
	return true
}

// levels is the shape of a partition's files, as far as something depends on it.
type levels struct {
	// upper files wait in level 0 for a compaction, bottom ones are below.
	upper, bottom int
	// behind are the ranges of the files that lie behind everything else, for ever.
	behind []fileRange
	// written is what compactions wrote, in bytes.
	written int64
	// compacting: an automatic compaction runs.
	compacting bool
}

// count is the number of SST files.
func (l *levels) count() int { return max(l.upper+l.bottom+len(l.behind), 1) }

// admitsBehind is what RocksDB wants of an ingestion behind: an option that the database was
// made with, files that do not overlap, and an empty place for them in the last level.
func (l *levels) admitsBehind(allowed bool, files []ingested) bool {
	if !allowed {
		return false
	}
	for i, f := range files {
		for _, other := range files[:i] {
			if f.overlaps(other.fileRange) {
				return false
			}
		}
		for _, old := range l.behind {
			if f.overlaps(old) {
				return false
			}
		}
	}
	return true
}

// ingested counts files that came.
func (l *levels) ingested(files []ingested, behind bool) {
	if !behind {
		l.upper += len(files)
		return
	}
	for _, f := range files {
		l.behind = append(l.behind, f.fileRange)
	}
}

// flushed counts the file that a flush makes when something was written since the last one.
func (p *partition) flushed() {
	if p.decree > p.flushedAt {
		p.flushedAt = p.decree
		p.levels.upper++
	}
}

// compactionTrigger is level0_file_num_compaction_trigger.
const compactionTrigger = 4

// compactIfNeeded starts an automatic compaction when enough files wait for one, which
// usage scenario bulk_load forbids. partition.mu must be held.
func (r *replica) compactIfNeeded() {
	l := &r.part.levels
	if l.upper < compactionTrigger || l.compacting || r.env.scenario == scenarioBulkLoad {
		return
	}
	l.compacting = true
	r.node.c.afterLocked(r.node.c.timing.Compaction, func() {
		r.part.mu.Lock()
		defer r.part.mu.Unlock()
		l.compacting = false
		r.part.sweep(r.nowTs(), &r.env)
	})
}

// merged is the shape behind a compaction of everything.
func (l *levels) merged(bytes int) {
	l.upper, l.bottom = 0, 1
	l.written += int64(bytes)
}
