package apply_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/apply"
	"github.com/pegmigrate/pegmigrate/internal/event"
	"github.com/pegmigrate/pegmigrate/plan"
	"github.com/pegmigrate/pegmigrate/state"
)

func TestCatchUp(t *testing.T) {
	for name, kept := range map[string]bool{"the fence is lifted": false, "the fence stays": true} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				s := newCatchUp(t, kept)
				dog := &fakeDog{}
				s.guard = dog
				s.clients(!kept)
				s.must(s.apply(t.Context()))
				s.caughtUp()
				s.raisedOnce()
				w := s.window()
				if w.Total > catchUpBudget || w.Budget != catchUpBudget || w.CatchUp <= 0 || w.Spread <= 0 || w.Quiesce <= 0 || (w.Lift > 0) == kept {
					t.Errorf("%+v", w)
				}
				if sum := w.Spread + w.Quiesce + w.CatchUp + w.Lift; sum != w.Total {
					t.Errorf("the parts are %s, the whole is %s", sum, w.Total)
				}
				passes := happened[event.CaughtUp](s.scene)
				if len(passes) != 2 || !passes[0].Live || passes[1].Live || passes[1].Written+passes[1].Deleted == 0 {
					t.Errorf("passes: %+v", passes)
				}
				s.impactTold()
				cert, err := apply.CertificateOf(s.document())
				if err != nil || cert == nil || cert.CaughtUp.IsZero() || cert.Written+cert.Deleted == 0 || len(cert.Partitions) != 4 ||
					cert.Compared.SourceRows != cert.Compared.TargetRows || cert.Lifted.IsZero() != kept || cert.Window == nil {
					t.Errorf("%+v, %v", cert, err)
				}
				if len(dog.windows) != 1 || dog.disarmed == 0 || dog.handed != kept || dog.until.IsZero() {
					t.Errorf("the watchdog: %+v", dog)
				}
				if v := happened[event.Verified](s.scene); len(v) != 1 || v[0].Differences != 0 || v[0].SourceRows != v[0].TargetRows {
					t.Errorf("%+v", v)
				}
			})
		})
	}
}

// The budget ends while everything is compared behind the fence: it is down inside the budget, the rows that were
// copied stay, and the next apply has another window.
func TestCatchUpBudget(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newCatchUp(t, true)
		s.clients(false)
		copies := 0
		s.world.hook = func(_ context.Context, c call) error {
			switch {
			case c.name == "copy" && !c.after:
				copies++
			case c.name == "catch-up live":
				s.world.verifyTime = time.Hour
			}
			return nil
		}
		stop, ended := make(chan struct{}), make(chan time.Duration)
		go func() { ended <- rejected(s.scene, stop) }()
		var budget *apply.BudgetError
		if err := s.apply(t.Context()); !errors.As(err, &budget) || !strings.Contains(budget.Error(), "catch-up: the write-reject budget of 2 min is used up") {
			t.Errorf("%v\n%s", err, s.story())
		}
		close(stop)
		if longest := <-ended; longest > catchUpBudget || longest < time.Minute {
			t.Errorf("writes were rejected for %s", longest)
		}
		doc := s.document()
		if doc.Step("copy").Status != state.Done || doc.Step("fence-source").Status != state.Pending || doc.Step("catch-up").Status != state.Pending {
			t.Errorf("%+v", doc.Steps)
		}
		before := copies
		s.world.hook, s.world.verifyTime = nil, 3*time.Second
		s.must(s.apply(t.Context()))
		s.caughtUp()
		if copies != before {
			t.Errorf("%d batches were copied, then %d", before, copies-before)
		}
		s.window()
	})
}

// Whatever ends a run inside the window lifts the fence.
func TestCatchUpLiftsWhateverHappens(t *testing.T) {
	broken := errors.New("connection refused")
	for name, at := range map[string]string{"quiesce": "Decrees", "compare": "catch-up", "after the proof": "SetEnvs west"} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				s := newCatchUp(t, false)
				s.clients(true)
				s.world.hook = func(_ context.Context, c call) error {
					if len(s.world.denied) > 0 && strings.HasPrefix(c.String(), at) {
						return broken
					}
					return nil
				}
				err := s.apply(t.Context())
				s.world.hook = nil
				if err == nil || s.world.table(source()).envs[plan.EnvDeny] != "" {
					t.Fatalf("%v\n%s", err, s.story())
				}
				s.must(s.apply(t.Context()))
				s.caughtUp()
				if name == "after the proof" {
					s.raisedOnce()
				}
			})
		})
	}
}

// A signal inside the window lifts the fence, too.
func TestCatchUpInterrupted(t *testing.T) {
	for _, step := range []string{"quiesce-source", "catch-up", "late-envs"} {
		t.Run(step, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				s := newCatchUp(t, false)
				s.clients(true)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				s.sink = func(e event.Event) {
					if e, ok := e.(event.StepDone); ok && e.Step == step {
						cancel()
					}
				}
				var budget *apply.BudgetError
				if err := s.apply(ctx); !errors.As(err, &budget) || !budget.Interrupted || s.world.table(source()).envs[plan.EnvDeny] != "" {
					t.Fatalf("%v\n%s", err, s.story())
				}
				s.sink = nil
				s.must(s.apply(t.Context()))
				s.caughtUp()
			})
		})
	}
}

// The primary moves while everything is compared: what may have leaked in is compared again, and brought over.
func TestCatchUpLeak(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newCatchUp(t, true)
		moved := false
		s.world.hook = func(_ context.Context, c call) error {
			if c.name != "catch-up" || !c.after || moved {
				return nil
			}
			moved = true
			s.world.mu.Lock()
			src := s.world.clusters["east"].tables["orders"]
			p := src.parts[0]
			p.ballot, p.primary = p.ballot+1, p.primary+1
			for k := range src.rows {
				if src.partOf(k) == 0 {
					src.rows[k] = fakeRow{"leaked", 0}
					break
				}
			}
			s.world.mu.Unlock()
			return nil
		}
		s.must(s.apply(t.Context()))
		s.world.hook = nil
		s.caughtUp()
		if !moved || len(happened[event.CaughtUp](s.scene)) != 3 {
			t.Errorf("%+v", happened[event.CaughtUp](s.scene))
		}
		s.warned(apply.CodeDifferences, "the fence may have leaked on partitions [0]")
	})
}

// A row that comes back different after it was brought over is compared again, a bounded number of times.
func TestCatchUpThatStaysDifferent(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newCatchUp(t, false)
		s.world.catchUpLeft = 2
		s.must(s.apply(t.Context()))
		s.caughtUp()
	})
	inBubble(t, func(t *testing.T) {
		s := newCatchUp(t, false)
		s.world.catchUpLeft = 100
		var differ *apply.DifferencesError
		if err := s.apply(t.Context()); !errors.As(err, &differ) || !strings.Contains(differ.Hint, "writes to west/orders") {
			t.Fatal(err)
		}
		if s.world.table(source()).envs[plan.EnvDeny] != "" {
			t.Error("the fence is up")
		}
		s.world.catchUpLeft = 0
		s.must(s.apply(t.Context()))
		s.caughtUp()
	})
}

func TestCatchUpRollback(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newCatchUp(t, false)
		before := s.show()
		s.stopAt("catch-up")
		if err := s.apply(t.Context()); err == nil {
			t.Fatal("not stopped")
		}
		s.world.hook = nil
		s.must(s.rollback(t.Context()))
		s.same(before)
	})
}
