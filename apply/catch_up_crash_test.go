package apply_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/apply"
	"github.com/pegmigrate/pegmigrate/plan"
	"github.com/pegmigrate/pegmigrate/state"
)

// again applies until it is done: a run that finds the fence of a dead one overdue ends by lifting it.
func (s *catchUpScene) again(ctx context.Context) {
	s.t.Helper()
	for n := 0; ; n++ {
		if doc := s.document(); doc != nil && doc.Outcome != state.OutcomeOpen {
			return
		}
		err := s.apply(ctx)
		var over *apply.BudgetError
		if err == nil {
			return
		}
		if n == 4 || !errors.As(err, &over) {
			s.t.Fatalf("%v\n%s", err, s.story())
		}
	}
}

// TestCatchUpCrashEverywhere kills apply at every point while clients write and delete, with and without the
// watchdog that is there in life, applies again, and expects equal tables.
func TestCatchUpCrashEverywhere(t *testing.T) {
	t.Parallel()
	for name, watched := range map[string]bool{"a watchdog lifts": true, "nobody lifts": false} {
		t.Run(name, func(t *testing.T) {
			everywhere(t, 100, 24, func(t *testing.T, k int) bool {
				s := newCatchUp(t, true)
				s.clients(false)
				defer s.rest()
				killed, err := s.killedAt(k, s.apply)
				if !killed {
					s.must(err)
					s.caughtUp()
					return false
				}
				s.reboot(k)
				time.Sleep(time.Duration(k%4) * 40 * time.Second)
				if doc := s.document(); watched && doc != nil && doc.Outcome == state.OutcomeOpen {
					s.must(s.session(func(r *apply.Run) error {
						_, err := r.LiftAbandoned(t.Context())
						return err
					}))
					over := s.document().Step("catch-up").Status == state.Done
					if denies := s.world.table(source()).envs[plan.EnvDeny] != ""; denies != over {
						t.Errorf("the source denies: %v, its rows are proven: %v\n%s", denies, over, s.story())
					}
				}
				s.again(t.Context())
				s.caughtUp()
				return true
			})
		})
	}
}

// TestCatchUpCrashLifts is the same where the fence comes down in the end: rows that were proven are not
// proven again, and nobody is locked out twice for them.
func TestCatchUpCrashLifts(t *testing.T) {
	t.Parallel()
	everywhere(t, 100, 24, func(t *testing.T, k int) bool {
		s := newCatchUp(t, false)
		s.clients(true)
		defer s.rest()
		killed, err := s.killedAt(k, s.apply)
		if !killed {
			s.must(err)
			s.caughtUp()
			return false
		}
		s.reboot(k)
		doc := s.document()
		if doc == nil || doc.Outcome == state.OutcomeOpen {
			proven := doc != nil && doc.Step("catch-up").Status == state.Done
			if doc != nil {
				s.must(s.session(func(r *apply.Run) error {
					_, err := r.LiftAbandoned(t.Context())
					return err
				}))
			}
			if s.world.table(source()).envs[plan.EnvDeny] != "" {
				t.Errorf("the source denies\n%s", s.story())
			}
			raised := len(s.world.denied)
			s.again(t.Context())
			if proven && len(s.world.denied) > raised+1 {
				t.Errorf("the fence was raised again: %v\n%s", s.world.denied, s.story())
			}
		}
		s.caughtUp()
		return true
	})
}

// TestCatchUpCrashInRollback kills rollback at every point and rolls back again: everything is as before.
func TestCatchUpCrashInRollback(t *testing.T) {
	t.Parallel()
	everywhere(t, 20, 12, func(t *testing.T, k int) bool {
		s := newCatchUp(t, true)
		before := s.show()
		s.world.hook = func(_ context.Context, c call) error {
			if c.name == "SetEnvs" && c.table == target() {
				return errors.New("stopped by the test")
			}
			return nil
		}
		if err := s.apply(t.Context()); err == nil {
			t.Fatal("the run was not stopped")
		}
		s.world.hook = nil
		killed, err := s.killedAt(k, s.rollback)
		if killed {
			s.reboot(k)
			err = nil
			if s.document().Outcome == state.OutcomeOpen {
				err = s.rollback(t.Context())
			}
		}
		s.must(err)
		s.rolledBack(before)
		return killed
	})
}
