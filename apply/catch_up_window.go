package apply

import (
	"context"

	"github.com/pegmigrate/pegmigrate/internal/event"
	"github.com/pegmigrate/pegmigrate/plan"
	"github.com/pegmigrate/pegmigrate/state"
)

// The window of a catch-up is one of a cut-over without a switch: nothing is lost when it is given up, so
// whatever goes wrong inside it lifts the fence, and a watchdog does so when the run dies. It ends with the
// fence, or, where the fence is declared to stay, with the proof.

// catchesUp says whether the plan ends a live copy behind a fence.
func (r *Run) catchesUp() bool {
	_, ok := firstStep[plan.CatchUp](r.Plan)
	return ok
}

// guarded says whether the fence of the plan comes down when its run ends before it should.
func (r *Run) guarded() bool { return r.cutsOver() || r.catchesUp() }

// inCatchUp says whether clients are being rejected for a catch-up.
func (r *Run) inCatchUp() bool { return r.catchesUp() && r.fenceUp() && (!r.moveDone() || r.lifts()) }

// proven says whether lifting the fence now would lose nothing: the rows are proven, and nobody waits to
// look at them first.
func (r *Run) proven() bool { return !r.cutsOver() && r.moveDone() && r.lifts() && !r.gateAhead() }

// tellImpact says that clients are affected from now on, which they were not when the step of the fence began.
func (r *Run) tellImpact() {
	if step, f, _ := r.fenceStep(); r.catchesUp() {
		r.Sink.Emit(event.ImpactBegun{Step: step.ID, Impact: "writes to " + f.Table.String() + " are rejected from here on; reads go on"})
	}
}

// noteLifted keeps proven rows proven although their fence came down before its turn.
func (r *Run) noteLifted() error {
	step, f, _ := r.fenceStep()
	return (&fenceRunner{base: base{r: r, id: step.ID}, a: f}).amend(func(p *fenceProof) { p.Lifted = r.Now() })
}

// fenceTooEarly lifts a fence that is up although the rows are not copied yet: a run whose state was lost
// may have raised it, and a request of a run that is dead may have come late. The copy takes hours.
func (r *Run) fenceTooEarly(ctx context.Context) error {
	fence, f, _ := r.fenceStep()
	step, ok := firstStep[plan.Copy](r.Plan)
	if !ok || !r.catchesUp() || !r.fenceUp() || r.record(step.ID).Status == state.Done {
		return nil
	}
	r.Sink.Emit(event.Warning{Step: fence.ID, Code: CodeFence, Text: "the fence of " + f.Table.String() + " has to be down while rows are copied"})
	if err := r.undoFence(ctx, fence.ID, f.Table); err != nil {
		return r.notLifted(fence, err)
	}
	return r.forgetMove()
}

// afterCatchUp is afterStep of such a plan.
func (r *Run) afterCatchUp(step plan.Step) error {
	switch a := step.Action.(type) {
	case plan.Quiesce:
		if r.moveDone() && r.lifts() {
			return nil
		}
		if err := r.startWatch(a.Table); err != nil {
			return err
		}
		return r.certify(func(c *Certificate) {
			if c.Quiesced.IsZero() {
				c.Quiesced = r.Now()
			}
		})
	case plan.CatchUp:
		r.stopWatch()
		if r.lifts() {
			return nil // clients wait until it is lifted
		}
	case plan.LiftFence:
	default:
		return nil
	}
	r.disarm()
	return r.reportCatchUp(step)
}

// reportCatchUp tells once how long clients were rejected, and for what.
func (r *Run) reportCatchUp(step plan.Step) error {
	fence, _, _ := r.fenceStep()
	p, _, err := r.fenceProof(fence.ID)
	if err != nil {
		return err
	}
	var window *event.CutOver
	err = r.certify(func(c *Certificate) {
		if c.Window != nil || c.CaughtUp.IsZero() {
			return
		}
		if c.FirstRejected.IsZero() { // the fence was found up
			c.FirstRejected, c.Fenced = p.FirstRejected, p.Proven
		}
		if r.lifts() {
			c.Lifted = p.Lifted
			if c.Lifted.IsZero() {
				c.Lifted = r.Now()
			}
		}
		window = &event.CutOver{Step: step.ID, Spread: since(c.FirstRejected, c.Fenced), Quiesce: since(c.Fenced, c.Quiesced),
			CatchUp: since(later(c.Fenced, c.Quiesced), c.CaughtUp), Lift: since(c.CaughtUp, c.Lifted),
			Total: since(c.FirstRejected, later(c.CaughtUp, c.Lifted)), Budget: r.writeReject(), Predicted: r.predicted()}
		c.Window = window
	})
	if err == nil && window != nil {
		r.Sink.Emit(*window)
	}
	return err
}

// closingCatchUp says what the target holds; "" for other plans.
func (r *Run) closingCatchUp() string {
	step, ok := firstStep[plan.CatchUp](r.Plan)
	if !ok {
		return ""
	}
	a := step.Action.(plan.CatchUp)
	counts, _, _ := unblob[string](r.record(step.ID).Proof, kindProof) // absent, there is less to say
	text := a.Target.String() + " holds what " + a.Source.String() + " held when it was fenced: " + counts
	if !a.Options.Whole() {
		text = a.Target.String() + " holds what this copy takes from " + a.Source.String() + ", as it was when it was fenced: " + counts
	}
	if r.lifts() {
		return text + "; the source takes writes again, which do not reach the target"
	}
	return text + "; the source rejects writes until you lift its fence or drop it"
}
