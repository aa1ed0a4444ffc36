package apply

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/event"
	"github.com/pegmigrate/pegmigrate/plan"
	"github.com/pegmigrate/pegmigrate/state"
)

// ErrLifted says that the watchdog has begun to lift the fence of this window: nothing may be built on it
// any more.
var ErrLifted = errors.New("the watchdog lifts the fence of this window")

// Watchdog lifts a fence when the process that raised it dies, or when that process is there and lets
// the moment pass at which lifting had to begin. One goroutine uses it.
type Watchdog interface {
	// Arm starts it, before the fence goes up, and tells which window it is to watch. Runs that go on in a
	// window that an earlier one opened name the same. Idempotent. ErrLifted when the watchdog of such
	// an earlier run has begun to lift.
	Arm(ctx context.Context, window string) error
	// Until tells when lifting has to begin at the latest. Later calls replace it.
	Until(at time.Time) error
	// Handover has the watchdog leave the fence alone from now on, as long as this process lives, because
	// a request to switch the route is about to leave. ErrLifted: it has begun to lift, and the
	// request must not leave.
	Handover() error
	// Lifting says that it has begun to lift.
	Lifting() bool
	// Resume ends Handover: no request is under way.
	Resume() error
	// Disarm ends it: nothing is left to lift, or this run ends under control.
	Disarm()
}

// errWatchdogLifts is why a window ends that an earlier run opened and left to its watchdog.
var errWatchdogLifts = errors.New("the watchdog of an earlier run has begun to lift the fence")

// Window names the window that the fence of this plan opens, the same for every process that works in it
// and another one each time the fence is raised anew.
func (r *Run) Window() string {
	step, _, _ := r.fenceStep()
	lineage := ""
	if doc := r.Store.Document(); doc != nil {
		lineage = doc.Lineage
	}
	return fmt.Sprintf("%.8s-%s-%d", lineage, step.ID, r.record(step.ID).Attempts)
}

// arm starts the watchdog before the fence goes up.
func (r *Run) arm(ctx context.Context, b base) error {
	if r.Watchdog == nil {
		return nil
	}
	if err := r.Watchdog.Arm(ctx, r.Window()); err != nil {
		return &StepError{Step: b.id, Code: CodeWatchdog, Text: "the watchdog, which lifts the fence should this process die, did not start", Err: err,
			Hint: "nothing was changed; mend what it says and run the same command again"}
	}
	return nil
}

// armAgain starts the watchdog of a window that an earlier run opened.
func (r *Run) armAgain(ctx context.Context, fence plan.Step) error {
	if r.Watchdog == nil {
		return nil
	}
	err := r.Watchdog.Arm(ctx, r.Window())
	if errors.Is(err, ErrLifted) {
		return r.closeWindow(ctx, fence.ID, &BudgetError{Cause: errWatchdogLifts})
	}
	if err != nil {
		return err
	}
	left, ok, err := r.windowLeft(ctx)
	if err == nil && !ok {
		left, ok, err = r.unprovenLeft(ctx)
	}
	if err != nil || !ok {
		return err
	}
	return r.Watchdog.Until(r.Now().Add(left))
}

// tellUntil tells the watchdog when lifting has to begin if the first write was rejected then.
func (r *Run) tellUntil(ctx context.Context, t plan.TableRef, first time.Time) error {
	budget := r.writeReject()
	if r.Watchdog == nil || !r.guarded() || budget == 0 {
		return nil
	}
	sync, err := base{r: r}.syncInterval(ctx, t.Cluster)
	if err != nil {
		return err
	}
	if err := r.Watchdog.Until(first.Add(budget - plan.LiftTime(sync))); err != nil {
		return &StepError{Code: CodeWatchdog, Text: "the watchdog does not listen", Err: err,
			Hint: "`" + r.Resume + "` starts another one"}
	}
	return nil
}

// tellLifting gives this process the time to lift the fence itself, which takes up to a config sync. A
// watchdog that does not listen lifts too, which does no harm.
func (r *Run) tellLifting(step plan.Step, f plan.Fence) {
	r.closingWindow = true
	if r.Watchdog == nil || !r.guarded() {
		return
	}
	if sync, ok := r.sync[f.Table.Cluster]; ok {
		if err := r.Watchdog.Until(r.Now().Add(sync)); err != nil {
			r.Sink.Emit(event.Warning{Step: step.ID, Code: CodeWatchdog, Text: "the watchdog does not listen: " + err.Error()})
		}
	}
}

// handover takes the window for the request that ends it. It is the last thing before that: what the
// clock says is looked at after the watchdog was told to stay away.
func (r *Run) handover(ctx context.Context) error {
	if r.Watchdog != nil {
		err := r.Watchdog.Handover()
		switch {
		case errors.Is(err, ErrLifted):
			return errOverBudget
		case err != nil:
			return &StepError{Code: CodeWatchdog, Text: "the watchdog could not be told to stay away", Err: err,
				Hint: "mend what it says and run the same command again"}
		}
	}
	left, ok, err := r.windowLeft(ctx)
	if err == nil && ok && left <= 0 {
		err = errOverBudget
	}
	if err == nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		r.keepWatch()
	}
	return err
}

// windowLost says that the watchdog has begun to lift the fence that this run works behind.
func (r *Run) windowLost() bool { return r.Watchdog != nil && !r.closingWindow && r.Watchdog.Lifting() }

// keepWatch takes handover back. When that fails the watchdog lifts only after this process died.
func (r *Run) keepWatch() {
	if r.Watchdog == nil {
		return
	}
	if err := r.Watchdog.Resume(); err != nil {
		r.Sink.Emit(event.Warning{Code: CodeWatchdog, Text: "the watchdog could not be told to watch again: " + err.Error()})
	}
}

// endWindow takes the window before a step is recorded that ends it without switching a route.
func (r *Run) endWindow(ctx context.Context, step plan.Step) error {
	if _, routed := firstStep[plan.SwitchRoute](r.Plan); routed || !r.inCutover() || r.catchesUp() && r.lifts() {
		return nil // a catch-up whose fence comes down anyway does not mind who lifts it
	}
	if last, ok := r.lastOfWindow(); !ok || last.ID != step.ID {
		return nil
	}
	return r.handover(ctx)
}

// disarm tells the watchdog that nothing is left to lift.
func (r *Run) disarm() {
	if r.Watchdog != nil {
		r.Watchdog.Disarm()
	}
}

// LiftAbandoned is what the watchdog does when the process that raised the fence is gone: it lifts a
// fence whose window is open, after it made sure that the route was not switched. It changes nothing
// else. lifted is false when there was nothing to lift. Errors: *StepError, *state.WriteError.
func (r *Run) LiftAbandoned(ctx context.Context) (lifted bool, err error) {
	if lifted, err = r.LiftOverdue(ctx); err != nil || !lifted {
		return false, err
	}
	if r.proven() {
		return true, r.noteLifted()
	}
	return true, r.forgetMove()
}

// LiftOverdue is what the watchdog does while the process that raised the fence is there but does not
// work: LiftAbandoned without a word in the state, which that process holds. The caller has made
// sure that no request to switch the route leaves any more.
func (r *Run) LiftOverdue(ctx context.Context) (lifted bool, err error) {
	if !r.Watched() {
		return false, nil
	}
	step, f, _ := r.fenceStep()
	switched, err := r.settleRoute(ctx)
	if err != nil || switched {
		return false, err
	}
	if err := r.undoFence(ctx, step.ID, f.Table); err != nil {
		return false, r.notLifted(step, err)
	}
	return true, nil
}

// Watched says whether the state shows a window that a watchdog has to care for.
func (r *Run) Watched() bool {
	doc := r.Store.Document()
	return doc != nil && doc.Outcome == state.OutcomeOpen && r.fenceUp() && !r.windowOver()
}
