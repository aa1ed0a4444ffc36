package apply_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/apply"
	"github.com/pegmigrate/pegmigrate/internal/atomicfile"
	"github.com/pegmigrate/pegmigrate/internal/event"
	"github.com/pegmigrate/pegmigrate/plan"
	"github.com/pegmigrate/pegmigrate/schema"
	"github.com/pegmigrate/pegmigrate/state"
)

// TestRollbackAfterEachStep interrupts behind every step and takes the migration back.
func TestRollbackAfterEachStep(t *testing.T) {
	for name, scene := range scenes() {
		t.Run(name, func(t *testing.T) {
			for at, more := 0, true; more; at++ {
				inBubble(t, func(t *testing.T) {
					s := scene(t)
					time.Sleep(2 * syncInterval)
					before := s.show()
					steps := s.build().Steps
					if more = at < len(steps)-1; !more { // behind the last there is no way back
						return
					}
					ctx, cancel := context.WithCancel(t.Context())
					defer cancel()
					s.sink = func(e event.Event) {
						switch e := e.(type) {
						case event.StepDone:
							if e.Index == at+1 {
								cancel()
							}
						case event.StepSkipped:
							if e.Index == at+1 {
								cancel()
							}
						}
					}
					var interrupted *apply.InterruptedError
					if err := s.apply(ctx); !errors.As(err, &interrupted) {
						t.Fatalf("%v\n%s", err, s.story())
					}
					s.must(s.rollback(t.Context()))
					s.rolledBack(before)
					for _, p := range s.world.table(source()).parts {
						if p.denies() != (before[source().String()].Envs[plan.EnvDeny] == "timeout*write") {
							t.Errorf("rolled back behind %s, but not in force", steps[at].ID)
						}
					}
					time.Sleep(syncInterval) // until the target has its envs again
					if dst := s.world.table(target()); dst != nil && dst.parts[0].ttl() != "3600" {
						t.Errorf("default_ttl of the target in force is %s", dst.parts[0].ttl())
					}
					s.stepError(s.rollback(t.Context()), apply.CodeFinished)
				})
			}
		})
	}
}

// Behind the point of no return rollback refuses, and changes nothing.
func TestRollbackTooLate(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newScene(t, schema.SourceWritesFenced)
		s.must(s.apply(t.Context()))
		s.stepError(s.rollback(t.Context()), apply.CodeFinished)
		s.stepError(s.apply(t.Context()), apply.CodeFinished)
	})
	inBubble(t, func(t *testing.T) {
		s := newScene(t, schema.SourceWritesFenced)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		s.sink = func(e event.Event) {
			if e, ok := e.(event.StepStarted); ok && e.Step == "disown" {
				cancel()
			}
		}
		if err := s.apply(ctx); err == nil {
			t.Fatal("not stopped")
		}
		s.world.hook = func(_ context.Context, c call) error {
			if c.changes {
				t.Errorf("%s", c)
			}
			return nil
		}
		step := s.stepError(s.rollback(t.Context()), apply.CodeFinished)
		if !strings.Contains(step.Hint, "pegmigrate apply conf") {
			t.Error(step.Hint)
		}
	})
}

// midway is a migration that ended at its comparison, with its fence up.
func midway(t *testing.T) *scene {
	s := newScene(t, schema.SourceWritesFenced)
	s.stopAt("verify")
	if err := s.apply(t.Context()); err == nil {
		t.Fatal("not stopped")
	}
	s.world.hook = nil
	return s
}

// An undo that fails is loud, says how to repair it by hand, does not keep the others from being
// undone, and keeps the marker until it is mended.
func TestUndoFails(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := midway(t)
		before := s.show()
		s.world.hook = func(_ context.Context, c call) error {
			if c.name == "DropTable" {
				return errAway
			}
			return nil
		}
		s.stepError(s.rollback(t.Context()), apply.CodeUndo)
		failed := happened[event.UndoFailed](s)
		if len(failed) != 1 || failed[0].Step != "create-target" || failed[0].Repair != "in the shell of cluster west, when `ls -a` shows id 5 for it: drop orders" {
			t.Errorf("%+v", failed)
		}
		now := s.show()
		if _, denied := now[source().String()].Envs[plan.EnvDeny]; denied {
			t.Error("the fence is still up")
		}
		if got := now[source().String()].Envs[plan.EnvBusinessInfo]; got != before[source().String()].Envs[plan.EnvBusinessInfo] {
			t.Errorf("the marker was taken out before everything was undone: %q", got)
		}
		s.world.hook = nil
		s.must(s.rollback(t.Context()))
		if got := s.world.clusters["west"].dropped; !slices.Equal(got, []int32{5}) {
			t.Errorf("dropped: %v", got)
		}
	})
}

// Drop's answer is lost, or the request itself.
func TestDropReplyLost(t *testing.T) {
	for name, after := range map[string]bool{"the answer": true, "the request": false} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				s := midway(t)
				lost := false
				s.world.hook = func(_ context.Context, c call) error {
					if c.name == "DropTable" && c.after == after && !lost {
						lost = true
						return apply.ErrOutcomeUnknown
					}
					return nil
				}
				s.must(s.rollback(t.Context()))
				if got := s.world.clusters["west"].dropped; !slices.Equal(got, []int32{5}) {
					t.Errorf("dropped: %v", got)
				}
			})
		})
	}
}

// Drop's answer is lost, and before anybody looks somebody else makes a table of that name.
func TestDropFindsAStranger(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := midway(t)
		var id int32
		s.on("DropTable+", 1, func() error {
			id = s.strange(8)
			return apply.ErrOutcomeUnknown
		})
		s.must(s.rollback(t.Context()))
		if got := s.world.table(target()); got == nil || got.id != id {
			t.Errorf("the stranger's table is %+v", got)
		}
	})
}

// With a full disk rollback lifts the fence, and then changes nothing that it could not remember.
func TestRollbackOnAFullDisk(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := midway(t)
		s.fsys = func(disk atomicfile.FS) atomicfile.FS {
			return atomicfile.Observed(disk, func(op atomicfile.Op) error {
				if op.Phase == atomicfile.Before && op.Kind == atomicfile.OpWrite && strings.Contains(op.Path, "state.json") {
					return syscall.ENOSPC
				}
				return nil
			})
		}
		var changes []string
		s.world.hook = func(_ context.Context, c call) error {
			if c.changes && !c.after {
				changes = append(changes, c.String())
			}
			return nil
		}
		var full *state.WriteError
		if err := s.rollback(t.Context()); !errors.As(err, &full) {
			t.Fatal(err)
		}
		if want := []string{"DeleteEnvs east/orders [replica.deny_client_request]"}; !slices.Equal(changes, want) {
			t.Errorf("changes: %v", changes)
		}
	})
}

// A second Ctrl-C-less one: rollback stops between two steps, not in one, and goes on later.
func TestRollbackInterrupted(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newScene(t, schema.SourceWritesFenced)
		before := s.show()
		s.stopAt("verify")
		if err := s.apply(t.Context()); err == nil {
			t.Fatal("not stopped")
		}
		s.world.hook = nil
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		s.on("DeleteEnvs", 1, func() error { cancel(); return nil })
		var interrupted *apply.InterruptedError
		if err := s.rollback(ctx); !errors.As(err, &interrupted) || interrupted.Fenced {
			t.Fatal(err)
		}
		for _, p := range s.world.table(source()).parts {
			if p.denies() {
				t.Error("the fence was left half-way")
			}
		}
		s.world.hook = nil
		s.must(s.rollback(t.Context()))
		s.rolledBack(before)
	})
}
