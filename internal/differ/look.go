package differ

import (
	"context"

	"github.com/pegmigrate/pegmigrate/internal/pegkey"
	"github.com/pegmigrate/pegmigrate/internal/scan"
)

// look is the first look at one partition of one side: it sums up the rows by bucket.
type look struct {
	r         *run
	pair      *pair
	side      Side
	partition int32
	source    scan.Source
	out       Cursor
	sketch    *sketch
	digests   scan.Digests // of the source
	gauge
}

// take looks at the partition from its beginning to its end.
func (l *look) take(ctx context.Context) error {
	l.active.Store(true)
	defer l.active.Store(false)
	r := l.r
	l.out = r.cursor()
	l.out.Side, l.out.Partition, l.out.Start = l.side, l.partition, r.bands
	l.sketch = r.digest.sketch(l.partition, l.source.PartitionCount())
	l.digests = scan.Digests{Start: r.start}
	sizer := r.srcSizer
	if l.side == TargetSide {
		sizer = r.dstSizer
	}
	spec := r.spec(l.side)
	spec.Partition = l.partition
	if err := r.caps.admit(ctx); err != nil {
		return err
	}
	reader := scan.NewReader(l.source, sizer, spec)
	defer reader.Close()
	for last := false; !last; {
		page, err := reader.Next(ctx)
		if err != nil {
			return &ReadError{l.side, l.partition, err}
		}
		l.page(&page)
		rows, bytes := int64(len(page.Rows)), page.Bytes
		last = page.Last
		page.Release()
		l.publish()
		if err := r.caps.draw(ctx, l.side, rows, bytes); err != nil {
			return err
		}
	}
	if l.side == SourceSide && r.live == nil {
		l.out.Digests = map[int32]scan.Digests{l.partition: l.digests}
	}
	if r.save != nil || r.digest.side != "" {
		l.out.Sums = l.sketch.encode()
	}
	return nil
}

// page adds the rows of one page.
func (l *look) page(page *scan.Page) {
	r, c := l.r, &l.out.Counts
	pick, ignore, count := r.rules.pick, []byte(nil), l.source.PartitionCount()
	if l.side == TargetSide {
		pick = r.targetPick
	}
	if r.live != nil {
		ignore = r.live.Ignore
	}
	plain := r.opts.Selection.All()
	for i := range page.Rows {
		row := &page.Rows[i]
		if ignored(row.Key, ignore) {
			continue
		}
		if !pick.takes(row) {
			c.left(l.side)
			continue
		}
		hash := pegkey.HashRaw(row.Key)
		if pegkey.Partition(hash, count) != l.partition {
			l.misplaced(row)
			continue
		}
		value, expire := row.Value, row.Expire
		if !plain {
			value, expire = r.rules.summed(l.side, row)
		}
		f := pegkey.FingerprintOf(row.Key, value, expire)
		if l.side == TargetSide {
			c.TargetRows++
		} else {
			c.SourceRows++
			c.SourceBytes += uint64(len(row.Key) + len(row.Value))
			if plain {
				l.digests.AddFingerprint(expire, f)
			} else {
				l.digests.Add(row)
			}
		}
		l.sketch.add(hash, expire, f.Lo)
	}
}

// summed is what of a row has to be the same on both sides.
func (r *rules) summed(side Side, row *scan.Row) (value []byte, expire uint32) {
	value, expire = row.Value, row.Expire
	if r.selection.KeepExisting || r.selection.KeysOnly {
		value = nil
	}
	if r.selection.KeepExisting || r.selection.NoTTL && side == SourceSide {
		expire = 0
	}
	return value, expire
}

// misplaced deals with a row that its hash puts elsewhere.
func (l *look) misplaced(row *scan.Row) {
	d := l.out.misplacedRow(l.r, l.side, row, l.partition)
	l.out.count(&d)
	if len(l.out.First) < keepFirst {
		l.out.First = append(l.out.First, d.Shown())
	}
	l.r.tell(d)
}

// resume takes over what an earlier run has seen.
func (l *look) resume(c Cursor) error {
	l.out = c
	l.sketch = l.r.digest.sketch(l.partition, l.source.PartitionCount())
	if err := l.sketch.decode(c.Sums); err != nil {
		return err
	}
	l.publish()
	return nil
}

// publish makes the counts visible to progress.
func (l *look) publish() {
	l.rows.Store(l.out.SourceRows + l.out.TargetRows) // one of them is 0
	l.bytes.Store(l.out.SourceBytes)
	l.differences.Store(l.out.Differences())
}
