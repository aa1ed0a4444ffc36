package apply

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/event"
	"github.com/pegmigrate/pegmigrate/plan"
	"github.com/pegmigrate/pegmigrate/state"
)

// A cut-over is a window that ends with the target taking over: the fence goes up, what was accepted
// before it arrives on the target, the route is switched. Until the route is switched nothing has
// happened that lifting the fence would not undo, so whatever goes wrong inside the window lifts it:
// clients must not wait for a person. After the switch the fence stays, because a write that the
// source accepted then could overwrite a newer one on the target.

// cutsOver says whether the plan ends in a cut-over.
func (r *Run) cutsOver() bool {
	_, ok := firstStep[plan.Drain](r.Plan)
	return ok
}

// firstStep gives the plan's first step with that action.
func firstStep[A plan.Action](p *plan.Plan) (plan.Step, bool) {
	for _, s := range p.Steps {
		if _, ok := s.Action.(A); ok {
			return s, true
		}
	}
	return plan.Step{}, false
}

// handedOver says whether the window is over because the target took over: the route leads there, or,
// where the plan switches none, everything that was accepted is proven to be there.
func (r *Run) handedOver() bool {
	last, ok := r.lastOfWindow()
	return ok && r.record(last.ID).Status == state.Done
}

// lastOfWindow is the step that ends the window of a cut-over.
func (r *Run) lastOfWindow() (plan.Step, bool) {
	last, ok := firstStep[plan.SwitchRoute](r.Plan)
	if !ok {
		if last, ok = firstStep[plan.RecheckKeys](r.Plan); !ok {
			if last, ok = firstStep[plan.Drain](r.Plan); !ok {
				last, ok = firstStep[plan.CatchUp](r.Plan)
			}
		}
	}
	return last, ok
}

// windowOver says whether nothing bounds the fence any more.
func (r *Run) windowOver() bool {
	if r.cutsOver() {
		return r.handedOver()
	}
	return r.moveDone() && !r.lifts()
}

// inCutover says whether clients are being rejected on the way to a cut-over.
func (r *Run) inCutover() bool {
	return r.inCatchUp() || r.cutsOver() && r.fenceUp() && !r.handedOver()
}

// abortWindow lifts the fence because the run ends inside the window of a cut-over, and says so with
// the error to return. An error of writing the state does not keep it from lifting: the clusters come
// first, and the next run finds out from them.
func (r *Run) abortWindow(ctx context.Context, at plan.Step, cause error) error {
	step, f, _ := r.fenceStep()
	interrupted := ctx.Err() != nil
	ctx = context.WithoutCancel(ctx)
	why := "this run cannot go on"
	if interrupted {
		why = "interrupted"
	}
	unfenced := r.unfenced(ctx, step, f)
	text := fmt.Sprintf("%s inside the reject window; lifting the fence of %s", why, f.Table)
	if unfenced {
		text = fmt.Sprintf("%s, and the fence of %s is not raised", why, f.Table)
	}
	r.Sink.Emit(event.Warning{Step: at.ID, Code: CodeWindow, Text: text})
	r.tellLifting(step, f)
	switched, err := r.settleRoute(ctx)
	switch {
	case err != nil:
		return r.notLifted(step, fmt.Errorf("%w (first: %w)", err, cause))
	case switched:
		// The route leads to the target: lifting now would let both sides take writes.
		r.Sink.Emit(event.Warning{Step: at.ID, Code: CodeRoute,
			Text: "the route leads to the target already, so the fence stays", Hint: "`" + r.Resume + "` goes on"})
		return cause
	}
	if err := r.undoFence(ctx, step.ID, f.Table); err != nil {
		return r.notLifted(step, err)
	}
	if r.proven() {
		r.disarm()
		return r.endProven(at, cause, interrupted)
	}
	r.dropReturn(ctx, base{r: r, id: step.ID})
	if err := r.forgetMove(); err != nil && !isWriteError(cause) {
		return err
	}
	r.disarm()
	if isDifferences(cause) || isWriteError(cause) {
		return cause
	}
	return &BudgetError{Step: at.ID, Budget: r.writeReject(), Interrupted: interrupted, Cause: cause, Unfenced: unfenced}
}

// unfenced says whether the run ends on the way to its fence: no request to raise it has left, and the table
// does not carry the env, as it would after a run whose state was lost. A table that cannot be read counts as fenced.
func (r *Run) unfenced(ctx context.Context, step plan.Step, f plan.Fence) bool {
	p, rejected, err := r.fenceProof(step.ID)
	if err != nil || rejected || !p.Sent.IsZero() {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, r.Waits.Call)
	defer cancel()
	s, err := r.World.Tables.Table(ctx, f.Table)
	return err == nil && s.Envs[plan.EnvDeny] != f.Mode
}

// endProven is the error of a run that ends after the rows were proven and before their fence had its turn to
// come down.
func (r *Run) endProven(at plan.Step, cause error, interrupted bool) error {
	if err := r.noteLifted(); err != nil && !isWriteError(cause) {
		return err
	}
	if !interrupted || isWriteError(cause) {
		return cause
	}
	return &BudgetError{Step: at.ID, Budget: r.writeReject(), Interrupted: true, Hint: "the rows are proven: `" + r.Resume + "` does what is left"}
}

// settleRoute finds out for good whether a switch that was begun happened. A request that was sent and
// whose answer was lost may take effect later; writing the same record again raises its version, after
// which that request must fail.
func (r *Run) settleRoute(ctx context.Context) (switched bool, err error) {
	step, ok := firstStep[plan.SwitchRoute](r.Plan)
	if !ok || r.record(step.ID).Attempts == 0 || r.record(step.ID).Status == state.Pending {
		return false, nil
	}
	if m, _, err := unblob[switchMemory](r.record(step.ID).Proof, kindSwitch); err == nil && m.Sent.IsZero() {
		return false, nil // no request left, or what became of it is known
	}
	a := step.Action.(plan.SwitchRoute)
	b := base{r: r, id: step.ID}
	ctx, cancel := context.WithTimeout(ctx, r.Waits.Undo)
	defer cancel()
	err = b.await(ctx, r.Waits.Undo, CodeRoute, "look at "+a.Route.Path()+" in ZooKeeper: while it leads to "+a.From.ClusterName+
		" the fence has to come down, "+r.repairByHand(r.mustFence()), func(ctx context.Context) (bool, string, error) {
		rec, err := b.readRoute(ctx, a.Route)
		if err != nil {
			return false, err.Error(), b.final(err)
		}
		if leadsTo(rec, a.To) {
			switched = true
			return true, "", nil
		}
		if rec.ClusterName != a.From.ClusterName {
			return true, "", nil // somebody else's change has raised the version
		}
		if _, err = b.swapRoute(ctx, a.Route, rec, routeEndOf(rec)); err == nil {
			return true, "", nil
		}
		return false, "write the record as it is again: " + err.Error(), b.final(err)
	})
	return switched, err
}

// noteSwitched completes the record of a switch that happened although the run that asked for it died
// before it could write so. Nothing inside the window may be looked at again then: clients write on the
// target, and a comparison would find what they wrote.
func (r *Run) noteSwitched(ctx context.Context) error {
	step, ok := firstStep[plan.SwitchRoute](r.Plan)
	if !ok {
		return nil
	}
	switched, err := r.settleRoute(ctx)
	if err != nil || !switched {
		return err
	}
	work := &switchRunner{base{r: r, id: step.ID}, step.Action.(plan.SwitchRoute)}
	return work.insist(ctx, "read back "+work.a.Route.Path(), func(ctx context.Context) error {
		over, proof, err := work.done(ctx)
		if err != nil || !over {
			return err
		}
		if err := r.recordDone(step.ID, proof); err != nil {
			return err
		}
		r.disarm()
		return nil
	})
}

// unswitch takes note that a switch that was begun did not happen, so that it can be rolled back: a
// run may have died between its intent and the request, or between the request and the answer.
func (r *Run) unswitch(ctx context.Context) error {
	step, ok := firstStep[plan.SwitchRoute](r.Plan)
	if !ok || r.record(step.ID).Attempts == 0 || r.record(step.ID).Status == state.Done {
		return nil
	}
	switched, err := r.settleRoute(ctx)
	if err != nil {
		return &StepError{Step: step.ID, Code: CodeRoute, Text: "it cannot be told whether the route was switched", Err: err,
			Hint: "nothing was undone; run the same command again when ZooKeeper answers"}
	}
	if switched {
		return nil
	}
	return r.Store.Update(func(d *state.Document) error {
		if rec := d.Step(step.ID); rec != nil {
			*rec = state.Step{ID: rec.ID, Status: state.Pending}
		}
		return nil
	})
}

// final keeps only errors that no repetition changes; a lost race and an unknown outcome are looked
// at again.
func (base) final(err error) error {
	if errors.Is(err, ErrRefused) || errors.Is(err, ErrNoRoute) {
		return err
	}
	return nil
}

func (r *Run) mustFence() plan.Step {
	step, _, _ := r.fenceStep()
	return step
}

// beforeFence is what has to be true in the moment before clients are rejected.
func (r *Run) beforeFence(ctx context.Context, b base) error {
	if r.catchesUp() {
		if err := r.catchUpLive(ctx, b); err != nil {
			return err
		}
		return r.arm(ctx, b)
	}
	if !r.cutsOver() {
		return r.clearStale(ctx)
	}
	if err := b.notClosed(ctx); err != nil {
		return err
	}
	if step, ok := firstStep[plan.AwaitLag](r.Plan); ok {
		work, err := r.runnerOf(step)
		if err != nil {
			return err
		}
		if _, _, err := r.work(ctx, b.id, work); err != nil {
			return err
		}
	}
	if step, ok := firstStep[plan.SwitchRoute](r.Plan); ok {
		if err := b.routeReady(ctx, step.Action.(plan.SwitchRoute)); err != nil {
			return err
		}
	}
	// In this order: the proof writes to the target, and what is shipped back from there could cost
	// clients' writes, see holdReturn.
	if err := r.holdReturn(ctx, b); err != nil {
		return err
	}
	if err := b.takesClients(ctx); err != nil {
		return err
	}
	return r.arm(ctx, b)
}

// closingCutover says where clients are now, and what is left to do for the operator.
func (r *Run) closingCutover() string {
	source, target := r.Plan.Source.TableRef, r.Plan.Target.TableRef
	proof := "every write that " + source.String() + " accepted is on " + target.String()
	if _, ok := firstStep[plan.SwitchRoute](r.Plan); ok {
		return proof + ", and clients are led there"
	}
	metas := strings.Join(r.Plan.Target.MetaServers, ",")
	if r.lifts() {
		return proof + "; the source takes writes again, which are not shipped any more: give the clients the meta servers " + metas
	}
	return fmt.Sprintf("%s; %s rejects writes until you drop it: give the clients the meta servers %s (cluster %q)",
		proof, source, metas, r.Plan.Target.ClusterName)
}

// since is the time from one moment to another, 0 when either is unknown.
func since(from, to time.Time) time.Duration {
	if from.IsZero() || to.IsZero() {
		return 0
	}
	return max(to.Sub(from), 0)
}
