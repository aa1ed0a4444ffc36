package differ

import (
	"context"
	"fmt"
	"strings"

	"golang.org/x/time/rate"

	"github.com/pegmigrate/pegmigrate/internal/scan"
)

// caps are the declared limits of keys and bytes per second. A key costs one row on either side.
type caps struct {
	rows, bytes           *rate.Limiter // nil without a cap
	rowsLease, bytesLease int64
	text                  string
}

// leases is how often per second a unit asks the limiters.
const leases = 50

func newCaps(rowsPerSecond, bytesPerSecond int64) *caps {
	c := &caps{}
	var text []string
	if rowsPerSecond > 0 {
		c.rowsLease = min(max(rowsPerSecond/leases, 1), 64)
		c.rows = rate.NewLimiter(rate.Limit(rowsPerSecond), int(2*c.rowsLease))
		text = append(text, fmt.Sprintf("rows_per_second %d", rowsPerSecond))
	}
	if bytesPerSecond > 0 {
		c.bytesLease = min(max(bytesPerSecond/leases, 1), 256<<10)
		c.bytes = rate.NewLimiter(rate.Limit(bytesPerSecond), int(2*c.bytesLease))
		text = append(text, fmt.Sprintf("bytes_per_second %d", bytesPerSecond))
	}
	c.text = strings.Join(text, ", ")
	return c
}

// lease is what one unit may still read. Bytes are known only after they were read: they may be
// overdrawn, and are paid before the next key.
type lease struct{ rows, bytes int64 }

// take draws one key, waiting for the caps when the lease is used up.
func (l *lease) take(ctx context.Context, c *caps) error {
	if c.rows != nil {
		if l.rows <= 0 {
			if err := scan.Draw(ctx, c.rows, c.rowsLease); err != nil {
				return err
			}
			l.rows = c.rowsLease
		}
		l.rows--
	}
	for c.bytes != nil && l.bytes <= 0 {
		if err := scan.Draw(ctx, c.bytes, c.bytesLease); err != nil {
			return err
		}
		l.bytes += c.bytesLease
	}
	return nil
}
