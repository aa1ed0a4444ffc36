package apply

import (
	"context"
	"errors"
	"slices"

	"github.com/pegmigrate/pegmigrate/internal/event"
	"github.com/pegmigrate/pegmigrate/plan"
	"github.com/pegmigrate/pegmigrate/state"
)

// Rollback undoes every step that was begun: first the fence, because clients wait behind it and
// because lifting it needs no room on this disk, then the others in reverse order. It goes on after
// a failed undo, so that as much as possible is put back, and then reports the failures. Errors:
// *StepError, *InterruptedError, *state.WriteError.
func (r *Run) Rollback(ctx context.Context) error {
	defer r.stopWatch()
	doc := r.Store.Document()
	if doc == nil || len(r.Plan.Steps) == 0 {
		return nothingBegun()
	}
	if doc.Outcome != state.OutcomeOpen {
		return &StepError{Code: CodeFinished, Text: "the migration is " + doc.Outcome + ": there is nothing to undo",
			Hint: "a finished copy leaves the source as it was; drop the target by hand if it is not wanted"}
	}
	if err := r.unswitch(ctx); err != nil {
		return err
	}
	if id := r.pastReturn(); id != "" {
		return r.errNoReturn(id)
	}
	closing := r.undone()
	r.Sink.Emit(event.RunStarted{Migration: r.Plan.Migration, Command: "rollback", Lineage: doc.Lineage, PlanID: r.Plan.ID,
		Resumed: true, Steps: stepIDs(r.Plan)})
	if err := r.undoAll(ctx); err != nil {
		return err
	}
	if err := r.Store.Update(func(d *state.Document) error {
		d.Outcome = state.OutcomeRolledBack
		return nil
	}); err != nil {
		r.Sink.Emit(failed(r.Plan.Steps[0].ID, err))
		return err
	}
	r.Sink.Emit(event.RunDone{Migration: r.Plan.Migration, Command: "rollback", Elapsed: r.Now().Sub(r.started),
		Text: closing})
	return nil
}

// undone is the closing line, made before the records are gone. Rows that were copied into a table
// that was there before are not taken out again: the table may have taken others since.
func (r *Run) undone() string {
	const all = "everything that this migration changed is as it was"
	copying := false
	for _, s := range r.Plan.Steps {
		switch s.Action.(type) {
		case plan.CreateTable, plan.Restore:
			return all
		case plan.Copy:
			copying = r.record(s.ID).Attempts > 0
		}
	}
	if !copying {
		return all
	}
	return all + ", but for the rows copied so far: they stay in " + r.Plan.Target.TableRef.String() + ", which was there before"
}

func (r *Run) undoAll(ctx context.Context) error {
	var errs error
	for _, step := range r.undoOrder() {
		// The marker is what a later look, or another operator, finds leftovers by: it stays until
		// everything else is undone.
		if _, own := step.Action.(plan.Own); own && errs != nil {
			break
		}
		if ctx.Err() != nil {
			r.Sink.Emit(event.Interrupted{Step: step.ID, Note: "the steps before it are not undone yet; `" + r.rollbackCommand() + "` goes on"})
			return errors.Join(errs, &InterruptedError{Step: step.ID, Fenced: r.fenceUp()})
		}
		err := r.undo(ctx, step)
		if err == nil {
			continue
		}
		errs = errors.Join(errs, err)
		if isWriteError(err) { // nothing is changed that could not be remembered
			r.Sink.Emit(failed(step.ID, err))
			break
		}
	}
	return errs
}

// undoOrder lists the steps that were begun and not undone yet.
func (r *Run) undoOrder() []plan.Step {
	var fences, others []plan.Step
	for _, step := range slices.Backward(r.Plan.Steps) {
		record := r.record(step.ID)
		if record.Attempts == 0 || record.Status == state.Undone {
			continue
		}
		if _, ok := step.Action.(plan.Fence); ok {
			fences = append(fences, step)
		} else {
			others = append(others, step)
		}
	}
	return append(fences, others...)
}

func nothingBegun() error {
	return &StepError{Code: CodeFinished, Text: "no migration was begun", Hint: "`pegmigrate plan` shows what apply would do"}
}

// pastReturn names a step of no return that was begun.
func (r *Run) pastReturn() string {
	for _, s := range r.Plan.Steps {
		if s.Final && r.record(s.ID).Attempts > 0 {
			return s.ID
		}
	}
	return ""
}

// undo compensates one step. What the step had proven, and where it stood, is forgotten: should the
// migration be applied again instead of rolled back to its end, the step begins anew.
func (r *Run) undo(ctx context.Context, step plan.Step) error {
	switch step.Action.(type) {
	case plan.Copy, plan.CompareLive, plan.VerifyBackup, plan.VerifyBackupRows, plan.RepairResurrected:
		if err := r.Store.Journal(step.ID).Discard(); err != nil {
			return err
		}
	}
	if step.Undo != nil {
		r.Sink.Emit(event.UndoStarted{Step: step.ID, What: describeUndo(step.Undo)})
		detail, err := r.compensate(ctx, step)
		if isWriteError(err) {
			return err
		}
		if err != nil {
			repair := r.repairByHand(step)
			r.recordFailure(step.ID, err)
			r.Sink.Emit(event.UndoFailed{Step: step.ID, Error: err.Error(), Repair: repair})
			return &StepError{Step: step.ID, Code: CodeUndo, Text: "could not be undone", Err: err, Hint: repair}
		}
		r.Sink.Emit(event.UndoDone{Step: step.ID, Detail: detail})
	}
	return r.Store.Update(func(d *state.Document) error {
		if _, ok := step.Action.(plan.Fence); ok {
			r.moveAnew(d) // rows may change from now on
		}
		if s := d.Step(step.ID); s != nil {
			s.Status, s.Finished, s.Error = state.Undone, r.Now(), ""
			s.Prior, s.Proof, s.Cursor = nil, nil, nil
			if _, ok := step.Action.(plan.Verify); ok {
				s.Cursor = recopied() // a target that is not dropped keeps the rows
			}
		}
		return nil
	})
}
