package plan_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pegmigrate/pegmigrate/plan"
	"github.com/pegmigrate/pegmigrate/schema"
)

func ids(p *plan.Plan) []string {
	var out []string
	for _, s := range p.Steps {
		out = append(out, s.ID)
	}
	return out
}

func TestStepsOfCopy(t *testing.T) {
	tests := []struct {
		name   string
		change func(*schema.Migration, *plan.Facts)
		want   []string
	}{
		{"fenced, target absent", func(*schema.Migration, *plan.Facts) {},
			[]string{"own", "create-target", "await-target", "carry-envs", "fence-source", "quiesce-source", "copy", "verify", "late-envs", "unfence-source", "disown"}},
		{"stopped, gate, no verification", func(m *schema.Migration, _ *plan.Facts) {
			m.Method = &schema.CopyMethod{SourceWrites: schema.SourceWritesStopped}
			m.Approve = []string{"copy"}
			m.Verify.Mode = schema.VerifyOff
		}, []string{"own", "create-target", "await-target", "carry-envs", "approve-copy", "copy", "late-envs", "disown"}},
		{"source stays fenced", func(m *schema.Migration, _ *plan.Facts) { m.After.Source = schema.AfterKeepFenced },
			[]string{"own", "create-target", "await-target", "carry-envs", "fence-source", "quiesce-source", "copy", "verify", "late-envs", "disown"}},
		{"empty target with a TTL in force", func(m *schema.Migration, f *plan.Facts) {
			m.Target.IfExists = schema.IfExistsResumeEmpty
			f.TargetTable = table(3, 64)
			f.TargetTable.HasRows, f.TargetTable.Rows, f.TargetTable.Bytes = false, 0, 0
		}, []string{"own", "await-target", "park-ttl", "fence-source", "quiesce-source", "copy", "verify", "late-envs", "unfence-source", "disown"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m, f := orders(), facts()
			tt.change(m, &f)
			p := build(t, m, f)
			if diff := cmp.Diff(tt.want, ids(p)); diff != "" {
				t.Errorf("steps (-want +got):\n%s\nerrors %v", diff, codes(p, plan.Error))
			}
		})
	}
}

// A table created with default_ttl or manual_compact.* crashes every server that opens it.
func TestCreateTimeEnvs(t *testing.T) {
	f := facts()
	f.SourceTable.Envs = map[string]string{
		"default_ttl": "86400", "manual_compact.once.trigger_time": "1", "manual_compact.periodic.trigger_time": "3:00",
		"rocksdb.allow_ingest_behind": "true", "replica.deny_client_request": "timeout*write", "replica.write_throttling": "1000*delay*100",
		"rocksdb.usage_scenario": "bulk_load", "duplication.master_cluster": "x", "restore.app_id": "3",
		"replica.split.validate_partition_hash": "true",
	}
	p := build(t, orders(), f)
	create, _ := p.Step("create-target")
	if diff := cmp.Diff(map[string]string{"rocksdb.allow_ingest_behind": "true"}, create.Action.(plan.CreateTable).Envs); diff != "" {
		t.Errorf("create-time envs (-want +got):\n%s", diff)
	}
	early, _ := p.Step("carry-envs")
	if diff := cmp.Diff(map[string]string{"replica.split.validate_partition_hash": "true"}, early.Action.(plan.SetEnvs).Envs); diff != "" {
		t.Errorf("early envs (-want +got):\n%s", diff)
	}
	late, _ := p.Step("late-envs")
	want := map[string]string{"default_ttl": "86400", "manual_compact.periodic.trigger_time": "3:00", "replica.write_throttling": "1000*delay*100"}
	if diff := cmp.Diff(want, late.Action.(plan.SetEnvs).Envs); diff != "" {
		t.Errorf("late envs (-want +got):\n%s", diff)
	}
}

func TestRefusals(t *testing.T) {
	tests := []struct {
		code   string
		change func(*schema.Migration, *plan.Facts)
	}{
		{plan.CodeSourceMissing, func(_ *schema.Migration, f *plan.Facts) { f.SourceTable = nil }},
		{plan.CodeSourceDropped, func(_ *schema.Migration, f *plan.Facts) { f.SourceTable.Status = "DROPPED" }},
		{plan.CodeSourceBusy, func(_ *schema.Migration, f *plan.Facts) { f.SourceTable.Status = "CREATING" }},
		{plan.CodeSplitting, func(_ *schema.Migration, f *plan.Facts) { f.SourceTable.Splitting = true }},
		{plan.CodeBulkLoading, func(_ *schema.Migration, f *plan.Facts) { f.SourceTable.BulkLoading = true }},
		{plan.CodeUnhealthy, func(_ *schema.Migration, f *plan.Facts) { f.SourceTable.Health.Unhealthy = []int{3} }},
		{plan.CodeDataVersion, func(_ *schema.Migration, f *plan.Facts) { f.SourceTable.DataVersions = map[int32]int{0: 1, 1: 2} }},
		{plan.CodeTargetExists, func(_ *schema.Migration, f *plan.Facts) {
			f.TargetTable = table(3, 64)
			f.TargetTable.HasRows = false
		}},
		{plan.CodeTargetHasRows, func(_ *schema.Migration, f *plan.Facts) { f.TargetTable = table(3, 64) }},
		{plan.CodeTargetHasRows, func(m *schema.Migration, f *plan.Facts) {
			m.Target.IfExists = schema.IfExistsResumeEmpty
			f.TargetTable = table(3, 64)
		}},
		{plan.CodeTargetShape, func(m *schema.Migration, f *plan.Facts) {
			m.Target.IfExists = schema.IfExistsMerge
			f.TargetTable = table(3, 32)
		}},
		{plan.CodeReplicasOverNodes, func(_ *schema.Migration, f *plan.Facts) { f.Target.Nodes[0].Alive = false }},
		{plan.CodeReplicasOverLimit, func(_ *schema.Migration, f *plan.Facts) { f.Target.MaxReplicaCount = 2 }},
		{plan.CodePartitionCount, func(_ *schema.Migration, f *plan.Facts) { f.SourceTable.Partitions = 6 }},
		{plan.CodeSameTable, func(_ *schema.Migration, f *plan.Facts) { f.Target.PrimaryMeta = f.Source.PrimaryMeta }},
		{plan.CodeForeignMarker, func(_ *schema.Migration, f *plan.Facts) {
			f.SourceTable.Marker = &plan.MarkerFacts{Lineage: "x", Migration: "other", Owner: "ann@desk"}
		}},
		{plan.CodeLostState, func(_ *schema.Migration, f *plan.Facts) {
			f.SourceTable.Marker = &plan.MarkerFacts{Lineage: "x", Migration: "orders", Owner: "ann@desk"}
		}},
		{plan.CodeDamagedMarker, func(_ *schema.Migration, f *plan.Facts) { f.SourceTable.Marker = &plan.MarkerFacts{Damaged: true} }},
		{plan.CodeVersion, func(_ *schema.Migration, f *plan.Facts) { f.Target.Nodes[1].Version = "2.6.0-SNAPSHOT" }},
		{plan.CodeMetaLevel, func(_ *schema.Migration, f *plan.Facts) { f.Target.Level = "freezed" }},
		{plan.CodeRejectBudget, func(m *schema.Migration, _ *plan.Facts) { m.Limits.WriteReject = time.Second }},
		{plan.CodeDisk, func(_ *schema.Migration, f *plan.Facts) { f.SourceTable.Bytes = 9 << 40 }},
		{plan.CodeTargetDenies, func(m *schema.Migration, f *plan.Facts) {
			m.Target.IfExists = schema.IfExistsMerge
			f.TargetTable = table(3, 64)
			f.TargetTable.Envs["replica.deny_client_request"] = "reconfig*write"
		}},
	}
	for _, tt := range tests {
		t.Run(tt.code, func(t *testing.T) {
			m, f := orders(), facts()
			tt.change(m, &f)
			p := build(t, m, f)
			if !slices.Contains(codes(p, plan.Error), tt.code) {
				t.Errorf("errors are %v, want %s among them", codes(p, plan.Error), tt.code)
			}
			if len(p.Steps) > 0 {
				t.Error("a plan with errors has steps")
			}
			for _, c := range p.Checks {
				if c.Severity == plan.Error && c.Hint == "" {
					t.Errorf("%s has no hint: %s", c.Code, c.Text)
				}
			}
		})
	}
}

func TestWarnings(t *testing.T) {
	m, f := orders(), facts()
	f.SourceTable.PermanentRows = true
	m.Method = &schema.CopyMethod{SourceWrites: schema.SourceWritesAccepted}
	p := build(t, m, f)
	for _, code := range []string{plan.CodeTTLStamps, plan.CodeWritersAccepted} {
		if !slices.Contains(codes(p, plan.Warning), code) {
			t.Errorf("warnings are %v, want %s among them", codes(p, plan.Warning), code)
		}
	}
	if p.HasErrors() {
		t.Errorf("errors: %v", codes(p, plan.Error))
	}
}
