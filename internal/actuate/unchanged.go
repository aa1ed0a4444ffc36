package actuate

import (
	"context"
	"errors"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/pegasus"
	"github.com/pegmigrate/pegmigrate/internal/scan"
)

// How long the metas are asked in the end whether tables are still what was read: longer than another meta takes
// over. unchangedPause is the time between two questions that got no answer.
const (
	unchangedLimit = 2 * time.Minute
	unchangedPause = 500 * time.Millisecond
)

// unchanged asks the metas, after rows were read, whether tables are still those that were opened. Requests alone do
// not tell: a partition that was split under a scan leaves the rows out that are its child's now, and accepts the scan
// that knows nothing of the child, because scans carry the index of their partition as hash (src/replica/replica.h,
// CHECK_REQUEST_IF_SPLITTING; src/server/pegasus_server_impl.cpp, validate_key_value_for_scan). A meta doubles the
// count of partitions when a split begins, so that whoever finds the old count here has read everything.
//
// The error is a *pegasus.TableChangedError, or why no meta answered.
func unchanged(ctx context.Context, tables ...*pegasus.Table) error {
	limited, cancel := context.WithTimeout(ctx, unchangedLimit)
	defer cancel()
	for _, t := range tables {
		for {
			err := t.Refresh(limited)
			var changed *pegasus.TableChangedError
			if err == nil {
				break
			}
			if errors.As(err, &changed) || errors.Is(err, pegasus.ErrClosed) || scan.Sleep(limited, unchangedPause) != nil {
				if ctx.Err() != nil {
					return context.Cause(ctx)
				}
				return err
			}
		}
	}
	return nil
}

// unchanged passes an error on, and asks about both tables when there is none.
func (p livePair) unchanged(ctx context.Context, err error) error {
	if err != nil {
		return err
	}
	return unchanged(ctx, p.src.rows, p.dst.rows)
}
