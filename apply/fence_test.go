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

// on calls do once, when a request of that name comes for the n-th time (from 1); with a "+" behind
// the name, when its answer is about to leave.
func (s *scene) on(name string, n int, do func() error) {
	name, after := strings.CutSuffix(name, "+")
	before := s.world.hook
	seen := 0
	s.world.hook = func(ctx context.Context, c call) error {
		if before != nil {
			if err := before(ctx, c); err != nil {
				return err
			}
		}
		if c.name == name && c.after == after {
			if seen++; seen == n {
				return do()
			}
		}
		return nil
	}
}

// The primary of a partition moves while rows are copied, and the new one does not know the fence
// yet: a client's write gets in behind the copy's back.
func TestFenceLeaks(t *testing.T) {
	for name, at := range map[string]struct {
		request string
		n       int
	}{"while copying": {"copy", 7}, "while comparing": {"verify", 1}, "behind the comparison": {"verify+", 1}} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				s := newScene(t, schema.SourceWritesFenced)
				src := s.world.table(source())
				key := keysOf(src, 0, "")[0] // copied long before
				s.on(at.request, at.n, func() error {
					s.world.movePrimary(source(), 0, 25*time.Second)
					return s.world.write(source(), key, "leaked", 7)
				})
				s.must(s.apply(t.Context()))
				rounds := happened[event.Verified](s)
				if len(rounds) < 2 || rounds[len(rounds)-1].Differences != 0 {
					t.Errorf("comparisons: %+v", rounds)
				}
				if got := s.show()[target().String()].Rows[key].Value; got != "leaked" {
					t.Errorf("%s is %q on the target", key, got)
				}
				s.warned(apply.CodeFence, "may have leaked")
			})
		})
	}
}

// The primary moves twice between two looks of the watch: nothing but its ballot tells.
func TestFenceLeaksUnseen(t *testing.T) {
	for _, at := range []string{"copy+", "verify+"} {
		inBubble(t, func(t *testing.T) {
			s := newScene(t, schema.SourceWritesFenced)
			key := keysOf(s.world.table(source()), 0, "")[0]
			s.on(at, 1, func() error { // the key is copied, or even compared
				s.world.movePrimary(source(), 0, time.Hour)
				err := s.world.write(source(), key, "leaked", 7)
				s.world.movePrimary(source(), 0, 0)
				return err
			})
			s.must(s.apply(t.Context()))
			if got := s.show()[target().String()].Rows[key].Value; got != "leaked" {
				t.Errorf("%s is %q on the target", key, got)
			}
			s.warned(apply.CodeFence, "ballot")
		})
	}
}

// A write that was accepted before the fence is committed late: rows are read only afterwards.
func TestQuiesceWaits(t *testing.T) {
	for commits, ends := range map[time.Duration]bool{time.Minute: true, time.Hour: false} {
		inBubble(t, func(t *testing.T) {
			s := newScene(t, schema.SourceWritesFenced)
			var at time.Time
			s.on("Decrees", 1, func() error {
				at = time.Now().Add(commits)
				s.world.table(source()).parts[2].commits = at
				return nil
			})
			s.on("copy", 1, func() error {
				if time.Now().Before(at) {
					t.Error("rows are copied before everything is committed")
				}
				return nil
			})
			err := s.apply(t.Context())
			if ends {
				s.must(err)
			} else {
				s.stepError(err, apply.CodeQuiesce)
				s.failedOnce(err)
			}
			for _, w := range happened[event.Waiting](s) {
				if strings.Contains(w.Reason, "partition 2: decree 0 is prepared") {
					return
				}
			}
			t.Errorf("nobody says what is waited for\n%s", s.story())
		})
	}
}

// warned expects a warning.
func (s *scene) warned(code, text string) {
	s.t.Helper()
	for _, w := range happened[event.Warning](s) {
		if w.Code == code && strings.Contains(w.Text, text) {
			return
		}
	}
	s.t.Errorf("no warning %s %q\n%s", code, text, s.story())
}

// A fence that leaked while nobody was at work shows in nothing but a ballot: when the run resumes
// all partitions reject writes again.
func TestFenceLeakedWhileDead(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newScene(t, schema.SourceWritesFenced)
		s.on("verify", 1, func() error { return errors.New("stopped by the test") })
		if err := s.apply(t.Context()); err == nil {
			t.Fatal("not stopped")
		}
		src := s.world.table(source())
		s.world.movePrimary(source(), src.partOf("k03"), 20*time.Second)
		s.must(s.world.write(source(), "k03", "leaked", 7))
		time.Sleep(time.Minute)
		want := wanted(s)
		envs := want[source().String()].Envs
		envs[plan.EnvBusinessInfo] = "team pay"
		delete(envs, plan.EnvDeny)
		dst := want[target().String()]
		dst.Envs = envs
		want[target().String()] = dst
		s.must(s.apply(t.Context()))
		s.same(want)
	})
}

// A leak that never ends: the run says so instead of comparing for ever.
func TestFenceNeverProvenAgain(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newScene(t, schema.SourceWritesFenced)
		s.on("copy", 2, func() error {
			s.world.movePrimary(source(), 1, 24*time.Hour)
			return nil
		})
		err := s.apply(t.Context())
		var step *apply.StepError
		if !errors.As(err, &step) || step.Code != apply.CodeFence {
			t.Fatalf("%v\n%s", err, s.story())
		}
		s.warned(apply.CodeFence, "still rejected")
		s.failedOnce(err)
	})
}

// Somebody takes the deny env off while rows are copied. The next run raises the fence again and
// does not believe what was copied.
func TestFenceTakenOff(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newScene(t, schema.SourceWritesFenced)
		s.on("copy", 3, func() error {
			t := s.world.table(source())
			delete(t.envs, plan.EnvDeny)
			t.spread()
			return errAway
		})
		if err := s.apply(t.Context()); err == nil {
			t.Fatal("not stopped")
		}
		s.world.hook = nil
		time.Sleep(time.Minute)
		s.must(s.world.write(source(), "k03", "new", 7))
		s.must(s.world.remove(source(), "k04"))
		s.must(s.apply(t.Context()))
		got := s.show()
		if len(got[target().String()].Rows) != 23 || got[target().String()].Rows["k03"].Value != "new" {
			t.Errorf("%+v", got)
		}
		s.warned(apply.CodeCluster, "done again")
	})
}

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
		s := budgetScene(t, time.Second)
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
