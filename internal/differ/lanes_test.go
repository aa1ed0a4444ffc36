package differ

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/pace"
	"github.com/pegmigrate/pegmigrate/internal/pegkey"
	"github.com/pegmigrate/pegmigrate/internal/rowfilter"
	"github.com/pegmigrate/pegmigrate/internal/scan"
)

// tally counts the rows that are read of a table, and hides those that have expired as servers do: when a page is made.
type tally struct {
	*liveTable
	rows atomic.Int64
}

// Row implements LiveTable.
func (t *tally) Row(ctx context.Context, key []byte) (scan.Row, bool, error) {
	t.rows.Add(1)
	return t.liveTable.Row(ctx, key)
}

// Open implements scan.Source.
func (t *tally) Open(spec scan.Spec) scan.Cursor { return &tallyCursor{t.liveTable.Open(spec), t} }

type tallyCursor struct {
	scan.Cursor
	t *tally
}

// Next implements scan.Cursor.
func (c *tallyCursor) Next(ctx context.Context) (scan.Page, error) {
	page, err := c.Cursor.Next(ctx)
	page.Rows = slices.DeleteFunc(slices.Clone(page.Rows), func(r scan.Row) bool { return pegkey.Expired(r.Expire, time.Now()) })
	c.t.rows.Add(int64(len(page.Rows)) + page.Count)
	return page, err
}

// tallied are two tables with the same rows.
func tallied(sources, targets int32, rows int) (src, dst *tally) {
	s, d := fillLive(sources, rows)
	d.count = targets
	return &tally{liveTable: s}, &tally{liveTable: d}
}

// comparisons are all ways to compare, under options.
var comparisons = map[string]func(ctx context.Context, src, dst LiveTable, o Options) error{
	"merge": func(ctx context.Context, src, dst LiveTable, o Options) error {
		o.Method = MethodMerge
		_, err := Run(ctx, src, dst, nil, o, nil, nil)
		return err
	},
	"digest": func(ctx context.Context, src, dst LiveTable, o Options) error {
		o.Method = MethodDigest
		_, err := Run(ctx, src, dst, nil, o, nil, nil)
		return err
	},
	"live": func(ctx context.Context, src, dst LiveTable, o Options) error {
		_, err := RunLive(ctx, src, dst, nil, LiveOptions{Options: o, Patience: time.Second}, nil, nil)
		return err
	},
	"sample": func(ctx context.Context, src, dst LiveTable, o Options) error {
		_, err := RunSample(ctx, src, dst, SampleOptions{LiveOptions: LiveOptions{Options: o, Still: true}, Share: 0.02}, nil)
		return err
	},
	"count": func(ctx context.Context, src, dst LiveTable, o Options) error {
		_, err := RunCount(ctx, src, dst, LiveOptions{Options: o}, nil)
		return err
	},
	"one side": func(ctx context.Context, src, dst LiveTable, o Options) error {
		_, err := DigestSide(ctx, TargetSide, src, dst, nil, o, nil, nil)
		return err
	},
}

// A cap is of what is read from each cluster: neither is read faster, and nothing waits for the other's share of it.
func TestCapsAreOfEachSide(t *testing.T) {
	const limit, rows, batch = 800, 4000, 20
	few := Selection{Filter: rowfilter.Filter{Value: rowfilter.Match{Kind: rowfilter.Postfix, Pattern: []byte("7")}}}
	for name, compare := range comparisons {
		for _, c := range []struct {
			sources, targets int32
			selection        Selection
		}{{4, 4, Selection{}}, {6, 4, Selection{}}, {16, 1, Selection{}}, {1, 8, Selection{}}, {4, 4, few}} {
			synctest.Test(t, func(t *testing.T) {
				src, dst := tallied(c.sources, c.targets, rows)
				o := Options{RowsPerSecond: limit, ScanBatch: batch, Selection: c.selection, AllowExtra: !c.selection.All()}
				began := time.Now()
				if err := compare(t.Context(), src, dst, o); err != nil {
					t.Fatal(err)
				}
				took := time.Since(began).Seconds()
				what := fmt.Sprintf("%s, %d and %d partitions, filter %q", name, c.sources, c.targets, c.selection.Filter.Value.Pattern)
				most := max(src.rows.Load(), dst.rows.Load())
				if most < rows {
					t.Errorf("%s: %d rows were read", what, most)
				}
				if need := float64(most) / limit; took < 0.95*need || took > 1.1*need+0.5 {
					t.Errorf("%s: took %.2f s for %d and %d rows, want %.2f s", what, took, src.rows.Load(), dst.rows.Load(), need)
				}
			})
		}
	}
}

// While nothing may be read no scan is begun, and the end of the context ends the wait.
func TestNothingIsReadWhileHeld(t *testing.T) {
	for name, compare := range comparisons {
		synctest.Test(t, func(t *testing.T) {
			src, dst := tallied(4, 4, 100)
			p := pace.New(pace.Limits{}, pace.Options{})
			p.Hold("window", "outside")
			ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
			defer cancel()
			err := compare(ctx, src, dst, Options{Pacer: p})
			if !errors.Is(err, context.DeadlineExceeded) || src.rows.Load()+dst.rows.Load() > 0 {
				t.Errorf("%s: %v, %d and %d rows were read", name, err, src.rows.Load(), dst.rows.Load())
			}
		})
	}
}

// Rows that expire while a comparison is held, as between two windows, are no differences: pages that were read
// before have them on one side only.
func TestRowsExpireWhileHeld(t *testing.T) {
	for _, method := range []Method{MethodMerge, MethodDigest} {
		for seed := range uint64(8) {
			bubble(t, func(t *testing.T) {
				src, dst := tallied(2, 6, 2000)
				for k, row := range src.liveTable.rows {
					row.Expire = pegkey.ExpireTs(time.Now().Add(time.Hour))
					src.liveTable.rows[k], dst.liveTable.rows[k] = row, row
				}
				p := pace.New(pace.Limits{}, pace.Options{})
				var group sync.WaitGroup
				group.Go(func() {
					time.Sleep(time.Duration(rand.New(rand.NewPCG(seed, 3)).IntN(150)+10) * time.Millisecond)
					p.Hold("window", "outside")
					time.Sleep(8 * time.Hour)
					p.Free("window")
				})
				result, err := Run(t.Context(), src, dst, nil, Options{Method: method, Pacer: p, ScanBatch: 100}, nil, nil)
				group.Wait()
				if err != nil || result.Differences() != 0 {
					t.Errorf("%s, seed %d: %+v, %v", method, seed, result.Counts, err)
				}
			})
		}
	}
}
