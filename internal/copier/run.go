package copier

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/scan"
)

// drainTime is how long a stopping run waits for its workers and for the writes that were sent; a
// cancelled copy has two seconds in all. A worker that is stuck in the full write buffer of a
// connection is left to end by itself.
const drainTime = time.Second

// Result is what a copy did, by all runs together where cursors count.
type Result struct {
	// Rows and Bytes (raw keys and values) are acknowledged by the target.
	Rows, Bytes uint64
	// Misplaced rows lie in a partition that their hash does not select. They are not copied.
	Misplaced uint64
	// Filtered rows were read and not taken by Options.Filter, Kept of Rows the target had and kept;
	// see Cursor.
	Filtered, Kept uint64
	// Cursors has the final cursor of every source partition that was to be copied, in order; their
	// Digests are of what was read.
	Cursors []Cursor
}

// run is one call of Run.
type run struct {
	opts  Options
	src   Source
	dst   Target
	count int32
	start uint32 // of Digests
	// takesAll says that no row has to be looked at for the filter.
	takesAll bool
	parts    []*partition // those to be copied, in order
	work     workList
	sizer    *scan.Sizer
	chunks   sync.Pool
	win      *window
	gov      *governor
	// onWrite is the governor's, bound once.
	onWrite func(Retry)
	caps    *caps
	cancel  context.CancelCauseFunc
	began   time.Time
	saved   atomic.Pointer[time.Time] // nil before the first cursor was made durable
}

// Run copies every row of src to dst, from where the cursors of an earlier run say; a partition
// without a cursor begins at its start. It returns nil only when every row is acknowledged by dst.
//
// save makes cursors durable. It gets those that moved since the last call, at most every
// Options.SaveEvery and once at the end, also when the run fails, from one goroutine at a time.
// An error of save ends the run. report may be nil; otherwise it gets progress at a bounded rate
// and once at the end.
//
// When ctx ends, Run sends no further write, waits at most a second for the answers of those under
// way, saves, and returns ctx's error within two seconds; what was sent and not answered by then
// may still reach dst until its deadline. Otherwise the error is a *ReadError,
// *WriteError, *SaveError or *OptionsError, or says why cursors or options do not fit.
func Run(ctx context.Context, src Source, dst Target, resume []Cursor, opts Options, save func([]Cursor) error, report Reporter) (Result, error) {
	r, err := newRun(src, dst, resume, opts)
	if err != nil {
		return Result{}, err
	}
	inner, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	r.cancel = cancel
	defer context.AfterFunc(inner, r.win.wake)()

	var background sync.WaitGroup
	background.Go(func() { r.every(inner, tick, func() { r.gov.step() }) })
	background.Go(func() { r.every(inner, r.opts.SaveEvery, func() { r.fail(r.save(save)) }) })
	if report != nil {
		meter := newMeter(r, report)
		defer meter.report()
		background.Go(func() { r.every(inner, r.opts.ReportEvery, meter.report) })
	}
	r.workers(inner)
	failed := context.Cause(inner)
	if ctx.Err() != nil && failed == context.Cause(ctx) {
		failed = ctx.Err()
	}
	cancel(errDone)
	background.Wait()
	if err := r.save(save); failed == nil {
		failed = err
	}
	return r.result(), failed
}

// errDone ends the helpers of a run that is over.
var errDone = errors.New("copy is over")

func newRun(src Source, dst Target, resume []Cursor, opts Options) (*run, error) {
	opts = opts.withDefaults()
	r := &run{
		opts: opts, src: src, dst: dst, count: src.PartitionCount(),
		win:   newWindow(opts.InFlight, opts.InFlightBytes),
		caps:  newCaps(opts),
		began: time.Now(),
	}
	r.gov = newGovernor(r.win, r.caps.pacer)
	r.onWrite = r.gov.onWrite
	r.chunks.New = func() any { return &chunk{r: r} }
	if err := opts.check(r.count); err != nil {
		return nil, err
	}
	meaning, chosen := opts.meaning(), opts.chosen(r.count)
	if err := checkResume(resume, opts.SourceID, r.count, meaning, chosen); err != nil {
		return nil, err
	}
	r.takesAll = opts.Filter.All()
	r.start = scan.NewDigests(opts.Start).Start
	if len(resume) > 0 {
		r.start = resume[0].Digests.Start
	}
	cursors := make(map[int32]Cursor, len(resume))
	for _, c := range resume {
		cursors[c.Partition] = c
	}
	r.parts = make([]*partition, len(chosen))
	for i, index := range chosen {
		c, begun := cursors[index]
		if !begun {
			c = opts.beginning(Cursor{Partition: index, Digests: Digests{Start: r.start}, Options: meaning}, r.count)
		}
		r.parts[i] = newPartition(r, c)
	}
	r.work.fill(r.parts)
	r.sizer = scan.NewSizer(opts.pageBytes(opts.Workers), opts.ScanBatch)
	return r, nil
}

// workers runs the workers until every partition is copied or the run has to stop, then waits a
// bounded time for what is in flight.
func (r *run) workers(ctx context.Context) {
	var workers sync.WaitGroup
	for range r.opts.Workers {
		workers.Go(func() { r.fail(newWorker(r).run(ctx)) })
	}
	ended := make(chan struct{})
	go func() { workers.Wait(); close(ended) }()
	select {
	case <-ended:
		if ctx.Err() == nil {
			return
		}
	case <-ctx.Done():
	}
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
	defer cancel()
	select {
	case <-ended:
	case <-drain.Done():
	}
	r.win.idle(drain)
}

// fail ends the run with its first error.
func (r *run) fail(err error) {
	if err != nil {
		r.cancel(err)
	}
}

// every calls f in an interval until ctx ends.
func (r *run) every(ctx context.Context, interval time.Duration, f func()) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			f()
		case <-ctx.Done():
			return
		}
	}
}

// save hands the cursors that moved to save.
func (r *run) save(save func([]Cursor) error) error {
	var moved []Cursor
	var parts []*partition
	for _, p := range r.parts {
		if c, ok := p.take(); ok {
			moved, parts = append(moved, c), append(parts, p)
		}
	}
	if len(moved) == 0 {
		return nil
	}
	err := save(moved)
	if err == nil {
		now := time.Now()
		r.saved.Store(&now)
		return nil
	}
	for _, p := range parts {
		p.keep()
	}
	return &SaveError{err}
}

// result adds up the cursors.
func (r *run) result() Result {
	var sum Result
	for _, p := range r.parts {
		c := p.snapshot()
		sum.Rows += c.Rows
		sum.Bytes += c.Bytes
		sum.Misplaced += c.Misplaced
		sum.Filtered += c.Filtered
		sum.Kept += c.Kept
		sum.Cursors = append(sum.Cursors, c)
	}
	return sum
}
