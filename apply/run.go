package apply

import (
	"context"
	"slices"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/event"
	"github.com/pegmigrate/pegmigrate/plan"
	"github.com/pegmigrate/pegmigrate/state"
)

// Config is what a run needs.
type Config struct {
	Plan  *plan.Plan
	Store *state.Store
	World World
	Sink  event.Sink
	Waits Waits
	// Owner is user@host, for the ownership marker.
	Owner string
	// Resume is the command that goes on with this migration, for people.
	Resume string
	// Now is the clock. Durations are measured with it too.
	Now func() time.Time
	// Watchdog lifts the fence of a cut-over should this process die; nil for none.
	Watchdog Watchdog
}

// Run carries out one plan, or undoes it. It serves one call of Apply or Rollback.
type Run struct {
	Config
	started time.Time
	// watch proves the fence again and again while rows move; nil without a standing fence.
	watch *fenceWatch
	// sync is the config sync interval of each cluster that was asked.
	sync map[string]time.Duration
	// checks are group check intervals of clusters whose servers ship the last mutation late.
	checks map[string]time.Duration
	// accepted are the probes that primaries took as writes.
	accepted acceptedWrites
	// freezer holds the decrees frozen in the window of a cut-over; nil outside.
	freezer *freezer
	// closingWindow is set once this run lifts the fence of a cut-over.
	closingWindow bool
	// loss knows what was lost by the servers of the source.
	loss lossWatch
}

// New prepares a run. The store must hold the document of the plan's migration.
func New(c Config) *Run {
	if c.Sink == nil {
		c.Sink = event.Discard
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	c.Waits = c.Waits.withDefaults()
	return &Run{Config: c, started: c.Now(), sync: map[string]time.Duration{}, checks: map[string]time.Duration{}}
}

// runner does one kind of action. A new action needs a new runner and nothing else.
type runner interface {
	// prior returns what will be changed, as it is now; called before the intent is recorded, once
	// per step, never again after a crash.
	prior(ctx context.Context) (*state.Blob, error)
	// done asks the live clusters. The text is the proof in a few words.
	done(ctx context.Context) (bool, string, error)
	// run does the work. It must be safe to repeat after a crash at any point of it.
	run(ctx context.Context) error
}

// standing is a runner whose result can come undone by itself, so that a resumed run asks again
// although the step is recorded as done.
type standing interface {
	holds(ctx context.Context) (bool, error)
}

// Apply runs every step that is not done. Errors: *StepError, *GateError, *InterruptedError,
// *DifferencesError, *BudgetError, *state.WriteError.
func (r *Run) Apply(ctx context.Context) error {
	if doc := r.Store.Document(); doc != nil && doc.Return != nil && !r.Plan.Back && doc.Outcome == state.OutcomeOpen {
		return &StepError{Code: CodeTicket, Text: "clients are being led back: a return is under way",
			Hint: "`" + r.rollbackCommand() + "` goes on with it"}
	}
	return r.carryOut(ctx, "apply", state.OutcomeDone)
}

// carryOut runs every step that is not done, and notes the outcome.
func (r *Run) carryOut(ctx context.Context, command, outcome string) error {
	defer r.disarm()
	defer r.stopWatch()
	doc := r.Store.Document()
	if doc == nil || len(r.Plan.Steps) == 0 {
		return nothingBegun()
	}
	if doc.Outcome != state.OutcomeOpen {
		return &StepError{Code: CodeFinished, Text: "the migration is " + doc.Outcome + " already",
			Hint: "`pegmigrate verify` compares the tables again"}
	}
	r.Sink.Emit(event.RunStarted{
		Migration: r.Plan.Migration, Command: command, Lineage: doc.Lineage, PlanID: r.Plan.ID,
		Resumed: r.anyBegun(), Steps: stepIDs(r.Plan),
	})
	var last plan.Step
	if err := r.fenceTooEarly(ctx); err != nil {
		last, _, _ = r.fenceStep()
		return r.fail(ctx, last, err)
	}
	if err := r.overdueFence(ctx); err != nil {
		last, _, _ = r.fenceStep()
		return r.fail(ctx, last, err)
	}
	if r.inCutover() {
		last = r.mustFence()
		if err := r.armAgain(ctx, last); err != nil {
			return r.fail(ctx, last, err)
		}
		if err := r.noteSwitched(ctx); err != nil {
			return r.fail(ctx, last, err)
		}
	}
	for i, step := range r.Plan.Steps {
		last = step
		if err := r.step(ctx, i, step); err != nil {
			return r.fail(ctx, step, err)
		}
	}
	if err := r.Store.Update(func(d *state.Document) error {
		d.Outcome = outcome
		return nil
	}); err != nil {
		return r.fail(ctx, last, err)
	}
	moved := r.moved()
	if moved.Kept > 0 { // their bytes are not told apart from those of rows that were written
		moved.Rows, moved.Bytes = moved.Rows-moved.Kept, 0
	}
	r.Sink.Emit(event.RunDone{
		Migration: r.Plan.Migration, Command: command, Rows: moved.Rows, Bytes: moved.Bytes,
		Elapsed: r.Now().Sub(r.started), Text: r.closing(),
	})
	return nil
}

// step brings one step to done, or leaves it recorded as far as it came.
func (r *Run) step(ctx context.Context, i int, step plan.Step) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	work, err := r.runnerOf(step)
	if err != nil {
		return err
	}
	record := r.record(step.ID)
	if record.Status == state.Done {
		var held bool
		if err := r.inWindow(ctx, step, func(ctx context.Context) (err error) {
			held, err = r.stillHolds(ctx, work)
			return err
		}); err != nil {
			return err
		}
		if held {
			r.skip(i, step, "done by an earlier run")
			return r.afterStep(step)
		}
		r.Sink.Emit(event.Warning{Step: step.ID, Code: CodeCluster,
			Text: "what this step had reached does not hold any more; it is done again"})
	}
	if err := r.inWindow(ctx, step, func(ctx context.Context) error { return r.intend(ctx, step, work) }); err != nil {
		return err
	}
	begun := r.Now()
	r.Sink.Emit(event.StepStarted{Step: step.ID, Index: i + 1, Of: len(r.Plan.Steps), What: step.Why, Impact: step.Impact})
	proof, skipped, err := r.workInWindow(ctx, step, work)
	if err != nil {
		return err
	}
	if err := r.recordDone(step.ID, proof); err != nil {
		return err
	}
	if _, gate := step.Action.(plan.Approve); skipped && !gate {
		r.skip(i, step, "the clusters show it already: "+proof)
	} else {
		r.Sink.Emit(event.StepDone{Step: step.ID, Index: i + 1, Of: len(r.Plan.Steps), Elapsed: r.Now().Sub(begun), Proof: proof})
	}
	return r.afterStep(step)
}

// work asks, runs, and asks again until the clusters show the result.
func (r *Run) work(ctx context.Context, step string, work runner) (proof string, skipped bool, err error) {
	b := base{r: r, id: step}
	var done bool
	err = b.insist(ctx, "ask whether "+step+" is done", func(ctx context.Context) error {
		var err error
		done, proof, err = work.done(ctx)
		return err
	})
	if err != nil || done {
		return proof, done, err
	}
	if ctx.Err() != nil {
		return "", false, context.Cause(ctx)
	}
	if err := work.run(ctx); err != nil {
		return "", false, err
	}
	err = b.await(ctx, r.Waits.Transient, CodeCluster, "run the same command again; `pegmigrate status` shows where it stands",
		func(ctx context.Context) (bool, string, error) {
			var err error
			if done, proof, err = work.done(ctx); err != nil {
				reason, err := tolerate(ctx, err)
				return false, reason, err
			}
			return done, "the clusters do not show the result: " + proof, nil
		})
	return proof, false, err
}

// stillHolds asks again about a result that can come undone by itself, as long as anything rests on
// it: once the rows are proven, a fence that is to be lifted anyway must not be raised again.
func (r *Run) stillHolds(ctx context.Context, work runner) (bool, error) {
	s, ok := work.(standing)
	_, own := work.(*ownRunner)
	if !ok || !own && (r.cutsOver() && r.handedOver() || !r.cutsOver() && r.lifts() && r.moveDone()) {
		return true, nil
	}
	return s.holds(ctx)
}

func (r *Run) skip(i int, step plan.Step, reason string) {
	r.Sink.Emit(event.StepSkipped{Step: step.ID, Index: i + 1, Of: len(r.Plan.Steps), Reason: reason})
}

// afterStep starts and stops what accompanies the following steps: the fence is watched from when
// the source is quiet until its rows are proven.
func (r *Run) afterStep(step plan.Step) error {
	if r.cutsOver() {
		if !r.handedOver() {
			return nil
		}
		r.stopWatch()
		r.disarm()
		return r.windowWithoutRoute(step)
	}
	if r.catchesUp() {
		return r.afterCatchUp(step)
	}
	switch a := step.Action.(type) {
	case plan.Quiesce:
		if !r.moveDone() || !r.lifts() {
			return r.startWatch(a.Table)
		}
	case plan.Copy, plan.Verify:
		if r.moveDone() {
			r.stopWatch()
		}
	}
	return nil
}

func (r *Run) anyBegun() bool {
	return slices.ContainsFunc(r.Plan.Steps, func(s plan.Step) bool { return r.record(s.ID).Attempts > 0 })
}

func stepIDs(p *plan.Plan) []string {
	ids := make([]string, len(p.Steps))
	for i, s := range p.Steps {
		ids[i] = s.ID
	}
	return ids
}
