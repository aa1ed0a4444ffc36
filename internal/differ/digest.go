package differ

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/pegmigrate/pegmigrate/internal/scan"
)

// digestsOf are the digests of one partition's rows.
type digestsOf = scan.Digests

// digesting is the part of a run that compares by digests. First every partition of both sides is read and
// summed up, each by itself; then the rows of unequal buckets are compared in the order of keys, as a comparison by
// merging does, but of those buckets and of the partitions only that they lie in. Nothing has to be kept of rows for
// that, however many differ.
type digesting struct {
	r      *run
	layout layout
	side   Side // the only one that is looked at, "" for both
	pairs  []*pair
	looks  []*look
	next   atomic.Int32
	// seconds are set once, before they run.
	seconds atomic.Pointer[[]*unit]

	mu   sync.Mutex
	free map[uint32][]*sketch // empty ones, by step
}

// sketch is an empty one for a partition. Coprime counts have thousands of large ones, few at a time.
func (d *digesting) sketch(partition, count int32) *sketch {
	base, step := d.layout.class(partition, count)
	d.mu.Lock()
	defer d.mu.Unlock()
	if n := len(d.free[step]); n > 0 {
		s := d.free[step][n-1]
		d.free[step] = d.free[step][:n-1]
		s.base = base
		return s
	}
	return newSketch(d.layout, partition, count)
}

// recycle takes a sketch that nobody needs any more.
func (d *digesting) recycle(s *sketch) {
	for _, cells := range s.bands {
		clear(cells)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.free[s.step]) < d.r.opts.Workers {
		d.free[s.step] = append(d.free[s.step], s)
	}
}

// newDigesting prepares the looks at all partitions.
func newDigesting(r *run, side Side) *digesting {
	d := &digesting{r: r, side: side, layout: newLayout(r.src.PartitionCount(), r.dst.PartitionCount(), r.bands), free: map[uint32][]*sketch{}}
	for _, u := range r.parts {
		p := &pair{unit: u}
		look := func(side Side, source scan.Source, partitions []int32) {
			for _, q := range partitions {
				p.looks = append(p.looks, &look{r: r, pair: p, side: side, partition: q, source: source})
			}
		}
		if side != TargetSide {
			look(SourceSide, r.src, u.sources)
		}
		if side != SourceSide && (len(u.sources) > 0 || !r.opts.AllowExtra) {
			look(TargetSide, r.dst, u.targets)
		}
		p.left = len(p.looks)
		d.pairs = append(d.pairs, p)
	}
	d.looks = byPartition(d.pairs)
	return d
}

// resume takes over the sums of partitions that an earlier run has seen.
func (d *digesting) resume(cursors []Cursor) error {
	type place struct {
		side      Side
		partition int32
	}
	known := map[place]*look{}
	for _, l := range d.looks {
		known[place{l.side, l.partition}] = l
	}
	for i := range cursors {
		c := &cursors[i]
		l := known[place{c.Side, c.Partition}]
		if c.Side == "" || l == nil || l.pair.unit.done.Load() || l.done.Load() {
			continue
		}
		if err := l.resume(*c); err != nil {
			return err
		}
		d.taken(l)
	}
	return nil
}

// run takes both looks.
func (d *digesting) run(ctx context.Context) {
	d.r.pool(min(d.r.opts.Workers, max(len(d.looks), 1)), func() error { return d.first(ctx) })
	if ctx.Err() != nil || d.side != "" {
		return
	}
	var seconds []*unit
	for _, p := range d.pairs {
		if p.unit.done.Load() {
			continue
		}
		if p.left > 0 || p.suspects == nil { // a class without partitions to look at
			p.suspects = &suspects{}
		}
		if p.suspects.count > 0 {
			p.split(d.r)
		}
		if len(p.seconds) == 0 {
			d.r.fail(d.finish(p))
		}
		seconds = append(seconds, p.seconds...)
	}
	d.seconds.Store(&seconds)
	workers := max(min(d.r.opts.Workers, maxScans/widest(seconds), len(seconds)), 1)
	d.r.size(workers, widest(seconds))
	d.next.Store(0)
	d.r.pool(workers, func() error { return d.second(ctx, seconds) })
}

// first takes looks until none is left.
func (d *digesting) first(ctx context.Context) error {
	for {
		i := int(d.next.Add(1)) - 1
		if i >= len(d.looks) {
			return nil
		}
		l := d.looks[i]
		if l.done.Load() || l.pair.unit.done.Load() {
			continue
		}
		if err := l.take(ctx); err != nil {
			return cause(ctx, err)
		}
		if err := d.r.saved(l.out); err != nil {
			return err
		}
		d.taken(l)
	}
}

// taken takes the sums of a look over. A class that is equal is not finished before the second looks begin.
func (d *digesting) taken(l *look) {
	if d.side == "" {
		l.pair.taken(l)
	}
	d.recycle(l.sketch)
	l.sketch = nil
	l.done.Store(true)
}

// second compares rows of unequal buckets until none is left.
func (d *digesting) second(ctx context.Context, seconds []*unit) error {
	for {
		i := int(d.next.Add(1)) - 1
		if i >= len(seconds) {
			return nil
		}
		u := seconds[i]
		if err := u.settleDown(ctx); err != nil {
			return cause(ctx, err)
		}
		if err := d.r.scanned(u); err != nil {
			return err
		}
	}
}

// settled ends a second look, and its class when it was the last.
func (d *digesting) settled(u *unit) error {
	if u.pair.settled() {
		return d.finish(u.pair)
	}
	return nil
}

// finish ends a class.
func (d *digesting) finish(p *pair) error {
	u := p.unit
	u.out = p.fold(d.r, true)
	u.publish()
	u.done.Store(true)
	return d.r.saved(u.out)
}

// survey is where the comparison is.
func (d *digesting) survey() (parts []UnitProgress, differences uint64) {
	for _, l := range d.looks {
		differences += l.differences.Load()
		if l.side == SourceSide || d.side == TargetSide {
			parts = append(parts, l.shows(l.partition))
		}
	}
	if seconds := d.seconds.Load(); seconds != nil {
		for _, u := range *seconds {
			differences += u.differences.Load() + u.lateDifferences.Load()
		}
	}
	return parts, differences
}

// suspected is how many unequal buckets are being compared by rows.
func (r *run) suspected() (n int) {
	if r.digest == nil || r.digest.seconds.Load() == nil {
		return 0
	}
	for _, u := range *r.digest.seconds.Load() {
		if !u.done.Load() {
			n = max(n, 1)
		}
	}
	if n == 0 {
		return 0
	}
	n = 0
	for _, p := range r.digest.pairs {
		if !p.unit.done.Load() && p.suspects != nil {
			n += p.suspects.count
		}
	}
	return n
}

// cause is the reason why ctx ended, when it did, and err otherwise.
func cause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// pool runs n workers to their end; the first error ends the run.
func (r *run) pool(n int, work func() error) {
	var workers sync.WaitGroup
	for range n {
		workers.Go(func() { r.fail(work()) })
	}
	workers.Wait()
}

// DigestSide reads one side only and gives the cursors of its partitions, for a comparison later on that resumes from
// them: so the target of a copy can be summed up before writes are rejected, and the source alone behind that.
// Nobody but that comparison may write to the side in between. opts, resume, save and report are as in Run.
func DigestSide(ctx context.Context, side Side, src, dst scan.Source, resume []Cursor, opts Options, save func([]Cursor) error, report Reporter) ([]Cursor, error) {
	opts.Method, opts.OnEqual = MethodDigest, nil
	r, err := newRun(src, dst, opts, save)
	if err != nil {
		return nil, err
	}
	if err := r.prepare(resume, side); err != nil {
		return nil, err
	}
	if _, err := r.run(ctx, report); err != nil {
		return nil, err
	}
	out := make([]Cursor, 0, len(r.digest.looks))
	for _, l := range r.digest.looks {
		out = append(out, l.out)
	}
	return out, nil
}
