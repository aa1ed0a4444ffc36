package metrics

import (
	"time"

	"github.com/pegmigrate/pegmigrate/internal/event"
)

// proof takes in what was proven, and how a run ends.
func (s *Sink) proof(e event.Event) {
	switch e := e.(type) {
	case event.Verified:
		s.verified(e)
	case event.CaughtUp:
		s.correct(e.Step, e.Written, e.Deleted, e.Left)
	case event.Repaired:
		s.correct(e.Step, e.Written, e.Deleted, e.Left)
	case event.FenceProven:
		s.fence(e)
	case event.CutOver:
		s.cutOver(e)
	case event.GateReached:
		s.f.gate.WithLabelValues(e.Gate).Set(1)
		set(s.f.runState, runStates(), waitingGate)
	case event.UndoStarted:
		set(s.f.stepState, stepStates(), running, e.Step)
	case event.UndoDone:
		set(s.f.stepState, stepStates(), undone, e.Step)
	case event.UndoFailed:
		set(s.f.stepState, stepStates(), failed, e.Step)
		s.f.undoFailures.Inc()
	case event.Interrupted:
		set(s.f.runState, runStates(), stopped)
	case event.RunDone:
		set(s.f.runState, runStates(), done)
	}
}

func (s *Sink) verified(e event.Verified) {
	for _, one := range []struct {
		class string
		n     uint64
	}{
		{"missing", e.Missing}, {"extra", e.Extra}, {"value", e.Changed}, {"expiry", e.ExpiryDiffers}, {"misplaced", e.Misplaced}, {"open", e.Open}, {"drift", e.Drifted + e.Stamped},
	} {
		s.f.differences.WithLabelValues(e.Step, one.class).Set(float64(one.n))
	}
	s.f.verifiedRows.WithLabelValues(e.Step, "source").Set(float64(e.SourceRows))
	s.f.verifiedRows.WithLabelValues(e.Step, "target").Set(float64(e.TargetRows))
	s.f.differencesRunning.WithLabelValues(e.Step).Set(float64(e.Differences))
}

func (s *Sink) correct(step string, written, deleted, left uint64) {
	s.f.corrected.WithLabelValues(step, "written").Set(float64(written))
	s.f.corrected.WithLabelValues(step, "deleted").Set(float64(deleted))
	s.f.corrected.WithLabelValues(step, "left").Set(float64(left))
}

// fence begins and ends the window that runs: the proof comes after the first partition rejected writes.
func (s *Sink) fence(e event.FenceProven) {
	switch {
	case !e.Up:
		s.windowOpened = time.Time{}
	case s.windowOpened.IsZero():
		s.windowOpened = s.now().Add(-e.Spread)
	}
}

func (s *Sink) cutOver(e event.CutOver) {
	for _, part := range []struct {
		name    string
		seconds float64
	}{
		{"fence", e.Spread.Seconds()}, {"quiesce", e.Quiesce.Seconds()}, {"drain", e.Drain.Seconds()}, {"recheck", e.Recheck.Seconds()},
		{"switch", e.Switch.Seconds()}, {"proxies", e.Resolve.Seconds()}, {"total", e.Total.Seconds()},
	} {
		s.f.window.WithLabelValues(part.name).Set(part.seconds)
	}
	s.f.windowBudget.Set(e.Budget.Seconds())
	s.f.windowPredicted.Set(e.Predicted.Seconds())
	s.windowOpened = time.Time{}
}
