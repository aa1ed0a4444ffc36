package plan_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/pegmigrate/pegmigrate/plan"
	"github.com/pegmigrate/pegmigrate/schema"
)

// anyCase draws a declaration and facts, mostly good ones.
func anyCase(t *rapid.T) (*schema.Migration, plan.Facts) {
	m, f := orders(), facts()
	method := &schema.CopyMethod{CopyOptions: anyOptions(t), SourceWrites: rapid.SampledFrom([]schema.SourceWrites{
		schema.SourceWritesStopped, schema.SourceWritesFenced, schema.SourceWritesAccepted, schema.SourceWritesCatchUp}).Draw(t, "writes")}
	m.Method = method
	m.Verify.Mode = rapid.SampledFrom([]schema.VerifyMode{schema.VerifyFull, schema.VerifyOff, schema.VerifySample, schema.VerifyCount}).Draw(t, "verify")
	switch {
	case method.SourceWrites == schema.SourceWritesCatchUp:
		m.Verify.Mode, method.Overwrite = schema.VerifyFull, schema.OverwriteAlways
		f.SourceTable.Rows = rapid.Uint64Range(0, 1e9).Draw(t, "rows of the source")
		if rapid.Bool().Draw(t, "counted") {
			f.Traffic = &plan.TrafficFacts{WriteQPS: rapid.Float64Range(0, 1e6).Draw(t, "writes per second")}
		}
	case m.Verify.Mode == schema.VerifySample:
		m.Verify.Sample = rapid.Float64Range(0.0001, 0.9999).Draw(t, "sample")
	}
	if method.SourceWrites != schema.SourceWritesFenced && rapid.Bool().Draw(t, "held") {
		m.Limits.Window, m.Limits.StopIf = nightly().Window, nightly().StopIf
	}
	if !method.Fences() {
		m.After.Source = schema.AfterNone
	}
	m.Approve = rapid.SampledFrom([][]string{nil, {"copy"}, {"unfence"}, {"copy", "fence", "unfence"}}).Draw(t, "approve")
	m.Limits.WriteReject = time.Duration(rapid.IntRange(0, 100_000).Draw(t, "budget")) * time.Second
	f.SourceTable.Envs = rapid.MapOf(
		rapid.SampledFrom([]string{"default_ttl", "manual_compact.disabled", "manual_compact.once.trigger_time", "business.info",
			"rocksdb.allow_ingest_behind", "replica.write_throttling", "replica.slow_query_threshold", "no.such.env"}),
		rapid.SampledFrom([]string{"true", "0", "100"})).Draw(t, "envs")
	f.SourceTable.PermanentRows = rapid.Bool().Draw(t, "permanent")
	if rapid.Bool().Draw(t, "exists") {
		f.TargetTable = table(7, 64)
		f.TargetTable.HasRows = rapid.Bool().Draw(t, "rows")
		m.Target.IfExists = rapid.SampledFrom([]schema.IfExists{schema.IfExistsMerge, schema.IfExistsResumeEmpty, schema.IfExistsFail}).Draw(t, "if_exists")
	}
	return m, f
}

// anyOptions draws what the language lets through.
func anyOptions(t *rapid.T) schema.CopyOptions {
	if rapid.Bool().Draw(t, "no options") {
		return schema.CopyOptions{Overwrite: schema.OverwriteAlways, MultiSet: schema.MultiSetAuto}
	}
	filters := rapid.SampledFrom([]string{"", "prefix:a", "exact:", `anywhere:\xff`})
	o := schema.CopyOptions{HashKey: filters.Draw(t, "hash key"), SortKey: filters.Draw(t, "sort key"), Value: filters.Draw(t, "value"),
		DropTTL:      rapid.Bool().Draw(t, "drop ttl"),
		Overwrite:    rapid.SampledFrom([]schema.Overwrite{schema.OverwriteAlways, schema.OverwriteNever, schema.OverwriteNeverUnatomic}).Draw(t, "overwrite"),
		MultiSet:     rapid.SampledFrom([]schema.MultiSet{schema.MultiSetAuto, schema.MultiSetOff}).Draw(t, "multi_set"),
		MultiSetRows: rapid.IntRange(0, 10_000).Draw(t, "multi_set_rows"), ScanBatch: rapid.IntRange(0, 10_000).Draw(t, "scan_batch"),
		Timeout: time.Duration(rapid.IntRange(0, 600).Draw(t, "timeout")) * time.Second,
	}
	o.DropValue = o.Value == "" && rapid.Bool().Draw(t, "drop value")
	for p := range int32(66) {
		if rapid.IntRange(0, 200).Draw(t, "partition") == 0 {
			o.Partitions = append(o.Partitions, p)
		}
	}
	return o
}

func TestPlanProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m, f := anyCase(t)
		first, err := plan.Build(m, f, plan.Options{ToolVersion: "test"})
		if err != nil {
			t.Fatal(err)
		}
		second, err := plan.Build(m, f, plan.Options{ToolVersion: "test"})
		if err != nil {
			t.Fatal(err)
		}
		a, b := encode(t, first), encode(t, second)
		if !bytes.Equal(a, b) {
			t.Fatal("two plans of the same facts differ")
		}
		back, err := plan.Decode(a, "test")
		if err != nil {
			t.Fatalf("decode: %v", err)
		}
		if diff := cmp.Diff(string(a), string(encode(t, back))); diff != "" {
			t.Fatalf("round trip: %s", diff)
		}
		if moved := first.Stale(f); len(moved) > 0 {
			t.Fatalf("stale against its own facts: %v", moved)
		}
		checkSteps(t, first)
	})
}

// checkSteps holds what must be true of any list of steps.
func checkSteps(t *rapid.T, p *plan.Plan) {
	final, fenced, lifted := false, false, false
	seen := map[string]bool{}
	for _, s := range p.Steps {
		if seen[s.ID] {
			t.Fatalf("step %q occurs twice", s.ID)
		}
		seen[s.ID] = true
		if final && s.Undo != nil {
			t.Fatalf("step %q after the point of no return has an undo", s.ID)
		}
		final = final || s.Final
		switch a := s.Action.(type) {
		case plan.Fence:
			fenced = true
			if _, ok := s.Undo.(plan.LiftFence); !ok {
				t.Fatal("a fence without a lift")
			}
		case plan.LiftFence:
			lifted = true
		case plan.CreateTable:
			for key := range a.Envs {
				if key != "rocksdb.allow_ingest_behind" {
					t.Fatalf("create-time env %q", key)
				}
			}
		}
	}
	if fenced && !lifted {
		t.Fatal("the fence is never lifted")
	}
	checkCaughtUp(t, p)
	if len(p.Steps) > 0 && (p.Steps[0].ID != "own" || !p.Steps[len(p.Steps)-1].Final) {
		t.Fatal("the marker does not frame the steps")
	}
}

// checkCaughtUp: rows are copied before the fence, caught up behind it, and nothing is bounded by less than it needs.
func checkCaughtUp(t *rapid.T, p *plan.Plan) {
	s, ok := p.Step("catch-up")
	if !ok {
		return
	}
	a := s.Action.(plan.CatchUp)
	at := func(id string) int { return slices.Index(ids(p), id) }
	ordered := []string{"approve-copy", "copy", "approve-fence", "fence-source", "quiesce-source", "catch-up", "late-envs", "approve-unfence", "unfence-source", "disown"}
	there := slices.DeleteFunc(ordered, func(id string) bool { return at(id) < 0 })
	if !slices.IsSortedFunc(there, func(a, b string) int { return at(a) - at(b) }) {
		t.Fatalf("steps %v", ids(p))
	}
	if _, again := p.Step("verify"); again {
		t.Fatal("everything is compared twice")
	}
	f, _ := p.Step("fence-source")
	fence := f.Action.(plan.Fence)
	c, _ := p.Step("copy")
	moved := c.Action.(plan.Copy)
	if a.Budget <= 0 || fence.Budget != a.Budget || a.Limits.WriteReject != a.Budget || moved.Limits.WriteReject != a.Budget {
		t.Fatalf("budgets %+v, %+v, %+v", a, fence, moved)
	}
	if diff := cmp.Diff(moved.Options, a.Options) + cmp.Diff(moved.Limits, a.Limits); diff != "" {
		t.Fatalf("rows are caught up in another way than they were copied: %s", diff)
	}
}

func encode(t rapid.TB, p *plan.Plan) []byte {
	data, err := plan.Encode(p)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestStaleNamesTheFact(t *testing.T) {
	f := facts()
	p := build(t, orders(), f)
	f.SourceTable.Envs = map[string]string{"default_ttl": "3600", "replica.slow_query_threshold": "100"}
	f.Target.Nodes[2].Alive = false
	f.SourceTable.Rows += 1000 // estimates move by themselves
	var got []string
	for _, m := range p.Stale(f) {
		got = append(got, m.String())
	}
	want := []string{"source.table.envs[default_ttl]: 86400 when planned, 3600 now", "target.alive_nodes: 3 when planned, 2 now"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("moved facts (-want +got):\n%s", diff)
	}
}

func TestSavedPlanRefusals(t *testing.T) {
	data := encode(t, build(t, orders(), facts()))
	tests := []struct {
		name, code string
		data       string
		version    string
	}{
		{"other version", plan.CodePlanVersion, string(data), "other"},
		{"edited", plan.CodePlanEdited, strings.Replace(string(data), `"partitions": 64`, `"partitions": 32`, 1), "test"},
		{"not a plan", plan.CodePlanUnreadable, `{"a": 1}`, "test"},
		{"empty", plan.CodePlanUnreadable, "", "test"},
		{"truncated", plan.CodePlanUnreadable, string(data[:len(data)/2]), "test"},
		{"unknown action", plan.CodePlanUnreadable, strings.Replace(string(data), `"kind": "fence"`, `"kind": "wall"`, 1), "test"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := plan.Decode([]byte(tt.data), tt.version)
			var saved *plan.SavedError
			if !errors.As(err, &saved) || saved.Code != tt.code {
				t.Errorf("error %v, want code %s", err, tt.code)
			}
		})
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"format_version":1,"tool_version":"test"}`))
	saved, err := filepath.Glob("../testdata/plan/*.json")
	if err != nil || len(saved) == 0 {
		f.Fatalf("no saved plans: %v", err)
	}
	for _, path := range saved {
		data, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		_, _ = plan.Decode(data, "test") // must not panic
	})
}
