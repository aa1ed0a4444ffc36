package apply_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pegmigrate/pegmigrate/apply"
	"github.com/pegmigrate/pegmigrate/internal/atomicfile/crashfs"
	"github.com/pegmigrate/pegmigrate/internal/event"
	"github.com/pegmigrate/pegmigrate/plan"
	"github.com/pegmigrate/pegmigrate/state"
)

// loadScene is a migration by bulk load, from a backup that is there.
type loadScene struct {
	*scene
	// flags are what servers had before.
	flags map[string]map[string]string
}

func loadStaging() plan.Staging {
	return plan.Staging{Provider: plan.Provider{Name: "local", Store: plan.Store{Type: "local_service", Root: "/blocks"}},
		Root: "staging", Cluster: "cluster-west", Table: "orders"}
}

func newLoadScene(t *testing.T) *loadScene {
	s := &loadScene{scene: &scene{t: t, world: newWorld(), disk: crashfs.New(stateDir), waits: apply.DefaultWaits()}}
	s.flags = s.world.showFlags()
	s.waits.Poll = 4 * time.Second
	src := s.world.make(source(), 4, map[string]string{plan.EnvBusinessInfo: "team pay"})
	for i := range 24 {
		src.rows[fmt.Sprintf("k%02d", i)] = fakeRow{fmt.Sprintf("v%d", i), uint32(i % 5 * 1_000_000)}
	}
	s.world.backup = maps.Clone(src.rows)
	return s
}

// newBulk is what package plan makes of method "backup_bulk_load", from an existing backup.
func newBulk(t *testing.T) *loadScene {
	s := newLoadScene(t)
	src, dst, st := source(), target(), loadStaging()
	s.plan = s.planOf("backup_bulk_load", slices.Concat([]plan.Step{
		{ID: "own", Action: plan.Own{Source: src, Target: dst}, Undo: plan.Disown{Source: src, Target: dst}},
		{ID: "create-target", Action: plan.CreateTable{Table: dst, Partitions: 8, Replicas: 3}, Undo: plan.DropTable{Table: dst, Reserve: time.Hour}},
		{ID: "target-healthy", Action: plan.AwaitHealthy{Table: dst, Replicas: 3}},
		splitStep(), usageStep(),
	}, loadSteps(false), []plan.Step{
		{ID: "load-usage-back", Action: plan.RestoreUsage{Table: dst, Step: "load-usage"}},
		{ID: "compact", Action: plan.ManualCompact{Table: dst}},
		{ID: "debt", Action: plan.AwaitCompaction{Table: dst}},
		{ID: "verify", Action: plan.Verify{Source: src, Target: dst, Mode: "full", SourceWrites: "accepted"}},
		{ID: "remove-staging", Action: plan.RemoveStaging{Staging: st, Target: dst, Step: "split"}},
		{ID: "disown", Action: plan.Disown{Source: src, Target: dst, TargetInfo: "team pay"}, Final: true},
	}))
	return s
}

// newBackupBulk makes the backup too, and limits both transfers.
func newBackupBulk(t *testing.T) *loadScene {
	s := newBulk(t)
	src, p, ref := source(), backupProvider(), orderBackup("backup")
	ramp := plan.Ramp{Start: 10 << 20, Step: 20 << 20, Max: 60 << 20, Every: 8 * time.Second}
	limit := func(cluster, use, flag string) plan.LimitRate {
		return plan.LimitRate{Cluster: cluster, Use: use, Flag: flag, Unit: plan.FlagRateUnit, Ramp: ramp}
	}
	made := []plan.Step{
		{ID: "backup-rate", Action: limit("east", plan.UseUpload, uploadFlag), Undo: plan.RestoreRate{Cluster: "east", Step: "backup-rate"}},
		{ID: "backup", Action: plan.Backup{Source: src, Provider: p, Root: backupRoot, AppID: 12, Partitions: 4, Rate: "backup-rate", Attempts: 3},
			Undo: plan.RemoveBackup{Source: src, Provider: p, Step: "backup"}},
		{ID: "check-backup", Action: plan.VerifyBackup{Provider: p, Backup: ref}},
		{ID: "backup-rate-back", Action: plan.RestoreRate{Cluster: "east", Step: "backup-rate"}},
	}
	var steps []plan.Step
	for _, step := range s.plan.Steps {
		switch a := step.Action.(type) {
		case plan.Split:
			a.Backup = ref
			step.Action = a
		case plan.BulkLoad:
			a.Rate = "load-rate"
			step.Action = a
			steps = append(steps, plan.Step{ID: "load-rate", Action: limit("west", plan.UseDownload, downloadFlag), Undo: plan.RestoreRate{Cluster: "west", Step: "load-rate"}})
		}
		steps = append(steps, step)
		switch step.ID {
		case "own":
			steps = append(steps, made...)
		case "load-level":
			steps = append(steps, plan.Step{ID: "load-rate-back", Action: plan.RestoreRate{Cluster: "west", Step: "load-rate"}})
		}
	}
	s.plan.Steps = steps
	return s
}

// newDual is what it makes of method "dual_write". Clients have deleted and changed rows since the backup.
func newDual(t *testing.T) *loadScene {
	s := newLoadScene(t)
	src, dst, st := source(), target(), loadStaging()
	s.world.dual = apply.DualWriteOutcome{Written: 300, Both: 290, Lagging: 10}
	table := s.world.table(src)
	delete(table.rows, "k03") // before clients wrote both
	s.plan = s.planOf("dual_write", slices.Concat([]plan.Step{
		{ID: "own", Action: plan.Own{Source: src, Target: dst}, Undo: plan.Disown{Source: src, Target: dst}},
		{ID: "create-target", Action: plan.CreateTable{Table: dst, Partitions: 8, Replicas: 3, Envs: map[string]string{"rocksdb.allow_ingest_behind": "true"}},
			Undo: plan.DropTable{Table: dst, Reserve: time.Hour}},
		{ID: "target-healthy", Action: plan.AwaitHealthy{Table: dst, Replicas: 3}},
		usageStep(),
		{ID: "approve-dual_write", Action: plan.Approve{Gate: "dual_write"}, Gate: "dual_write"},
		{ID: "prove-dual-write", Action: plan.ProveDualWrite{Source: src, Target: dst, Rows: 200, For: 10 * time.Minute, Gate: "approve-dual_write"}},
		splitStep(),
	}, loadSteps(true), []plan.Step{
		{ID: "resurrection", Action: plan.RepairResurrected{Backup: backupRef(), Source: src, Target: dst}},
		{ID: "load-usage-back", Action: plan.RestoreUsage{Table: dst, Step: "load-usage"}},
		{ID: "compact", Action: plan.ManualCompact{Table: dst}},
		{ID: "debt", Action: plan.AwaitCompaction{Table: dst}},
		{ID: "compare", Action: plan.CompareLive{Source: src, Target: dst}},
		{ID: "remove-staging", Action: plan.RemoveStaging{Staging: st, Target: dst, Step: "split"}},
		{ID: "disown", Action: plan.Disown{Source: src, Target: dst, TargetInfo: "team pay"}, Final: true},
	}))
	return s
}

func backupRef() plan.BackupRef {
	return plan.BackupRef{Root: "cluster-east", ID: 1700000000000, Table: "orders", AppID: 12, Partitions: 4}
}

func splitStep() plan.Step {
	return plan.Step{ID: "split", Action: plan.Split{Backup: backupRef(), Target: target(), Staging: loadStaging(), Partitions: 8, Compression: "lz4", FileSize: 1 << 20},
		Undo: plan.RemoveStaging{Staging: loadStaging(), Target: target(), Step: "split"}}
}

func usageStep() plan.Step {
	return plan.Step{ID: "load-usage", Action: plan.SetUsage{Table: target(), Scenario: "bulk_load"}, Undo: plan.RestoreUsage{Table: target(), Step: "load-usage"}}
}

func loadSteps(behind bool) []plan.Step {
	dst := target()
	return []plan.Step{
		{ID: "load", Action: plan.BulkLoad{Target: dst, Staging: loadStaging(), Partitions: 8, Replicas: 3, IngestBehind: behind, Reject: 20 * time.Second},
			Undo: plan.CancelBulkLoad{Target: dst, Step: "load"}},
		{ID: "load-level", Action: plan.RestoreLevel{Cluster: "west", Step: "load"}},
	}
}

func (s *loadScene) planOf(method string, steps []plan.Step) *plan.Plan {
	return &plan.Plan{FormatVersion: plan.FormatVersion, ToolVersion: "test", ID: "p1", Migration: migration, Method: method,
		ConfigFingerprint: "config", IdentityFingerprint: "identity", Steps: steps,
		Source: plan.Endpoint{TableRef: source(), ClusterName: "cluster-east", Exists: true, ID: 12, Partitions: 4, Replicas: 3, MetaServers: []string{"10.0.0.1:34601"}},
		Target: plan.Endpoint{TableRef: target(), ClusterName: "cluster-west", Partitions: 8, Replicas: 3, MetaServers: []string{"10.1.0.1:34601"}},
	}
}

// action changes the action of a step.
func (s *loadScene) action(id string, change func(plan.Action) plan.Action) {
	for i, p := range s.plan.Steps {
		if p.ID == id {
			s.plan.Steps[i].Action = change(p.Action)
		}
	}
}

// gates opens gate dual_write when the run stops there.
func (s *loadScene) through(ctx context.Context) error {
	err := s.apply(ctx)
	if isGate(err) && ctx.Err() == nil {
		s.approve("dual_write")
		err = s.apply(ctx)
	}
	return err
}

func isGate(err error) bool {
	var gate *apply.GateError
	return errors.As(err, &gate)
}

// until stops the run at the first call for which stop says so.
func (s *loadScene) until(name string, stop func() bool) {
	s.t.Helper()
	ctx, cancel := context.WithCancel(s.t.Context())
	defer cancel()
	s.world.hook = func(_ context.Context, c call) error {
		if c.after && c.name == name && stop() {
			cancel()
		}
		return nil
	}
	err := s.through(ctx)
	s.world.hook = nil
	var interrupted *apply.InterruptedError
	if !errors.As(err, &interrupted) {
		s.t.Fatalf("%v is no interruption\n%s", err, s.story())
	}
}

// status is that of the target's load.
func (s *loadScene) status() string {
	t := s.world.clusters["west"].tables["orders"]
	if t == nil || t.load == nil {
		return ""
	}
	return t.load.status
}

// loaded checks the end of a migration.
func (s *loadScene) loaded() {
	s.t.Helper()
	src, dst := s.world.table(source()), s.world.table(target())
	if dst == nil {
		s.t.Fatalf("there is no target\n%s", s.story())
	}
	if !maps.Equal(src.rows, dst.rows) {
		s.t.Errorf("rows: %v, want %v", dst.rows, src.rows)
	}
	want := map[string]string{plan.EnvBusinessInfo: "team pay"}
	if v, ok := s.createEnvs()["rocksdb.allow_ingest_behind"]; ok {
		want["rocksdb.allow_ingest_behind"] = v
	}
	if !maps.Equal(dst.envs, want) {
		s.t.Errorf("envs of the target: %v", dst.envs)
	}
	if got := s.world.inForce(s.t.Context(), target()); !maps.Equal(got, map[string]int{"normal": 3}) {
		s.t.Errorf("usage scenarios in force: %v", got)
	}
	if dst.load != nil {
		s.t.Errorf("the result of the load is not cleared: %s", dst.load.status)
	}
	s.nothingLeft(state.OutcomeDone)
}

func (s *loadScene) createEnvs() map[string]string {
	step, _ := s.plan.Step("create-target")
	return step.Action.(plan.CreateTable).Envs
}

// takenBack checks the end of a rollback.
func (s *loadScene) takenBack() {
	s.t.Helper()
	if s.world.table(target()) != nil {
		s.t.Error("the target is left")
	}
	s.nothingLeft(state.OutcomeRolledBack)
}

func (s *loadScene) nothingLeft(outcome string) {
	s.t.Helper()
	if got := s.world.table(source()).envs; !maps.Equal(got, map[string]string{plan.EnvBusinessInfo: "team pay"}) {
		s.t.Errorf("envs of the source: %v", got)
	}
	if level := s.world.clusters["west"].level; level != "lively" {
		s.t.Errorf("meta function level %s", level)
	}
	if diff := cmp.Diff(s.flags, s.world.showFlags()); diff != "" {
		s.t.Errorf("transfer limits (-before +after)\n%s", diff)
	}
	for _, w := range s.world.wrongs {
		s.t.Error(w)
	}
	for _, b := range s.world.store {
		if !b.whole(time.Now()) || outcome == state.OutcomeRolledBack {
			s.t.Errorf("backup %d is left", b.id)
		}
	}
	if len(s.world.dirs) > 0 {
		s.t.Errorf("staged files are left: %v", s.world.dirs)
	}
	if doc := s.document(); doc != nil && doc.Outcome != outcome {
		s.t.Errorf("outcome %q", doc.Outcome)
	}
	for _, w := range happened[event.Waiting](s.scene) {
		if w.Reason == "" || w.Limit <= 0 {
			s.t.Errorf("a wait without reason or end: %+v", w)
		}
	}
	if s.t.Failed() {
		s.t.Log(s.story())
	}
}

// waitedFor says whether anything was waited for with that reason.
func (s *loadScene) waitedFor(text string) bool {
	return slices.ContainsFunc(happened[event.Waiting](s.scene), func(w event.Waiting) bool { return strings.Contains(w.Reason, text) })
}

func (s *loadScene) warnedOf(text string) bool {
	return slices.ContainsFunc(happened[event.Warning](s.scene), func(w event.Warning) bool { return strings.Contains(w.Text, text) })
}

// usageSet says whether the target's scenario is set.
func (s *loadScene) usageSet() bool {
	t := s.world.clusters["west"].tables["orders"]
	return t != nil && t.envs[plan.EnvUsageScenario] == "bulk_load"
}
