package plan_test

import (
	"bytes"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/pegmigrate/pegmigrate/internal/view"
	"github.com/pegmigrate/pegmigrate/plan"
	"github.com/pegmigrate/pegmigrate/schema"
)

func hdfs() *schema.Provider {
	return &schema.Provider{Label: "hdfs", Name: "hdfs_main", Type: schema.HDFSService, Args: "hdfs://10.4.0.1:8020 /pegasus", Root: "/pegasus",
		NameNodes: []string{"10.4.0.1:8020"}}
}

func local() *schema.Provider {
	return &schema.Provider{Label: "local_service", Name: "local_service", Type: schema.LocalService, Args: "/mnt/pegasus", Root: "/mnt/pegasus"}
}

func uses(p *schema.Provider) schema.BackupUse {
	return schema.BackupUse{Provider: p, TargetProvider: p}
}

func splits() schema.SplitUse {
	return schema.SplitUse{Staging: schema.DefaultStaging, Compression: schema.CompressLZ4, FileSize: schema.DefaultFileSize}
}

// storeOf is a store with room, as it is seen from here.
func storeOf(p *schema.Provider) plan.StoreFacts {
	return plan.StoreFacts{Provider: plan.Provider{Name: p.Name, Store: plan.Store{Type: string(p.Type), Root: p.Root}}, Free: 10 << 40, Writable: true}
}

func fileServers(net string, p *schema.Provider) []plan.FileServer {
	no := false
	have := map[string]plan.ProviderConfig{p.Name: {Type: string(p.Type), Args: p.Args}}
	out := []plan.FileServer{{Addr: net + ".1:34601", Meta: true, Providers: have, ProvidersTold: true, BackupDisabled: &no}}
	for _, host := range []string{"5", "6", "7"} {
		out = append(out, plan.FileServer{Addr: net + "." + host + ":34801", Providers: have, ProvidersTold: true, ColdBackupRoot: "east", RootTold: true,
			Rates: map[string]int64{plan.FlagHDFSWrite: 200, plan.FlagHDFSRead: 200, plan.FlagCheckpoint: 0}})
	}
	return out
}

// fileFacts are facts() with servers that are ready for backups on the given store.
func fileFacts(p *schema.Provider) plan.Facts {
	f := facts()
	f.Files = &plan.FilesFacts{
		SourceServers: fileServers("10.0.0", p), TargetServers: fileServers("10.1.0", p),
		Store: storeOf(p), TargetStore: storeOf(p), Root: "east", Now: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC),
	}
	return f
}

func restores(p *schema.Provider, writes schema.SourceWrites) *schema.Migration {
	m := orders()
	m.Method = &schema.BackupRestoreMethod{BackupUse: uses(p), SourceWrites: writes}
	if m.After.Source = schema.AfterNone; writes == schema.SourceWritesFenced {
		m.After.Source = schema.AfterUnfence
	}
	return m
}

func bulkLoads(p *schema.Provider, writes schema.SourceWrites) *schema.Migration {
	m := restores(p, writes)
	m.Method = &schema.BackupBulkLoadMethod{BackupUse: uses(p), SplitUse: splits(), SourceWrites: writes}
	return m
}

func dualWrites(p *schema.Provider) *schema.Migration {
	m := restores(p, schema.SourceWritesStopped)
	m.Method = &schema.DualWriteMethod{BackupUse: uses(p), SplitUse: splits()}
	m.After.Source = schema.AfterNone
	return m
}

// fromBackup takes a backup in place of the living source.
func fromBackup(m *schema.Migration, f plan.Facts, partitions int32) (*schema.Migration, plan.Facts) {
	m.Source = schema.Source{Table: "orders", Backup: &schema.BackupSource{Path: "east/1779430000000", Root: "east", ID: 1779430000000, AppID: 12, Table: "orders"}}
	switch method := m.Method.(type) {
	case *schema.BackupRestoreMethod:
		method.SourceWrites = schema.SourceWritesAccepted
	case *schema.BackupBulkLoadMethod:
		method.SourceWrites = schema.SourceWritesAccepted
	}
	f.Source, f.SourceTable, f.Files.SourceServers = plan.ClusterFacts{}, nil, nil
	f.Files.Found = &plan.BackupFacts{Root: "east", ID: 1779430000000, Table: "orders", AppID: 12, Finished: true, Partitions: partitions, Replicas: 3,
		Bytes: 400 << 30, Files: 9000, DataVersion: 1}
	return m, f
}

func ramped(m *schema.Migration) *schema.Migration {
	m.Limits.SendRate = &schema.SendRate{Start: 50 << 20, Step: 50 << 20, Max: 200 << 20, Every: 5 * time.Minute}
	return m
}

// TestGoldenFilePlans shows plans of the methods that go through files as an operator reads them.
func TestGoldenFilePlans(t *testing.T) {
	tests := map[string]func() (*schema.Migration, plan.Facts){
		"restore_stopped": func() (*schema.Migration, plan.Facts) {
			m := ramped(restores(hdfs(), schema.SourceWritesStopped))
			m.Approve = []string{"backup"}
			return m, fileFacts(hdfs())
		},
		"restore_fenced": func() (*schema.Migration, plan.Facts) {
			return restores(local(), schema.SourceWritesFenced), fileFacts(local())
		},
		"restore_backup": func() (*schema.Migration, plan.Facts) {
			return fromBackup(restores(local(), schema.SourceWritesAccepted), fileFacts(local()), 64)
		},
		"restore_other_counts": func() (*schema.Migration, plan.Facts) {
			m := restores(local(), schema.SourceWritesStopped)
			m.Target.PartitionCount = new(int32(16))
			return m, fileFacts(local())
		},
		"bulk_load_stopped": func() (*schema.Migration, plan.Facts) {
			m := ramped(bulkLoads(hdfs(), schema.SourceWritesStopped))
			m.Target.PartitionCount = new(int32(16))
			return m, fileFacts(hdfs())
		},
		"bulk_load_backup": func() (*schema.Migration, plan.Facts) {
			m, f := fromBackup(bulkLoads(local(), schema.SourceWritesAccepted), fileFacts(local()), 6)
			m.Target.PartitionCount = new(int32(4))
			return m, f
		},
		"dual_write": func() (*schema.Migration, plan.Facts) {
			m := dualWrites(local())
			m.Approve, m.After.Source = []string{"cutover"}, schema.AfterKeepFenced
			return m, fileFacts(local())
		},
		"dual_write_drop": func() (*schema.Migration, plan.Facts) {
			m := dualWrites(local())
			m.After = schema.After{Source: schema.AfterDrop, Reserve: 7 * 24 * time.Hour}
			return m, fileFacts(local())
		},
		"files_refused": filesRefused,
	}
	for name, make := range tests {
		t.Run(name, func(t *testing.T) {
			m, f := make()
			p := build(t, m, f)
			if again, err := saved(p); err != nil || cmp.Diff(p, again, cmpopts.EquateEmpty()) != "" {
				t.Fatalf("a saved plan is another one: %v %s", err, cmp.Diff(p, again, cmpopts.EquateEmpty()))
			}
			p.ID = strings.Repeat("0", 64)
			var got bytes.Buffer
			if err := view.PlanText(&got, p, view.Plain()); err != nil {
				t.Fatal(err)
			}
			compareGolden(t, filepath.Join("..", "testdata", "plan", "files_"+strings.TrimPrefix(name, "files_")+".txt"), got.Bytes())
		})
	}
}

func saved(p *plan.Plan) (*plan.Plan, error) {
	data, err := plan.Encode(p)
	if err != nil {
		return nil, err
	}
	return plan.Decode(data, "test")
}

// filesRefused is everything that the preflight of a bulk load can be against, at once.
func filesRefused() (*schema.Migration, plan.Facts) {
	m, f := ramped(bulkLoads(hdfs(), schema.SourceWritesFenced)), fileFacts(hdfs())
	m.Method.(*schema.BackupBulkLoadMethod).AdoptMaxAge = time.Hour
	m.Limits.WriteReject = time.Minute
	yes := true
	s := f.Files.SourceServers
	s[0].BackupDisabled = &yes
	s[1].ColdBackupRoot, s[1].Providers = "", nil
	s[2].ColdBackupRoot, s[2].Rates = "elsewhere", nil
	d := f.Files.TargetServers
	d[1].Providers = map[string]plan.ProviderConfig{"hdfs_main": {Type: "hdfs_service", Args: "hdfs://10.4.0.1:8020 /other"}}
	d[2].Problem = "no answer"
	f.Files.Store.Problem = "connection refused"
	f.Files.TargetStore.Writable, f.Files.TargetStore.Free = false, 1<<30
	f.Files.Running = []plan.BackupRunning{{ID: 1779430000000}}
	f.Files.Loads = []plan.LoadRunning{{Table: "carts", Status: "BLS_INGESTING"}}
	f.Files.Staged, f.Files.StagedFor = true, 40
	return m, f
}

// TestFileSteps holds the order of the steps: what is held back is given back, and where.
func TestFileSteps(t *testing.T) {
	ids := func(p *plan.Plan) string {
		var out []string
		for _, s := range p.Steps {
			out = append(out, s.ID)
		}
		return strings.Join(out, " ")
	}
	backup, rdyBackup := fromBackup(bulkLoads(local(), schema.SourceWritesAccepted), fileFacts(local()), 64)
	for _, tc := range []struct {
		name string
		m    *schema.Migration
		f    plan.Facts
		want string
	}{
		{"restore", ramped(restores(hdfs(), schema.SourceWritesFenced)), fileFacts(hdfs()),
			"own fence-source quiesce-source backup-rate backup check-backup backup-rate-back restore-rate restore restore-rate-back health target-envs verify late-envs unfence-source disown"},
		{"load", ramped(bulkLoads(hdfs(), schema.SourceWritesStopped)), fileFacts(hdfs()),
			"own backup-rate backup check-backup backup-rate-back create-target await-target carry-envs split load-usage load-rate load load-level load-rate-back load-usage-back compact debt verify late-envs remove-staging disown"},
		{"load of a backup", backup, rdyBackup, "check-backup create-target await-target split load-usage load load-level load-usage-back compact debt verify remove-staging"},
		{"dual", dualWrites(local()), fileFacts(local()),
			"own create-target await-target carry-envs load-usage approve-dual_write prove-dual-write backup check-backup split load load-level resurrection load-usage-back compact debt compare remove-staging disown"},
	} {
		p := build(t, tc.m, tc.f)
		if got := ids(p); got != tc.want {
			t.Errorf("%s:\n%s, want\n%s\n%v", tc.name, got, tc.want, p.Checks)
		}
		for i, s := range p.Steps {
			if s.Final != (i == len(p.Steps)-1) {
				t.Errorf("%s: step %s final: %t", tc.name, s.ID, s.Final)
			}
		}
	}
}

// TestEveryFileStepThatHoldsSomethingBackCanBeUndone: what is left when a run ends badly is what an operator finds.
func TestEveryFileStepThatHoldsSomethingBackCanBeUndone(t *testing.T) {
	m := ramped(dualWrites(hdfs()))
	p := build(t, m, fileFacts(hdfs()))
	for _, s := range p.Steps {
		switch s.Action.(type) {
		case plan.LimitRate, plan.Backup, plan.Split, plan.SetUsage, plan.BulkLoad, plan.CreateTable, plan.Own:
			if s.Undo == nil {
				t.Errorf("%s has no undo", s.ID)
			}
		}
	}
	create, _ := p.Step("create-target")
	if got := create.Action.(plan.CreateTable).Envs[plan.EnvIngestBehind]; got != "true" {
		t.Errorf("the target of dual writes is created with %s=%q", plan.EnvIngestBehind, got)
	}
	early, _ := p.Step("carry-envs")
	if early.Action.(plan.SetEnvs).Envs[plan.EnvDefaultTTL] != "86400" {
		t.Error("default_ttl comes after clients write the target")
	}
}

// TestAdvice: every method is told of, with what rules it out.
func TestAdvice(t *testing.T) {
	verdicts := func(m *schema.Migration, f plan.Facts) string {
		var out []string
		for _, a := range build(t, m, f).Advice {
			v := a.Method + "=" + string(a.Verdict)
			if a.Declared {
				v += "*"
			}
			out = append(out, v)
		}
		return strings.Join(out, " ")
	}
	m := orders()
	if got, want := verdicts(m, facts()), "copy=yes* duplication=if backup_restore=if backup_bulk_load=if dual_write=if"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	m.Target.PartitionCount = new(int32(16))
	if got, want := verdicts(m, facts()), "copy=yes* duplication=no backup_restore=no backup_bulk_load=if dual_write=if"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	b, f := fromBackup(restores(local(), schema.SourceWritesAccepted), fileFacts(local()), 6)
	if got, want := verdicts(b, f), "copy=no duplication=no backup_restore=yes* backup_bulk_load=no dual_write=no"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	p := build(t, b, f)
	if slices.ContainsFunc(p.Advice, func(a plan.Advice) bool { return a.Verdict == plan.VerdictNo && len(a.Why) == 0 }) {
		t.Error("a method is ruled out without a reason")
	}
}

// TestRateThatRises: a ramp makes small transfers slow, and hardly matters to long ones.
func TestRateThatRises(t *testing.T) {
	free := build(t, restores(hdfs(), schema.SourceWritesStopped), fileFacts(hdfs()))
	m := restores(hdfs(), schema.SourceWritesStopped)
	m.Limits.SendRate = &schema.SendRate{Start: 1 << 20, Step: 1 << 20, Max: 10 << 20, Every: time.Minute}
	slow := build(t, m, fileFacts(hdfs()))
	a, _ := free.Step("backup")
	b, _ := slow.Step("backup")
	// 400 GiB over three servers at 10 MiB/s: 13653 s, and the ramp costs some minutes more.
	if b.Estimate.Duration < 13653*time.Second || b.Estimate.Duration > 13653*time.Second+10*time.Minute || a.Estimate.Duration >= b.Estimate.Duration {
		t.Errorf("%s without a ramp, %s with one", a.Estimate.Duration, b.Estimate.Duration)
	}
	if _, ok := free.Step("backup-rate"); ok {
		t.Error("a rate is limited that nobody declared")
	}
}

// TestRunUnderWayTakesTheRateDeclaredNow: limits may change on the way.
func TestRunUnderWayTakesTheRateDeclaredNow(t *testing.T) {
	m, f := ramped(restores(hdfs(), schema.SourceWritesStopped)), fileFacts(hdfs())
	begun := build(t, m, f)
	m.Limits.SendRate.Max = 100 << 20
	f.Owned = &plan.Ownership{Lineage: "l", Progress: plan.Progress{StepsDone: 2, StepsAll: len(begun.Steps)}}
	p, err := plan.Resume(begun, m, f)
	if err != nil {
		t.Fatal(err)
	}
	s, _ := p.Step("backup-rate")
	if got := s.Action.(plan.LimitRate).Ramp.Max; got != 100<<20 {
		t.Errorf("ramped up to %d", got)
	}
	if p.Advice != nil || p.HasErrors() {
		t.Errorf("advice %v, checks %v", p.Advice, p.Checks)
	}
}

// TestDuplicationLimitsTheCopyOfItsCheckpoint: the limit is there before servers copy, and gone before it is compared.
func TestDuplicationLimitsTheCopyOfItsCheckpoint(t *testing.T) {
	m, f := dupOrders(), dupFacts()
	p := build(t, ramped(m), f)
	at := func(id string) int { return slices.IndexFunc(p.Steps, func(s plan.Step) bool { return s.ID == id }) }
	if limit, add, follow, back := at("checkpoint-rate"), at("duplication"), at("follow"), at("checkpoint-rate-back"); limit < 0 || limit > add || back != follow+1 {
		t.Fatalf("checkpoint-rate %d, duplication %d, follow %d, checkpoint-rate-back %d: %v", limit, add, follow, back, p.Checks)
	}
	a := p.Steps[at("checkpoint-rate")].Action.(plan.LimitRate)
	if a.Flag != plan.FlagCheckpoint || a.Use != plan.UseCheckpoint || a.Cluster != "east" {
		t.Errorf("%+v", a)
	}
	if got := p.Steps[at("follow")].Action.(plan.FollowDuplication).Rate; got != "checkpoint-rate" {
		t.Errorf("follow ramps %q", got)
	}
}
