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

// The window is the time in which clients' writes are rejected: from the first rejected probe
// until the fence is lifted, or, where it is declared to stay, until the rows are proven. It may
// have a budget (limits.write_reject); then the fence comes down early enough that its coming
// down, which takes up to one config sync, fits into it.

// errOverBudget is the cause of a context that ends because the budget does.
var errOverBudget = errors.New("write-reject budget used up")

func overBudget(ctx context.Context) bool { return errors.Is(context.Cause(ctx), errOverBudget) }

// fenceStep is the step that raises the fence.
func (r *Run) fenceStep() (plan.Step, plan.Fence, bool) {
	for _, s := range r.Plan.Steps {
		if f, ok := s.Action.(plan.Fence); ok {
			return s, f, true
		}
	}
	return plan.Step{}, plan.Fence{}, false
}

// fenceUp says whether this run's fence may be up: recorded as begun and not as lifted.
func (r *Run) fenceUp() bool {
	step, _, ok := r.fenceStep()
	if !ok {
		return false
	}
	switch r.record(step.ID).Status {
	case state.Done, state.Intended, state.Failed:
	default:
		return false
	}
	if p, _, err := r.fenceProof(step.ID); err == nil && !p.Lifted.IsZero() {
		return false
	}
	for _, s := range r.Plan.Steps {
		if _, lift := s.Action.(plan.LiftFence); lift && r.record(s.ID).Status == state.Done {
			return false
		}
	}
	return true
}

// lifts says whether the plan takes the fence down again.
func (r *Run) lifts() bool {
	for _, s := range r.Plan.Steps {
		if _, ok := s.Action.(plan.LiftFence); ok {
			return true
		}
	}
	return false
}

// moveDone says whether all rows are copied and, where that is planned, proven.
func (r *Run) moveDone() bool {
	for _, s := range r.Plan.Steps {
		switch s.Action.(type) {
		case plan.Copy, plan.CatchUp, plan.Verify:
			if r.record(s.ID).Status != state.Done {
				return false
			}
		}
	}
	return true
}

// gateAhead says whether somebody still has to approve something after the rows are proven.
func (r *Run) gateAhead() bool {
	proven := false
	for _, s := range r.Plan.Steps {
		switch s.Action.(type) {
		case plan.Copy, plan.CatchUp, plan.Verify:
			proven = true
		case plan.Approve:
			if proven && r.record(s.ID).Status != state.Done {
				return true
			}
		}
	}
	return false
}

// writeReject is the declared budget of the whole window, 0 for none.
func (r *Run) writeReject() time.Duration {
	for _, s := range r.Plan.Steps {
		switch a := s.Action.(type) {
		case plan.Fence:
			if a.Budget > 0 {
				return a.Budget
			}
		case plan.CatchUp:
			return a.Budget
		case plan.Copy:
			if a.Limits.WriteReject > 0 {
				return a.Limits.WriteReject
			}
		}
	}
	return 0
}

// windowLeft says how long the fence may stay up before lifting it has to begin; ok is false
// without a budget, and outside of the window. The budget is the one declared now: it may be raised
// half-way.
func (r *Run) windowLeft(ctx context.Context) (left time.Duration, ok bool, err error) {
	step, f, _ := r.fenceStep()
	budget := r.writeReject()
	if !r.fenceUp() || budget == 0 || r.windowOver() {
		return 0, false, nil
	}
	p, known, err := r.fenceProof(step.ID)
	if err != nil || !known || p.FirstRejected.IsZero() {
		return 0, false, err
	}
	sync, err := base{r: r, id: step.ID}.syncInterval(ctx, f.Table.Cluster)
	return p.FirstRejected.Add(budget).Sub(r.Now()) - plan.LiftTime(sync), true, err
}

// workInWindow does the work of one step.
func (r *Run) workInWindow(ctx context.Context, step plan.Step, work runner) (proof string, skipped bool, err error) {
	err = r.inWindow(ctx, step, func(ctx context.Context) (err error) {
		if proof, skipped, err = r.work(ctx, step.ID, work); err == nil {
			err = r.endWindow(ctx, step)
		}
		return err
	})
	return proof, skipped, err
}

// inWindow does a part of one step; when the budget ends meanwhile, it closes the window and, where the
// run goes on all the same, does that part again. Looking at what a step is about to change belongs to
// it: a ZooKeeper that is away is asked for minutes.
func (r *Run) inWindow(ctx context.Context, step plan.Step, do func(context.Context) error) error {
	bounded, cancel, err := r.withBudget(ctx, step)
	if err != nil {
		return err
	}
	defer cancel()
	err = do(bounded)
	spent := errors.Is(err, errOverBudget) || overBudget(bounded)
	if err == nil || !spent || ctx.Err() != nil || isWriteError(err) {
		return err
	}
	if err := r.closeWindow(ctx, step.ID, &BudgetError{Waited: waitedFor(err)}); err != nil {
		return err
	}
	return do(ctx)
}

// withBudget ends the context when lifting the fence has to begin. The steps that lift it, or come
// after that, are not bounded.
func (r *Run) withBudget(ctx context.Context, step plan.Step) (context.Context, context.CancelFunc, error) {
	switch step.Action.(type) {
	case plan.LiftFence, plan.Disown, plan.Approve, plan.Evict:
		return ctx, func() {}, nil
	}
	left, ok, err := r.windowLeft(ctx)
	if err != nil || !ok {
		return ctx, func() {}, err
	}
	bounded, cancel := context.WithTimeoutCause(ctx, max(left, 0), errOverBudget)
	return bounded, cancel, nil
}

// overdueFence lifts a fence whose budget ended while nobody was at work, before anything else.
func (r *Run) overdueFence(ctx context.Context) error {
	step, _, _ := r.fenceStep()
	left, ok, err := r.windowLeft(ctx)
	if err == nil && !ok {
		left, ok, err = r.unprovenLeft(ctx)
	}
	if err != nil || !ok || left > 0 {
		return err
	}
	return r.closeWindow(ctx, step.ID, &BudgetError{})
}

// unprovenLeft is windowLeft after a crash between the change of the env and the first rejected
// probe: writes may have been rejected ever since the intent, if the table carries our env.
func (r *Run) unprovenLeft(ctx context.Context) (left time.Duration, ok bool, err error) {
	step, f, _ := r.fenceStep()
	budget := r.writeReject()
	if _, known, err := r.fenceProof(step.ID); err != nil || known || !r.fenceUp() || budget == 0 || r.windowOver() {
		return 0, false, err
	}
	prior, err := r.denyPrior()
	if err != nil {
		return 0, false, err
	}
	s, err := base{r: r, id: step.ID}.table(ctx, f.Table)
	if err != nil || s.Envs[plan.EnvDeny] != f.Mode || prior.Value == f.Mode {
		return 0, false, err
	}
	sync, err := base{r: r, id: step.ID}.syncInterval(ctx, f.Table.Cluster)
	return r.record(step.ID).Started.Add(budget).Sub(r.Now()) - plan.LiftTime(sync), true, err
}

// closeWindow lifts the fence because of what why says, or because the budget is used up. Rows that are
// proven stay proven, so that the run goes on when nothing but work is left; otherwise they may change from
// now on, and the next apply starts the window anew: the error is why, completed.
func (r *Run) closeWindow(ctx context.Context, at string, why *BudgetError) error {
	step, f, _ := r.fenceStep()
	why.Step, why.Budget = at, r.writeReject()
	reason := fmt.Sprintf("the write-reject budget of %s is used up", plan.Duration(why.Budget))
	if why.Cause != nil {
		reason = why.Cause.Error()
	}
	r.Sink.Emit(event.Warning{Step: at, Code: why.Code(), Text: reason + "; lifting the fence of " + f.Table.String()})
	r.tellLifting(step, f)
	switched, err := r.settleRoute(context.WithoutCancel(ctx))
	if err != nil {
		return r.notLifted(step, err)
	}
	if switched {
		return nil // the target took over in time: the fence stays, and the run goes on
	}
	if err := r.undoFence(ctx, step.ID, f.Table); err != nil {
		return r.notLifted(step, err)
	}
	if r.proven() {
		return r.noteLifted()
	}
	r.dropReturn(ctx, base{r: r, id: step.ID})
	why.Hint = r.spoiledNote()
	if err := r.forgetMove(); err != nil {
		return err
	}
	return why
}

// waitedFor is what an error of work that the budget ended says that it waited for, "" for nothing: the
// waits put it before that cause, or behind it in parentheses.
func waitedFor(err error) string {
	reason, last, found := strings.Cut(err.Error(), errOverBudget.Error())
	if !found {
		return ""
	}
	reason = strings.TrimSuffix(reason, ": ")
	last = strings.TrimSuffix(strings.TrimPrefix(last, " ("), ")")
	if reason == "" || last == "" {
		return reason + last
	}
	return reason + ": " + last
}

// notLifted is the loudest error there is: clients are locked out, and nobody is at work.
func (r *Run) notLifted(step plan.Step, err error) error {
	if isWriteError(err) {
		return err
	}
	repair := r.repairByHand(step)
	r.Sink.Emit(event.UndoFailed{Step: step.ID, Error: err.Error(), Repair: repair})
	return &StepError{Step: step.ID, Code: CodeUndo, Text: "the fence could not be lifted", Err: err, Hint: repair}
}

// forgetMove sets the steps from the fence on back to pending. The journals go first: a cursor that
// outlives the decision would let the next run skip rows that may have changed. The document
// changes in one piece, so that no crash leaves one step forgotten and another not.
func (r *Run) forgetMove() error {
	r.freezer = nil
	for _, s := range r.Plan.Steps {
		if _, ok := s.Action.(plan.Copy); ok && !r.catchesUp() {
			if err := r.Store.Journal(s.ID).Discard(); err != nil {
				return err
			}
		}
	}
	return r.Store.Update(func(d *state.Document) error {
		r.moveAnew(d)
		return nil
	})
}

// moveAnew changes the document so that everything behind the fence is done again, the fence
// included; its prior value is taken anew with it.
func (r *Run) moveAnew(d *state.Document) {
	fenced := false
	for _, s := range r.Plan.Steps {
		rec := d.Step(s.ID)
		if rec == nil {
			continue
		}
		switch s.Action.(type) {
		case plan.Fence:
			fenced = true
			*rec = state.Step{ID: rec.ID, Status: state.Pending, Attempts: rec.Attempts}
		case plan.Drain, plan.RecheckKeys, plan.SwitchRoute:
			*rec = state.Step{ID: rec.ID, Status: state.Pending}
		case plan.Copy, plan.CatchUp, plan.Verify, plan.Quiesce, plan.SetEnvs: // a copy before the fence stays
			if fenced && rec.Attempts > 0 {
				rec.Status, rec.Proof, rec.Cursor = state.Pending, nil, nil
			}
		}
		if _, ok := s.Action.(plan.Verify); ok && fenced {
			rec.Cursor = recopied()
		}
	}
}
