package plan_test

import (
	"slices"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/plan"
	"github.com/pegmigrate/pegmigrate/schema"
)

// TestFileChecks: each finding is told under its code, and only then.
func TestFileChecks(t *testing.T) {
	type world struct {
		m *schema.Migration
		f *plan.Facts
	}
	silent := func(servers []plan.FileServer) {
		for i := range servers {
			servers[i].ProvidersTold, servers[i].Providers = false, nil
		}
	}
	old := plan.BackupFacts{Root: "east", ID: 1, Table: "orders", AppID: 12, Finished: true, Partitions: 64}
	for name, tc := range map[string]struct {
		change   func(w world)
		severity plan.Severity
		code     string // "" for none of the severity
	}{
		"ready":          {func(world) {}, plan.Error, ""},
		"nobody asked":   {func(w world) { w.f.Files = nil }, plan.Error, plan.CodeFilesUnread},
		"servers silent": {func(w world) { silent(w.f.Files.TargetServers) }, plan.Warning, plan.CodeProviderUnread},
		"probe says no": {func(w world) {
			silent(w.f.Files.TargetServers)
			w.f.Files.TargetProbe = plan.ProviderProbe{Asked: true, Code: "ERR_INVALID_PARAMETERS"}
		}, plan.Error, plan.CodeProviderMissing},
		"other counts":    {func(w world) { w.m.Target.ReplicaCount = new(int32(2)) }, plan.Error, plan.CodeBackupCounts},
		"too few servers": {func(w world) { w.f.Target.Nodes[0].Alive = false }, plan.Error, plan.CodeReplicasOverNodes},
		"duplicated":      {func(w world) { w.f.SourceTable.Duplications = []string{"north"} }, plan.Error, plan.CodeDuplicating},
		"target exists":   {func(w world) { w.f.TargetTable = table(30, 64) }, plan.Error, plan.CodeTargetExists},
		"uploading":       {func(w world) { w.f.Files.Uploading = 1 << 20 }, plan.Warning, plan.CodeBackupUploading},
		"failed before":   {func(w world) { w.f.Files.Running = []plan.BackupRunning{{ID: 1, Failed: true}} }, plan.Error, ""},
		"root not told": {func(w world) {
			for i := range w.f.Files.SourceServers {
				w.f.Files.SourceServers[i].RootTold = false
			}
			w.f.Files.Root = ""
		}, plan.Error, plan.CodeBackupRoot},
		"adopted": {func(w world) {
			old := old
			old.Taken = w.f.Files.Now.Add(-30 * time.Minute)
			w.f.Files.Backups = []plan.BackupFacts{old}
			w.m.Method.(*schema.BackupRestoreMethod).AdoptMaxAge = time.Hour
		}, plan.Warning, plan.CodeAdopt},
		"no room":     {func(w world) { w.f.Files.Store.Free = 1 << 30 }, plan.Error, plan.CodeStoreRoom},
		"little room": {func(w world) { w.f.Files.Store.Free = 500 << 30 }, plan.Warning, plan.CodeStoreRoom},
		"no effect":   {func(w world) { ramped(w.m) }, plan.Warning, plan.CodeRateNoEffect},
		"version 0":   {func(w world) { w.f.SourceTable.DataVersions = map[int32]int{0: 192} }, plan.Error, ""},
	} {
		t.Run(name, func(t *testing.T) {
			m, f := restores(local(), schema.SourceWritesStopped), fileFacts(local())
			tc.change(world{m, &f})
			got := codes(build(t, m, f), tc.severity)
			if tc.code == "" && len(got) > 0 || tc.code != "" && !slices.Contains(got, tc.code) {
				t.Errorf("%v, want %q", got, tc.code)
			}
		})
	}
}

// TestRestoreOfDuplicated: the mark in a backup goes to the table that a restore makes, and not through a load.
func TestRestoreOfDuplicated(t *testing.T) {
	m, f := fromBackup(restores(local(), schema.SourceWritesAccepted), fileFacts(local()), 64)
	f.Files.Found.Duplicating = true
	if got := codes(build(t, m, f), plan.Error); !slices.Contains(got, plan.CodeDuplicating) {
		t.Errorf("a restore: %v", got)
	}
	m, f = fromBackup(bulkLoads(local(), schema.SourceWritesAccepted), fileFacts(local()), 64)
	f.Files.Found.Duplicating = true
	if got := codes(build(t, m, f), plan.Error); slices.Contains(got, plan.CodeDuplicating) {
		t.Errorf("a load: %v", got)
	}
}

// TestDualWriteNeedsTimetags: rows without one cannot be told to be younger than the gate.
func TestDualWriteNeedsTimetags(t *testing.T) {
	f := fileFacts(local())
	f.SourceTable.DataVersions = map[int32]int{0: 192}
	if got := codes(build(t, dualWrites(local()), f), plan.Error); !slices.Contains(got, plan.CodeDataVersion) {
		t.Errorf("dual_write of version 0: %v", got)
	}
	if got := codes(build(t, bulkLoads(local(), schema.SourceWritesStopped), f), plan.Error); len(got) > 0 {
		t.Errorf("a load of version 0: %v", got)
	}
}
