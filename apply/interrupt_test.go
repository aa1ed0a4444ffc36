package apply_test

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/apply"
	"github.com/pegmigrate/pegmigrate/internal/atomicfile"
	"github.com/pegmigrate/pegmigrate/internal/event"
	"github.com/pegmigrate/pegmigrate/schema"
	"github.com/pegmigrate/pegmigrate/state"
)

// TestInterruptEverywhere cancels at every request: the run ends at once, begins no other change,
// and can be resumed.
func TestInterruptEverywhere(t *testing.T) {
	t.Parallel()
	everywhere(t, 40, 18, func(t *testing.T, k int) bool {
		s := newScene(t, schema.SourceWritesFenced)
		want := wanted(s)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		n := 0
		var at time.Time
		s.world.hook = func(_ context.Context, c call) error {
			if c.changes && !c.after && !at.IsZero() {
				t.Errorf("%s was begun after the interruption", c)
			}
			if n++; n == k+1 {
				at = time.Now()
				cancel()
			}
			return nil
		}
		err := s.apply(ctx)
		s.world.hook = nil
		if at.IsZero() {
			s.must(err)
			return false
		}
		var interrupted *apply.InterruptedError
		if took := time.Since(at); took > 2*time.Second {
			t.Errorf("it took %s to stop", took)
		}
		if err != nil { // the last request may have been answered already
			if !errors.As(err, &interrupted) {
				t.Fatalf("%v is no interruption\n%s", err, s.story())
			}
			if e := happened[event.Interrupted](s); len(e) != 1 || e[0].Resume == "" {
				t.Errorf("Interrupted events: %+v", e)
			}
			s.must(s.apply(t.Context()))
		}
		s.same(want)
		s.raisedOnce()
		return true
	})
}

var errAway = errors.New("ERR_SERVICE_NOT_ACTIVE: the meta is away")

// TestOneFailureEverywhere lets every single request fail once, before it has an effect or with its
// answer lost, as when the meta changes its leader. Nobody has to start the run again.
func TestOneFailureEverywhere(t *testing.T) {
	t.Parallel()
	everywhere(t, 40, 18, func(t *testing.T, k int) bool {
		s := newScene(t, schema.SourceWritesFenced)
		want := wanted(s)
		n, failed := 0, false
		s.world.hook = func(_ context.Context, c call) error {
			if c.name == "copy" || c.name == "verify" { // engines repeat their requests themselves
				return nil
			}
			if n++; n == k+1 {
				failed = true
				return errAway
			}
			return nil
		}
		s.must(s.apply(t.Context()))
		s.same(want)
		return failed
	})
}

// TestClustersAway lets everything fail from some point on: the run ends in bounded time with an
// error that can be shown, and goes on once the clusters are back.
func TestClustersAway(t *testing.T) {
	t.Parallel()
	everywhere(t, 40, 24, func(t *testing.T, k int) bool {
		s := newScene(t, schema.SourceWritesFenced)
		want := wanted(s)
		n := 0
		s.world.hook = func(context.Context, call) error {
			if n++; n > k {
				return errAway
			}
			return nil
		}
		begun := time.Now()
		err := s.apply(t.Context())
		s.world.hook = nil
		if n <= k {
			s.must(err)
			return false
		}
		if took := time.Since(begun); took > 15*time.Minute {
			t.Errorf("it took %s to give up", took)
		}
		if err != nil {
			s.failedOnce(err)
			s.must(s.apply(t.Context()))
		}
		s.same(want)
		return true
	})
}

// failedOnce holds an error, and the event that goes with it, to what an operator needs.
func (s *scene) failedOnce(err error) {
	s.t.Helper()
	var step *apply.StepError
	if !errors.As(err, &step) || step.Code == "" || step.Hint == "" || step.Step == "" {
		s.t.Errorf("%#v says too little: %v", err, err)
	}
	events := happened[event.StepFailed](s)
	if len(events) != 1 || events[0].Code == "" || events[0].Error == "" || events[0].Hint == "" {
		s.t.Errorf("StepFailed events: %+v", events)
	}
	for _, w := range happened[event.Waiting](s) {
		if w.Reason == "" || w.Limit <= 0 {
			s.t.Errorf("a wait without reason or end: %+v", w)
		}
	}
}

// TestDiskFullEverywhere fills the disk at every state write: nothing is changed on the clusters
// afterwards, and the run goes on when there is room.
func TestDiskFullEverywhere(t *testing.T) {
	t.Parallel()
	everywhere(t, 40, 18, func(t *testing.T, k int) bool {
		s := newScene(t, schema.SourceWritesFenced)
		want := wanted(s)
		n, full := 0, false
		s.fsys = func(disk atomicfile.FS) atomicfile.FS {
			return atomicfile.Observed(disk, func(op atomicfile.Op) error {
				if op.Phase == atomicfile.Before && (op.Kind == atomicfile.OpWrite || op.Kind == atomicfile.OpAppend) {
					n++
				}
				if full = full || n > k; full {
					return syscall.ENOSPC
				}
				return nil
			})
		}
		s.world.hook = func(_ context.Context, c call) error {
			if c.changes && !c.after && full {
				t.Errorf("%s was begun after a state write had failed", c)
			}
			return nil
		}
		err := s.apply(t.Context())
		s.world.hook, s.fsys = nil, nil
		if !full {
			s.must(err)
			return false
		}
		var write *state.WriteError
		if n > 2 && err != nil && len(happened[event.RunStarted](s)) > 0 {
			if e := happened[event.StepFailed](s); !errors.As(err, &write) || len(e) != 1 || e[0].Code != apply.CodeState {
				t.Errorf("%v, %+v", err, e)
			}
		}
		if s.document() == nil || s.document().Outcome == state.OutcomeOpen {
			s.must(s.apply(t.Context()))
		}
		s.same(want)
		return true
	})
}

// TestLeaderAwayForAMinute takes the clusters away for a minute at every moment, as when ZooKeeper
// has to notice that a meta is gone. The run waits and needs nobody.
func TestLeaderAwayForAMinute(t *testing.T) {
	t.Parallel()
	everywhere(t, 40, 18, func(t *testing.T, k int) bool {
		s := newScene(t, schema.SourceWritesFenced)
		want := wanted(s)
		n := 0
		var back time.Time
		s.world.hook = func(_ context.Context, c call) error {
			if c.name == "copy" || c.name == "verify" {
				return nil
			}
			if n++; n == k+1 {
				back = time.Now().Add(time.Minute)
			}
			if time.Now().Before(back) {
				return errAway
			}
			return nil
		}
		s.must(s.apply(t.Context()))
		s.same(want)
		return !back.IsZero()
	})
}

// A refusal is an answer: nobody waits for another one.
func TestRefused(t *testing.T) {
	for _, request := range []string{"SetEnvs west/orders [replica.slow_query_threshold]", "CreateTable west/orders",
		"SetEnvs east/orders [business.info]", "SetEnvs east/orders [replica.deny_client_request]"} {
		inBubble(t, func(t *testing.T) {
			s := newScene(t, schema.SourceWritesFenced)
			before := s.show()
			var at time.Time
			s.world.hook = func(_ context.Context, c call) error {
				if c.String() == request && !c.after {
					at = time.Now()
					return fmt.Errorf("ERR_INVALID_PARAMETERS: no: %w", apply.ErrRefused)
				}
				return nil
			}
			err := s.apply(t.Context())
			s.failedOnce(err)
			if took := time.Since(at); took > 0 || !errors.Is(err, apply.ErrRefused) {
				t.Errorf("%v after %s", err, took)
			}
			s.world.hook = nil
			s.must(s.rollback(t.Context()))
			s.rolledBack(before)
		})
	}
}

// A store without a document, as after a state file that was deleted meanwhile.
func TestNothingBegun(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newScene(t, schema.SourceWritesFenced)
		store, err := state.Open(s.disk, stateDir, migration, state.Holder{Who: "ann"})
		s.must(err)
		r := apply.New(apply.Config{Plan: s.build(), Store: store, World: s.world.world(), Waits: s.waits})
		s.stepError(r.Apply(t.Context()), apply.CodeFinished)
		s.stepError(r.Rollback(t.Context()), apply.CodeFinished)
		s.must(store.Close())
	})
}
