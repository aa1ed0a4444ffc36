package plan_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pegmigrate/pegmigrate/plan"
	"github.com/pegmigrate/pegmigrate/schema"
)

// geoCopy is a fenced copy with a geo index, of a table that has one already.
func geoCopy() (*schema.Migration, plan.Facts) {
	m, f := copyOrders(&schema.CopyMethod{SourceWrites: schema.SourceWritesFenced, CopyOptions: schema.CopyOptions{
		Geo: &schema.Geo{LatitudeIndex: 5, LongitudeIndex: 4, MinLevel: 12, OnUndecodable: schema.UndecodableSkip}}})
	m.Limits.RowsPerSecond = 100_000
	f.Index = &plan.IndexFacts{OnSource: true}
	return m, f
}

// TestStepsOfAnIndex: it is made when the rows are proven and the fence is down, and before envs change rows.
func TestStepsOfAnIndex(t *testing.T) {
	m, f := geoCopy()
	p := build(t, m, f)
	want := []string{"own", "create-target", "await-target", "carry-envs", "fence-source", "quiesce-source", "copy", "verify",
		"unfence-source", "create-index", "build-index", "late-envs", "disown"}
	if diff := cmp.Diff(want, ids(p)); diff != "" {
		t.Errorf("steps (-want +got):\n%s", diff)
	}
	create, _ := p.Step("create-index")
	index := plan.TableRef{Cluster: p.Target.Cluster, Table: p.Target.Table + "_geo"}
	a := create.Action.(plan.CreateIndex)
	if a.Table != index || a.Partitions != p.Target.Partitions || a.Replicas != p.Target.Replicas || a.Envs[plan.EnvDefaultTTL] != "" {
		t.Errorf("the index table: %+v", a)
	}
	if diff := cmp.Diff(plan.Action(plan.DropTable{Table: index, Reserve: plan.DropReserve}), create.Undo); diff != "" {
		t.Errorf("undo (-want +got):\n%s", diff)
	}
	step, _ := p.Step("build-index")
	b := step.Action.(plan.BuildIndex)
	if b.Table != p.Target.TableRef || b.Index != index || b.Limits.RowsPerSecond != 100_000 || b.Limits.WriteReject != 0 || !b.Geo.Skip {
		t.Errorf("%+v", b)
	}
}

// TestChecksOfAnIndex: what is in the way, and what nobody looked at.
func TestChecksOfAnIndex(t *testing.T) {
	m, f := geoCopy()
	if p := build(t, m, f); !slices.Contains(codes(p, plan.Warning), plan.CodeIndexNotes) || p.HasErrors() {
		t.Errorf("errors %v, warnings %v", codes(p, plan.Error), codes(p, plan.Warning))
	}
	saved := build(t, m, f)
	f.Index.Table = table(40, 64)
	if p := build(t, m, f); !slices.Contains(codes(p, plan.Error), plan.CodeIndexExists) {
		t.Errorf("errors %v with an index table in the way", codes(p, plan.Error))
	}
	if moved := saved.Stale(f); len(moved) != 1 || moved[0].Name != "target.index" {
		t.Errorf("moved: %v", moved)
	}
	f.Index = nil
	if p := build(t, m, f); !slices.Contains(codes(p, plan.Error), plan.CodeTableUnread) {
		t.Errorf("errors %v when nobody looked", codes(p, plan.Error))
	}
}

// TestAnIndexGoesOn: limits, and what becomes of rows without a position, may change on the way.
func TestAnIndexGoesOn(t *testing.T) {
	m, f := geoCopy()
	m.Method.(*schema.CopyMethod).Geo.OnUndecodable = schema.UndecodableFail
	begun := build(t, m, f)
	m, f = geoCopy()
	m.Limits.InFlight = 9
	f.SourceTable.Marker = &plan.MarkerFacts{Lineage: "ours", Migration: "orders", Owner: "ann@desk"}
	f.TargetTable = table(31, 64)
	f.TargetTable.Marker = f.SourceTable.Marker
	f.Index = &plan.IndexFacts{Table: table(32, 64)}
	at := slices.Index(ids(begun), "build-index")
	f.Owned = &plan.Ownership{Lineage: "ours", CreatedTarget: 31, Progress: plan.Progress{StepsDone: at, StepsAll: len(begun.Steps), Next: "build-index"}}
	p, err := plan.Resume(begun, m, f)
	if err != nil {
		t.Fatal(err)
	}
	before, _ := begun.Step("build-index")
	after, _ := p.Step("build-index")
	b, a := before.Action.(plan.BuildIndex), after.Action.(plan.BuildIndex)
	if b.Geo.Skip || !a.Geo.Skip || a.Limits.InFlight != 9 || before.Why == after.Why || p.HasErrors() {
		t.Errorf("%+v, then %+v; %v", b, a, codes(p, plan.Error))
	}
}
