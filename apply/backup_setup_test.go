package apply_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pegmigrate/pegmigrate/apply"
	"github.com/pegmigrate/pegmigrate/internal/event"
	"github.com/pegmigrate/pegmigrate/plan"
	"github.com/pegmigrate/pegmigrate/schema"
)

const backupRoot = "cold/cluster-east"

// backupScene is a migration by backup and restore.
type backupScene struct {
	*scene
	writes schema.SourceWrites
	// flags are what servers had before.
	flags map[string]map[string]string
}

func backupProvider() plan.Provider {
	return plan.Provider{Name: "hdfs_main", Store: plan.Store{Type: "hdfs_service", Root: "/pegasus", NameNodes: []string{"nn1:8020"}}}
}

func newBackup(t *testing.T, writes schema.SourceWrites) *backupScene {
	s := &backupScene{scene: newScene(t, writes), writes: writes}
	s.flags = s.world.showFlags()
	s.plan = s.steps()
	return s
}

func orderBackup(step string) plan.BackupRef {
	return plan.BackupRef{Step: step, Root: backupRoot, Table: "orders", AppID: 12, Partitions: 4}
}

// steps is what package plan makes of such a declaration.
func (s *backupScene) steps() *plan.Plan {
	src, dst, p := source(), target(), backupProvider()
	ref, ramp := orderBackup("backup"), plan.Ramp{Start: 10 << 20, Step: 20 << 20, Max: 60 << 20, Every: 8 * time.Second}
	after := ""
	limit := func(cluster, use, flag string) plan.LimitRate {
		return plan.LimitRate{Cluster: cluster, Use: use, Flag: flag, Unit: plan.FlagRateUnit, Ramp: ramp}
	}
	out := &plan.Plan{FormatVersion: plan.FormatVersion, ToolVersion: "test", ID: "p1", Migration: migration, Method: "backup_restore",
		ConfigFingerprint: "config", IdentityFingerprint: "identity",
		Source: plan.Endpoint{TableRef: src, ClusterName: "cluster-east", Exists: true, ID: 12, Partitions: 4, Replicas: 3, MetaServers: []string{"10.0.0.1:34601"}},
		Target: plan.Endpoint{TableRef: dst, ClusterName: "cluster-west", Partitions: 4, Replicas: 3, MetaServers: []string{"10.1.0.1:34601"}},
	}
	out.Steps = []plan.Step{{ID: "own", Action: plan.Own{Source: src, Target: dst}, Undo: plan.Disown{Source: src, Target: dst}}}
	if s.writes == schema.SourceWritesFenced {
		after = "quiesce-source"
		out.Steps = append(out.Steps,
			plan.Step{ID: "fence-source", Action: plan.Fence{Table: src, Mode: "reconfig*write"}, Undo: plan.LiftFence{Table: src}},
			plan.Step{ID: after, Action: plan.Quiesce{Table: src}})
	}
	out.Steps = append(out.Steps,
		plan.Step{ID: "backup-rate", Action: limit("east", plan.UseUpload, uploadFlag), Undo: plan.RestoreRate{Cluster: "east", Step: "backup-rate"}},
		plan.Step{ID: "backup", Action: plan.Backup{Source: src, Provider: p, Root: backupRoot, AppID: 12, Partitions: 4, After: after, Rate: "backup-rate", Attempts: 3},
			Undo: plan.RemoveBackup{Source: src, Provider: p, Step: "backup"}},
		plan.Step{ID: "check-backup", Action: plan.VerifyBackup{Provider: p, Backup: ref}},
		plan.Step{ID: "backup-rate-back", Action: plan.RestoreRate{Cluster: "east", Step: "backup-rate"}},
		plan.Step{ID: "restore-rate", Action: limit("west", plan.UseDownload, downloadFlag), Undo: plan.RestoreRate{Cluster: "west", Step: "restore-rate"}},
		plan.Step{ID: "restore", Action: plan.Restore{Target: dst, Provider: p, Backup: ref, Replicas: 3, Rate: "restore-rate"}, Undo: plan.DropTable{Table: dst, Reserve: plan.DropReserve}},
		plan.Step{ID: "restore-rate-back", Action: plan.RestoreRate{Cluster: "west", Step: "restore-rate"}},
		plan.Step{ID: "health", Action: plan.AwaitHealthy{Table: dst, Replicas: 3}},
		plan.Step{ID: "target-envs", Action: plan.SetEnvs{Table: dst, Envs: map[string]string{"replica.slow_query_threshold": "100"}}})
	if s.writes == schema.SourceWritesAccepted {
		out.Steps = append(out.Steps, plan.Step{ID: "verify", Action: plan.VerifyBackupRows{Provider: p, Backup: ref, Target: dst}})
	} else {
		out.Steps = append(out.Steps, plan.Step{ID: "verify", Action: plan.Verify{Source: src, Target: dst, Mode: "full", SourceWrites: string(s.writes)}})
	}
	out.Steps = append(out.Steps, plan.Step{ID: "late-envs", Action: plan.SetEnvs{Table: dst, Envs: map[string]string{plan.EnvDefaultTTL: "86400"}}})
	if after != "" {
		out.Steps = append(out.Steps, plan.Step{ID: "unfence-source", Action: plan.LiftFence{Table: src}})
	}
	out.Steps = append(out.Steps, plan.Step{ID: "disown", Action: plan.Disown{Source: src, Target: dst, TargetInfo: "team pay"}, Final: true})
	return out
}

// step changes a step.
func (s *backupScene) step(id string, change func(plan.Action) plan.Action) *backupScene {
	i := slices.IndexFunc(s.plan.Steps, func(p plan.Step) bool { return p.ID == id })
	s.plan.Steps[i].Action = change(s.plan.Steps[i].Action)
	return s
}

// from makes the backup that exists the source: there is no table and nothing to own.
func (s *backupScene) from(b *fakeBackup) *backupScene {
	s.plan.Source.TableRef = plan.TableRef{Table: "orders"}
	var steps []plan.Step
	for _, p := range s.plan.Steps {
		ref := orderBackup("")
		ref.ID = b.id
		switch a := p.Action.(type) {
		case plan.VerifyBackup:
			a.Backup = ref
			p.Action = a
		case plan.Restore:
			a.Backup = ref
			p.Action = a
		case plan.VerifyBackupRows:
			a.Backup = ref
			p.Action = a
		case plan.LimitRate, plan.RestoreRate, plan.AwaitHealthy, plan.SetEnvs:
			if p.ID == "backup-rate" || p.ID == "backup-rate-back" {
				continue
			}
		default:
			continue
		}
		steps = append(steps, p)
	}
	s.plan.Steps = steps
	return s
}

// old puts a finished backup of that age onto the store, and into nobody's memory.
func (s *backupScene) old(age time.Duration) *fakeBackup {
	begun := time.Now().Add(-age)
	b := &fakeBackup{cluster: "east", provider: backupProvider().Name, root: backupRoot, table: "orders", id: begun.UnixMilli(), appID: 12, partitions: 4, replicas: 3,
		begun: begun, rows: maps.Clone(s.world.table(source()).rows), damaged: map[int32]bool{}}
	s.world.mu.Lock()
	defer s.world.mu.Unlock()
	s.world.store[b.place()] = b
	return b
}

// atCall does something before the n-th call of that name.
func (s *backupScene) atCall(name string, n int, do func(w *fakeWorld)) {
	seen := 0
	s.world.within(func(c call) error {
		if c.name == name && !c.after {
			if seen++; seen == n {
				s.world.mu.Lock()
				defer s.world.mu.Unlock()
				do(s.world)
			}
		}
		return nil
	})
}

// restored checks the end of a whole migration.
func (s *backupScene) restored() {
	s.t.Helper()
	s.untouched()
	src, dst := s.world.table(source()), s.world.table(target())
	if dst == nil {
		s.t.Fatalf("there is no target\n%s", s.story())
	}
	if diff := cmp.Diff(map[string]string{plan.EnvBusinessInfo: "team pay", "replica.slow_query_threshold": "100", plan.EnvDefaultTTL: "86400"}, src.envs); diff != "" {
		s.t.Errorf("envs of the source (-want +got)\n%s", diff)
	}
	if diff := cmp.Diff(src.rows, dst.rows); diff != "" {
		s.t.Errorf("rows (-source +target)\n%s\n%s", diff, s.story())
	}
	if got := dst.envs[plan.EnvBusinessInfo]; got != "team pay" || dst.envs[plan.EnvDefaultTTL] != "86400" {
		s.t.Errorf("envs of the target: %v", dst.envs)
	}
	if n := len(s.world.store); n != 1 {
		s.t.Errorf("%d backups are left\n%s", n, s.story())
	}
}

// untouched checks what no end may leave behind.
func (s *backupScene) untouched() {
	s.t.Helper()
	if diff := cmp.Diff(s.flags, s.world.showFlags()); diff != "" {
		s.t.Errorf("transfer limits (-before +after)\n%s\n%s", diff, s.story())
	}
	for _, w := range s.world.wrongs {
		s.t.Errorf("%s\n%s", w, s.story())
	}
	for _, b := range s.world.store {
		if !b.whole(time.Now()) {
			s.t.Errorf("a half-written backup is left: %d\n%s", b.id, s.story())
		}
	}
}

// undone checks what a rollback leaves: nothing of this run's.
func (s *backupScene) undone() {
	s.t.Helper()
	s.untouched()
	if len(s.world.store) != 0 {
		s.t.Errorf("%d backups are left\n%s", len(s.world.store), s.story())
	}
	if s.world.table(target()) != nil {
		s.t.Errorf("the target is left\n%s", s.story())
	}
	if src := s.world.table(source()); src.envs[plan.EnvBusinessInfo] != "team pay" || src.envs[plan.EnvDeny] != "" {
		s.t.Errorf("envs of the source: %v", src.envs)
	}
}

// warned says whether a warning with that code was given whose text has those words.
func (s *backupScene) warned(code, words string) bool {
	return slices.ContainsFunc(happened[event.Warning](s.scene), func(w event.Warning) bool {
		return w.Code == code && containsAll(w.Text, words)
	})
}

func (s *backupScene) stepFails(err error, code, words string) *apply.StepError {
	s.t.Helper()
	step := s.stepError(err, code)
	if !containsAll(fmt.Sprint(step), words) {
		s.t.Errorf("%v\ndoes not say %q", step, words)
	}
	return step
}
