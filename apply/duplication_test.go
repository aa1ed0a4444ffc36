package apply_test

import (
	"context"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/apply"
	"github.com/pegmigrate/pegmigrate/internal/event"
	"github.com/pegmigrate/pegmigrate/plan"
	"github.com/pegmigrate/pegmigrate/state"
)

func TestDuplication(t *testing.T) {
	for name, change := range map[string]func(*dupScene){
		"2.5, idle": func(s *dupScene) {},
		"2.5, busy": func(*dupScene) {},
		"2.6, busy": func(s *dupScene) {
			s.world.shipsLast = true
			s.step("follower-envs", func(a plan.Action) plan.Action {
				d := a.(plan.DeleteEnvs)
				d.Keys = append(d.Keys, "duplication.master_app_name", "duplication.follower_app_status")
				return d
			})
		},
		"dropped": func(s *dupScene) {
			s.after = "drop"
			s.plan = s.steps()
		},
		"the balancer works": func(s *dupScene) { s.world.balances = 47 * time.Second },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				s := newDup(t, name != "2.5, idle")
				change(s)
				s.again(t.Context())
				s.movedOver()
				if s.after == "drop" != (s.world.table(source()) == nil) {
					t.Error("the source is not as declared")
				}
				doc, err := apply.CertificateOf(s.document())
				s.must(err)
				if len(doc.Traffic) == 0 || len(doc.Partitions) != 4 {
					t.Errorf("%+v", doc)
				}
				if w := doc.Window; !s.world.shipsLast && (w == nil || w.Quiesce > 10*time.Second || w.Drain <= 0) {
					t.Errorf("on 2.5 the last mutation is waited for in the drain: %+v", w)
				}
				if len(happened[event.LagProgress](s.scene)) == 0 {
					t.Error("nobody was shown the lag")
				}
			})
		})
	}
}

// TestDuplicationCrashEverywhere kills apply at every point, applies again, and expects the end of an
// undisturbed run, with every acknowledged write on the target.
func TestDuplicationCrashEverywhere(t *testing.T) {
	t.Parallel()
	everywhere(t, 150, 90, func(t *testing.T, k int) bool {
		s := newDup(t, k%2 == 0)
		killed, err := s.killedAt(k, s.apply)
		if !killed {
			s.must(err)
			s.movedOver()
			return false
		}
		s.reboot(k)
		time.Sleep(time.Duration(k%5) * 20 * time.Second)
		s.again(t.Context())
		s.movedOver()
		return true
	})
}

// TestDuplicationCrashThenRollback kills apply at every point and rolls back, when that is possible.
func TestDuplicationCrashThenRollback(t *testing.T) {
	t.Parallel()
	everywhere(t, 100, 90, func(t *testing.T, k int) bool {
		s := newDup(t, k%2 == 0)
		killed, err := s.killedAt(k, func(ctx context.Context) error { return s.apply(ctx) })
		if !killed {
			s.must(err)
			return false
		}
		s.reboot(k)
		if s.document() == nil {
			return true
		}
		if s.world.records[dupRoute().Path()].ClusterName == "cluster-west" || s.document().Outcome != state.OutcomeOpen {
			s.stepError(s.rollback(t.Context()), apply.CodeFinished)
			return true
		}
		s.must(s.rollback(t.Context()))
		s.asBefore()
		return true
	})
}
