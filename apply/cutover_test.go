package apply_test

import (
	"context"
	"errors"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/apply"
	"github.com/pegmigrate/pegmigrate/internal/event"
	"github.com/pegmigrate/pegmigrate/plan"
	"github.com/pegmigrate/pegmigrate/state"
)

// at calls do once, before the n-th call of that name behind the fence.
func (s *dupScene) at(name string, n int, do func(w *fakeWorld)) {
	seen := 0
	s.world.hook = func(_ context.Context, c call) error {
		if c.after || c.name != name || len(s.world.denied) == 0 {
			return nil
		}
		if seen++; seen == n {
			s.world.mu.Lock()
			defer s.world.mu.Unlock()
			do(s.world)
		}
		return nil
	}
}

// denyNow changes the deny env and has it in force at once; the lock is held.
func (t *fakeTable) denyNow(value string) {
	delete(t.envs, plan.EnvDeny)
	if value != "" {
		t.envs[plan.EnvDeny] = value
	}
	for _, p := range t.parts {
		p.known = append(p.known, knownEnvs{time.Now(), maps.Clone(t.envs)})
	}
}

// lifted checks that the window is closed: the env has its prior value, every partition takes writes,
// the state says that no fence stands, and the budget was kept.
func (s *dupScene) lifted(err error) *apply.BudgetError {
	s.t.Helper()
	var over *apply.BudgetError
	if !errors.As(err, &over) {
		s.t.Fatalf("got %v\n%s", err, s.story())
	}
	src := s.world.table(source())
	if v, ok := src.envs[plan.EnvDeny]; ok {
		s.t.Errorf("the source still denies: %s", v)
	}
	for i, p := range src.parts {
		if p.denies() {
			s.t.Errorf("partition %d denies writes", i)
		}
	}
	if rec := s.document().Step("fence-source"); rec.Status != state.Pending {
		s.t.Errorf("the fence is recorded as %s", rec.Status)
	}
	if s.world.records[dupRoute().Path()].ClusterName != "cluster-east" {
		s.t.Error("the route was switched")
	}
	return over
}

// TestWindowThatCannotBeFinished lifts the fence whatever goes wrong before the switch, and goes on
// with the next apply.
func TestWindowThatCannotBeFinished(t *testing.T) {
	for name, c := range map[string]struct {
		at   string
		does func(w *fakeWorld)
		mend func(w *fakeWorld)
		says string
	}{
		"the drain stalls": {"Lag", func(w *fakeWorld) { w.shipRate = 0 }, func(w *fakeWorld) { w.shipRate = 500 }, "used up"},
		"ZooKeeper is down": {"Record", func(w *fakeWorld) { w.zkDown = true }, func(w *fakeWorld) { w.zkDown = false },
			"fence was lifted"},
		"no right to change the record": {"Swap", func(w *fakeWorld) { w.zkDenies = true }, func(w *fakeWorld) { w.zkDenies = false },
			"not authenticated"},
		"the target denies writes": {"Lag", func(w *fakeWorld) { w.clusters["west"].tables["orders"].denyNow("timeout*write") },
			func(w *fakeWorld) { w.clusters["west"].tables["orders"].denyNow("") }, "used up"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				s := newDup(t, true)
				n := 3
				if c.at == "Swap" {
					n = 1
				}
				s.at(c.at, n, c.does)
				over := s.lifted(s.apply(t.Context()))
				if !strings.Contains(over.Error(), c.says) {
					t.Errorf("it says %q", over)
				}
				failed := happened[event.StepFailed](s.scene)
				if n := len(failed); n == 0 || failed[n-1].Code != over.Code() || failed[n-1].Hint != over.Advice() {
					t.Errorf("told as %+v, and is %s: %s", failed, over.Code(), over.Advice())
				}
				if budget := over.Code() == apply.CodeBudget; budget != strings.Contains(over.Advice(), "limits.write_reject") {
					t.Errorf("%s advises %q", over.Code(), over.Advice())
				}
				if over.Code() == apply.CodeBudget && !strings.Contains(over.Advice(), "it waited for: ") {
					t.Errorf("%q does not say what it waited for", over.Advice())
				}
				if !strings.Contains(over.Advice(), "the same command") {
					t.Errorf("it advises %q", over.Advice())
				}
				s.world.mu.Lock()
				s.world.advance()
				if gap := s.app.rejectedFor; gap > dupBudget || gap < 10*time.Second {
					t.Errorf("a client was rejected for %s, the budget is %s", gap, dupBudget)
				}
				c.mend(s.world)
				s.world.mu.Unlock()
				s.again(t.Context())
				s.movedOver()
			})
		})
	}
}

// TestWindowThatWasNotOpened tells an end before the fence was raised from one behind it: no client noticed.
func TestWindowThatWasNotOpened(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newDup(t, true)
		s.world.hook = func(_ context.Context, c call) error {
			if !c.after && c.name == "Record" { // routeReady looks at it before the fence goes up
				s.world.mu.Lock()
				defer s.world.mu.Unlock()
				s.world.zkDown = true
			}
			return nil
		}
		over := s.lifted(s.apply(t.Context()))
		if !over.Unfenced || !strings.Contains(over.Error(), "no write was rejected") || over.Code() == apply.CodeBudget {
			t.Errorf("it says %q (%s)", over, over.Code())
		}
		if gap := s.app.rejectedFor; gap != 0 {
			t.Errorf("a client was rejected for %s", gap)
		}
		for _, w := range happened[event.Warning](s.scene) {
			if strings.Contains(w.Text, "lifting the fence") {
				t.Errorf("told: %s", w.Text)
			}
		}
		s.world.hook, s.world.zkDown = nil, false
		s.again(t.Context())
		s.movedOver()
	})
}

// TestInterruptInsideTheWindow lifts the fence after the first Ctrl-C.
func TestInterruptInsideTheWindow(t *testing.T) {
	for _, name := range []string{"Lag", "Record", "Recheck", "Decrees"} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				s := newDup(t, true)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				s.at(name, 2, func(*fakeWorld) { cancel() })
				err := s.apply(ctx)
				if name == "Recheck" && err == nil {
					return // nothing was open
				}
				if over := s.lifted(err); !over.Interrupted {
					t.Errorf("got %v", over)
				}
				s.again(t.Context())
				s.movedOver()
			})
		})
	}
}

// TestLostRace goes on when somebody rewrote the record as it is, and gives up when it leads elsewhere.
func TestLostRace(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newDup(t, true)
		s.at("Swap", 1, func(w *fakeWorld) { w.records[dupRoute().Path()].Version += 3 })
		s.must(s.apply(t.Context()))
		s.movedOver()
	})
	inBubble(t, func(t *testing.T) {
		s := newDup(t, true)
		s.at("Swap", 1, func(w *fakeWorld) {
			rec := w.records[dupRoute().Path()]
			rec.Version, rec.ClusterName = rec.Version+1, "cluster-north"
		})
		err := s.apply(t.Context())
		var over *apply.BudgetError
		var why *apply.StepError
		if !errors.As(err, &over) || !errors.As(err, &why) || why.Code != apply.CodeRoute {
			t.Fatalf("got %v\n%s", err, s.story())
		}
		if got := s.world.records[dupRoute().Path()].ClusterName; got != "cluster-north" {
			t.Errorf("the record was changed to %s", got)
		}
		if v := s.world.table(source()).envs[plan.EnvDeny]; v != "" {
			t.Errorf("the source still denies: %s", v)
		}
	})
}

// TestSwitchWhoseAnswerIsLost never lets a request take effect that was given up: it has happened
// when it is looked for, or the record's version is raised so that it cannot any more.
func TestSwitchWhoseAnswerIsLost(t *testing.T) {
	for _, later := range []time.Duration{time.Millisecond, 3 * time.Second, 5 * time.Minute} {
		t.Run(later.String(), func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				s := newDup(t, true)
				s.at("Swap", 1, func(w *fakeWorld) { w.swapLater = later })
				s.must(s.apply(t.Context()))
				s.movedOver()
				time.Sleep(10 * time.Minute)
				s.movedOver()
			})
		})
	}
}

// TestSwitchNobodyCanTell keeps the fence when ZooKeeper goes away with the request: the target may
// have taken over, and a source that takes writes again would overwrite newer ones.
func TestSwitchNobodyCanTell(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newDup(t, true)
		s.at("Swap", 1, func(w *fakeWorld) { w.swapLater = time.Minute })
		gone := s.world.hook
		s.world.hook = func(ctx context.Context, c call) error {
			err := gone(ctx, c)
			if c.after && c.name == "Swap" {
				s.world.mu.Lock()
				s.world.zkDown = true
				s.world.mu.Unlock()
			}
			return err
		}
		err := s.apply(t.Context())
		var why *apply.StepError
		if !errors.As(err, &why) || why.Code != apply.CodeUndo {
			t.Fatalf("got %v\n%s", err, s.story())
		}
		if len(happened[event.UndoFailed](s.scene)) == 0 {
			t.Error("nobody was told loudly")
		}
		if s.world.table(source()).envs[plan.EnvDeny] == "" {
			t.Error("the fence was lifted although the route may lead to the target")
		}
		s.world.hook, s.world.zkDown = nil, false
		s.again(t.Context())
		s.movedOver()
	})
}

// TestPrimariesMoveInsideTheWindow moves one after its fence was proven, after its decree was frozen,
// and right before the switch; the new primary does not know the fence for a while and takes writes.
func TestPrimariesMoveInsideTheWindow(t *testing.T) {
	for _, name := range []string{"Decrees", "Lag", "Recheck", "Record", "Swap", "ProbeRead"} {
		for _, n := range []int{1, 2, 4} {
			t.Run(name, func(t *testing.T) {
				inBubble(t, func(t *testing.T) {
					s := newDup(t, true)
					s.at(name, n, func(w *fakeWorld) {
						for p := range 4 {
							w.move(source(), p, 25*time.Second)
						}
					})
					s.again(t.Context())
					s.movedOver()
				})
			})
		}
	}
}

// TestProxyThatDoesNotFollow stops before readers are evicted, and goes on when the proxy is mended.
func TestProxyThatDoesNotFollow(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newDup(t, true)
		s.at("Swap", 1, func(w *fakeWorld) { w.proxies[1].lost = true })
		err := s.apply(t.Context())
		var why *apply.StepError
		if !errors.As(err, &why) || why.Code != apply.CodeProxy || !strings.Contains(why.Error(), dupRoute().Proxies[1]) {
			t.Fatalf("got %v\n%s", err, s.story())
		}
		if v := s.world.table(source()).envs[plan.EnvDeny]; v != "reconfig*write" {
			t.Errorf("readers were evicted: %s", v)
		}
		p := s.world.proxies[1]
		s.world.mu.Lock()
		p.lost, p.known = false, []knownRoute{{cluster: "west"}}
		s.world.mu.Unlock()
		s.again(t.Context())
		s.movedOver()
	})
}

// TestWatchdog kills apply at every point inside the window, lets the watchdog do its work, and expects
// the table to be writable on exactly one side; then applies again.
func TestWatchdog(t *testing.T) {
	t.Parallel()
	everywhere(t, 100, 30, func(t *testing.T, k int) bool {
		s := newDup(t, true)
		killed, err := s.killedAt(k, s.apply)
		if !killed {
			s.must(err)
			return false
		}
		s.reboot(k)
		if s.document() == nil {
			return true
		}
		s.must(s.session(func(r *apply.Run) error {
			_, err := r.LiftAbandoned(t.Context())
			return err
		}))
		switched := s.world.records[dupRoute().Path()].ClusterName == "cluster-west"
		if denies := s.world.table(source()).envs[plan.EnvDeny] != ""; denies != switched {
			t.Errorf("the source denies: %v, the route leads to the target: %v\n%s", denies, switched, s.story())
		}
		s.again(t.Context())
		s.movedOver()
		return true
	})
}
