package apply_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pegmigrate/pegmigrate/apply"
	"github.com/pegmigrate/pegmigrate/internal/marker"
	"github.com/pegmigrate/pegmigrate/plan"
	"github.com/pegmigrate/pegmigrate/schema"
)

// declare gives the scene the declaration, and the look at the clusters, that its steps come from.
func (s *dupScene) declare() *dupScene {
	route := dupRoute()
	east := &schema.Cluster{Label: "east", MetaServers: []string{"10.0.0.1:34601"}}
	west := &schema.Cluster{Label: "west", MetaServers: []string{"10.1.0.1:34601"}}
	s.decl = &schema.Migration{
		Name: migration, Source: schema.Source{Cluster: east, Table: "orders"},
		Target: schema.Target{Cluster: west, Table: "orders", IfExists: schema.IfExistsFail},
		Method: &schema.DuplicationMethod{FailMode: schema.FailSlow, DropFollower: s.drops, Cutover: &schema.Cutover{LagThreshold: 1000,
			TrafficProof: time.Minute, MetaProxy: &schema.MetaProxy{ZooKeeper: route.ZooKeeper, Root: route.Root, Proxies: route.Proxies}}},
		Verify: schema.Verify{Mode: schema.VerifyFull, When: schema.VerifyBeforeFence},
		After:  schema.After{Source: schema.AfterKeepFenced}, Limits: schema.Limits{WriteReject: dupBudget},
		Fingerprint: "config", IdentityFingerprint: "identity",
	}
	s.observe = s.dupFacts
	return s
}

func (s *dupScene) dupFacts(f *plan.Facts) {
	config := func(c plan.ClusterFacts) (out []plan.ServerConfig) {
		add := func(addr string, meta bool) {
			out = append(out, plan.ServerConfig{Addr: addr, Meta: meta, DuplicationEnabled: true,
				ClusterIDs: map[string]int{"cluster-east": 1, "cluster-west": 2},
				Clusters:   map[string][]string{"cluster-east": {"10.0.0.1:34601"}, "cluster-west": {"10.1.0.1:34601"}}})
		}
		add(c.MetaServers[0], true)
		for _, n := range c.Nodes {
			add(n.Addr, false)
		}
		return out
	}
	f.Source.Level, f.Target.Level = s.world.clusters["east"].level, s.world.clusters["west"].level
	d := &plan.DuplicationFacts{SourceConfig: config(f.Source), TargetConfig: config(f.Target),
		SourceProbe: plan.DuplicationProbe{Asked: true, Ready: true}, TargetProbe: plan.DuplicationProbe{Asked: true, Ready: true},
		ReadQPS: 4, WriteQPS: 12, LargestRow: 100, BatchBytes: 4096}
	for _, e := range s.world.table(source()).dups {
		if !e.removed {
			d.Entries = append(d.Entries, plan.DuplicationEntry{ID: e.id, Remote: e.remote, Status: e.status, FailMode: e.failMode, CreatedAt: e.created.Truncate(time.Second)})
		}
	}
	rec := s.world.records[dupRoute().Path()]
	d.Route = &plan.RouteFacts{ZooKeeper: dupRoute().ZooKeeper, Path: dupRoute().Path(), Exists: true, Writable: true, ClusterName: rec.ClusterName, MetaAddrs: rec.MetaAddrs}
	for _, p := range dupRoute().Proxies {
		d.Route.Proxies = append(d.Route.Proxies, plan.ProxyFacts{Addr: p, AppID: 12, LeadsTo: "source"})
	}
	f.Duplication = d
}

// The steps that the tests of this package run are those that are planned.
func TestDuplicationStepsArePlanned(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newDup(t, false).declare()
		planned := s.build()
		type step struct {
			ID           string
			Action, Undo plan.Action
			Final        bool
		}
		plain := func(p *plan.Plan) (out []step) {
			for _, st := range p.Steps {
				switch a := st.Action.(type) {
				case plan.Fence: // the prediction is for people
					a.Predicted = 0
					st.Action = a
				case plan.SetEnvs: // a compaction that was done on the source is done on the target too
					delete(a.Envs, compactEnv)
				}
				switch u := st.Undo.(type) {
				case plan.RemoveDuplication:
					u.Reserve = 0
					st.Undo = u
				case plan.Disown:
					u.TargetInfo = ""
					st.Undo = u
				}
				out = append(out, step{st.ID, st.Action, st.Undo, st.Final})
			}
			return out
		}
		if diff := cmp.Diff(plain(s.plan), plain(planned)); diff != "" {
			t.Errorf("(-run here +planned)\n%s", diff)
		}
		if diff := cmp.Diff(s.plan.Source.ID, planned.Source.ID); diff != "" || planned.Source.ClusterName != s.plan.Source.ClusterName {
			t.Errorf("%+v", planned.Source)
		}
	})
}

// TestDuplicationAdopt kills apply at every point and loses the state file as well. The rebuilt one
// leads to the same end, or, before the switch, back to the beginning; after it nothing is opened again.
func TestDuplicationAdopt(t *testing.T) {
	t.Parallel()
	everywhere(t, 100, 90, func(t *testing.T, k int) bool {
		s := newDup(t, k%2 == 0).declare()
		killed, err := s.killedAt(k, s.apply)
		if !killed {
			s.must(err)
			return false
		}
		s.reboot(k)
		m, err := marker.Parse(s.world.table(source()).envs[marker.Env])
		s.must(err)
		if m == nil {
			return true // nothing was changed, or everything is done
		}
		switched := s.world.records[dupRoute().Path()].ClusterName == "cluster-west"
		raised := len(s.world.denied)
		s.adopt()
		s.plan, err = apply.PlanOf(s.document())
		s.must(err)
		if switched {
			var refused *apply.StepError
			if err := s.rollback(t.Context()); !errors.As(err, &refused) || refused.Code != apply.CodeFinished {
				t.Errorf("rollback: %v", err)
			}
			defer func() {
				if slices.Contains(s.world.denied[raised:], false) {
					t.Errorf("the fence was lifted after the switch\n%s", s.story())
				}
			}()
		}
		if k/2%2 == 0 || switched {
			s.again(t.Context())
			delete(s.world.table(target()).envs, compactEnv)
			s.movedOver()
			return true
		}
		s.must(s.rollback(t.Context()))
		s.asBefore()
		return true
	})
}
