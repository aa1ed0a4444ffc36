package copier

import (
	"context"
	"fmt"

	"golang.org/x/time/rate"

	"github.com/pegmigrate/pegmigrate/internal/scan"
)

// caps are the declared limits of rows and bytes per second. Workers draw from them in leases, so
// that the limiters' locks are not on the path of every row.
type caps struct {
	rows, bytes           *rate.Limiter // nil without a cap
	rowsLease, bytesLease int64
	text                  string
}

// leases per second: a worker waits at most a twentieth of a second's worth of rows ahead.
const leases = 50

func newCaps(rowsPerSecond, bytesPerSecond int64) *caps {
	c := &caps{}
	if rowsPerSecond > 0 {
		c.rowsLease = min(max(rowsPerSecond/leases, 1), chunkOps)
		c.rows = rate.NewLimiter(rate.Limit(rowsPerSecond), int(2*c.rowsLease))
		c.text = fmt.Sprintf("rows_per_second %d", rowsPerSecond)
	}
	if bytesPerSecond > 0 {
		c.bytesLease = min(max(bytesPerSecond/leases, 1), 256<<10)
		c.bytes = rate.NewLimiter(rate.Limit(bytesPerSecond), int(2*c.bytesLease))
		if c.text != "" {
			c.text += ", "
		}
		c.text += fmt.Sprintf("bytes_per_second %d", bytesPerSecond)
	}
	return c
}

// none tells whether there is no cap.
func (c *caps) none() bool { return c.rows == nil && c.bytes == nil }

// lease is what one worker may still write.
type lease struct{ rows, bytes int64 }

// covers tells whether the lease is enough for a write, and if so draws it.
func (l *lease) covers(c *caps, rows, bytes int64) bool {
	if c.rows != nil && l.rows < rows || c.bytes != nil && l.bytes < bytes {
		return false
	}
	l.rows -= rows
	l.bytes -= bytes
	return true
}

// renew waits until the caps allow a lease of at least the given size and draws it.
func (l *lease) renew(ctx context.Context, c *caps, rows, bytes int64) error {
	if c.rows != nil && l.rows < rows {
		n := max(rows-l.rows, c.rowsLease)
		if err := scan.Draw(ctx, c.rows, n); err != nil {
			return err
		}
		l.rows += n
	}
	if c.bytes != nil && l.bytes < bytes {
		n := max(bytes-l.bytes, c.bytesLease)
		if err := scan.Draw(ctx, c.bytes, n); err != nil {
			return err
		}
		l.bytes += n
	}
	return nil
}
