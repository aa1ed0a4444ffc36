package copier_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/copier"
	"github.com/pegmigrate/pegmigrate/internal/differ"
	"github.com/pegmigrate/pegmigrate/internal/sandbox"
	"github.com/pegmigrate/pegmigrate/internal/scan"
)

// One partition that several workers read, while scans get lost, primaries move and the copy is interrupted
// again and again: the target is whole, and the counts and digests are those of the table.
func TestCopyDividesUnderFaults(t *testing.T) {
	for name, faults := range map[string][]sandbox.Fault{
		"none":             nil,
		"scans get lost":   {{Kind: sandbox.FaultLoseScans, Share: 0.3}},
		"incomplete":       {{Kind: sandbox.FaultIncomplete, Share: 0.3}},
		"primaries move":   {{Kind: sandbox.FaultMovePrimary, Every: 200 * time.Millisecond}},
		"requests get cut": {{Kind: sandbox.FaultCut, Share: 0.01, After: true}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			a, src := startTable(ctx, t, "a", 1)
			_, dst := startTable(ctx, t, "b", 4)
			const rows = 20_000
			if err := a.Fill("t", sandbox.LoadSpec{Rows: rows, ValueSize: 50, MinSortKeys: 1, MaxSortKeys: 20, TTLShare: 0.3}); err != nil {
				t.Fatal(err)
			}
			for _, f := range faults {
				if _, err := a.Inject(f); err != nil {
					t.Fatal(err)
				}
			}
			saved := map[int32]copier.Cursor{}
			ranges := 0
			save := func(cursors []copier.Cursor) error {
				for _, c := range cursors {
					saved[c.Partition] = c
					ranges = max(ranges, len(c.Ranges))
				}
				return nil
			}
			opts := copier.Options{RowsPerSecond: 4000, ScanBatch: 100, SplitAfter: 20 * time.Millisecond, SaveEvery: 10 * time.Millisecond}
			var result copier.Result
			err := context.DeadlineExceeded
			for runs := 0; errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil; runs++ {
				var cursors []copier.Cursor
				for _, c := range saved {
					cursors = append(cursors, c)
				}
				part, stop := context.WithTimeout(ctx, 500*time.Millisecond)
				if runs > 3 {
					stop()
					part, stop = context.WithCancel(ctx)
				}
				result, err = copier.Run(part, scan.Table(src), dst, cursors, opts, save, nil)
				stop()
			}
			if err != nil {
				t.Fatal(err)
			}
			verdict, err := differ.Run(ctx, scan.Table(src), scan.Table(dst), nil, differ.Options{Start: result.Cursors[0].Digests.Begin()}, nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			if verdict.Differences() != 0 || verdict.Equal != rows || result.Rows != rows {
				t.Errorf("copied %d rows; %+v", result.Rows, verdict.Counts)
			}
			if copier.Changed(result.Cursors[0].Digests, verdict.Digests[0], time.Now()) {
				t.Error("the partition looks as if it had been written to")
			}
			if ranges < 2 && len(faults) == 0 {
				t.Errorf("no more than %d ranges at once", ranges)
			}
		})
	}
}
