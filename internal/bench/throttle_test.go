package bench

import (
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/copier"
	"github.com/pegmigrate/pegmigrate/internal/differ"
	"github.com/pegmigrate/pegmigrate/internal/idl"
	"github.com/pegmigrate/pegmigrate/internal/pace"
	"github.com/pegmigrate/pegmigrate/internal/sandbox"
	"github.com/pegmigrate/pegmigrate/internal/scan"
)

// converged is within what time a copy has to find the rate of a target that can do less.
const converged = 30 * time.Second

// TestThrottleOverload copies to a target that does a tenth, or less, of what the client could
// send. The copy must end without a failed row, and with few refusals once it knows the target; in
// full it must also have found the target's rate after 30 seconds.
func TestThrottleOverload(t *testing.T) {
	for name, limit := range map[string]sandbox.Fault{
		"ERR_BUSY":              {RPC: "write", Rows: 4000, Delay: 20 * time.Millisecond},
		"ERR_CAPACITY_EXCEEDED": {RPC: "write", Rows: 4000, Delay: 20 * time.Millisecond, Code: idl.ErrCapacityExceeded},
		"only slower":           {RPC: "write", Rows: 4000},
		"far slower":            {RPC: "write", Rows: 250},
	} {
		t.Run(name, func(t *testing.T) {
			together(t)
			seconds := int64(4)
			if *throttleFull {
				seconds = 45
			}
			overload(t, seconds*int64(limit.Rows), limit)
		})
	}
}

func overload(t *testing.T, rows int64, limit sandbox.Fault) {
	p := clusters(t, rows, limit)
	stop := watch(func() (uint64, uint64) {
		_, refused := p.target.Refused()
		return p.target.Requests(idl.NamePut), refused
	})
	defer stop()
	result, err := copier.Run(t.Context(), scan.Table(p.src), p.dst, nil, copier.Options{}, func([]copier.Cursor) error { return nil }, nil)
	if err != nil {
		t.Fatal(err)
	}
	list := stop()
	if n, err := p.target.Count("t"); result.Rows != uint64(rows) || n != int(rows) || err != nil {
		t.Errorf("%d rows are acknowledged and %d there, want %d; %v", result.Rows, n, rows, err)
	}
	end := list[len(list)-1]
	half, _ := between(list, end.at/2, end.at)
	done, refused := end.done-half.done, end.refused-half.refused
	t.Logf("%v: %d writes done, %d refused; in the second half %d and %d", end.at, end.done, end.refused, done, refused)
	if refused > done/4 {
		t.Errorf("in the second half %d of %d writes are refused: the copy has not found the target's rate", refused, refused+done)
	}
	if !*throttleFull {
		return
	}
	first, last := between(list, converged, converged+10*time.Second)
	if got := rate(first, last); got < 0.8*limit.Rows || got > 1.05*limit.Rows {
		t.Errorf("from second 30 to 40 %.0f rows per second, the target does %.0f", got, limit.Rows)
	}
}

// capAllowance is how far from a cap a rate may be, as a share.
const capAllowance = 0.05

// TestThrottleCaps copies and compares under caps and looks at what the servers did.
func TestThrottleCaps(t *testing.T) {
	const rowBytes = 2 + 12 + 5 + 100 // raw key and value of what Fill makes
	for name, limits := range map[string]pace.Limits{
		"rows":  {RowsPerSecond: 4000},
		"bytes": {BytesPerSecond: 4000 * rowBytes},
		"both":  {RowsPerSecond: 4000, BytesPerSecond: 20000 * rowBytes},
	} {
		t.Run(name, func(t *testing.T) {
			together(t)
			seconds := int64(4)
			if *throttleFull {
				seconds = 20
			}
			p := clusters(t, seconds*4000, sandbox.Fault{})
			holds(t, seconds, func() (uint64, uint64) { return p.target.Requests(idl.NamePut), 0 }, func() error {
				_, err := copier.Run(t.Context(), scan.Table(p.src), p.dst, nil, copier.Options{Pacer: pace.New(limits, pace.Options{})}, func([]copier.Cursor) error { return nil }, nil)
				return err
			})
		})
	}
	t.Run("compare", func(t *testing.T) {
		together(t)
		seconds := int64(4)
		if *throttleFull {
			seconds = 20
		}
		p := clusters(t, seconds*4000, sandbox.Fault{})
		if err := p.target.Fill("t", sandbox.LoadSpec{Rows: seconds * 4000, ValueSize: 100}); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		result, err := differ.Run(t.Context(), scan.Table(p.src), scan.Table(p.dst), nil, differ.Options{Pacer: pace.New(pace.Limits{RowsPerSecond: 4000}, pace.Options{})}, nil, nil)
		if err != nil || result.Differences() != 0 {
			t.Fatalf("%v, %+v", err, result.Counts)
		}
		took := time.Since(began).Seconds()
		t.Logf("%d rows in %.1f s", result.Equal, took)
		if got := float64(result.Equal) / took; got > 4000*(1+capAllowance)+4000/float64(seconds) || *throttleFull && got < 4000*(1-capAllowance) {
			t.Errorf("%.0f rows per second of each side, the cap is 4000", got)
		}
	})
}

// holds runs something under a cap of 4000 rows per second and looks at the rate behind the first
// second, in which a burst is allowed.
func holds(t *testing.T, seconds int64, count func() (uint64, uint64), run func() error) {
	t.Helper()
	stop := watch(count)
	defer stop()
	if err := run(); err != nil {
		t.Fatal(err)
	}
	list := stop()
	end := list[len(list)-1]
	first, last := between(list, time.Second, end.at-500*time.Millisecond)
	got := rate(first, last)
	t.Logf("%d writes in %v, %.0f per second", end.done, end.at, got)
	if got > 4000*(1+capAllowance) {
		t.Errorf("%.0f rows per second, the cap is 4000", got)
	}
	if *throttleFull && got < 4000*(1-capAllowance) {
		t.Errorf("%.0f rows per second, the cap of 4000 is not used", got)
	}
	if early, _ := between(list, 0, 0); end.done-early.done < uint64(seconds)*4000 {
		t.Errorf("%d writes, want %d", end.done, seconds*4000)
	}
}
