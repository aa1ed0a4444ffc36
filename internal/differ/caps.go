package differ

import (
	"context"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/idl"
	"github.com/pegmigrate/pegmigrate/internal/pace"
	"github.com/pegmigrate/pegmigrate/internal/pegasus"
	"github.com/pegmigrate/pegmigrate/internal/scan"
)

// caps are what the pacer allows. Limits are of what is read from each of the two clusters, so that every method
// draws what it reads of a side from that side's rates, and takes as long under a cap as the larger side needs.
type caps struct{ pacer *pace.Pacer }

func newCaps(o Options) *caps {
	if o.Pacer != nil {
		return &caps{o.Pacer}
	}
	return &caps{pace.New(pace.Limits{RowsPerSecond: o.RowsPerSecond, BytesPerSecond: o.BytesPerSecond}, pace.Options{})}
}

// lane is where the pacer keeps the rates of a side.
func lane(side Side) pace.Lane {
	if side == TargetSide {
		return pace.Second
	}
	return pace.First
}

// draw waits until so much may be read of a side, or pays for what was read.
func (c *caps) draw(ctx context.Context, side Side, rows, bytes int64) error {
	return c.pacer.DrawFrom(ctx, lane(side), rows, bytes)
}

// admit waits while nothing may be read at all. A scan is not begun before: pages are paid for when they are here,
// and outside of a window, or on a cluster in trouble, the first one would be one too many.
func (c *caps) admit(ctx context.Context) error { return c.pacer.Draw(ctx, 0, 0) }

// row reads one row within the limits, nil for none.
func (r *run) row(ctx context.Context, table LiveTable, side Side, key []byte) (*scan.Row, error) {
	if err := r.caps.draw(ctx, side, 1, 0); err != nil {
		return nil, err
	}
	row, err := readRow(ctx, table, side, key, r.opts.GiveUpAfter)
	if err == nil && row != nil {
		err = r.caps.draw(ctx, side, 0, int64(len(row.Key)+len(row.Value)))
	}
	return row, err
}

// alternating puts the parts of both sides in an order in which every prefix has about the same share of either:
// workers that take them in that order read both sides at the same time, and use the rates of both.
func alternating[T any](sources, targets []T) []T {
	out := make([]T, 0, len(sources)+len(targets))
	for s, t := 0, 0; s < len(sources) || t < len(targets); {
		// Each stands where its part of the side begins, so that the first of either are the first two.
		if t == len(targets) || s < len(sources) && s*len(targets) <= t*len(sources) {
			out = append(out, sources[s])
			s++
		} else {
			out = append(out, targets[t])
			t++
		}
	}
	return out
}

// lease is what one stream may still read. Bytes are known only after they were read: they are
// overdrawn, and are paid before the next row.
type lease struct {
	rows, bytes, owed int64
	fresh             bool // the last row had to be drawn from the pacer
}

// take draws one row, waiting for the pacer when the lease is used up.
func (l *lease) take(ctx context.Context, c *caps, side Side) error {
	l.fresh = l.rows <= 0 || -l.bytes > l.owed
	if l.fresh {
		rows, bytes := c.pacer.Lease()
		if l.rows > 0 {
			rows = 0
		}
		if err := c.draw(ctx, side, rows, max(-l.bytes, 0)); err != nil {
			return err
		}
		l.rows += rows
		l.bytes, l.owed = max(l.bytes, 0), bytes
	}
	l.rows--
	return nil
}

// limit is what bounds the comparison at present and why, both empty when nothing does.
func (r *run) limit() (limit, why string) {
	state := r.caps.pacer.State()
	if s := r.lastRetry.Load(); len(state.Held) == 0 && s != nil && time.Since(s.at) < recent {
		return "reading slowed down", s.text
	}
	return state.Limit, state.Reason
}

// refused slows the reading down when servers say that they can do no more.
func (c *caps) refused(retry scan.Retry, text string) {
	switch code, _ := pegasus.CodeOf(retry.Err); code {
	case idl.ErrBusy, idl.ErrCapacityExceeded:
		c.pacer.Refused("reading", text)
	}
}
