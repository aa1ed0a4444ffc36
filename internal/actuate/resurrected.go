package actuate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/pegmigrate/pegmigrate/apply"
	"github.com/pegmigrate/pegmigrate/internal/backuprows"
	"github.com/pegmigrate/pegmigrate/internal/differ"
	"github.com/pegmigrate/pegmigrate/internal/event"
	"github.com/pegmigrate/pegmigrate/internal/pegasus"
	"github.com/pegmigrate/pegmigrate/internal/pegkey"
	"github.com/pegmigrate/pegmigrate/internal/scan"
)

// resurrectedCursor is the outcome of one unit. It is stored as JSON.
type resurrectedCursor struct {
	differ.Cursor
	Outcome apply.ResurrectionOutcome `json:"outcome"`
}

// RepairResurrected implements apply.FileEngine. The rows of the backup that a scan of the source does
// not find are merged with a scan of the target; one that the target has as the backup does is looked up
// on the source again, and deleted on the target if its value is still the backup's. The source is read
// once more afterwards: a client that wrote the same row again in between gets it back.
func (f *Files) RepairResurrected(ctx context.Context, job apply.ResurrectionJob) (apply.ResurrectionOutcome, error) {
	var none apply.ResurrectionOutcome
	store, b, err := f.stores.read(ctx, job.Provider, job.Ref)
	if err != nil {
		return none, err
	}
	source, err := f.engine.clusters.open(ctx, job.Source)
	if err != nil {
		return none, err
	}
	target, err := f.engine.clusters.open(ctx, job.Target)
	if err != nil {
		return none, err
	}
	if n, m := b.App.PartitionCount, source.PartitionCount(); n != m {
		return none, fmt.Errorf("%w: the backup is of %d partitions and %s has %d now: it was split meanwhile", apply.ErrRefused, n, job.Source, m)
	}
	files := rowsOf(store, b, backuprows.Options{Clock: f.engine.now, Limiter: limiterOf(job.Limits.RowsPerSecond)})
	defer files.Close() //nolint:errcheck // it was only read
	r := &resurrected{source: source, target: target, files: files,
		units: commonDivisor(files.PartitionCount(), target.PartitionCount()), found: map[int32]*apply.ResurrectionOutcome{}}
	resume, err := r.resume(job.Cursors)
	if err != nil {
		return none, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	r.stop = cancel
	lost := backuprows.NewLost(files, scan.Table(source), scan.NewSizer(scanPage, 0))
	defer lost.Close()
	opts := differ.Options{Method: differ.MethodMerge, RowsPerSecond: job.Limits.RowsPerSecond, BytesPerSecond: job.Limits.BytesPerSecond, AllowExtra: true,
		Clock: f.engine.now, Workers: fileWorkers(), OnEqual: func(row *scan.Row) { r.one(ctx, row) }}
	_, err = differ.Run(ctx, lost, scan.Table(target), resume, opts, r.saveTo(job.Save), r.reportTo(job.Report))
	if cause := r.failure(); cause != nil {
		err = cause
	}
	if err != nil {
		return none, err
	}
	return r.outcome(), nil
}

// limiterOf bounds rows per second, nil for no bound.
func limiterOf(rows int64) *rate.Limiter {
	if rows <= 0 {
		return nil
	}
	return rate.NewLimiter(rate.Limit(rows), int(min(max(rows/50, 1), 1024)))
}

// commonDivisor of two positive numbers.
func commonDivisor(a, b int32) int32 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// resurrected repairs and counts. one is called by one goroutine at a time.
type resurrected struct {
	stop           context.CancelCauseFunc
	source, target *pegasus.Table
	files          *backuprows.Table
	units          int32

	mu    sync.Mutex
	found map[int32]*apply.ResurrectionOutcome // by unit, of this run
	done  map[int32]apply.ResurrectionOutcome  // units that are finished, earlier runs' included
	err   error
}

// resume takes over the units that an earlier run finished.
func (r *resurrected) resume(cursors map[string]json.RawMessage) ([]differ.Cursor, error) {
	r.done = map[int32]apply.ResurrectionOutcome{}
	var out []differ.Cursor
	for unit, data := range cursors {
		var c resurrectedCursor
		if err := json.Unmarshal(data, &c); err != nil {
			return nil, fmt.Errorf("the saved look at unit %s cannot be read: %w", unit, err)
		}
		r.done[c.Unit] = c.Outcome
		out = append(out, c.Cursor)
	}
	return out, nil
}

// saveTo wraps the differ's cursors. It keeps the outcomes of finished units also when nobody saves them.
func (r *resurrected) saveTo(save func(map[string]json.RawMessage) error) func([]differ.Cursor) error {
	return func(cursors []differ.Cursor) error {
		encoded := map[string]json.RawMessage{}
		for _, c := range cursors {
			full := resurrectedCursor{Cursor: c, Outcome: r.finish(c.Unit)}
			full.First, full.Digests = nil, nil // of no use here
			data, err := json.Marshal(full)
			if err != nil {
				return err
			}
			encoded[strconv.Itoa(int(c.Unit))] = data
		}
		if save == nil {
			return nil
		}
		return save(encoded)
	}
}

// finish adds up a unit that was looked at to its end.
func (r *resurrected) finish(unit int32) apply.ResurrectionOutcome {
	r.mu.Lock()
	defer r.mu.Unlock()
	var o apply.ResurrectionOutcome
	if f := r.found[unit]; f != nil {
		o = *f
	}
	for p := unit; p < r.files.PartitionCount(); p += r.units {
		o.Rows += r.files.Read(p)
	}
	r.done[unit] = o
	return o
}

func (r *resurrected) outcome() apply.ResurrectionOutcome {
	r.mu.Lock()
	defer r.mu.Unlock()
	var sum apply.ResurrectionOutcome
	for _, o := range r.done {
		sum.Rows += o.Rows
		sum.Found += o.Found
		sum.Repaired += o.Repaired
		sum.Open += o.Open
	}
	return sum
}

func (r *resurrected) failure() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

// reportTo shows rows of the backup instead of those that the source lost.
func (r *resurrected) reportTo(report func(event.MoveProgress)) differ.Reporter {
	if report == nil {
		return nil
	}
	rates := newMeter()
	return differ.ReporterFunc(func(p differ.Progress) {
		var rows, found uint64
		for i := range r.files.PartitionCount() {
			rows += r.files.Read(i)
		}
		r.mu.Lock()
		for _, o := range r.found {
			found += o.Found
		}
		r.mu.Unlock()
		out := rates.progress("resurrection", rows, 0)
		out.PartitionsDone, out.PartitionCount, out.Differences = p.UnitsDone, len(p.Units), found
		out.Limit, out.LimitReason = p.Limit, p.Reason
		report(out)
	})
}

// repairKeyLimit bounds everything that is done about one key.
const repairKeyLimit = 2 * time.Minute

// one looks at a row that the backup and the target have, and a scan of the source did not find.
func (r *resurrected) one(ctx context.Context, row *scan.Row) {
	if r.failure() != nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, repairKeyLimit)
	defer cancel()
	v, err := r.repair(ctx, row)
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil {
		hash, sort := scan.PrintableKey(row.Key)
		r.err = fmt.Errorf("the row with hash key %s and sort key %s, which may be resurrected: %w", hash, sort, err)
		r.stop(r.err)
		return
	}
	unit := pegkey.Partition(pegkey.HashRaw(row.Key), r.files.PartitionCount()) % r.units
	o := r.found[unit]
	if o == nil {
		o = &apply.ResurrectionOutcome{}
		r.found[unit] = o
	}
	switch v {
	case alive:
	case removed:
		o.Found++
		o.Repaired++
	case moving:
		o.Found++
		o.Open++
	}
}

// fate is what became of a row that looked resurrected.
type fate int

const (
	alive   fate = iota // the source has it, or the target does not have it any more
	removed             // it was resurrected, and is deleted
	moving              // a client writes it at this moment
)

// repair deletes a row from the target that the source does not have.
func (r *resurrected) repair(ctx context.Context, row *scan.Row) (fate, error) {
	if _, found, err := r.source.Row(ctx, row.Key); err != nil || found {
		return alive, err
	}
	deleted, err := r.target.RemoveIf(ctx, row.Key, row.Value)
	if errors.Is(err, pegasus.ErrNoHashKey) {
		deleted, err = r.removeBare(ctx, row)
	}
	if err != nil {
		return alive, err
	}
	if !deleted {
		// An attempt whose answer was lost may have done it, or a client was faster.
		_, there, err := r.target.Row(ctx, row.Key)
		if err != nil || there {
			return moving, err
		}
		return removed, nil
	}
	again, found, err := r.source.Row(ctx, row.Key)
	if err != nil || !found {
		return removed, err
	}
	return moving, r.giveBack(ctx, again)
}

// removeBare deletes a row without a hash key, whose value no server compares for us.
func (r *resurrected) removeBare(ctx context.Context, row *scan.Row) (bool, error) {
	now, there, err := r.target.Row(ctx, row.Key)
	if err != nil || !there || string(now.Value) != string(row.Value) {
		return false, err
	}
	return true, r.target.Remove(ctx, row.Key)
}

// giveBack writes a row to the target that a client wrote on both sides while it was being deleted, unless
// the target has one.
func (r *resurrected) giveBack(ctx context.Context, row scan.Row) error {
	_, err := r.target.PutIfAbsent(ctx, row)
	if errors.Is(err, pegasus.ErrNoHashKey) {
		deadline, _ := ctx.Deadline()
		return putAndWait(ctx, r.target, row, deadline)
	}
	return err
}
