package copier_test

import (
	"context"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/copier"
	"github.com/pegmigrate/pegmigrate/internal/idl"
	"github.com/pegmigrate/pegmigrate/internal/sandbox"
	"github.com/pegmigrate/pegmigrate/internal/scan"
)

// A target that can do a tenth of what the copy would, or less, gets what it can do within 30 seconds:
// no row fails, and the copy says what holds it back. When the target recovers so does the copy.
func TestOverloadConvergesToTheTargetsRate(t *testing.T) {
	const perServer, servers = 400, 3
	for name, fault := range map[string]sandbox.Fault{
		"refuses what waits for 200ms": {Kind: sandbox.FaultCapacity, Rows: perServer, Delay: 200 * time.Millisecond, Code: idl.ErrBusy},
		"lets everything wait":         {Kind: sandbox.FaultCapacity, Rows: perServer},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			const rows = 60_000
			a, src := startTable(ctx, t, "a", 8)
			b, dst := startTable(ctx, t, "b", 6)
			if err := a.Fill("t", sandbox.LoadSpec{Rows: rows, ValueSize: 20, MinSortKeys: 1, MaxSortKeys: 1}); err != nil {
				t.Fatal(err)
			}
			id, err := b.Inject(fault)
			if err != nil {
				t.Fatal(err)
			}
			steady, last := 0, copier.Progress{}
			report := copier.ReporterFunc(func(p copier.Progress) {
				rate := float64(p.Rows-last.Rows) / (p.Elapsed - last.Elapsed).Seconds()
				if last = p; steady >= 3 {
					return
				}
				if steady++; rate < servers*perServer*0.75 || rate > servers*perServer*1.15 || p.Reason == "" {
					steady = 0
				}
				if p.Elapsed > 30*time.Second {
					t.Errorf("%v: %.0f rows/s of %d, %q, %q", p.Elapsed, rate, servers*perServer, p.Limit, p.Reason)
					steady = 3
				}
				if steady == 3 {
					if err := b.Clear(id); err != nil {
						t.Error(err)
					}
				}
			})
			result, err := copier.Run(ctx, scan.Table(src), dst, nil, copier.Options{ReportEvery: time.Second}, func([]copier.Cursor) error { return nil }, report)
			if err != nil || result.Rows != rows {
				t.Errorf("%d rows: %v", result.Rows, err)
			}
		})
	}
}
