package differ

import (
	"bytes"
	"context"
	"sync/atomic"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/pegkey"
	"github.com/pegmigrate/pegmigrate/internal/scan"
)

// stride is the number of keys between two looks at the clock, the caps and the context.
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
	lease   lease
	// horizon is the moment up to which expiry counts as passed, renewed every stride.
	horizon time.Time
	keys    int
	// found are keys of the last row that are to be watched.
	found []*watched
	// What the watchlist knows, under its lock: keys that are not settled, whether more may come, and
	// what became of the others.
	pending int
	scanned bool
	late    Cursor

	// For progress only.
	rows, bytes, differences atomic.Uint64
	lateDifferences          atomic.Uint64
	active, done             atomic.Bool
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
	spec := scan.Spec{GiveUpAfter: r.opts.GiveUpAfter, OnRetry: r.onRetry}
	u.out = Cursor{Version: CursorVersion, Unit: u.index, Units: r.units, Source: r.src.PartitionCount(), Target: r.dst.PartitionCount(), Live: r.watch != nil}
	u.src = newStream(SourceSide, r.src, r.srcSizer, spec, u.index, r.units)
	u.dst = newStream(TargetSide, r.dst, r.dstSizer, spec, u.index, r.units)
	defer u.src.close()
	defer u.dst.close()
	if r.live == nil {
		u.digests = make([]scan.Digests, len(u.src.all))
	}
	for i := range u.digests {
		u.digests[i].Start = r.start
	}
	for _, s := range []*stream{u.src, u.dst} {
		if r.live != nil {
			s.ignore = r.live.Ignore
		}
		s.duplicate = func() { u.out.Duplicates++ }
		s.misplaced = func(row *scan.Row, partition int32) { u.misplaced(s.side, row, partition) }
		if err := s.open(ctx); err != nil {
			return err
		}
	}
	if err := u.merge(ctx); err != nil {
		return err
	}
	if r.live == nil {
		u.out.Digests = make(map[int32]scan.Digests, len(u.digests))
	}
	for i := range u.digests {
		u.out.Digests[u.index+int32(i)*r.units] = u.digests[i]
	}
	return nil
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
		if err := u.pace(ctx); err != nil {
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
	u.lease.bytes -= int64(len(row.Key) + len(row.Value))
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
	d := Difference{Kind: Misplaced, Side: side, Key: row.Key}
	if side == SourceSide {
		u.out.SourceRows++
		u.out.SourceBytes += uint64(len(row.Key) + len(row.Value))
		d.Source, d.SourcePartition, d.TargetPartition = row, partition, u.home(row, u.dst)
	} else {
		u.out.TargetRows++
		d.Target, d.TargetPartition, d.SourcePartition = row, partition, u.home(row, u.src)
	}
	u.differ(d)
}

// differ counts and tells about one difference.
func (u *unit) differ(d Difference) {
	u.out.count(&d)
	if len(u.out.First) < keepFirst {
		u.out.First = append(u.out.First, d.Shown())
	}
	u.r.tell(d)
}

// pace is called once per key and does what is needed every stride.
func (u *unit) pace(ctx context.Context) error {
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
		u.horizon = u.r.opts.Clock().Add(u.r.opts.Tolerance)
		u.publish()
	}
	u.keys++
	return u.lease.take(ctx, u.r.caps)
}

// publish makes the counts visible to progress.
func (u *unit) publish() {
	u.rows.Store(u.out.SourceRows)
	u.bytes.Store(u.out.SourceBytes)
	u.differences.Store(u.out.Differences())
}
