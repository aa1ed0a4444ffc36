package apply_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/apply"
	"github.com/pegmigrate/pegmigrate/internal/atomicfile/crashfs"
	"github.com/pegmigrate/pegmigrate/internal/event"
	"github.com/pegmigrate/pegmigrate/internal/marker"
	"github.com/pegmigrate/pegmigrate/plan"
	"github.com/pegmigrate/pegmigrate/state"
)

const (
	compactEnv = "manual_compact.once.trigger_time"
	dupBudget  = 100 * time.Second
)

// dupScene is a migration by duplication: a table that is read and written through a MetaProxy.
type dupScene struct {
	*scene
	// app is the application, nil for a table that nobody uses.
	app *fakeClient
	// after is what becomes of the source: "keep_fenced", "unfence" or "drop".
	after string
	// drops lets a rollback drop the follower.
	drops bool
	// unrouted leaves the route out: clients are changed by hand.
	unrouted bool
}

func dupRoute() plan.Route {
	return plan.Route{ZooKeeper: []string{"10.2.0.1:2181"}, Root: "/pegasus", Table: "orders", Proxies: []string{"10.3.0.1:34601", "10.3.0.2:34601"}}
}

// newDup has a source of 4 partitions with 24 rows, a default_ttl and a past manual compaction.
func newDup(t *testing.T, busy bool) *dupScene {
	s := &dupScene{scene: &scene{t: t, world: newWorld(), disk: crashfs.New(stateDir), waits: apply.DefaultWaits()}, after: "keep_fenced", drops: true}
	s.waits.Poll = 2 * time.Second
	src := s.world.make(source(), 4, map[string]string{plan.EnvBusinessInfo: "team pay", "replica.slow_query_threshold": "100",
		plan.EnvDefaultTTL: "86400", compactEnv: "1700000000"})
	for i := range 24 {
		src.rows[fmt.Sprintf("k%02d", i)] = fakeRow{fmt.Sprintf("v%d", i), uint32(i % 5 * 1_000_000)}
	}
	s.world.route(dupRoute())
	if busy {
		s.app = s.world.client(&fakeClient{name: "app", proxy: s.world.proxies[0], reads: 4, writes: 12, keys: 9})
	}
	s.plan = s.steps()
	return s
}

// steps is what package plan makes of such a declaration.
func (s *dupScene) steps() *plan.Plan {
	src, dst := source(), target()
	const remote = "cluster-west"
	limits := plan.CopyLimits{WriteReject: dupBudget}
	parked := []string{plan.EnvDefaultTTL, compactEnv}
	ttl := map[string]string{plan.EnvDefaultTTL: "86400"}
	p := &plan.Plan{FormatVersion: plan.FormatVersion, ToolVersion: "test", ID: "p1", Migration: migration, Method: "duplication",
		ConfigFingerprint: "config", IdentityFingerprint: "identity",
		Source: plan.Endpoint{TableRef: src, ClusterName: "cluster-east", Exists: true, ID: 12, Partitions: 4, Replicas: 3, MetaServers: []string{"10.0.0.1:34601"}},
		Target: plan.Endpoint{TableRef: dst, ClusterName: remote, Partitions: 4, Replicas: 3, MetaServers: []string{"10.1.0.1:34601"}},
	}
	from := plan.RouteEnd{ClusterName: "cluster-east", MetaServers: []string{"10.0.0.1:34601"}}
	to := plan.RouteEnd{ClusterName: remote, MetaServers: []string{"10.1.0.1:34601"}}
	remove := plan.RemoveDuplication{Source: src, Target: dst, Remote: remote, DropFollower: s.drops, Reserve: 24 * time.Hour}
	release := plan.ReleaseBalancer{Cluster: "east", Step: "hold-balancer"}
	p.Steps = []plan.Step{
		{ID: "own", Action: plan.Own{Source: src, Target: dst}, Undo: plan.Disown{Source: src, Target: dst}},
		{ID: "park-envs", Action: plan.ParkEnvs{Table: src, Keys: parked}, Undo: plan.RestoreEnvs{Table: src, Keys: parked}},
		{ID: "duplication", Action: plan.AddDuplication{Source: src, Target: dst, Remote: remote, FailMode: "slow"}, Undo: remove},
		{ID: "follow", Action: plan.FollowDuplication{Source: src, Target: dst, Remote: remote, Replicas: 3, FollowerEnvs: ttl, Parked: true}},
		{ID: "unpark-envs", Action: plan.UnparkEnvs{Table: src, Step: "park-envs", Keys: parked}},
		{ID: "target-envs", Action: plan.SetEnvs{Table: dst, Envs: ttl}},
		{ID: "catch-up", Action: plan.AwaitLag{Source: src, Target: dst, Remote: remote, Threshold: 1000, Budget: dupBudget}},
		{ID: "compare", Action: plan.CompareLive{Source: src, Target: dst, Limits: limits}},
		{ID: "hold-balancer", Action: plan.HoldBalancer{Cluster: "east"}, Undo: release},
		{ID: "fence-source", Action: plan.Fence{Table: src, Mode: "reconfig*write", Budget: dupBudget}, Undo: plan.LiftFence{Table: src}},
		{ID: "quiesce-source", Action: plan.Quiesce{Table: src}},
		{ID: "drain", Action: plan.Drain{Source: src, Target: dst, Remote: remote}},
		{ID: "recheck", Action: plan.RecheckKeys{Source: src, Target: dst, Limits: limits}},
		{ID: "switch", Action: plan.SwitchRoute{Route: dupRoute(), Source: src, Target: dst, From: from, To: to}, Final: true},
		{ID: "evict", Action: plan.Evict{Source: src, Target: dst, Mode: "reconfig*all", Route: dupRoute()}},
		{ID: "traffic", Action: plan.ProveTraffic{Source: src, Target: dst, For: time.Minute}},
		{ID: "end-duplication", Action: plan.RemoveDuplication{Source: src, Target: dst, Remote: remote}},
		{ID: "follower-envs", Action: plan.DeleteEnvs{Table: dst, Keys: []string{"duplication.master_cluster", "duplication.master_metas"}}},
		{ID: "release-balancer", Action: release},
	}
	if s.unrouted {
		p.Steps = slices.DeleteFunc(p.Steps, func(st plan.Step) bool { return st.ID == "switch" || st.ID == "evict" || st.ID == "traffic" })
		for i := range p.Steps {
			p.Steps[i].Final = p.Steps[i].ID == "end-duplication"
		}
	}
	if s.after == "unfence" {
		p.Steps = append(p.Steps, plan.Step{ID: "unfence-source", Action: plan.LiftFence{Table: src}})
	}
	if s.after == "drop" {
		p.Steps = append(p.Steps, plan.Step{ID: "drop-source", Action: plan.DropTable{Table: src, Reserve: 7 * 24 * time.Hour}})
	}
	p.Steps = append(p.Steps, plan.Step{ID: "disown", Action: plan.Disown{Source: src, Target: dst, TargetInfo: "team pay"}})
	return p
}

// through cuts the plan behind a step, and puts the last one after it.
func (s *dupScene) through(last string) *dupScene {
	n := slices.IndexFunc(s.plan.Steps, func(p plan.Step) bool { return p.ID == last })
	s.plan.Steps = append(slices.Clone(s.plan.Steps[:n+1]), s.plan.Steps[len(s.plan.Steps)-1])
	return s
}

// step changes the action of a step.
func (s *dupScene) step(id string, change func(plan.Action) plan.Action) {
	for i, p := range s.plan.Steps {
		if p.ID == id {
			s.plan.Steps[i].Action = change(p.Action)
		}
	}
}

// movedOver checks the end of a whole migration.
func (s *dupScene) movedOver() {
	s.t.Helper()
	if s.app != nil { // the last write is on its way to the secondaries
		s.app.stopped = true
	}
	src, dst := s.world.table(source()), s.world.table(target())
	if dst == nil {
		s.t.Fatalf("there is no target\n%s", s.story())
	}
	if got, want := dst.envs, (map[string]string{plan.EnvBusinessInfo: "team pay", "replica.slow_query_threshold": "100", plan.EnvDefaultTTL: "86400"}); !maps.Equal(got, want) {
		s.t.Errorf("envs of the target: %v", got)
	}
	if src != nil {
		want := map[string]string{plan.EnvBusinessInfo: "team pay", "replica.slow_query_threshold": "100", plan.EnvDefaultTTL: "86400",
			compactEnv: "1700000000", plan.EnvDeny: "reconfig*all"}
		if !maps.Equal(src.envs, want) {
			s.t.Errorf("envs of the source: %v", src.envs)
		}
		s.noDuplication()
	}
	if s.world.records[dupRoute().Path()].ClusterName != "cluster-west" {
		s.t.Error("the route does not lead to the target")
	}
	if level := s.world.clusters["east"].level; level != "lively" {
		s.t.Errorf("meta function level %s", level)
	}
	for i := range 24 {
		if got := dst.rows[fmt.Sprintf("k%02d", i)]; got.Value != fmt.Sprintf("v%d", i) {
			s.t.Errorf("k%02d is %v on the target", i, got)
		}
	}
	s.acknowledged(dst)
	if doc := s.document(); doc.Outcome != state.OutcomeDone {
		s.t.Errorf("outcome %q", doc.Outcome)
	}
	s.waitsHaveEnds()
	if s.t.Failed() {
		s.t.Log(s.story())
	}
}

func (s *dupScene) waitsHaveEnds() {
	s.t.Helper()
	for _, w := range happened[event.Waiting](s.scene) {
		if w.Reason == "" || w.Limit <= 0 {
			s.t.Errorf("a wait without reason or end: %+v", w)
		}
	}
}

// acknowledged checks that no write is missing that the application was promised.
func (s *dupScene) acknowledged(t *fakeTable) {
	s.t.Helper()
	if s.app == nil {
		return
	}
	for k, row := range s.app.acked {
		if t.rows[k] != row {
			s.t.Errorf("%s is %v, acknowledged was %v", k, t.rows[k], row)
		}
	}
}

func (s *dupScene) noDuplication() {
	s.t.Helper()
	for _, d := range s.world.table(source()).dups {
		if !d.removed {
			s.t.Errorf("duplication %d (%s) is left", d.id, d.status)
		}
	}
}

// asBefore checks the end of a rollback.
func (s *dupScene) asBefore() {
	s.t.Helper()
	src := s.world.table(source())
	want := map[string]string{plan.EnvBusinessInfo: "team pay", "replica.slow_query_threshold": "100", plan.EnvDefaultTTL: "86400", compactEnv: "1700000000"}
	if !maps.Equal(src.envs, want) {
		s.t.Errorf("envs of the source: %v", src.envs)
	}
	s.noDuplication()
	if dst := s.world.table(target()); dst != nil {
		if m, _ := marker.Parse(dst.envs[marker.Env]); s.drops || m != nil {
			s.t.Errorf("the follower is left: %v", dst.envs)
		}
	}
	if s.world.records[dupRoute().Path()].ClusterName != "cluster-east" {
		s.t.Error("the route does not lead to the source")
	}
	if level := s.world.clusters["east"].level; level != "lively" {
		s.t.Errorf("meta function level %s", level)
	}
	for i, p := range src.parts {
		if p.denies() || p.deniesReads(time.Now()) {
			s.t.Errorf("partition %d denies", i)
		}
	}
	s.acknowledged(src)
	if doc := s.document(); doc != nil && doc.Outcome != state.OutcomeRolledBack {
		s.t.Errorf("outcome %q", doc.Outcome)
	}
	if s.t.Failed() {
		s.t.Log(s.story())
	}
}

// again applies until it ends, as an operator does who is told that the same command goes on.
func (s *dupScene) again(ctx context.Context) {
	s.t.Helper()
	for n := 0; ; n++ {
		if doc := s.document(); doc != nil && doc.Outcome != state.OutcomeOpen {
			return
		}
		err := s.apply(ctx)
		var over *apply.BudgetError
		if err == nil {
			return
		}
		if n == 4 || !errors.As(err, &over) {
			s.t.Fatalf("%v\n%s", err, s.story())
		}
	}
}
