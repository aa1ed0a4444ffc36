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

// Whatever keeps a duplication in a state ends the run with the state, and the cause among those that
// are named; when it is mended the same command goes on.
func TestFollowStuck(t *testing.T) {
	for name, tt := range map[string]struct {
		break_ func(*dupScene)
		mend   func(*dupScene) // nil when only a rollback helps
		code   string
		says   []string
		within time.Duration
	}{
		"the target's metas are away": {
			func(s *dupScene) { s.world.clusters["west"].away = true },
			func(s *dupScene) { s.world.clusters["west"].away = false },
			apply.CodeDuplication, []string{"DS_PREPARE", "meta servers cannot be reached"}, 20 * time.Minute},
		"too few servers": {
			func(s *dupScene) { s.world.nodes = 2 }, func(s *dupScene) { s.world.nodes = 3 },
			apply.CodeDuplication, []string{"DS_PREPARE", "than the 3 replicas"}, 20 * time.Minute},
		"an empty partition": {
			func(s *dupScene) {
				src := s.world.table(source())
				maps.DeleteFunc(src.rows, func(k string, _ fakeRow) bool { return src.partOf(k) == 2 })
			}, nil,
			apply.CodeDuplication, []string{"DS_APP", "1 of 4 partitions of the follower have no primary", "with no row"}, 2 * time.Hour},
		"a single replica": {
			func(s *dupScene) {
				s.world.table(source()).replicas = 1
				s.step("follow", func(a plan.Action) plan.Action {
					f := a.(plan.FollowDuplication)
					f.Replicas = 1
					return f
				})
			}, nil, apply.CodeDuplication, []string{"DS_APP", "follower of one replica"}, 2 * time.Hour},
		"somebody creates the target": {
			func(s *dupScene) { s.on("Duplications", 6, func() error { s.strange(4); return nil }) }, nil,
			apply.CodeTargetStolen, []string{"DS_PREPARE for ever"}, time.Minute},
		"the follower's note was lost": {
			func(s *dupScene) {
				s.each("Duplications", func(src *fakeTable) {
					if len(src.dups) > 0 && src.dups[0].status == "DS_APP" {
						src.dups[0].status = "DS_PREPARE"
					}
				})
			}, nil, apply.CodeDuplication, []string{"it stays there for ever"}, 5 * time.Minute},
		"paused": {
			func(s *dupScene) { s.when("DS_LOG", func(d *fakeDup) { d.status = "DS_PAUSE" }) },
			func(s *dupScene) { s.locked(func(src *fakeTable) { src.dups[0].status = "DS_LOG" }) },
			apply.CodeDuplication, []string{"is paused", "start_dup orders"}, 3 * time.Minute},
		"removed": {
			func(s *dupScene) { s.when("DS_APP", func(d *fakeDup) { d.removed = true }) }, nil,
			apply.CodeDuplication, []string{"is gone: somebody removed it"}, 3 * time.Minute},
		"the follower is dropped": {
			func(s *dupScene) {
				s.when("DS_LOG", func(d *fakeDup) { d.follower.gone = true; delete(s.world.clusters["west"].tables, "orders") })
			}, nil, apply.CodeTargetStolen, []string{"is gone: somebody dropped it"}, 3 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				s := newDup(t, name != "an empty partition")
				tt.break_(s)
				begun := time.Now()
				err := s.stepError(s.apply(t.Context()), tt.code)
				s.failedOnce(err)
				for _, text := range tt.says {
					if !strings.Contains(err.Error()+err.Hint, text) {
						t.Errorf("%q is not said: %v; %s", text, err, err.Hint)
					}
				}
				if took := time.Since(begun); took > tt.within {
					t.Errorf("told after %s", took)
				}
				s.world.hook = nil
				if tt.mend != nil {
					tt.mend(s)
					s.again(t.Context())
					s.movedOver()
					return
				}
				s.must(s.rollback(t.Context()))
				s.drops = name != "somebody creates the target"
				s.asBefore()
			})
		})
	}
}

// each changes the world before every request of one name.
func (s *dupScene) each(name string, change func(src *fakeTable)) {
	s.world.hook = func(_ context.Context, c call) error {
		if c.name == name && !c.after {
			s.locked(change)
		}
		return nil
	}
}

// when changes the duplication once, when it is first seen in a status.
func (s *dupScene) when(status string, change func(*fakeDup)) {
	done := false
	s.each("Duplications", func(src *fakeTable) {
		if !done && len(src.dups) > 0 && src.dups[0].status == status {
			done = true
			change(src.dups[0])
		}
	})
}

// A primary that restarts while default_ttl is parked does not apply it any more: that is told once,
// and the env goes back as soon as the follower cannot be created with it, not earlier.
func TestParkedTTLIsWatched(t *testing.T) {
	for name, late := range map[string]bool{"2.5": true, "2.6": false} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				s := newDup(t, true).through("target-envs")
				s.world.shipsLast = !late
				back := ""
				s.world.hook = func(_ context.Context, c call) error {
					if c.after && c.String() == "SetEnvs east/orders [default_ttl]" {
						back = s.world.table(source()).dups[0].status
					}
					return nil
				}
				s.sink = func(e event.Event) {
					if e, ok := e.(event.StepStarted); ok && e.Step == "follow" {
						s.locked(func(src *fakeTable) {
							src.parts[1].known = []knownEnvs{{s.world.now, maps.Clone(src.envs)}}
						})
					}
				}
				s.must(s.apply(t.Context()))
				if want := map[bool]string{true: "DS_APP", false: "DS_LOG"}[late]; back != want {
					t.Errorf("default_ttl went back in %q", back)
				}
				var told int
				for _, w := range happened[event.Warning](s.scene) {
					if strings.Contains(w.Text, "partition 1 of east/orders does not apply") {
						told++
					}
				}
				if told != 1 {
					t.Errorf("told %d times\n%s", told, s.story())
				}
				if dst := s.world.table(target()); dst.crashes {
					t.Error("the target's servers crashed")
				}
				time.Sleep(syncInterval)
				for i, p := range s.world.table(source()).parts {
					if p.ttl() != "86400" {
						t.Errorf("partition %d applies %s", i, p.ttl())
					}
				}
			})
		})
	}
}

// A source that applies its default_ttl all the time warns nobody.
func TestParkedTTLHolds(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newDup(t, true).through("target-envs")
		s.must(s.apply(t.Context()))
		for _, w := range happened[event.Warning](s.scene) {
			t.Errorf("%+v", w)
		}
		for _, row := range s.world.table(target()).rows {
			if row.Expire == 0 {
				return // k00, k05 ... keep none: they were written before
			}
		}
		t.Error("every row has an expiry")
	})
}

// An owner who sets an env while it is parked has the last word, and is told of it.
func TestUnparkKeepsLaterValue(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newDup(t, false).through("target-envs")
		s.when("DS_LOG", func(*fakeDup) {
			src := s.world.clusters["east"].tables["orders"]
			src.envs[plan.EnvDefaultTTL] = "600"
			src.spread()
		})
		s.must(s.apply(t.Context()))
		if got := s.world.table(source()).envs[plan.EnvDefaultTTL]; got != "600" {
			t.Errorf("default_ttl is %s", got)
		}
		s.warned(apply.CodeTTL, `was set to "600" while it was parked`)
		if n := len(happened[event.Warning](s.scene)); n != 1 {
			t.Errorf("%d warnings\n%s", n, s.story())
		}
	})
}

// Undoing a park of something that was absent leaves alone what replicas still apply of it.
func TestUnparkAbsent(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newDup(t, false)
		s.locked(func(src *fakeTable) { // taken out of the envs, and still in force
			delete(src.envs, plan.EnvDefaultTTL)
			src.spread()
		})
		s.on("AddDuplication", 1, func() error { return fmt.Errorf("no: %w", apply.ErrRefused) })
		if err := s.apply(t.Context()); !errors.Is(err, apply.ErrRefused) {
			t.Fatal(err)
		}
		s.world.hook = nil
		s.must(s.rollback(t.Context()))
		src := s.world.table(source())
		if _, there := src.envs[plan.EnvDefaultTTL]; there || src.envs[compactEnv] != "1700000000" {
			t.Errorf("%v", src.envs)
		}
		time.Sleep(syncInterval)
		for _, p := range src.parts {
			if p.ttl() != "86400" {
				t.Errorf("default_ttl in force went to %s", p.ttl())
			}
		}
	})
}
