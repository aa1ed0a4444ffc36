package apply_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/apply"
	"github.com/pegmigrate/pegmigrate/internal/event"
	"github.com/pegmigrate/pegmigrate/internal/marker"
	"github.com/pegmigrate/pegmigrate/plan"
	"github.com/pegmigrate/pegmigrate/schema"
)

// stepError expects a *StepError with that code.
func (s *scene) stepError(err error, code string) *apply.StepError {
	s.t.Helper()
	var step *apply.StepError
	if !errors.As(err, &step) || step.Code != code {
		s.t.Fatalf("got %v, want code %s\n%s", err, code, s.story())
	}
	return step
}

// strange makes a table of the target's name that somebody else created.
func (s *scene) strange(partitions int32) int32 {
	s.world.mu.Lock()
	defer s.world.mu.Unlock()
	return s.world.create(plan.CreateTable{Table: target(), Partitions: partitions, Replicas: 3}).id
}

// Somebody creates the target after the plan was made, in the very shape that was planned. It is
// never taken for ours, however often apply runs, and rollback leaves it alone.
func TestTargetStolen(t *testing.T) {
	for name, when := range map[string]string{
		"before the look": "HighestID", "between look and create": "CreateTable",
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				s := newScene(t, schema.SourceWritesFenced)
				before := s.show()
				var id int32
				s.on(when, 1, func() error { id = s.strange(8); return nil })
				err := s.apply(t.Context())
				if name == "before the look" {
					s.stepError(err, apply.CodeTargetStolen)
				} else if !errors.Is(err, apply.ErrRefused) {
					t.Fatal(err)
				}
				s.world.hook = nil
				for range 2 {
					s.stepError(s.apply(t.Context()), apply.CodeTargetStolen)
				}
				s.must(s.rollback(t.Context()))
				before[target().String()] = shown{ID: id, Envs: map[string]string{}, Rows: map[string]fakeRow{}}
				s.same(before)
				s.warned(apply.CodeTargetStolen, "left alone")
			})
		})
	}
}

// The target is dropped and made again by somebody else while the migration is under way.
func TestTargetReplaced(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newScene(t, schema.SourceWritesFenced)
		s.on("SetEnvs", 3, func() error { return errAway })
		s.waits.Transient = 0
		if err := s.apply(t.Context()); err == nil {
			t.Fatal("not stopped")
		}
		s.world.hook = nil
		id := s.strange(8)
		s.world.table(target()).healthy = time.Now()
		s.stepError(s.apply(t.Context()), apply.CodeTargetStolen)
		s.must(s.rollback(t.Context()))
		if got := s.world.table(target()); got == nil || got.id != id {
			t.Errorf("the stranger's table is %+v", got)
		}
	})
}

// loseCreate keeps a create request on its way while its sender gives up.
func (s *scene) loseCreate(arrives time.Duration) {
	once := false
	s.world.hook = func(_ context.Context, c call) error {
		if c.name != "CreateTable" || once {
			return nil
		}
		once = true
		if arrives > 0 {
			s.world.mu.Lock()
			west := s.world.clusters["west"]
			west.late = append(west.late, lateTable{time.Now().Add(arrives), plan.CreateTable{Table: c.table, Partitions: 8, Replicas: 3}})
			s.world.mu.Unlock()
		}
		return fmt.Errorf("%w: the connection was lost", apply.ErrOutcomeUnknown)
	}
}

func TestCreateReplyLost(t *testing.T) {
	t.Run("it took effect", func(t *testing.T) {
		inBubble(t, func(t *testing.T) {
			s := newScene(t, schema.SourceWritesFenced)
			want := wanted(s)
			s.loseCreate(5 * time.Second)
			s.must(s.apply(t.Context()))
			s.same(want)
		})
	})
	t.Run("it takes effect before the next run", func(t *testing.T) {
		inBubble(t, func(t *testing.T) {
			s := newScene(t, schema.SourceWritesFenced)
			want := wanted(s)
			s.loseCreate(time.Minute)
			s.stepError(s.apply(t.Context()), apply.CodeCluster)
			time.Sleep(time.Minute)
			s.must(s.apply(t.Context()))
			s.same(want)
		})
	})
	t.Run("it takes effect when the next run asks again", func(t *testing.T) {
		inBubble(t, func(t *testing.T) {
			s := newScene(t, schema.SourceWritesFenced)
			want := wanted(s)
			s.loseCreate(time.Minute)
			s.stepError(s.apply(t.Context()), apply.CodeCluster)
			s.world.hook = nil
			s.on("CreateTable", 1, func() error { time.Sleep(time.Minute); return nil })
			s.must(s.apply(t.Context()))
			s.same(want)
		})
	})
	t.Run("it never takes effect", func(t *testing.T) {
		inBubble(t, func(t *testing.T) {
			s := newScene(t, schema.SourceWritesFenced)
			want := wanted(s)
			s.loseCreate(0)
			s.stepError(s.apply(t.Context()), apply.CodeCluster)
			s.must(s.apply(t.Context()))
			s.same(want)
		})
	})
	t.Run("rollback waits for it", func(t *testing.T) {
		inBubble(t, func(t *testing.T) {
			s := newScene(t, schema.SourceWritesFenced)
			before := s.show()
			s.loseCreate(20 * time.Second)
			s.stepError(s.apply(t.Context()), apply.CodeCluster)
			s.must(s.rollback(t.Context()))
			s.rolledBack(before)
			if got := s.world.clusters["west"].dropped; !slices.Equal(got, []int32{5}) {
				t.Errorf("dropped: %v", got)
			}
		})
	})
}

// foreign is the marker of somebody else's migration.
func foreign(t *testing.T) string {
	text, err := marker.Format(marker.Marker{Lineage: "99999999-2222-4333-8444-555555555555", Migration: "other", Owner: "bob@desk",
		Since: time.Date(2026, 11, 20, 1, 2, 3, 0, time.UTC), Role: "source", Peer: "west/other"})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestForeignMarkers(t *testing.T) {
	tests := map[string]struct {
		text func(*testing.T) string
		on   plan.TableRef
		at   string // the request before which it appears
		n    int
	}{
		"on the source":             {foreign, source(), "Table", 1},
		"on the target":             {foreign, target(), "Table", 2},
		"on the target, after ours": {foreign, target(), "Health", 1},
		"damaged":                   {func(*testing.T) string { return "pegmigrate: by hand" }, source(), "Table", 1},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				s := newScene(t, schema.SourceWritesFenced).withTarget()
				s.on(tt.at, tt.n, func() error {
					s.world.table(tt.on).envs[marker.Env] = tt.text(t)
					return nil
				})
				step := s.stepError(s.apply(t.Context()), apply.CodeForeignMarker)
				if step.Hint == "" {
					t.Error("no hint")
				}
				if name == "on the source" && !slices.Contains([]string{"own: east/orders is being migrated by bob@desk since 2026-11-20T01:02:03Z (migration \"other\", lineage 99999999-2222-4333-8444-555555555555)"}, step.Error()) {
					t.Error(step.Error())
				}
				s.world.hook = nil
				if got := s.show()[tt.on.String()].Envs[marker.Env]; got != tt.text(t) {
					t.Errorf("the marker is %q", got)
				}
				_ = s.rollback(t.Context()) // a damaged marker is an error of its own
				if got := s.show()[tt.on.String()].Envs[marker.Env]; got != tt.text(t) {
					t.Errorf("rollback changed it to %q", got)
				}
			})
		})
	}
}

// Somebody drops the target while the run waits for its replicas: there is nothing to wait for.
func TestTargetDroppedWhileWaiting(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newScene(t, schema.SourceWritesFenced)
		s.on("Health", 3, func() error {
			delete(s.world.clusters["west"].tables, "orders")
			return nil
		})
		begun := time.Now()
		err := s.apply(t.Context())
		s.stepError(err, apply.CodeTargetStolen)
		s.failedOnce(err)
		if took := time.Since(begun); took > createTime {
			t.Errorf("it took %s", took)
		}
	})
}

// A table that never gets its replicas.
func TestNeverHealthy(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newScene(t, schema.SourceWritesFenced)
		before := s.show()
		s.on("Health", 1, func() error {
			s.world.table(target()).healthy = time.Now().Add(time.Hour)
			return nil
		})
		err := s.apply(t.Context())
		s.stepError(err, apply.CodeNeverHealthy)
		s.failedOnce(err)
		waits := happened[event.Waiting](s)
		if len(waits) == 0 || waits[0].Reason != "0 of 8 partitions fully replicated, 8 without primary" {
			t.Errorf("%+v", waits)
		}
		s.must(s.rollback(t.Context()))
		s.rolledBack(before)
	})
}
