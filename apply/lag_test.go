package apply_test

import (
	"strings"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/apply"
	"github.com/pegmigrate/pegmigrate/internal/event"
	"github.com/pegmigrate/pegmigrate/plan"
)

// atStep does something when a step starts.
func (s *dupScene) atStep(id string, do func()) {
	s.sink = func(e event.Event) {
		if e, ok := e.(event.StepStarted); ok && e.Step == id {
			do()
		}
	}
}

// lagging is a table that is written to so fast that it matters what is shipped.
func lagging(t *testing.T, threshold int64, writes float64) *dupScene {
	s := newDup(t, true).through("catch-up")
	s.app.writes = writes
	s.step("catch-up", func(a plan.Action) plan.Action {
		l := a.(plan.AwaitLag)
		l.Threshold = threshold
		return l
	})
	return s
}

// A target that takes nothing in is told with its cause when nothing moves, and not before.
func TestLagStalls(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := lagging(t, 50, 40)
		begun := time.Time{}
		s.atStep("catch-up", func() {
			begun = time.Now()
			s.must(s.world.world().Tables.SetEnvs(t.Context(), target(), map[string]string{plan.EnvDeny: "timeout*write"}))
			time.Sleep(2 * syncInterval)
		})
		err := s.stepError(s.apply(t.Context()), apply.CodeLag)
		s.failedOnce(err)
		if took := time.Since(begun); took < s.waits.Stall || took > s.waits.Stall+3*syncInterval {
			t.Errorf("told after %s", took)
		}
		for _, text := range []string{"more than 50 mutations behind", "replica.deny_client_request of west/orders is \"timeout*write\""} {
			if !strings.Contains(err.Text+err.Hint, text) {
				t.Errorf("%q is not said: %s; %s", text, err.Text, err.Hint)
			}
		}
		s.sink = nil
		s.must(s.world.world().Tables.DeleteEnvs(t.Context(), target(), []string{plan.EnvDeny}))
		s.must(s.apply(t.Context()))
	})
}

// The drain that is forecast has to fit into the budget besides fence, group check and lifting.
func TestLagForecast(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := lagging(t, 1_000_000, 12)
		s.atStep("catch-up", func() {
			s.locked(func(*fakeTable) { s.world.shipRate, s.app.writes = 0, 200 })
			time.Sleep(20 * time.Second)
			s.locked(func(*fakeTable) { s.world.shipRate, s.app.writes = 15, 12 })
		})
		s.must(s.apply(t.Context()))
		room := dupBudget - 2*syncInterval - 10*time.Second - 3*time.Second
		var longest, last time.Duration
		for _, l := range happened[event.LagProgress](s.scene) {
			last, longest = l.Forecast, max(longest, l.Forecast)
		}
		if longest <= room || last > room || last == 0 {
			t.Errorf("forecasts from %s to %s, room for %s\n%s", longest, last, room, s.story())
		}
	})
}

// Writers that are faster than the shipping: it goes on, and somebody is told.
func TestLagGrows(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := lagging(t, 100, 40)
		s.atStep("catch-up", func() {
			s.locked(func(*fakeTable) { s.world.shipRate = 0 })
			time.Sleep(30 * time.Second)
			s.locked(func(*fakeTable) { s.world.shipRate = 5 })
			time.AfterFunc(25*time.Minute, func() { s.locked(func(*fakeTable) { s.world.shipRate = 500 }) })
		})
		s.must(s.apply(t.Context()))
		s.warned(apply.CodeLag, "the lag grows")
		told := 0
		for _, w := range happened[event.Warning](s.scene) {
			if w.Code == apply.CodeLag {
				told++
			}
		}
		if told > 3 {
			t.Errorf("told %d times", told)
		}
		s.waitsHaveEnds()
	})
}

// A partition that no primary reports is not a partition without lag; that others ship all the time,
// and do not keep up either, is no progress of its own.
func TestLagUnknown(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := lagging(t, 5, 60)
		s.atStep("catch-up", func() {
			s.locked(func(src *fakeTable) {
				src.parts[2].silent = true
				s.world.shipRate = 3
			})
		})
		err := s.stepError(s.apply(t.Context()), apply.CodeLag)
		if !strings.Contains(err.Text, "partition 2 on node2: node2 does not report") {
			t.Error(err)
		}
	})
}

// Servers whose intervals leave no room in the budget are refused at once.
func TestLagBudgetTooSmall(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := lagging(t, 1000, 4)
		s.atStep("catch-up", func() { s.locked(func(*fakeTable) { s.world.groupCheck = 100 * time.Second }) })
		err := s.apply(t.Context())
		s.failedOnce(s.stepError(err, apply.CodeBudget))
		if !strings.Contains(err.Error(), "2 min 43 s") {
			t.Error(err)
		}
	})
}

// Idle partitions rest one mutation behind on 2.4 and 2.5: a threshold of zero must not wait for ever.
func TestLagAtRest(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newDup(t, false).through("catch-up")
		s.step("catch-up", func(a plan.Action) plan.Action {
			l := a.(plan.AwaitLag)
			l.Threshold = 0
			return l
		})
		s.must(s.apply(t.Context()))
	})
}
