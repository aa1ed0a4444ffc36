package apply_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pegmigrate/pegmigrate/internal/event"
	"github.com/pegmigrate/pegmigrate/plan"
	"github.com/pegmigrate/pegmigrate/schema"
	"github.com/pegmigrate/pegmigrate/state"
)

// catchUpBudget has room for the fence, which takes up to a config sync to come and as long to go.
const catchUpBudget = 2 * time.Minute

// catchUpScene is a copy of a table that clients write to and delete from until they are rejected.
type catchUpScene struct {
	*scene
	kept    bool
	stop    chan struct{}
	stopped chan struct{}
}

// newCatchUp begins with the clients at work; kept declares that the fence stays.
func newCatchUp(t *testing.T, kept bool) *catchUpScene {
	s := &catchUpScene{scene: newScene(t, schema.SourceWritesFenced), kept: kept}
	s.plan = s.steps()
	return s
}

func (s *catchUpScene) steps() *plan.Plan {
	src, dst := source(), target()
	limits := plan.CopyLimits{WriteReject: catchUpBudget}
	out := &plan.Plan{FormatVersion: plan.FormatVersion, ToolVersion: "test", ID: "p1", Migration: migration, Method: "copy",
		ConfigFingerprint: "config", IdentityFingerprint: "identity",
		Source: plan.Endpoint{TableRef: src, ClusterName: "cluster-east", Exists: true, ID: 12, Partitions: 4, Replicas: 3, MetaServers: []string{"10.0.0.1:34601"}},
		Target: plan.Endpoint{TableRef: dst, ClusterName: "cluster-west", Partitions: 8, Replicas: 3, MetaServers: []string{"10.1.0.1:34601"}},
		Steps: []plan.Step{
			{ID: "own", Action: plan.Own{Source: src, Target: dst}, Undo: plan.Disown{Source: src, Target: dst}},
			{ID: "create-target", Action: plan.CreateTable{Table: dst, Partitions: 8, Replicas: 3}, Undo: plan.DropTable{Table: dst, Reserve: plan.DropReserve}},
			{ID: "await-target", Action: plan.AwaitHealthy{Table: dst, Replicas: 3}},
			{ID: "copy", Action: plan.Copy{Source: src, Target: dst, Limits: limits, SourceWrites: "catch_up"}},
			{ID: "fence-source", Action: plan.Fence{Table: src, Mode: "reconfig*write", Budget: catchUpBudget}, Undo: plan.LiftFence{Table: src}},
			{ID: "quiesce-source", Action: plan.Quiesce{Table: src}},
			{ID: "catch-up", Action: plan.CatchUp{Source: src, Target: dst, Limits: limits, Budget: catchUpBudget}},
			{ID: "late-envs", Action: plan.SetEnvs{Table: dst, Envs: map[string]string{plan.EnvDefaultTTL: "86400"}}},
		}}
	if !s.kept {
		out.Steps = append(out.Steps, plan.Step{ID: "unfence-source", Action: plan.LiftFence{Table: src}})
	}
	out.Steps = append(out.Steps, plan.Step{ID: "disown", Action: plan.Disown{Source: src, Target: dst, TargetInfo: "team pay"}, Final: true})
	return out
}

// clients write new rows, change some and delete some, two operations a second. With untilRejected they end
// at the first rejection, so that the source stays as it was when it was fenced.
func (s *catchUpScene) clients(untilRejected bool) {
	s.stop, s.stopped = make(chan struct{}), make(chan struct{})
	go func() {
		defer close(s.stopped)
		for n := 0; ; n++ {
			select {
			case <-s.stop:
				return
			case <-time.After(500 * time.Millisecond):
			}
			key := fmt.Sprintf("k%02d", n*7%40)
			var err error
			if n%3 == 2 {
				err = s.world.remove(source(), key)
			} else {
				err = s.world.write(source(), key, fmt.Sprintf("w%d", n), uint32(n%5*1_000_000))
			}
			if err != nil && untilRejected {
				return
			}
		}
	}()
}

// rest ends the clients.
func (s *catchUpScene) rest() {
	if s.stop != nil {
		close(s.stop)
		<-s.stopped
		s.stop = nil
	}
}

// caughtUp checks the end of a migration: both tables hold the same rows, and nothing else is left.
func (s *catchUpScene) caughtUp() {
	s.t.Helper()
	s.rest()
	src, dst := s.world.table(source()), s.world.table(target())
	if dst == nil {
		s.t.Fatalf("there is no target\n%s", s.story())
	}
	if diff := cmp.Diff(src.rows, dst.rows); diff != "" {
		s.t.Errorf("rows (-source +target)\n%s\n%s", diff, s.story())
	}
	envs := map[string]string{plan.EnvBusinessInfo: "team pay", "replica.slow_query_threshold": "100", plan.EnvDefaultTTL: "86400"}
	if s.kept {
		envs[plan.EnvDeny] = "reconfig*write"
	}
	if diff := cmp.Diff(envs, src.envs); diff != "" {
		s.t.Errorf("envs of the source (-want +got)\n%s\n%s", diff, s.story())
	}
	if diff := cmp.Diff(map[string]string{plan.EnvBusinessInfo: "team pay", plan.EnvDefaultTTL: "86400"}, dst.envs); diff != "" {
		s.t.Errorf("envs of the target (-want +got)\n%s", diff)
	}
	if doc := s.document(); doc.Outcome != state.OutcomeDone {
		s.t.Errorf("outcome %q\n%s", doc.Outcome, s.story())
	}
}

// window is the one that was reported.
func (s *catchUpScene) window() event.CutOver {
	s.t.Helper()
	list := happened[event.CutOver](s.scene)
	if len(list) != 1 {
		s.t.Fatalf("%d windows\n%s", len(list), s.story())
	}
	return list[0]
}

// impactTold checks that clients are told to be rejected after the pass that rejects nobody, and before they are.
func (s *catchUpScene) impactTold() {
	s.t.Helper()
	var order []string
	for _, e := range s.events {
		switch e := e.(type) {
		case event.CaughtUp:
			order = append(order, fmt.Sprintf("pass, live %v", e.Live))
		case event.ImpactBegun:
			order = append(order, e.Step+": "+e.Impact)
		case event.FenceProven:
			order = append(order, fmt.Sprintf("fence up %v", e.Up))
		}
	}
	want := []string{"pass, live true", "fence-source: writes to east/orders are rejected from here on; reads go on", "fence up true", "pass, live false"}
	if diff := cmp.Diff(want, order[:min(len(order), len(want))]); diff != "" {
		s.t.Errorf("(-want +got)\n%s", diff)
	}
}

// fakeDog notes what apply says to its watchdog.
type fakeDog struct {
	windows  []string
	until    time.Time
	handed   bool
	disarmed int
}

func (d *fakeDog) Arm(_ context.Context, window string) error {
	if !slices.Contains(d.windows, window) {
		d.windows = append(d.windows, window)
	}
	return nil
}

func (d *fakeDog) Until(at time.Time) error { d.until = at; return nil }
func (d *fakeDog) Handover() error          { d.handed = true; return nil }
func (d *fakeDog) Lifting() bool            { return false }
func (d *fakeDog) Resume() error            { return nil }
func (d *fakeDog) Disarm()                  { d.disarmed++ }
