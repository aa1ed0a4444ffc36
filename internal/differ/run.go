package differ

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/pegkey"
	"github.com/pegmigrate/pegmigrate/internal/rowfilter"
	"github.com/pegmigrate/pegmigrate/internal/scan"
)

// run is one call of Run.
type run struct {
	opts               Options
	src, dst           scan.Source
	units              int32
	start              uint32 // of Digests
	bands              uint32 // the moment that the bands of sums count from, as an expiry
	srcSizer, dstSizer *scan.Sizer
	workers            int
	parts              []*unit
	next               atomic.Int32
	caps               *caps
	cancel             context.CancelCauseFunc
	began              time.Time

	telling sync.Mutex // one OnDifference at a time
	saving  sync.Mutex
	save    func([]Cursor) error

	lastRetry atomic.Pointer[seenRetry]

	rules      rules
	targetPick *picker
	selection  string       // Selection.id
	live       *LiveOptions // nil in a comparison of tables that nobody writes to
	watch      *watchlist   // nil unless unequal keys are read again
	digest     *digesting   // nil in a comparison by merging
	repair     *repairing   // nil unless differences are repaired
	sample     *sampling    // set in RunSample
	count      *counting    // set in RunCount
}

// seenRetry is the last retry of a scan and when it came.
type seenRetry struct {
	text string
	at   time.Time
}

// Run compares every row of src with dst, leaving out the units that cursors of an earlier run of
// the same tables cover. Differences are a result, not an error.
//
// save, which may be nil, gets the cursor of every unit that is finished, and of every partition that is
// summed up, one call at a time; an error of it ends the run. report may be nil; otherwise it gets progress at a bounded rate and
// once at the end. When ctx ends, Run returns its error soon; the Result holds what is finished.
// Otherwise the error is a *ReadError or *SaveError, or says why cursors do not fit.
func Run(ctx context.Context, src, dst scan.Source, resume []Cursor, opts Options, save func([]Cursor) error, report Reporter) (Result, error) {
	r, err := newRun(src, dst, opts, save)
	if err != nil {
		return Result{}, err
	}
	if err := r.prepare(resume, ""); err != nil {
		return Result{}, err
	}
	return r.run(ctx, report)
}

// run compares what is not compared yet.
func (r *run) run(ctx context.Context, report Reporter) (Result, error) {
	inner, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	r.cancel = cancel
	var background sync.WaitGroup
	if report != nil {
		meter := newMeter(r, report)
		defer meter.report()
		background.Go(func() { meter.run(inner) })
	}
	if r.watch != nil {
		r.watch.start(inner, &background)
	}
	switch {
	case r.digest != nil:
		r.digest.run(inner)
	case r.sample != nil:
		r.sample.run(inner)
	case r.count != nil:
		r.count.run(inner)
	default:
		r.pool(r.workers, func() error { return r.work(inner) })
	}
	if r.watch != nil {
		r.fail(r.watch.settled(inner))
	}
	failed := context.Cause(inner)
	if ctx.Err() != nil && failed == context.Cause(ctx) {
		failed = ctx.Err()
	}
	cancel(errDone)
	background.Wait()
	return r.result(), failed
}

// errDone ends the helpers of a run that is over.
var errDone = errors.New("comparison is over")

// SaveError ends a comparison because a cursor could not be made durable.
type SaveError struct{ Err error }

// Error says what failed.
func (e *SaveError) Error() string {
	return fmt.Sprintf("save the cursors of the comparison: %v", e.Err)
}

// Unwrap gives the cause.
func (e *SaveError) Unwrap() error { return e.Err }

func newRun(src, dst scan.Source, opts Options, save func([]Cursor) error) (*run, error) {
	opts = opts.withDefaults()
	n, m := src.PartitionCount(), dst.PartitionCount()
	if n < 1 || m < 1 {
		return nil, fmt.Errorf("compare tables of %d and %d partitions", n, m)
	}
	if err := opts.Selection.check(n); err != nil {
		return nil, err
	}
	r := &run{
		opts: opts, src: src, dst: dst, units: gcd(n, m), save: save, began: time.Now(),
		caps: newCaps(opts), start: scan.NewDigests(opts.Start).Start, bands: pegkey.ExpireTs(opts.Clock()),
		rules: newRules(&opts), targetPick: opts.Selection.target(n, opts.AllowExtra), selection: opts.Selection.id(opts.AllowExtra),
	}
	for i := range r.units {
		u := &unit{r: r, index: i, sources: opts.Selection.partitions(n, i, r.units)}
		for p := i; p < m; p += r.units {
			u.targets = append(u.targets, p)
		}
		r.parts = append(r.parts, u)
	}
	return r, nil
}

// prepare takes over what an earlier run has compared, and chooses how to go on. side is the only one to
// look at, "" for both.
func (r *run) prepare(cursors []Cursor, side Side) error {
	if err := r.checkResume(cursors); err != nil {
		return err
	}
	for i := range cursors {
		c := &cursors[i]
		if c.Side == "" {
			r.parts[c.Unit].resume(*c)
		} else {
			r.bands = c.Start
		}
		for _, d := range c.Digests {
			r.start = d.Start
		}
	}
	perUnit := int(r.src.PartitionCount()/r.units + r.dst.PartitionCount()/r.units)
	if !r.byDigests(cursors) {
		r.workers = max(min(r.opts.Workers, maxScans/perUnit, int(r.units)), 1)
		r.size(r.workers, perUnit)
		return nil
	}
	r.digest = newDigesting(r, side)
	r.size(min(r.opts.Workers, max(len(r.digest.looks), 1)), 2)
	return r.digest.resume(cursors)
}

// byDigests chooses the method.
func (r *run) byDigests(cursors []Cursor) bool {
	o := &r.opts
	if o.OnEqual != nil || o.Method == MethodMerge {
		return false
	}
	unfinished := func(c Cursor) bool {
		return c.Side != "" && !r.parts[c.Partition%r.units].done.Load()
	}
	if o.Method == MethodDigest || slices.ContainsFunc(cursors, unfinished) {
		return true
	}
	// Rows that the target alone has, and expiries that nobody copied, leave few buckets equal. Under a cap more
	// scans at a time gain nothing.
	pace := r.caps.pacer.State()
	mixed := o.AllowExtra || o.Selection.NoTTL && r.rules.targetTTL > 0 || pace.RowsPerSecond > 0 || pace.BytesPerSecond > 0
	n, m := r.src.PartitionCount(), r.dst.PartitionCount()
	if o.Unequal { // plan.readTwice predicts this choice
		return !mixed && 4*int(r.units) < min(o.Workers, int(max(n, m)))
	}
	// Where a unit has more than two partitions a merge spends more time on the order of keys than sums take. What
	// clients write makes buckets unequal, whose partitions are read twice.
	return !mixed && (int(r.units) < min(o.Workers, int(max(n, m))) || n != m && r.live == nil)
}

// size makes pages such that so many workers with so many scans each stay within PageMemory.
func (r *run) size(workers, scans int) {
	page := max(r.opts.PageMemory/(workers*scans*perScan), minPage)
	r.srcSizer, r.dstSizer = scan.NewSizer(page, r.opts.ScanBatch), scan.NewSizer(page, r.opts.ScanBatch)
}

// spec is what scans of a side have in common.
func (r *run) spec(side Side) scan.Spec {
	sel := &r.opts.Selection
	out := scan.Spec{GiveUpAfter: r.opts.GiveUpAfter, OnRetry: r.onRetry}
	out.NoValue = sel.KeysOnly && sel.Filter.Value.Kind == rowfilter.All
	if side == TargetSide {
		out.NoValue = sel.KeysOnly || sel.KeepExisting
	}
	// Servers may leave out what is checked here again. All that a target of one's own has is looked at.
	if side == SourceSide || r.opts.AllowExtra {
		out.HashKey, out.SortKey = sel.Filter.HashKey, sel.Filter.SortKey
	}
	return out
}

// cursor is a cursor of this run about nothing yet.
func (r *run) cursor() Cursor {
	return Cursor{
		Version: CursorVersion, Source: r.src.PartitionCount(), Target: r.dst.PartitionCount(), Live: r.watch != nil,
		Rows: r.selection,
	}
}

// gcd is the greatest common divisor of two positive numbers.
func gcd(a, b int32) int32 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// work compares units until none is left.
func (r *run) work(ctx context.Context) error {
	for {
		i := int(r.next.Add(1)) - 1
		if i >= len(r.parts) {
			return nil
		}
		u := r.parts[i]
		if u.done.Load() {
			continue
		}
		if err := u.compare(ctx); err != nil {
			return cause(ctx, err)
		}
		if err := r.scanned(u); err != nil {
			return err
		}
	}
}

// scanned ends a unit, or leaves that to the last of its watched keys.
func (r *run) scanned(u *unit) error {
	if r.watch != nil {
		return r.watch.scanned(u)
	}
	return r.finish(u)
}

// finish ends a unit: all that there is to find out about it is known.
func (r *run) finish(u *unit) error {
	u.mergeLate()
	u.publish()
	u.done.Store(true)
	if u.pair != nil {
		return r.digest.settled(u)
	}
	return r.saved(u.out)
}

// fail ends the run with its first error.
func (r *run) fail(err error) {
	if err != nil {
		r.cancel(err)
	}
}

// saved makes a cursor durable.
func (r *run) saved(c Cursor) error {
	if r.save == nil {
		return nil
	}
	r.saving.Lock()
	defer r.saving.Unlock()
	if err := r.save([]Cursor{c}); err != nil {
		return &SaveError{err}
	}
	return nil
}

// tell hands a difference to OnDifference.
func (r *run) tell(d Difference) {
	if r.opts.OnDifference == nil {
		return
	}
	r.telling.Lock()
	defer r.telling.Unlock()
	r.opts.OnDifference(d)
}

// tellDrift hands a row whose expiries drifted apart to OnDrift.
func (r *run) tellDrift(d Difference) {
	if r.opts.OnDrift == nil {
		return
	}
	r.telling.Lock()
	defer r.telling.Unlock()
	r.opts.OnDrift(d)
}

// tellEqual hands an equal row to OnEqual.
func (r *run) tellEqual(row *scan.Row) {
	if r.opts.OnEqual == nil || r.live != nil {
		return
	}
	r.telling.Lock()
	defer r.telling.Unlock()
	r.opts.OnEqual(row)
}

// onRetry is told of every retry of a scan.
func (r *run) onRetry(retry scan.Retry) {
	text := retry.Reason
	if retry.Addr != "" {
		text += " from " + retry.Addr
	}
	r.lastRetry.Store(&seenRetry{text, time.Now()})
	r.caps.refused(retry, text)
}

// result adds up the finished units.
func (r *run) result() Result {
	out := Result{Digests: make([]scan.Digests, r.src.PartitionCount())}
	for i := range out.Digests {
		out.Digests[i].Start = r.start
	}
	for _, u := range r.parts {
		if u.done.Load() {
			out.add(u.out)
		}
	}
	return out
}
