package apply_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/apply"
	"github.com/pegmigrate/pegmigrate/internal/event"
	"github.com/pegmigrate/pegmigrate/plan"
)

// count counts the requests of one name that take effect.
func (s *dupScene) count(name string) *int {
	n := 0
	before := s.world.hook
	s.world.hook = func(ctx context.Context, c call) error {
		if c.name == name && c.after {
			n++
		}
		if before != nil {
			return before(ctx, c)
		}
		return nil
	}
	return &n
}

// locked changes the world from a test.
func (s *dupScene) locked(change func(src *fakeTable)) {
	s.world.mu.Lock()
	defer s.world.mu.Unlock()
	s.world.advance()
	change(s.world.clusters["east"].tables["orders"])
}

func (s *dupScene) added() plan.AddDuplication {
	step, _ := s.plan.Step("duplication")
	return step.Action.(plan.AddDuplication)
}

// The answer to ADD is lost, or the request, or it takes effect late: there is one duplication, it is
// this run's, and it is not asked for again while it may still be on its way.
func TestAddAnswerLost(t *testing.T) {
	lost := errors.New("connection reset")
	for name, tt := range map[string]struct {
		on   string
		late time.Duration // of the lost request, 0 for never
		adds int           // requests that reach the cluster
	}{
		"the answer":                           {"AddDuplication+", 0, 1},
		"the request":                          {"AddDuplication", 0, 1},
		"the request is late":                  {"AddDuplication", 9 * time.Second, 0},
		"the request is later than waited for": {"AddDuplication", 40 * time.Second, 1},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				s := newDup(t, false)
				adds := s.count("AddDuplication")
				s.on(tt.on, 1, func() error {
					if tt.late > 0 {
						s.locked(func(*fakeTable) {
							s.world.lateAdds = append(s.world.lateAdds, lateAdd{s.world.now.Add(tt.late), s.added()})
						})
					}
					if tt.on == "AddDuplication" {
						return apply.ErrOutcomeUnknown
					}
					return lost
				})
				s.must(s.apply(t.Context()))
				s.movedOver()
				if *adds != tt.adds {
					t.Errorf("%d requests took effect", *adds)
				}
			})
		})
	}
}

// A meta of 2.5 answers OK and names no duplication when it did nothing.
func TestAddDoesNothing(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newDup(t, false)
		s.world.addsNothing = true
		err := s.stepError(s.apply(t.Context()), apply.CodeDuplication)
		if !strings.Contains(err.Error(), "named no duplication") {
			t.Error(err)
		}
		s.failedOnce(err)
		s.world.addsNothing = false
		s.must(s.rollback(t.Context()))
		s.asBefore()
	})
}

// A duplication that somebody else added is never taken for this run's, and never removed.
func TestAddForeign(t *testing.T) {
	for name, old := range map[string]bool{"before the migration": true, "after a refused request": false} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				s := newDup(t, false)
				strange := func() {
					s.locked(func(src *fakeTable) {
						s.world.startDuplication(src, s.added())
						src.dups[0].synced = s.world.now.Add(1000 * time.Hour) // it stays where it is
					})
				}
				if old {
					strange()
					time.Sleep(time.Hour)
				} else {
					s.on("AddDuplication", 1, func() error { return apply.ErrRefused })
					err := s.stepError(s.apply(t.Context()), apply.CodeDuplication)
					s.failedOnce(err)
					s.world.hook = nil
					strange()
				}
				for range 2 {
					err := s.stepError(s.apply(t.Context()), apply.CodeDuplication)
					if !strings.Contains(err.Text, "not of this run") {
						t.Fatal(err)
					}
				}
				s.must(s.rollback(t.Context()))
				if src := s.world.table(source()); len(src.dups) != 1 || src.dups[0].removed {
					t.Errorf("somebody else's duplication was removed: %+v", src.dups)
				}
				if got := s.world.table(source()).envs; got[plan.EnvDefaultTTL] != "86400" || got[plan.EnvBusinessInfo] != "team pay" {
					t.Errorf("%v", got)
				}
			})
		})
	}
	inBubble(t, func(t *testing.T) {
		s := newDup(t, false)
		s.locked(func(src *fakeTable) {
			src.dups = append(src.dups, &fakeDup{id: 7, remote: "cluster-north", status: "DS_LOG", synced: time.Now().Add(time.Hour), follower: &fakeTable{fakeDuplicated: fakeDuplicated{gone: true}}})
		})
		err := s.stepError(s.apply(t.Context()), apply.CodeDuplication)
		if !strings.Contains(err.Text, "cluster-north") {
			t.Error(err)
		}
	})
}

// What would kill servers, or wedge the duplication, is looked at again in the moment before it is
// added; an env that was put back is parked again with the value that it has then.
func TestAddLooksAgain(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*dupScene)
		mend   func(*dupScene)
		ttl    string
	}{
		"default_ttl is back": {func(s *dupScene) {
			s.locked(func(src *fakeTable) { src.envs[plan.EnvDefaultTTL] = "3600" })
		}, nil, "3600"},
		"a compaction was started": {func(s *dupScene) {
			s.locked(func(src *fakeTable) { src.envs["manual_compact.once.trigger_time"] = "1800000000" })
		}, nil, "86400"},
		"the target exists": {func(s *dupScene) { s.strange(4) },
			func(s *dupScene) { delete(s.world.clusters["west"].tables, "orders") }, "86400"},
		"a deny env": {func(s *dupScene) { s.locked(func(src *fakeTable) { src.envs[plan.EnvDeny] = "timeout*read" }) },
			func(s *dupScene) { s.locked(func(src *fakeTable) { delete(src.envs, plan.EnvDeny) }) }, "86400"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				s := newDup(t, false).through("target-envs")
				s.on("Duplications", 1, func() error { tt.change(s); return nil })
				s.on("AddDuplication", 1, func() error { t.Error("it was added"); return nil })
				err := s.apply(t.Context())
				s.stepError(err, apply.CodeDuplication)
				s.failedOnce(err)
				s.world.hook = nil
				if tt.mend != nil {
					tt.mend(s)
				}
				s.must(s.apply(t.Context()))
				src, dst := s.world.table(source()), s.world.table(target())
				if src.envs[plan.EnvDefaultTTL] != tt.ttl || dst.crashes {
					t.Errorf("source %v, target %v", src.envs, dst.envs)
				}
			})
		})
	}
}

// TestFollowerStays rolls back with drop_follower left out: the follower stays, without the marker of
// the run, and somebody is told how to drop it.
func TestFollowerStays(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newDup(t, false)
		s.drops = false
		s.plan = s.steps()
		s.on("compare", 1, func() error { return errors.New("stopped by the test") })
		if err := s.apply(t.Context()); err == nil {
			t.Fatal("not stopped")
		}
		s.world.hook = nil
		s.must(s.rollback(t.Context()))
		s.asBefore()
		if s.world.table(target()) == nil {
			t.Fatal("the follower was dropped")
		}
		s.warned(apply.CodeDuplication, "stays")
	})
}

// TestFollowerTurnsUpLate removes the duplication while its meta asks for the follower: the table
// appears when the duplication is gone, and is dropped.
func TestFollowerTurnsUpLate(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newDup(t, false)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		s.sink = func(e event.Event) {
			if e, ok := e.(event.StepStarted); ok && e.Step == "follow" {
				cancel()
			}
		}
		if err := s.apply(ctx); err == nil {
			t.Fatal("not stopped")
		}
		s.on("RemoveDuplication+", 1, func() error {
			s.locked(func(src *fakeTable) {
				envs := maps.Clone(src.envs)
				envs["duplication.master_cluster"] = "cluster-east"
				s.world.clusters["west"].late = append(s.world.clusters["west"].late, lateTable{s.world.now.Add(6 * time.Second),
					plan.CreateTable{Table: target(), Partitions: 4, Replicas: 3, Envs: envs}})
			})
			return nil
		})
		s.must(s.rollback(t.Context()))
		s.asBefore()
		if got := s.world.clusters["west"].dropped; len(got) != 1 {
			t.Errorf("dropped: %v", got)
		}
	})
}

// TestForeignFollower leaves a table alone that is not provably the follower, whatever it is called.
func TestForeignFollower(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newDup(t, false)
		s.on("Duplications", 4, func() error { s.strange(4); return nil })
		err := s.stepError(s.apply(t.Context()), apply.CodeTargetStolen)
		if !strings.Contains(err.Text, "not the follower") {
			t.Error(err)
		}
		s.world.hook = nil
		s.drops = false // asBefore must not expect it to be gone
		s.must(s.rollback(t.Context()))
		s.asBefore()
		if s.world.table(target()) == nil {
			t.Error("somebody else's table was dropped")
		}
		s.warned(apply.CodeTargetStolen, "left alone")
	})
}

// A duplication that was added and is not what was asked for is taken away again, when that can be
// told; one whose fail mode could not be set is kept, and somebody is told.
func TestAddNotAsDeclared(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newDup(t, false)
		s.world.addError = fmt.Errorf("its follower will have 3 replicas: %w", apply.ErrRefused)
		err := s.stepError(s.apply(t.Context()), apply.CodeDuplication)
		s.failedOnce(err)
		s.noDuplication()
		s.must(s.apply(t.Context()))
		s.movedOver()
	})
	inBubble(t, func(t *testing.T) {
		s := newDup(t, false)
		s.step("duplication", func(a plan.Action) plan.Action {
			d := a.(plan.AddDuplication)
			d.FailMode = "skip"
			return d
		})
		s.on("AddDuplication+", 1, func() error {
			s.locked(func(src *fakeTable) { src.dups[0].failMode = "FAIL_SLOW" })
			return errors.New("connection reset")
		})
		s.must(s.apply(t.Context()))
		s.warned(apply.CodeDuplication, "fail mode of duplication 946684800 is slow, declared is skip")
	})
}

// Clients whose writes are refused because of the duplication are told of long before the fence.
func TestNonIdempotentWritesAreTold(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newDup(t, true).through("follow")
		s.world.client(&fakeClient{name: "counter", incrs: 2})
		s.must(s.apply(t.Context()))
		s.warned(apply.CodeDuplication, "were refused as not idempotent")
		if n := len(happened[event.Warning](s.scene)); n > 2 {
			t.Errorf("told %d times", n)
		}
	})
}
