package differ

import (
	"context"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/pegmigrate/pegmigrate/internal/pegkey"
	"github.com/pegmigrate/pegmigrate/internal/scan"
)

// recounts is how often units whose numbers differ are counted, so that a row that was written or expired between
// the two counts is forgiven.
const recounts = 3

// counting is the part of a run that counts.
type counting struct {
	r       *run
	servers bool
	units   []UnitCount
	gauges  []gauge // by partition of the source
	// misplaced are rows per unit, of the source and of the target.
	misplaced [][2]atomic.Uint64
}

// RunCount counts the rows of both tables per residue class of partitions, those that have expired left out. Servers
// from 2.5 on count themselves when the selection takes every row, opts.Ignore is empty and no cap is declared, which
// they would not keep; otherwise keys are read.
// A class whose numbers differ is counted again up to twice. Equal numbers say nothing about which rows
// they are. Of opts it uses Selection.Partitions and Filter, AllowExtra, Ignore, Workers, GiveUpAfter, the
// limits and the memory.
func RunCount(ctx context.Context, src, dst scan.Source, opts LiveOptions, report Reporter) (CountResult, error) {
	opts.OnEqual, opts.Method = nil, MethodMerge
	r, err := newRun(src, dst, opts.Options, nil)
	if err != nil {
		return CountResult{}, err
	}
	r.live = &opts
	if err := r.prepare(nil, ""); err != nil {
		return CountResult{}, err
	}
	c := &counting{r: r, units: make([]UnitCount, r.units), gauges: make([]gauge, src.PartitionCount()),
		misplaced: make([][2]atomic.Uint64, r.units)}
	pace := r.caps.pacer.State()
	c.servers = pace.RowsPerSecond == 0 && pace.BytesPerSecond == 0 && r.rules.pick.all && (r.targetPick == nil || r.targetPick.all && r.targetPick.parts == nil) && len(opts.Ignore) == 0
	r.count = c
	r.size(r.opts.Workers, 2)
	_, err = r.run(ctx, report)
	return c.outcome(), err
}

// outcome adds up.
func (c *counting) outcome() CountResult {
	out := CountResult{Units: c.r.units, ByServers: c.servers}
	for i, u := range c.units {
		out.MisplacedSource += c.misplaced[i][0].Load()
		out.MisplacedTarget += c.misplaced[i][1].Load()
		out.SourceRows += u.Source
		out.TargetRows += u.Target
		if c.differs(u) {
			out.Unequal = append(out.Unequal, u)
		}
	}
	return out
}

// differs says that the numbers of a unit do not fit.
func (c *counting) differs(u UnitCount) bool {
	return u.Source > u.Target || u.Source < u.Target && !c.r.opts.AllowExtra
}

// run counts all units, and those that differ again.
func (c *counting) run(ctx context.Context) {
	var next []int32
	for i := range c.r.units {
		next = append(next, i)
	}
	for n := 0; n < recounts && len(next) > 0; n++ {
		g, gctx := errgroup.WithContext(ctx)
		g.SetLimit(c.r.opts.Workers)
		partial := make([][2]atomic.Uint64, c.r.units)
		for _, i := range next {
			u := c.r.parts[i]
			c.misplaced[i][0].Store(0)
			c.misplaced[i][1].Store(0)
			var counts [2][]func() error
			for _, p := range u.sources {
				counts[0] = append(counts[0], func() error { return c.partition(gctx, SourceSide, p, &partial[i][0]) })
			}
			for _, p := range u.targets {
				counts[1] = append(counts[1], func() error { return c.partition(gctx, TargetSide, p, &partial[i][1]) })
			}
			for _, count := range alternating(counts[0], counts[1]) {
				g.Go(count)
			}
		}
		if err := g.Wait(); err != nil {
			c.r.fail(cause(ctx, err))
			return
		}
		again := next[:0]
		for _, i := range next {
			c.units[i] = UnitCount{i, partial[i][0].Load(), partial[i][1].Load()}
			if c.differs(c.units[i]) {
				again = append(again, i)
			}
		}
		next = again
	}
}

// partition counts one partition of one side.
func (c *counting) partition(ctx context.Context, side Side, partition int32, rows *atomic.Uint64) error {
	table, pick := c.r.src, c.r.rules.pick
	if side == TargetSide {
		table, pick = c.r.dst, c.r.targetPick
	} else {
		g := &c.gauges[partition]
		g.active.Store(true)
		defer g.active.Store(false)
		defer g.done.Store(true)
	}
	spec := c.r.spec(side)
	spec.Partition, spec.NoValue = partition, side == TargetSide || pick.keysDo()
	if err := c.r.caps.admit(ctx); err != nil {
		return err
	}
	var n uint64
	var err error
	if c.servers {
		n, err = c.byServers(ctx, side, table, spec)
	} else {
		n, err = c.byKeys(ctx, side, table, pick, spec)
	}
	if err != nil {
		return &ReadError{side, partition, err}
	}
	rows.Add(n)
	if side == SourceSide {
		c.gauges[partition].rows.Store(n)
	}
	return nil
}

// byServers has a partition counted.
func (c *counting) byServers(ctx context.Context, side Side, table scan.Source, spec scan.Spec) (uint64, error) {
	spec.CountOnly = true
	cursor := table.Open(spec)
	defer cursor.Close()
	page, err := cursor.Next(ctx)
	if err != nil {
		return 0, err
	}
	defer page.Release()
	return uint64(page.Count), c.r.caps.draw(ctx, side, page.Count, 0)
}

// byKeys reads the keys of a partition.
func (c *counting) byKeys(ctx context.Context, side Side, table scan.Source, pick *picker, spec scan.Spec) (n uint64, err error) {
	sizer := c.r.srcSizer
	if side == TargetSide {
		sizer = c.r.dstSizer
	}
	reader := scan.NewReader(table, sizer, spec)
	defer reader.Close()
	for last := false; !last; {
		page, err := reader.Next(ctx)
		if err != nil {
			return 0, err
		}
		for i := range page.Rows {
			row := &page.Rows[i]
			switch {
			case ignored(row.Key, c.r.live.Ignore) || !pick.takes(row):
			case pegkey.Partition(pegkey.HashRaw(row.Key), table.PartitionCount()) != spec.Partition:
				of := &c.misplaced[spec.Partition%c.r.units]
				if side == SourceSide {
					of[0].Add(1)
				} else {
					of[1].Add(1)
				}
			default:
				n++
			}
		}
		rows, bytes := int64(len(page.Rows)), page.Bytes
		last = page.Last
		page.Release()
		if err := c.r.caps.draw(ctx, side, rows, bytes); err != nil {
			return 0, err
		}
	}
	return n, nil
}

// survey is where the count is.
func (c *counting) survey() (parts []UnitProgress) {
	for i := range c.gauges {
		parts = append(parts, c.gauges[i].shows(int32(i)))
	}
	return parts
}
