package differ

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"sync/atomic"

	"github.com/zeebo/xxh3"
	"golang.org/x/sync/errgroup"

	"github.com/pegmigrate/pegmigrate/internal/pegkey"
	"github.com/pegmigrate/pegmigrate/internal/scan"
)

// defaultShare is SampleOptions.Share when it is zero.
const defaultShare = 0.01

// sampling is the part of a run that compares chosen rows.
type sampling struct {
	r        *run
	src, dst LiveTable
	seed     uint64
	limit    uint64 // a row is chosen when its hash is not above
	jobs     []*sampleJob
	next     atomic.Int32
	sampled  atomic.Uint64
	reads    errgroup.Group

	mu sync.Mutex // the out of units
}

// sampleJob reads the keys of one partition.
type sampleJob struct {
	unit      *unit
	side      Side
	partition int32
	table     LiveTable
	pick      *picker
	gauge
}

// RunSample compares rows that are chosen at random, each with the same probability and whatever becomes of others of
// its hash key, which is what a bound on the share of differing rows needs. It reads the keys of both
// tables, which tells how many rows there are and which are misplaced, chooses by a hash of the whole key, the same
// on both sides, and reads the chosen rows of both. What is unequal is read again as in RunLive. A sample cannot
// be resumed; errors and report are as in RunLive.
func RunSample(ctx context.Context, src, dst LiveTable, opts SampleOptions, report Reporter) (SampleResult, error) {
	opts.LiveOptions = opts.withDefaults()
	opts.Method, opts.OnEqual = MethodMerge, nil
	if opts.Share == 0 {
		opts.Share = defaultShare
	}
	if !(opts.Share > 0 && opts.Share <= 1) {
		return SampleResult{}, fmt.Errorf("choose a share of %v of the rows: it must be above 0 and at most 1", opts.Share)
	}
	for opts.Seed == 0 {
		opts.Seed = rand.Uint64()
	}
	r, err := newRun(src, dst, opts.Options, nil)
	if err != nil {
		return SampleResult{}, err
	}
	r.live, r.rules = &opts.LiveOptions, liveRules(&opts.LiveOptions)
	r.rules.tolerance, r.rules.clock = r.opts.Tolerance, r.opts.Clock
	if !opts.Still {
		r.watch = newWatchlist(r, src, dst)
	}
	if err := r.prepare(nil, ""); err != nil {
		return SampleResult{}, err
	}
	r.sample = newSampling(r, src, dst, &opts)
	r.size(min(r.opts.Workers, max(len(r.sample.jobs), 1)), 2)
	result, err := r.run(ctx, report)
	enough := errors.Is(err, errEnough)
	if enough {
		r.addUnfinished(&result)
		err = nil
	}
	out := r.sample.outcome(&result, &opts)
	out.TooMany = out.TooMany || enough
	return out, err
}

// newSampling prepares the reading of all keys.
func newSampling(r *run, src, dst LiveTable, opts *SampleOptions) *sampling {
	s := &sampling{r: r, src: src, dst: dst, seed: opts.Seed, limit: math.MaxUint64}
	if opts.Share < 1 {
		s.limit = uint64(math.Ldexp(opts.Share, 64))
	}
	s.reads.SetLimit(looksAtOnce)
	for _, u := range r.parts {
		if len(u.sources) == 0 && r.opts.AllowExtra {
			continue
		}
		var sources, targets []*sampleJob
		for _, p := range u.sources {
			sources = append(sources, &sampleJob{unit: u, side: SourceSide, partition: p, table: src, pick: r.rules.pick})
		}
		for _, p := range u.targets {
			targets = append(targets, &sampleJob{unit: u, side: TargetSide, partition: p, table: dst, pick: r.targetPick})
		}
		s.jobs = append(s.jobs, alternating(sources, targets)...)
	}
	return s
}

// run reads keys and chosen rows.
func (s *sampling) run(ctx context.Context) {
	s.r.pool(min(s.r.opts.Workers, max(len(s.jobs), 1)), func() error {
		for {
			i := int(s.next.Add(1)) - 1
			if i >= len(s.jobs) {
				return nil
			}
			if err := s.keys(ctx, s.jobs[i]); err != nil {
				return cause(ctx, err)
			}
		}
	})
	if err := s.reads.Wait(); err != nil {
		s.r.fail(cause(ctx, err))
		return
	}
	if ctx.Err() != nil {
		return
	}
	for _, u := range s.r.parts {
		s.r.fail(s.r.scanned(u))
	}
}

// keys reads the keys of a partition and chooses.
func (s *sampling) keys(ctx context.Context, j *sampleJob) error {
	j.active.Store(true)
	defer j.active.Store(false)
	spec := s.r.spec(j.side)
	spec.Partition = j.partition
	spec.NoValue = j.side == TargetSide || s.r.rules.pick.keysDo()
	sizer := s.r.srcSizer
	if j.side == TargetSide {
		sizer = s.r.dstSizer
	}
	if err := s.r.caps.admit(ctx); err != nil {
		return err
	}
	reader := scan.NewReader(j.table, sizer, spec)
	defer reader.Close()
	for last := false; !last; {
		page, err := reader.Next(ctx)
		if err != nil {
			return &ReadError{j.side, j.partition, err}
		}
		s.page(ctx, j, page.Rows)
		rows, bytes := int64(len(page.Rows)), page.Bytes
		last = page.Last
		page.Release()
		if err := s.r.caps.draw(ctx, j.side, rows, bytes); err != nil {
			return err
		}
	}
	j.done.Store(true)
	return nil
}

// page counts the rows of a page and has the chosen ones read.
func (s *sampling) page(ctx context.Context, j *sampleJob, rows []scan.Row) {
	var c Counts
	for i := range rows {
		row := &rows[i]
		switch {
		case ignored(row.Key, s.r.live.Ignore):
			continue
		case !j.pick.takes(row):
			c.left(j.side)
			continue
		case pegkey.Partition(pegkey.HashRaw(row.Key), j.table.PartitionCount()) != j.partition:
			s.differ(j.unit, c.misplacedRow(s.r, j.side, row, j.partition))
			continue
		case j.side == SourceSide:
			c.SourceRows++
			c.SourceBytes += uint64(len(row.Key) + len(row.Value))
		default:
			c.TargetRows++
		}
		if xxh3.HashSeed(row.Key, s.seed) > s.limit {
			continue
		}
		key := bytes.Clone(row.Key)
		s.reads.Go(func() error {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			err := s.chosen(ctx, j, key)
			s.r.fail(err)
			return err
		})
	}
	j.rows.Add(c.SourceRows)
	j.bytes.Add(c.SourceBytes)
	s.mu.Lock()
	defer s.mu.Unlock()
	j.unit.out.Counts.add(&c)
}

// chosen reads a chosen row on both sides. A row of the target that the source has too is left to the scan of
// the source, so that it counts once. What is unequal is looked at again when the tables are written to, by the
// watchlist, and a difference at once when they rest.
func (s *sampling) chosen(ctx context.Context, j *sampleJob, key []byte) error {
	source, err := s.r.row(ctx, s.src, SourceSide, key)
	if err != nil {
		return err
	}
	if j.side == TargetSide && source != nil && s.r.rules.pick.takes(source) {
		return nil
	}
	s.sampled.Add(1)
	target, err := s.r.row(ctx, s.dst, TargetSide, key)
	if err != nil {
		return err
	}
	v, kind := s.r.rules.judge(source, target)
	d := Difference{Kind: kind, Key: key, Source: source, Target: target, SourcePartition: home(key, s.src), TargetPartition: home(key, s.dst)}
	switch {
	case v != unequal:
		if v == drifted {
			s.r.tellDrift(d)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		j.unit.out.settle(v)
	case s.r.watch != nil:
		return s.r.watch.add(ctx, newWatched(j.unit, &d, s.r.live.Patience))
	default:
		s.differ(j.unit, d)
	}
	return nil
}

// differ counts and tells about one difference.
func (s *sampling) differ(u *unit, d Difference) {
	s.mu.Lock()
	u.out.count(&d)
	if len(u.out.First) < keepFirst {
		u.out.First = append(u.out.First, d.Shown())
	}
	u.differences.Add(1)
	s.mu.Unlock()
	s.r.tell(d)
}

// survey is where the sample is.
func (s *sampling) survey() (parts []UnitProgress, differences uint64) {
	for _, j := range s.jobs {
		if j.side == SourceSide {
			parts = append(parts, j.shows(j.partition))
		}
	}
	for _, u := range s.r.parts {
		differences += u.differences.Load() + u.lateDifferences.Load()
	}
	return parts, differences
}

// outcome sums up what was found.
func (s *sampling) outcome(result *Result, opts *SampleOptions) SampleResult {
	out := SampleResult{Counts: result.Counts, Share: opts.Share, Seed: opts.Seed, Sampled: s.sampled.Load(), First: result.First}
	out.Found = out.Differences() - out.Misplaced()
	for _, u := range s.r.parts {
		out.Open = append(out.Open, u.out.Open...)
		out.TooMany = out.TooMany || u.out.TooMany
	}
	judged := out.Sampled - min(out.Sampled, uint64(len(out.Open)))
	out.MaxShare = upperBound(out.Found, judged)
	out.MaxRows = rowsBound(out.MaxShare, out.SourceRows-out.MisplacedSource, out.TargetRows-out.MisplacedTarget, s.r.opts.AllowExtra)
	return out
}

// keysDo says that a picker looks at no value.
func (p *picker) keysDo() bool { return p == nil || p.all || p.filter.Value.Kind == 0 }
