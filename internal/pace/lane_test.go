package pace

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestLanes: each has the rates to itself, whatever the other draws; holds and new limits are of both.
func TestLanes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := New(Limits{RowsPerSecond: 10_000, BytesPerSecond: 50_000}, Options{})
		rates := func(lanes ...Lane) (rows [lanes]float64) {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			var group sync.WaitGroup
			for _, lane := range lanes {
				group.Go(func() {
					for p.DrawFrom(ctx, lane, 50, 250) == nil {
						rows[lane] += 50
					}
				})
			}
			group.Wait()
			return [...]float64{rows[First] / 10, rows[Second] / 10}
		}
		both := rates(First, Second)
		near(t, "the first of two lanes", both[First], 10_000, 0.05)
		near(t, "the second of two lanes", both[Second], 10_000, 0.05)
		near(t, "rows that were drawn from both", p.State().MovedRows, 10_000, 0.1)
		near(t, "bytes that were drawn from both", p.State().MovedBytes, 50_000, 0.1)
		p.Set(func(l *Limits) { l.RowsPerSecond = 1000 })
		near(t, "the second lane alone, after a change", rates(Second)[Second], 1000, 0.05)
		near(t, "rows that were drawn from the second", p.State().MovedRows, 1000, 0.1)
		p.Hold("x", "y")
		if held := rates(First, Second); held != [lanes]float64{} {
			t.Errorf("%v rows per second while held", held)
		}
	})
}
