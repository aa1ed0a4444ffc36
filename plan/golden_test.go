package plan_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pegmigrate/pegmigrate/internal/view"
	"github.com/pegmigrate/pegmigrate/plan"
	"github.com/pegmigrate/pegmigrate/schema"
)

var update = flag.Bool("update", false, "rewrite the golden plans")

// TestGoldenPlans shows plans as an operator reads them. Reviewing a change of behaviour is
// reading the diff of testdata/plan.
func TestGoldenPlans(t *testing.T) {
	tests := map[string]func(t *testing.T) *plan.Plan{
		"absent":          func(t *testing.T) *plan.Plan { return build(t, orders(), facts()) },
		"absent_stopped":  absentStopped,
		"empty":           emptyTarget,
		"empty_refused":   func(t *testing.T) *plan.Plan { return existing(t, schema.IfExistsFail, false) },
		"merge_into_rows": func(t *testing.T) *plan.Plan { return existing(t, schema.IfExistsMerge, true) },
		"half_copied":     func(t *testing.T) *plan.Plan { return underWay(t, 6, 23, nil) },
		"fully_copied":    func(t *testing.T) *plan.Plan { return underWay(t, 7, 64, nil) },
		"finished":        finished,
		"drifted_counts":  func(t *testing.T) *plan.Plan { return underWay(t, 6, 23, driftedCounts) },
		"drifted_table": func(t *testing.T) *plan.Plan {
			return underWay(t, 6, 23, func(f *plan.Facts) { f.TargetTable.ID = 40 })
		},
		"drifted_gone": func(t *testing.T) *plan.Plan { return underWay(t, 6, 23, func(f *plan.Facts) { f.TargetTable = nil }) },
		"drifted_cluster": func(t *testing.T) *plan.Plan {
			return underWay(t, 6, 23, func(f *plan.Facts) { f.Target.Name = "elsewhere" })
		},
		"many_errors":      manyErrors,
		"writers_accepted": writersAccepted,
	}
	for name, make := range tests {
		t.Run(name, func(t *testing.T) {
			p := make(t)
			p.ID = strings.Repeat("0", 64) // the hash says nothing that the text does not
			var got bytes.Buffer
			if err := view.PlanText(&got, p, view.Plain()); err != nil {
				t.Fatal(err)
			}
			compareGolden(t, filepath.Join("..", "testdata", "plan", name+".txt"), got.Bytes())
		})
	}
}

func compareGolden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

func absentStopped(t *testing.T) *plan.Plan {
	m, f := orders(), facts()
	m.Method = &schema.CopyMethod{SourceWrites: schema.SourceWritesStopped}
	m.After.Source = schema.AfterNone
	m.Limits.RowsPerSecond = 200_000
	m.Approve = []string{"copy"}
	return build(t, m, f)
}

func writersAccepted(t *testing.T) *plan.Plan {
	m, f := orders(), facts()
	m.Method = &schema.CopyMethod{SourceWrites: schema.SourceWritesAccepted}
	m.Verify.Mode = schema.VerifyOff
	return build(t, m, f)
}

func existing(t *testing.T, policy schema.IfExists, rows bool) *plan.Plan {
	m, f := orders(), facts()
	m.Target.IfExists = policy
	f.TargetTable = table(31, 64)
	f.TargetTable.HasRows = rows
	if !rows {
		f.TargetTable.Rows, f.TargetTable.Bytes = 0, 0
	}
	f.SourceTable.PermanentRows = true
	return build(t, m, f)
}

func emptyTarget(t *testing.T) *plan.Plan { return existing(t, schema.IfExistsResumeEmpty, false) }

func manyErrors(t *testing.T) *plan.Plan {
	m, f := orders(), facts()
	f.Target.Nodes[0].Alive = false
	f.Target.Nodes[1].Version = "2.6.0"
	f.SourceTable.Splitting = true
	f.SourceTable.Health.Unhealthy = []int{1, 2, 3, 5, 8, 13}
	f.SourceTable.Health.NoPrimary = 2
	f.SourceTable.DataVersions = map[int32]int{0: 192}
	m.Limits.WriteReject = 30 * time.Second
	return build(t, m, f)
}

// underWay is a migration of which some steps are done.
func underWay(t *testing.T, done, copied int, change func(*plan.Facts)) *plan.Plan {
	t.Helper()
	m, f := orders(), facts()
	begun := build(t, m, f)
	f.SourceTable.Marker = &plan.MarkerFacts{Lineage: "ours", Migration: "orders", Owner: "ann@desk"}
	f.TargetTable = table(31, 64)
	f.TargetTable.Marker = f.SourceTable.Marker
	f.TargetTable.Rows = uint64(copied) * 812_000_000 / 64
	f.Owned = &plan.Ownership{Lineage: "ours", CreatedTarget: 31, Progress: plan.Progress{
		StepsDone: done, StepsAll: len(begun.Steps), Serial: 34, Next: begun.Steps[done].ID,
		PartitionsCopied: copied, PartitionCount: 64, RowsCopied: f.TargetTable.Rows,
	}}
	if change != nil {
		change(&f)
	}
	p, err := plan.Resume(begun, m, f)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func driftedCounts(f *plan.Facts) {
	f.SourceTable.Partitions = 128
	f.TargetTable.Partitions = 32
}

func finished(t *testing.T) *plan.Plan {
	m, f := orders(), facts()
	begun := build(t, m, f)
	f.TargetTable = table(31, 64)
	f.Owned = &plan.Ownership{Lineage: "ours", CreatedTarget: 31,
		Progress: plan.Progress{StepsDone: len(begun.Steps), StepsAll: len(begun.Steps), Finished: true}}
	p, err := plan.Resume(begun, m, f)
	if err != nil {
		t.Fatal(err)
	}
	return p
}
