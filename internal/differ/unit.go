package differ

import (
	"bytes"
	"context"
	"sync/atomic"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/pegkey"
	"github.com/pegmigrate/pegmigrate/internal/scan"
)

// stride is the number of keys between two looks at the clock and the context.
const stride = 64

// unit is one residue class being compared.
type unit struct {
	r     *run
	index int32
	src   *stream
	dst   *stream
	out   Cursor
	// digests are out.Digests, indexed by source partition divided by the number of units.
	digests []scan.Digests
	// horizon is the moment up to which expiry counts as passed, renewed every stride and after every wait.
	horizon time.Time
	keys    int
	// found are keys of the last row that are to be watched.
	found []*watched
	// What the watchlist knows, under its lock: keys that are not settled, whether more may come, and
	// what became of the others.
	pending int
	scanned bool
	late    Cursor

	// Of a second look: what it belongs to, and the buckets and partitions that it is about.
	pair             *pair
	only             *suspects
	sources, targets []int32
	// mending says that differences are repaired as they are found; wrong are those of the current key.
	mending bool
	wrong   []Difference

	gauge
	lateDifferences atomic.Uint64
}

// resume makes the unit one that was compared by an earlier run.
func (u *unit) resume(c Cursor) {
	u.out = c
	u.publish()
	u.done.Store(true)
}

// compare runs the unit from its beginning to its end.
func (u *unit) compare(ctx context.Context) error {
	r := u.r
	u.active.Store(true)
	defer u.active.Store(false)
	u.out = r.cursor()
	u.out.Unit, u.out.Units = u.index, r.units
	if len(u.sources) == 0 && r.opts.AllowExtra {
		return nil // nothing that the target has would be a difference
	}
	u.src = newStream(SourceSide, r.src, r.srcSizer, r.spec(SourceSide), u.sources, u.only, r.caps)
	u.dst = newStream(TargetSide, r.dst, r.dstSizer, r.spec(TargetSide), u.targets, u.only, r.caps)
	u.src.pick, u.dst.pick = r.rules.pick, r.targetPick
	defer u.src.close()
	defer u.dst.close()
	u.digests = nil
	if r.live == nil && u.pair == nil {
		u.digests = make([]scan.Digests, (r.src.PartitionCount()-u.index+r.units-1)/r.units)
	}
	for i := range u.digests {
		u.digests[i].Start = r.start
	}
	if err := r.caps.admit(ctx); err != nil {
		return err
	}
	for _, s := range []*stream{u.src, u.dst} {
		u.listen(s)
		if err := s.open(ctx); err != nil {
			return err
		}
	}
	if err := u.merge(ctx); err != nil {
		return err
	}
	if u.digests != nil {
		u.out.Digests = make(map[int32]scan.Digests, len(u.digests))
	}
	for i := range u.digests {
		u.out.Digests[u.index+int32(i)*r.units] = u.digests[i]
	}
	return nil
}

// listen has a stream tell about the rows that it does not deliver. A second look leaves them to the first.
func (u *unit) listen(s *stream) {
	if u.r.live != nil {
		s.ignore = u.r.live.Ignore
	}
	if u.pair != nil {
		s.duplicate, s.left, s.misplaced = func() {}, func(*scan.Row) {}, func(*scan.Row, int32) {}
		return
	}
	s.duplicate = func() { u.out.Duplicates++ }
	s.misplaced = func(row *scan.Row, partition int32) { u.misplaced(s.side, row, partition) }
	s.left = func(*scan.Row) { u.out.left(s.side) }
}

// left counts a row that the selection leaves out.
func (c *Counts) left(side Side) {
	if side == SourceSide {
		c.Unselected++
		return
	}
	c.TargetRows++
	c.AllowedExtra++
}

// mergeLate takes over what became of watched keys.
func (u *unit) mergeLate() {
	u.out.Counts.add(&u.late.Counts)
	u.out.First = append(u.out.First, u.late.First[:min(len(u.late.First), keepFirst-len(u.out.First))]...)
	u.out.Open, u.out.TooMany = u.late.Open, u.late.TooMany
	u.late = Cursor{}
	u.lateDifferences.Store(0)
}

// merge walks both sides in the order of keys. Each row is looked at before it is left.
func (u *unit) merge(ctx context.Context) error {
	var s, t *scan.Row
	var sp, tp int32
	nextS, nextT := true, true
	for {
		if err := u.stride(ctx); err != nil {
			return err
		}
		var err error
		if nextS {
			if s, sp, err = u.src.settle(ctx); err != nil {
				return err
			}
			u.read(s, sp)
		}
		if nextT {
			if t, tp, err = u.dst.settle(ctx); err != nil {
				return err
			}
			if t != nil {
				u.out.TargetRows++
			}
		}
		if s == nil && t == nil {
			return nil
		}
		if u.src.turned || u.dst.turned {
			u.renew()
		}
		order := order(s, t)
		nextS, nextT = order <= 0, order >= 0
		switch {
		case order < 0:
			u.oneSided(s, nil, sp, u.home(s, u.dst))
		case order > 0:
			u.oneSided(nil, t, u.home(t, u.src), tp)
		default:
			u.both(s, t, sp, tp)
		}
		if err := u.mend(ctx); err != nil {
			return err
		}
		if nextS {
			if err := u.src.advance(ctx); err != nil {
				return err
			}
		}
		if nextT {
			if err := u.dst.advance(ctx); err != nil {
				return err
			}
		}
	}
}

// order compares keys; the end of a side is behind all of them.
func order(s, t *scan.Row) int {
	switch {
	case t == nil:
		return -1
	case s == nil:
		return 1
	default:
		return bytes.Compare(s.Key, t.Key)
	}
}

// home is the partition of a side that a row belongs to.
func (u *unit) home(row *scan.Row, side *stream) int32 {
	return pegkey.Partition(pegkey.HashRaw(row.Key), side.count)
}

// read counts a row of the source.
func (u *unit) read(row *scan.Row, partition int32) {
	if row == nil {
		return
	}
	u.out.SourceRows++
	u.out.SourceBytes += uint64(len(row.Key) + len(row.Value))
	if u.digests != nil {
		u.digests[partition/u.r.units].Add(row)
	}
}

// oneSided deals with a row that one side lacks.
func (u *unit) oneSided(s, t *scan.Row, sp, tp int32) {
	row := s
	if row == nil {
		row = t
	}
	v, kind := u.r.rules.compare(s, t, u.horizon)
	u.judged(v, Difference{Kind: kind, SourcePartition: sp, TargetPartition: tp, Key: row.Key, Source: s, Target: t})
}

// both deals with a row that both sides have.
func (u *unit) both(s, t *scan.Row, sp, tp int32) {
	v, kind := u.r.rules.compare(s, t, u.horizon)
	if v == equal {
		u.out.Equal++
		u.r.tellEqual(s)
		return
	}
	u.judged(v, Difference{Kind: kind, SourcePartition: sp, TargetPartition: tp, Key: s.Key, Source: s, Target: t})
}

// judged takes a verdict other than equal into account.
func (u *unit) judged(v verdict, d Difference) {
	switch v {
	case unequal:
		u.unequal(d)
		return
	case stamped, drifted:
		u.r.tellDrift(d)
		if u.mending && u.r.repair.drift {
			u.wrong = append(u.wrong, d)
		}
	}
	u.out.settle(v)
}

// unequal deals with a row that was read differently on both sides: a difference, unless it may be
// equal a moment later.
func (u *unit) unequal(d Difference) {
	if u.r.watch == nil {
		u.differ(d)
		return
	}
	u.found = append(u.found, newWatched(u, &d, u.r.live.Patience))
}

// misplaced deals with a row that its hash puts elsewhere.
func (u *unit) misplaced(side Side, row *scan.Row, partition int32) {
	u.differ(u.out.misplacedRow(u.r, side, row, partition))
}

// misplacedRow counts a row that its hash puts elsewhere, and is the difference that it makes.
func (c *Counts) misplacedRow(r *run, side Side, row *scan.Row, partition int32) Difference {
	d := Difference{Kind: Misplaced, Side: side, Key: row.Key}
	hash := pegkey.HashRaw(row.Key)
	if side == SourceSide {
		c.SourceRows++
		c.SourceBytes += uint64(len(row.Key) + len(row.Value))
		d.Source, d.SourcePartition, d.TargetPartition = row, partition, pegkey.Partition(hash, r.dst.PartitionCount())
	} else {
		c.TargetRows++
		d.Target, d.TargetPartition, d.SourcePartition = row, partition, pegkey.Partition(hash, r.src.PartitionCount())
	}
	return d
}

// differ counts and tells about one difference.
func (u *unit) differ(d Difference) {
	u.out.count(&d)
	if len(u.out.First) < keepFirst {
		u.out.First = append(u.out.First, d.Shown())
	}
	u.r.tell(d)
	if u.mending {
		u.wrong = append(u.wrong, d)
	}
}

// stride is called once per key and does what is needed every so often.
func (u *unit) stride(ctx context.Context) error {
	for _, k := range u.found {
		if err := u.r.watch.add(ctx, k); err != nil {
			return err
		}
	}
	u.found = u.found[:0]
	if u.keys%stride == 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		u.renew()
	}
	u.keys++
	return nil
}

// renew looks at the clock, and shows how far the unit is. Rows that one side had when its page was read may be gone
// on the other after hours outside of a window.
func (u *unit) renew() {
	u.publish()
	u.horizon = u.r.opts.Clock().Add(u.r.opts.Tolerance)
	u.src.turned, u.dst.turned = false, false
}

// publish makes the counts visible to progress.
func (u *unit) publish() {
	u.rows.Store(u.out.SourceRows)
	u.bytes.Store(u.out.SourceBytes)
	u.differences.Store(u.out.Differences())
}
