package apply

import (
	"context"
	"errors"
	"fmt"
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
}

// Run carries out one plan, or undoes it. It serves one call of Apply or Rollback.
type Run struct {
	Config
	started time.Time
	// watch proves the fence again and again while rows move; nil without a standing fence.
	watch *fenceWatch
	// sentCreate says that a create request left this process, so that a table found afterwards may
	// be ours.
	sentCreate bool
	// moved is what the copy of this run moved, for the closing line.
	moved CopyOutcome
}

// New prepares a run. The store must hold the document of the plan's migration.
func New(c Config) *Run {
	if c.Sink == nil {
		c.Sink = event.Discard
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Run{Config: c, started: c.Now()}
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
func (r *Run) Apply(ctx context.Context) (err error) {
	defer r.stopWatch()
	doc := r.Store.Document()
	if doc.Outcome != state.OutcomeOpen {
		return &StepError{Code: CodeFinished, Text: "the migration is " + doc.Outcome + " already",
			Hint: "`pegmigrate verify` compares the tables again"}
	}
	r.Sink.Emit(event.RunStarted{
		Migration: r.Plan.Migration, Command: "apply", Lineage: doc.Lineage, PlanID: r.Plan.ID,
		Resumed: anyBegun(doc), Steps: stepIDs(r.Plan),
	})
	if err := r.overdueFence(ctx); err != nil {
		return err
	}
	for i, step := range r.Plan.Steps {
		if err := r.step(ctx, i, step); err != nil {
			return r.fail(ctx, step, err)
		}
	}
	if err := r.Store.Update(func(d *state.Document) error {
		d.Outcome = state.OutcomeDone
		return nil
	}); err != nil {
		return err
	}
	r.Sink.Emit(event.RunDone{
		Migration: r.Plan.Migration, Command: "apply", Rows: r.moved.Rows, Bytes: r.moved.Bytes,
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
		held, err := r.stillHolds(ctx, work)
		if err != nil || held {
			if err == nil {
				r.skip(i, step, "done by an earlier run")
				return r.afterStep(step)
			}
			return err
		}
		r.Sink.Emit(event.Warning{Step: step.ID, Code: CodeFence,
			Text: "what this step had reached does not hold any more; it is done again"})
	}
	if err := r.intend(ctx, step, work); err != nil {
		return err
	}
	begun := r.Now()
	r.Sink.Emit(event.StepStarted{Step: step.ID, Index: i + 1, Of: len(r.Plan.Steps), What: step.Why, Impact: step.Impact})
	proof, skipped, err := r.work(ctx, work)
	if err != nil {
		return err
	}
	if err := r.recordDone(step.ID, proof); err != nil {
		return err
	}
	if skipped {
		r.skip(i, step, "the clusters show it already: "+proof)
	} else {
		r.Sink.Emit(event.StepDone{Step: step.ID, Index: i + 1, Of: len(r.Plan.Steps), Elapsed: r.Now().Sub(begun), Proof: proof})
	}
	return r.afterStep(step)
}

// work asks, runs, and asks again.
func (r *Run) work(ctx context.Context, work runner) (proof string, skipped bool, err error) {
	done, proof, err := work.done(ctx)
	if err != nil {
		return "", false, err
	}
	if done {
		return proof, true, nil
	}
	if err := ctx.Err(); err != nil {
		return "", false, err
	}
	if err := work.run(ctx); err != nil {
		return "", false, err
	}
	done, proof, err = work.done(ctx)
	if err != nil {
		return "", false, err
	}
	if !done {
		return "", false, &StepError{Code: CodeCluster, Text: "the clusters do not show the result: " + proof,
			Hint: "run the same command again; `pegmigrate status` shows where it stands"}
	}
	return proof, false, nil
}

func (r *Run) stillHolds(ctx context.Context, work runner) (bool, error) {
	s, ok := work.(standing)
	if !ok {
		return true, nil
	}
	return s.holds(ctx)
}

func (r *Run) skip(i int, step plan.Step, reason string) {
	r.Sink.Emit(event.StepSkipped{Step: step.ID, Index: i + 1, Of: len(r.Plan.Steps), Reason: reason})
}

// afterStep starts and stops what accompanies the following steps.
func (r *Run) afterStep(step plan.Step) error {
	switch a := step.Action.(type) {
	case plan.Quiesce:
		return r.startWatch(a.Table)
	case plan.LiftFence:
		r.stopWatch()
	}
	return nil
}

// fail turns an error into what the caller tells the operator, and records it.
func (r *Run) fail(ctx context.Context, step plan.Step, err error) error {
	fenced := r.fenceUp()
	var budget *BudgetError
	var gate *GateError
	switch {
	case errors.As(err, &budget):
		return err
	case errors.As(err, &gate):
		r.Sink.Emit(event.GateReached{Gate: gate.Gate, Step: step.ID, Command: r.Resume + " -approve " + gate.Gate})
		return err
	case ctx.Err() != nil && !isWriteError(err):
		note := ""
		if fenced {
			note = "writes on the source are still rejected; `pegmigrate rollback` lifts the fence"
		}
		r.Sink.Emit(event.Interrupted{Step: step.ID, Resume: r.Resume, Note: note})
		return &InterruptedError{Step: step.ID, Fenced: fenced}
	}
	r.recordFailure(step.ID, err)
	return r.describe(step, err, fenced)
}

func (r *Run) describe(step plan.Step, err error, fenced bool) error {
	var se *StepError
	if errors.As(err, &se) {
		if se.Step == "" {
			se.Step = step.ID
		}
	} else if !isWriteError(err) && !isDifferences(err) {
		err = &StepError{Step: step.ID, Code: CodeCluster, Text: "stopped", Err: err,
			Hint: "when the cause is mended, run the same command again: it goes on here"}
	}
	if fenced {
		r.Sink.Emit(event.Warning{Step: step.ID, Code: CodeFence,
			Text: "writes on the source are still rejected",
			Hint: "`" + r.Resume + "` goes on, `pegmigrate rollback` lifts the fence"})
	}
	return err
}

// fenceUp says whether this run's fence is recorded as raised and not yet lifted.
func (r *Run) fenceUp() bool {
	up := false
	for _, s := range r.Plan.Steps {
		switch s.Action.(type) {
		case plan.Fence:
			status := r.record(s.ID).Status
			up = status == state.Done || status == state.Intended || status == state.Failed
		case plan.LiftFence:
			if r.record(s.ID).Status == state.Done {
				up = false
			}
		}
	}
	return up
}

func (r *Run) closing() string {
	i := slices.IndexFunc(r.Plan.Steps, func(s plan.Step) bool { _, ok := s.Action.(plan.Verify); return ok })
	if i < 0 {
		return fmt.Sprintf("%s is copied to %s; nothing was compared", r.Plan.Source.TableRef, r.Plan.Target.TableRef)
	}
	return fmt.Sprintf("%s and %s hold the same rows", r.Plan.Source.TableRef, r.Plan.Target.TableRef)
}

func anyBegun(doc *state.Document) bool {
	return slices.ContainsFunc(doc.Steps, func(s state.Step) bool { return s.Attempts > 0 })
}

func stepIDs(p *plan.Plan) []string {
	ids := make([]string, len(p.Steps))
	for i, s := range p.Steps {
		ids[i] = s.ID
	}
	return ids
}

func isWriteError(err error) bool {
	var we *state.WriteError
	return errors.As(err, &we)
}

func isDifferences(err error) bool {
	var de *DifferencesError
	return errors.As(err, &de)
}
