package differ

import (
	"context"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/idl"
	"github.com/pegmigrate/pegmigrate/internal/pace"
	"github.com/pegmigrate/pegmigrate/internal/pegasus"
	"github.com/pegmigrate/pegmigrate/internal/scan"
)

// caps are what the pacer allows. A key costs one row on either side.
type caps struct{ pacer *pace.Pacer }

func newCaps(o Options) *caps {
	if o.Pacer != nil {
		return &caps{o.Pacer}
	}
	return &caps{pace.New(pace.Limits{RowsPerSecond: o.RowsPerSecond, BytesPerSecond: o.BytesPerSecond}, pace.Options{})}
}

// lease is what one unit may still read. Bytes are known only after they were read: they are
// overdrawn, and are paid before the next key.
type lease struct{ rows, bytes, owed int64 }

// take draws one key, waiting for the pacer when the lease is used up.
func (l *lease) take(ctx context.Context, c *caps) error {
	if l.rows <= 0 || -l.bytes > l.owed {
		rows, bytes := c.pacer.Lease()
		if l.rows > 0 {
			rows = 0
		}
		if err := c.pacer.Draw(ctx, rows, max(-l.bytes, 0)); err != nil {
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
