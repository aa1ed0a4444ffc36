package actuate

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime"
	"time"

	"github.com/pegmigrate/pegmigrate/apply"
	"github.com/pegmigrate/pegmigrate/internal/backup"
	"github.com/pegmigrate/pegmigrate/internal/backuprows"
	"github.com/pegmigrate/pegmigrate/internal/blobstore"
	"github.com/pegmigrate/pegmigrate/internal/differ"
	"github.com/pegmigrate/pegmigrate/internal/event"
	"github.com/pegmigrate/pegmigrate/internal/provider"
	"github.com/pegmigrate/pegmigrate/internal/scan"
	"github.com/pegmigrate/pegmigrate/internal/splitter"
	"github.com/pegmigrate/pegmigrate/internal/sst"
)

// Files implements apply.FileEngine with this process as the only worker.
type Files struct {
	engine *Engine
	stores *Stores
}

var _ apply.FileEngine = (*Files)(nil)

// NewFiles moves and compares rows of files; the caller closes the stores.
func NewFiles(c *Clusters, s *provider.Stores, now func() time.Time) *Files {
	return &Files{engine: NewEngine(c, now), stores: NewStores(s)}
}

// Split implements apply.FileEngine.
func (f *Files) Split(ctx context.Context, job apply.SplitJob) (apply.SplitOutcome, error) {
	from, b, err := f.stores.read(ctx, job.From, job.Ref)
	if err != nil {
		return apply.SplitOutcome{}, err
	}
	to, err := f.stores.stores.Open(ctx, job.Staging.Provider)
	if err != nil {
		return apply.SplitOutcome{}, storeError(err)
	}
	compression, err := compressionOf(job.Compression)
	if err != nil {
		return apply.SplitOutcome{}, err
	}
	rates := newMeter()
	result, err := splitter.Run(ctx, splitter.Job{
		Source: splitter.FromBackup(from, b), Target: provider.Input(job.Staging, job.TargetID, job.Partitions), Store: to,
		FileSize: job.FileSize, Compression: compression, DropExpired: job.DropExpired, Now: job.Now, Parallel: job.Parallel,
		Restart: !job.Resume,
		Report: func(p splitter.Progress) {
			if job.Report != nil {
				job.Report(splitProgress(rates, p, job.Parallel))
			}
		},
	})
	if err != nil {
		return apply.SplitOutcome{}, storeError(err)
	}
	// Rows that were filtered or misplaced are in none of these: this job leaves none out for that, and
	// apply refuses an outcome that does not add up.
	return apply.SplitOutcome{
		In: uint64(result.In + result.Skipped), Out: uint64(result.Out), Expired: uint64(result.Expired),
		Skipped: uint64(result.Skipped), Leftover: uint64(result.Leftover),
		Placeholders: result.Placeholders, Files: result.Files, Bytes: uint64(result.Bytes),
	}, nil
}

func compressionOf(word string) (sst.Compression, error) {
	switch word {
	case "none":
		return sst.NoCompression, nil
	case "snappy":
		return sst.Snappy, nil
	case "lz4", "":
		return sst.LZ4, nil
	case "zstd":
		return sst.ZSTD, nil
	}
	return 0, fmt.Errorf("%w: %q is no compression", apply.ErrRefused, word)
}

// splitProgress turns the splitter's report into an event.
func splitProgress(m *meter, p splitter.Progress, parallel int) event.MoveProgress {
	out := m.progress("split", uint64(p.In), uint64(p.Bytes))
	out.PartitionsDone, out.PartitionCount = p.PartitionsDone, p.Partitions
	out.Elapsed = p.Elapsed
	out.InFlight = parallel
	if s := p.Elapsed.Seconds(); s > 0 {
		out.ETA = eta(uint64(p.Size), uint64(p.Read), float64(p.Read)/s)
	}
	return out
}

// rowsOf makes a backup a table to read rows from; the caller closes it.
func rowsOf(store blobstore.Store, b *backup.Backup, o backuprows.Options) *backuprows.Table {
	source := splitter.FromBackup(store, b)
	partitions := make([]backuprows.Partition, len(source.Partitions))
	for i, p := range source.Partitions {
		partitions[i].Open = func(ctx context.Context) (backuprows.Rows, int, error) { return p.Open(ctx, splitter.OpenOptions{}) }
	}
	o.Initial = int32(source.InitialPartitions)
	return backuprows.New(partitions, o)
}

// VerifyBackupRows implements apply.FileEngine.
func (f *Files) VerifyBackupRows(ctx context.Context, job apply.BackupRowsJob) (event.Verified, error) {
	store, b, err := f.stores.read(ctx, job.Provider, job.Ref)
	if err != nil {
		return event.Verified{}, err
	}
	dst, err := f.engine.clusters.open(ctx, job.Target)
	if err != nil {
		return event.Verified{}, err
	}
	resume, err := decodeUnits(job.Cursors)
	if err != nil {
		return event.Verified{}, err
	}
	src := rowsOf(store, b, backuprows.Options{Clock: f.engine.now})
	defer src.Close() //nolint:errcheck // it was only read
	opts := differ.Options{RowsPerSecond: job.Limits.RowsPerSecond, BytesPerSecond: job.Limits.BytesPerSecond,
		StampTTL: uint32(max(job.DefaultTTL, 0)), Clock: f.engine.now, Workers: fileWorkers(), Method: differ.MethodMerge} // files are unpacked once
	result, err := differ.Run(ctx, src, scan.Table(dst), resume, opts, saveUnits(job.Save), reportRows(job.Report))
	if err != nil {
		return event.Verified{}, err
	}
	return verified(result), nil
}

// fileWorkers is how many units are read from files at once: each unpacks blocks, and has a file of
// every sorted run open.
func fileWorkers() int { return max(min(runtime.GOMAXPROCS(0), 8), 1) }

// decodeUnits are the units that were compared before.
func decodeUnits(cursors map[string]json.RawMessage) ([]differ.Cursor, error) {
	out := make([]differ.Cursor, 0, len(cursors))
	for unit, data := range cursors {
		var c differ.Cursor
		if err := json.Unmarshal(data, &c); err != nil {
			return nil, fmt.Errorf("the saved comparison of unit %s cannot be read: %w", unit, err)
		}
		out = append(out, c)
	}
	return out, nil
}

// saveUnits is nil when nothing is to be kept.
func saveUnits(save func(map[string]json.RawMessage) error) func([]differ.Cursor) error {
	if save == nil {
		return nil
	}
	return func(cursors []differ.Cursor) error {
		encoded := make(map[string]json.RawMessage, len(cursors))
		for _, c := range cursors {
			data, err := json.Marshal(c)
			if err != nil {
				return err
			}
			encoded[c.Name()] = data
		}
		return save(encoded)
	}
}

// reportRows is nil when nobody wants to know.
func reportRows(report func(event.MoveProgress)) differ.Reporter {
	if report == nil {
		return nil
	}
	return differ.ReporterFunc(func(p differ.Progress) { report(verifyProgress(p, estimates{})) })
}
