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
	"github.com/pegmigrate/pegmigrate/schema"
	"github.com/pegmigrate/pegmigrate/state"
)

// budgetScene has a budget of 90 s, and a copy that takes as long as wanted.
func budgetScene(t *testing.T, batch time.Duration) *scene {
	s := newScene(t, schema.SourceWritesFenced)
	s.decl.Limits.WriteReject = 90 * time.Second
	s.world.batchTime = batch
	return s
}

func TestBudget(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := budgetScene(t, 20*time.Second)
		before := s.show()
		var budget *apply.BudgetError
		if err := s.apply(t.Context()); !errors.As(err, &budget) || budget.Budget != 90*time.Second {
			t.Fatalf("%v\n%s", err, s.story())
		}
		// From the first rejected to the last partition that accepts again.
		proven := happened[event.FenceProven](s)
		if len(proven) != 2 || !proven[0].Up || proven[1].Up {
			t.Fatalf("%+v", proven)
		}
		if got := s.show()[source().String()]; got.Envs[plan.EnvDeny] != "" || len(got.Rows) != len(before[source().String()].Rows) {
			t.Errorf("%+v", got)
		}
		failed := happened[event.StepFailed](s)
		if len(failed) != 1 || failed[0].Code != apply.CodeBudget {
			t.Errorf("%+v", failed)
		}
		for _, id := range []string{"fence-source", "quiesce-source", "copy"} {
			if rec := s.document().Step(id); rec.Status != state.Pending || rec.Proof != nil || rec.Prior != nil && id == "fence-source" {
				t.Errorf("%s is %s", id, rec.Status)
			}
		}
		// Rows change in between; the next run is quick enough.
		s.must(s.world.write(source(), "k03", "new", 7))
		s.must(s.world.remove(source(), "k04"))
		s.world.batchTime = time.Second
		s.must(s.apply(t.Context()))
		if got := s.show()[target().String()].Rows; len(got) != 23 || got["k03"].Value != "new" {
			t.Errorf("%+v", got)
		}
	})
}

// The window as clients see it stays inside the budget, whenever the budget ends.
func TestBudgetIsKept(t *testing.T) {
	for _, batch := range []time.Duration{2 * time.Second, 5 * time.Second, 11 * time.Second, 90 * time.Second} {
		inBubble(t, func(t *testing.T) {
			s := budgetScene(t, batch)
			stop := make(chan struct{})
			ended := make(chan time.Duration)
			go func() { ended <- rejected(s, stop) }()
			err := s.apply(t.Context())
			var budget *apply.BudgetError
			if err != nil && !errors.As(err, &budget) {
				t.Error(err)
			}
			close(stop)
			if longest := <-ended; longest > 90*time.Second {
				t.Errorf("writes were rejected for %s", longest)
			}
		})
	}
}

// rejected looks at the source as a client does, until it is told to stop, and says for how long
// any partition rejected writes.
func rejected(s *scene, stop chan struct{}) time.Duration {
	var first, last time.Time
	for {
		s.world.mu.Lock()
		for _, p := range s.world.clusters["east"].tables["orders"].parts {
			if p.denies() {
				last = time.Now()
				if first.IsZero() {
					first = last
				}
			}
		}
		s.world.mu.Unlock()
		select {
		case <-stop:
			return last.Sub(first)
		case <-time.After(time.Second):
		}
	}
}

// One partition never rejects: the others wait behind the fence no longer than the budget.
func TestBudgetEndsWhileTheFenceGoesUp(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := budgetScene(t, time.Second)
		s.world.table(source()).parts[3].silent = true
		var budget *apply.BudgetError
		err := s.apply(t.Context())
		if errors.As(err, &budget) {
			t.Fatal("lifting cannot have been proven on the silent partition")
		}
		var step *apply.StepError
		if !errors.As(err, &step) || step.Code != apply.CodeUndo || !strings.Contains(step.Hint, "del_app_envs replica.deny_client_request") {
			t.Errorf("%v: %+v", err, step)
		}
		if e := happened[event.UndoFailed](s); len(e) != 1 {
			t.Errorf("%+v", e)
		}
		if _, denied := s.show()[source().String()].Envs[plan.EnvDeny]; denied {
			t.Error("the env is still there")
		}
		s.world.table(source()).parts[3].silent = false
		if err := s.apply(t.Context()); !errors.As(err, &budget) {
			t.Errorf("lifting is proven first: %v", err)
		}
		s.must(s.apply(t.Context()))
	})
}

// A run that died inside the window: whatever comes back after the budget's end lifts the fence
// before it does anything else.
func TestOverdueFence(t *testing.T) {
	t.Parallel()
	everywhere(t, 40, 30, func(t *testing.T, k int) bool {
		s := budgetScene(t, time.Second)
		want := wanted(s)
		killed, _ := s.killedAt(k, s.apply)
		if !killed {
			return false
		}
		s.reboot(k)
		if s.document() == nil || s.document().Outcome != state.OutcomeOpen {
			return true
		}
		_, fenced := s.show()[source().String()].Envs[plan.EnvDeny]
		time.Sleep(10 * time.Minute)
		first := ""
		s.world.hook = func(_ context.Context, c call) error {
			if c.changes && first == "" {
				first = c.String()
			}
			return nil
		}
		err := s.apply(t.Context())
		s.world.hook = nil
		if fenced && first != "DeleteEnvs east/orders [replica.deny_client_request]" {
			t.Errorf("the first change was %s", first)
		}
		var budget *apply.BudgetError
		if errors.As(err, &budget) {
			err = s.apply(t.Context())
		}
		s.must(err)
		s.same(want)
		return true
	})
}

// After a gate that nobody opened in time the fence is lifted, and the rows are copied anew.
func TestGateInsideTheWindow(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := budgetScene(t, 500*time.Millisecond)
		s.decl.Approve = []string{"copy", "unfence"}
		var gate *apply.GateError
		if err := s.apply(t.Context()); !errors.As(err, &gate) || gate.Gate != "copy" {
			t.Fatal(err)
		}
		if e := happened[event.GateReached](s); len(e) != 1 || e[0].Command != "pegmigrate apply -approve copy conf" {
			t.Errorf("%+v", e)
		}
		s.approve("copy")
		if err := s.apply(t.Context()); !errors.As(err, &gate) || gate.Gate != "unfence" {
			t.Fatal(err)
		}
		s.warned(apply.CodeFence, "still rejected, the budget ends at")
		time.Sleep(time.Hour)
		var budget *apply.BudgetError
		if err := s.apply(t.Context()); !errors.As(err, &budget) {
			t.Fatal(err)
		}
		s.must(s.world.write(source(), "k03", "new", 0)) // no expiry: default_ttl is on the target already
		s.world.table(source()).rows["k03"] = fakeRow{"new", 0}
		s.approve("unfence")
		s.must(s.apply(t.Context()))
		got := s.show()[target().String()]
		if got.Rows["k03"] != (fakeRow{"new", 0}) || got.Envs[plan.EnvDefaultTTL] != "86400" {
			t.Errorf("%+v", got)
		}
	})
}

// Rows that are proven stay proven when the budget ends before the fence is lifted.
func TestBudgetEndsAfterTheProof(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := budgetScene(t, time.Second)
		want := wanted(s)
		killed := false
		ctx, cancel := context.WithCancel(t.Context())
		s.sink = func(e event.Event) {
			if e, ok := e.(event.StepDone); ok && e.Step == "verify" && !killed {
				killed = true
				cancel()
			}
		}
		var interrupted *apply.InterruptedError
		if err := s.apply(ctx); !errors.As(err, &interrupted) || !interrupted.Fenced {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		s.must(s.apply(t.Context()))
		s.same(want)
		s.raisedOnce()
	})
}

// Lifting fits into the budget: it begins early enough that the work that is given up can come back, the
// request can be sent, and the last server can hear of it.
func TestLiftingFits(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := budgetScene(t, 90*time.Second)
		s.world.hook = func(ctx context.Context, c call) error {
			if c.name == "DeleteEnvs" && !c.after { // a meta server that takes its time
				time.Sleep(7 * time.Second) // the fake servers know after 24 s of a config sync
			}
			return nil
		}
		stop, ended := make(chan struct{}), make(chan time.Duration)
		go func() { ended <- rejected(s, stop) }()
		var budget *apply.BudgetError
		if err := s.apply(t.Context()); !errors.As(err, &budget) {
			t.Error(err)
		}
		close(stop)
		if longest := <-ended; longest > 90*time.Second || longest < 60*time.Second {
			t.Errorf("writes were rejected for %s", longest)
		}
	})
}
