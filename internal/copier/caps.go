package copier

import (
	"context"

	"github.com/pegmigrate/pegmigrate/internal/pace"
)

// caps are what the pacer allows. Workers draw from it in leases, so that its lock is not on the path
// of every row.
type caps struct{ pacer *pace.Pacer }

func newCaps(o Options) *caps {
	if o.Pacer != nil {
		return &caps{o.Pacer}
	}
	return &caps{pace.New(pace.Limits{RowsPerSecond: o.RowsPerSecond, BytesPerSecond: o.BytesPerSecond}, pace.Options{})}
}

// lease is what one worker may still write.
type lease struct{ rows, bytes int64 }

// covers tells whether a write may be begun without waiting, and if so draws it.
func (l *lease) covers(c *caps, rows, bytes int64) bool {
	if l.rows < rows || l.bytes < bytes {
		moreRows, moreBytes := l.short(c, rows, bytes)
		if !c.pacer.TryDraw(moreRows, moreBytes) {
			return false
		}
		l.rows += moreRows
		l.bytes += moreBytes
	}
	l.rows -= rows
	l.bytes -= bytes
	return true
}

// renew waits until the pacer allows a lease of at least the given size and draws it.
func (l *lease) renew(ctx context.Context, c *caps, rows, bytes int64) error {
	moreRows, moreBytes := l.short(c, rows, bytes)
	if err := c.pacer.Draw(ctx, moreRows, moreBytes); err != nil {
		return err
	}
	l.rows += moreRows
	l.bytes += moreBytes
	return nil
}

// short is how much the lease has to grow for a write.
func (l *lease) short(c *caps, rows, bytes int64) (moreRows, moreBytes int64) {
	leaseRows, leaseBytes := c.pacer.Lease()
	if l.rows < rows {
		moreRows = max(rows-l.rows, leaseRows)
	}
	if l.bytes < bytes {
		moreBytes = max(bytes-l.bytes, leaseBytes)
	}
	return moreRows, moreBytes
}

// limit is what bounds the copy at present and why, both empty when nothing does.
func (r *run) limit() (limit, why string) {
	s := r.caps.pacer.State()
	if len(s.Held) == 0 {
		if limit, why := r.gov.reason(); limit != "" && (s.Limit == "" || r.gov.binds()) {
			return limit, why
		}
	}
	return s.Limit, s.Reason
}
