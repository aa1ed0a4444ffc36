package apply_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pegmigrate/pegmigrate/apply"
	"github.com/pegmigrate/pegmigrate/internal/event"
	"github.com/pegmigrate/pegmigrate/plan"
	"github.com/pegmigrate/pegmigrate/schema"
)

// backupBudget has room for the backups of the tests, which wait for the ramp of their limits.
const backupBudget = 5 * time.Minute

// bounded declares a write-reject budget.
func (s *backupScene) bounded() *backupScene {
	return s.step("fence-source", func(a plan.Action) plan.Action {
		f := a.(plan.Fence)
		f.Budget = backupBudget
		return f
	})
}

// outOfBudget applies and expects the budget to end, the fence to be down inside it, and the limits to be back.
func (s *backupScene) outOfBudget() *apply.BudgetError {
	s.t.Helper()
	stop, ended := make(chan struct{}), make(chan time.Duration)
	go func() { ended <- rejected(s.scene, stop) }()
	err := s.apply(s.t.Context())
	close(stop)
	longest := <-ended
	var budget *apply.BudgetError
	if !errors.As(err, &budget) || budget.Budget != backupBudget {
		s.t.Fatalf("%v\n%s", err, s.story())
	}
	if longest > backupBudget || longest < backupBudget/2 {
		s.t.Errorf("writes were rejected for %s\n%s", longest, s.story())
	}
	if env, denied := s.world.table(source()).envs[plan.EnvDeny]; denied {
		s.t.Errorf("the fence is up: %s", env)
	}
	if diff := cmp.Diff(s.flags, s.world.showFlags()); diff != "" {
		s.t.Errorf("transfer limits (-before +after)\n%s\n%s", diff, s.story())
	}
	failed := happened[event.StepFailed](s.scene)
	if len(failed) != 1 || failed[0].Code != apply.CodeBudget {
		s.t.Errorf("%+v", failed)
	}
	return budget
}

// The budget ends while the backup is being made: the next apply makes another one, with what was written
// in between, and waits for the old one to end before it raises the fence.
func TestBackupBudget(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newBackup(t, schema.SourceWritesFenced).bounded()
		s.world.frozen = true
		s.outOfBudget()
		if s.world.backupStarts != 1 {
			t.Fatalf("%d backups", s.world.backupStarts)
		}
		s.must(s.world.write(source(), "k03", "new", 7_000_000))
		s.must(s.world.remove(source(), "k04"))
		go func() {
			time.Sleep(3 * time.Minute)
			s.world.mu.Lock()
			s.world.frozen = false
			s.world.mu.Unlock()
		}()
		stop, ended := make(chan struct{}), make(chan time.Duration)
		go func() { ended <- rejected(s.scene, stop) }()
		s.must(s.apply(t.Context()))
		close(stop)
		if longest := <-ended; longest > backupBudget {
			t.Errorf("writes were rejected for %s", longest)
		}
		s.restored()
		if s.world.backupStarts != 2 || !s.warned(apply.CodeBackup, "another one is made") {
			t.Errorf("%d backups\n%s", s.world.backupStarts, s.story())
		}
	})
}

// The budget ends after the target was made from the backup: nothing mends that target. The error says so at once,
// and an apply all the same does not lock clients out for it.
func TestBackupBudgetAfterTheRestore(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newBackup(t, schema.SourceWritesFenced).bounded()
		s.world.verifyTime = time.Hour
		if budget := s.outOfBudget(); !strings.Contains(budget.Advice(), "pegmigrate rollback conf") {
			t.Errorf("it advises: %s", budget.Advice())
		}
		before := len(s.world.denied)
		s.must(s.world.write(source(), "k03", "new", 7_000_000))
		if step := s.stepFails(s.apply(t.Context()), apply.CodeBackup, "lacks what was written meanwhile"); !strings.Contains(step.Hint, "pegmigrate rollback conf") {
			t.Errorf("it advises: %s", step.Hint)
		}
		if len(s.world.denied) != before {
			t.Errorf("the fence was raised for nothing: %v", s.world.denied)
		}
		s.must(s.rollback(t.Context()))
		s.undone()
	})
}
