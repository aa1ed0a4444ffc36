package plan_test

import (
	"bytes"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pegmigrate/pegmigrate/internal/view"
	"github.com/pegmigrate/pegmigrate/plan"
	"github.com/pegmigrate/pegmigrate/schema"
)

// copyOrders is a copy of the table of orders with a method of its own, from a table of one tenth.
func copyOrders(method *schema.CopyMethod) (*schema.Migration, plan.Facts) {
	m, f := orders(), facts()
	m.Method = method
	if !method.Fences() {
		m.After.Source = schema.AfterNone
	}
	f.SourceTable.Rows, f.SourceTable.Bytes = 81_200_000, 40<<30
	return m, f
}

// caughtUp is a copy that is caught up, of a table that clients write to.
func caughtUp() (*schema.Migration, plan.Facts) {
	m, f := copyOrders(&schema.CopyMethod{SourceWrites: schema.SourceWritesCatchUp})
	m.Approve = []string{"copy", "fence", "unfence"}
	f.Traffic = &plan.TrafficFacts{ReadQPS: 9000, WriteQPS: 400}
	return m, f
}

func allOptions() schema.CopyOptions {
	return schema.CopyOptions{
		Partitions: []int32{0, 3, 7, 8, 9, 10, 11, 63}, HashKey: `prefix:user_\xff`, SortKey: "exact:name", Value: "anywhere:xyz", DropTTL: true,
		Overwrite: schema.OverwriteAlways, MultiSet: schema.MultiSetOn, MultiSetRows: 200, MultiSetConcurrency: 8, ScanBatch: 500,
		Timeout: 2500 * time.Millisecond,
	}
}

func nightly() schema.Limits {
	return schema.Limits{RowsPerSecond: 2000,
		Window: []schema.Window{{From: 22 * time.Hour, To: 6 * time.Hour, Zone: "Asia/Shanghai"}, {From: 12*time.Hour + 30*time.Minute, To: 13 * time.Hour, Zone: "UTC"}},
		StopIf: &schema.StopIf{SourceP99: 50 * time.Millisecond, TargetP99: 1500 * time.Millisecond, DiskFree: 0.15, PendingCompaction: 64 << 30, FailuresPerSecond: 2.5}}
}

// TestGoldenCopies shows the plans of copies with options as text, as Markdown, and in the saved form.
func TestGoldenCopies(t *testing.T) {
	tests := map[string]func() (*schema.Migration, plan.Facts){
		"copy_options": func() (*schema.Migration, plan.Facts) {
			return copyOrders(&schema.CopyMethod{SourceWrites: schema.SourceWritesStopped, CopyOptions: allOptions()})
		},
		"copy_keys_merged": func() (*schema.Migration, plan.Facts) {
			m, f := copyOrders(&schema.CopyMethod{SourceWrites: schema.SourceWritesFenced, CopyOptions: schema.CopyOptions{
				HashKey: "prefix:user_", DropValue: true, Overwrite: schema.OverwriteNeverUnatomic, MultiSet: schema.MultiSetOff}})
			m.Target.IfExists = schema.IfExistsMerge
			f.TargetTable = table(31, 64)
			return m, f
		},
		"copy_catch_up": caughtUp,
		"copy_catch_up_small_budget": func() (*schema.Migration, plan.Facts) {
			m, f := caughtUp()
			m.Limits.WriteReject, m.Limits.RowsPerSecond = time.Minute, 100_000
			return m, f
		},
		"copy_catch_up_tight": func() (*schema.Migration, plan.Facts) {
			m, f := caughtUp()
			m.Limits.WriteReject, m.After.Source = 5*time.Minute, schema.AfterKeepFenced
			return m, f
		},
		"copy_geo": geoCopy,
		"copy_windows": func() (*schema.Migration, plan.Facts) {
			m, f := copyOrders(&schema.CopyMethod{SourceWrites: schema.SourceWritesStopped})
			m.Limits = nightly()
			return m, f
		},
		"copy_sample": func() (*schema.Migration, plan.Facts) {
			m, f := copyOrders(&schema.CopyMethod{SourceWrites: schema.SourceWritesFenced})
			m.Verify = schema.Verify{Mode: schema.VerifySample, Sample: 0.025}
			return m, f
		},
		"copy_count": func() (*schema.Migration, plan.Facts) {
			m, f := copyOrders(&schema.CopyMethod{SourceWrites: schema.SourceWritesStopped, CopyOptions: schema.CopyOptions{Overwrite: schema.OverwriteNever}})
			m.Verify.Mode = schema.VerifyCount
			return m, f
		},
	}
	for name, make := range tests {
		t.Run(name, func(t *testing.T) {
			p := build(t, first(make()), second(make()))
			p.ID = strings.Repeat("0", 64)
			path := filepath.Join("..", "testdata", "plan", name)
			var text, markdown bytes.Buffer
			if err := view.PlanText(&text, p, view.Plain()); err != nil {
				t.Fatal(err)
			}
			if err := view.PlanMarkdown(&markdown, p); err != nil {
				t.Fatal(err)
			}
			compareGolden(t, path+".txt", text.Bytes())
			compareGolden(t, path+".md", markdown.Bytes())
			compareGolden(t, path+".json", encode(t, p))
		})
	}
}

func first(m *schema.Migration, _ plan.Facts) *schema.Migration { return m }
func second(_ *schema.Migration, f plan.Facts) plan.Facts       { return f }

func TestStepsOfCatchUp(t *testing.T) {
	m, f := caughtUp()
	p := build(t, m, f)
	want := []string{"own", "create-target", "await-target", "carry-envs", "approve-copy", "copy", "approve-fence", "fence-source", "quiesce-source",
		"catch-up", "late-envs", "approve-unfence", "unfence-source", "disown"}
	if diff := cmp.Diff(want, ids(p)); diff != "" {
		t.Errorf("steps (-want +got):\n%s", diff)
	}
	m.After.Source, m.Approve = schema.AfterKeepFenced, nil
	m.Limits.WriteReject, m.Limits.Window, m.Limits.StopIf = 4*time.Hour, nightly().Window, nightly().StopIf
	p = build(t, m, f)
	want = []string{"own", "create-target", "await-target", "carry-envs", "copy", "fence-source", "quiesce-source", "catch-up", "late-envs", "disown"}
	if diff := cmp.Diff(want, ids(p)); diff != "" {
		t.Errorf("steps that leave the fence up (-want +got):\n%s", diff)
	}
	caught, _ := p.Step("catch-up")
	fence, _ := p.Step("fence-source")
	copied, _ := p.Step("copy")
	a := caught.Action.(plan.CatchUp)
	if a.Budget != 4*time.Hour || fence.Action.(plan.Fence).Budget != a.Budget || a.Limits.WriteReject != a.Budget || copied.Action.(plan.Copy).Limits.WriteReject != a.Budget {
		t.Errorf("the budget is %s, of the fence %+v", a.Budget, fence.Action)
	}
	if diff := cmp.Diff(copied.Action.(plan.Copy).Limits, a.Limits); diff != "" || len(a.Limits.Window) != 2 || a.Limits.StopIf.DiskFree == 0 {
		t.Errorf("the pass before the fence has other limits than the copy: %s", diff)
	}
}

// TestRefusalsOfOptions: what only the live tables can tell is refused with a hint.
func TestRefusalsOfOptions(t *testing.T) {
	for name, tt := range map[string]struct {
		severity plan.Severity
		code     string
		method   schema.CopyMethod
		change   func(*schema.Migration, *plan.Facts)
	}{
		"a partition too many": {plan.Error, plan.CodeSomePartitions, schema.CopyMethod{CopyOptions: schema.CopyOptions{Partitions: []int32{63, 64}}}, nil},
		"check_and_set on a table that is duplicated": {plan.Error, plan.CodeOverwriteRefused,
			schema.CopyMethod{CopyOptions: schema.CopyOptions{Overwrite: schema.OverwriteNever}}, func(m *schema.Migration, f *plan.Facts) {
				intoRows(m, f)
				f.TargetTable.Duplications = []string{"north"}
			}},
		"read, then write": {plan.Warning, plan.CodeOverwriteRefused,
			schema.CopyMethod{CopyOptions: schema.CopyOptions{Overwrite: schema.OverwriteNeverUnatomic}}, intoRows},
		"everything is stamped": {plan.Warning, plan.CodeExpiryDropped, schema.CopyMethod{CopyOptions: schema.CopyOptions{DropTTL: true}}, nil},
		"everything is stamped by a value that is parked": {plan.Warning, plan.CodeExpiryDropped, schema.CopyMethod{CopyOptions: schema.CopyOptions{DropTTL: true}},
			func(m *schema.Migration, f *plan.Facts) {
				intoRows(m, f)
				f.SourceTable.Envs = nil
			}},
		"a filter into rows": {plan.Warning, plan.CodeMergedRows, schema.CopyMethod{CopyOptions: schema.CopyOptions{HashKey: "prefix:a"}}, intoRows},
		"a sample": {plan.Warning, plan.CodeVerifyPart, schema.CopyMethod{}, func(m *schema.Migration, _ *plan.Facts) {
			m.Verify = schema.Verify{Mode: schema.VerifySample, Sample: 0.01}
		}},
		"a count": {plan.Warning, plan.CodeVerifyPart, schema.CopyMethod{}, func(m *schema.Migration, _ *plan.Facts) { m.Verify.Mode = schema.VerifyCount }},
		"a disk that is too full": {plan.Error, plan.CodeStopIf, schema.CopyMethod{}, func(m *schema.Migration, f *plan.Facts) {
			m.Limits.StopIf = &schema.StopIf{DiskFree: 0.2}
			f.Target.Nodes[1].DiskAvailable = f.Target.Nodes[1].DiskTotal / 10
		}},
		"a disk that gets too full": {plan.Warning, plan.CodeStopIf, schema.CopyMethod{}, func(m *schema.Migration, f *plan.Facts) {
			m.Limits.StopIf = &schema.StopIf{DiskFree: 0.745}
		}},
		"a budget that cannot be kept": {plan.Error, plan.CodeCatchUpWindow, schema.CopyMethod{SourceWrites: schema.SourceWritesCatchUp},
			func(m *schema.Migration, _ *plan.Facts) { m.Limits.WriteReject = time.Minute }},
		"a budget that is seldom enough": {plan.Warning, plan.CodeCatchUpWindow, schema.CopyMethod{SourceWrites: schema.SourceWritesCatchUp},
			func(m *schema.Migration, _ *plan.Facts) { m.Limits.WriteReject = 4 * time.Minute }},
		"a long window for which nobody declared a budget": {plan.Warning, plan.CodeCatchUpWindow, schema.CopyMethod{SourceWrites: schema.SourceWritesCatchUp},
			func(_ *schema.Migration, f *plan.Facts) { f.SourceTable.Rows, f.SourceTable.Bytes = 2<<30, 2<<40 }},
		"servers that do not tell their intervals": {plan.Warning, plan.CodeIntervals, schema.CopyMethod{SourceWrites: schema.SourceWritesCatchUp},
			func(_ *schema.Migration, f *plan.Facts) { f.Source.ConfigSync = 0 }},
	} {
		t.Run(name, func(t *testing.T) {
			if tt.method.SourceWrites == "" {
				tt.method.SourceWrites = schema.SourceWritesStopped
			}
			m, f := copyOrders(&tt.method)
			if tt.change != nil {
				tt.change(m, &f)
			}
			p := build(t, m, f)
			if !slices.Contains(codes(p, tt.severity), tt.code) {
				t.Errorf("errors %v, warnings %v, want the %s %s", codes(p, plan.Error), codes(p, plan.Warning), tt.severity, tt.code)
			}
			for _, c := range p.Checks {
				if c.Severity != plan.OK && (c.Hint == "" || c.Code == "") {
					t.Errorf("%+v has no code or no hint", c)
				}
			}
		})
	}
}

// intoRows lets the target exist with rows.
func intoRows(m *schema.Migration, f *plan.Facts) {
	m.Target.IfExists = schema.IfExistsMerge
	f.TargetTable = table(31, 64)
}

// TestNoOptionIsNoChange: a declaration without options has the plan that it always had, so that a saved one and
// a run that is under way stay valid.
func TestNoOptionIsNoChange(t *testing.T) {
	defaults := schema.CopyOptions{Overwrite: schema.OverwriteAlways, MultiSet: schema.MultiSetAuto}
	m, f := copyOrders(&schema.CopyMethod{SourceWrites: schema.SourceWritesFenced, CopyOptions: defaults})
	data := string(encode(t, build(t, m, f)))
	for _, word := range []string{"options", "window", "stop_if", "sample", "multi_set"} {
		if strings.Contains(data, `"`+word+`"`) {
			t.Errorf("the saved plan has %q: %s", word, data)
		}
	}
}

// TestWindowDependsOnWrites: the more clients write, the longer their writes are rejected; nobody knows it when nobody
// counts.
func TestWindowDependsOnWrites(t *testing.T) {
	predicted := func(f func(*plan.Facts)) time.Duration {
		m, facts := caughtUp()
		f(&facts)
		s, _ := build(t, m, facts).Step("fence-source")
		return s.Action.(plan.Fence).Predicted
	}
	none := predicted(func(f *plan.Facts) { f.Traffic.WriteQPS = 0 })
	some := predicted(func(f *plan.Facts) { f.Traffic.WriteQPS = 400 })
	many := predicted(func(f *plan.Facts) { f.Traffic.WriteQPS = 40_000 })
	if none <= 0 || some <= none || many <= some {
		t.Errorf("predicted %s without writes, %s with some, %s with many", none, some, many)
	}
	m, f := caughtUp()
	f.Traffic = nil
	p := build(t, m, f)
	s, _ := p.Step("catch-up")
	if strings.Contains(s.Why, "about") || p.HasErrors() {
		t.Errorf("writes that nobody counted are predicted: %s", s.Why)
	}
}

// TestCatchUpGoesOn: what may change on the way reaches the steps, and a fence that is up keeps its budget.
func TestCatchUpGoesOn(t *testing.T) {
	m, f := caughtUp()
	begun := build(t, m, f)
	resume := func(done int, change func(*schema.Migration, *plan.Facts)) *plan.Plan {
		m, f := caughtUp()
		f.SourceTable.Marker = &plan.MarkerFacts{Lineage: "ours", Migration: "orders", Owner: "ann@desk"}
		f.TargetTable = table(31, 64)
		f.TargetTable.Marker = f.SourceTable.Marker
		f.Owned = &plan.Ownership{Lineage: "ours", CreatedTarget: 31, Progress: plan.Progress{StepsDone: done, StepsAll: len(begun.Steps), Next: begun.Steps[done].ID}}
		if change != nil {
			change(m, &f)
		}
		p, err := plan.Resume(begun, m, f)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	at := func(id string) int { return slices.Index(ids(begun), id) }
	tuned := resume(at("copy"), func(m *schema.Migration, _ *plan.Facts) {
		m.Limits.WriteReject, m.Limits.InFlight, m.Limits.Window = 2*time.Hour, 7, nightly().Window
		m.Method.(*schema.CopyMethod).MultiSet, m.Method.(*schema.CopyMethod).ScanBatch = schema.MultiSetOff, 77
	})
	c, _ := tuned.Step("copy")
	u, _ := tuned.Step("catch-up")
	copied, caught := c.Action.(plan.Copy), u.Action.(plan.CatchUp)
	if copied.Options.ScanBatch != 77 || !strings.Contains(c.Why, "scans of 77 rows") || !strings.Contains(c.Why, "only 22:00-06:00") || caught.Options.MultiSet != plan.MultiSetOff || caught.Budget != 2*time.Hour || caught.Limits.InFlight != 7 ||
		len(copied.Limits.Window) != 2 || len(caught.Limits.Window) != 2 || !strings.Contains(tuned.Clients, "budget 2 h") || tuned.HasErrors() {
		t.Errorf("%+v, %+v, %s, %v", copied, caught, tuned.Clients, codes(tuned, plan.Error))
	}
	refused := resume(at("copy"), func(m *schema.Migration, _ *plan.Facts) { m.Limits.WriteReject = time.Minute })
	if !slices.Contains(codes(refused, plan.Error), plan.CodeCatchUpWindow) {
		t.Errorf("errors %v", codes(refused, plan.Error))
	}
	s, _ := begun.Step("fence-source")
	up := resume(at("catch-up"), func(_ *schema.Migration, f *plan.Facts) {
		f.SourceTable.Envs[plan.EnvDeny] = plan.FenceMode
		f.Traffic.WriteQPS = 1e6
	})
	now, _ := up.Step("catch-up")
	if got, want := now.Action.(plan.CatchUp).Budget, s.Action.(plan.Fence).Budget; got != want || up.HasErrors() {
		t.Errorf("the budget of a fence that is up was %s, and is %s; %v", want, got, codes(up, plan.Error))
	}
}

// Partition counts without a common divisor are compared by sums of hashes: what differs makes that read everything
// twice, and clients wait for it.
func TestPartitionCountsThatAreReadTwice(t *testing.T) {
	took := func(partitions int32) time.Duration {
		m, f := caughtUp()
		f.SourceTable.Partitions = partitions
		m.Target.PartitionCount = new(int32)
		*m.Target.PartitionCount = 64
		p := build(t, m, f)
		step, ok := p.Step("catch-up")
		if !ok {
			t.Fatalf("%+v", p.Checks)
		}
		return step.Estimate.Duration
	}
	once, twice := took(64), took(63)
	if took(32) != once || twice < once*19/10 || twice > once*21/10 {
		t.Errorf("64 partitions take %s, 32 %s, 63 %s", once, took(32), twice)
	}
}
