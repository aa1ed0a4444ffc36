package apply

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/event"
	"github.com/pegmigrate/pegmigrate/internal/marker"
	"github.com/pegmigrate/pegmigrate/plan"
	"github.com/pegmigrate/pegmigrate/state"
)

// Rollback undoes, in reverse order, every step that was begun. It goes on after a failed undo, so
// that as much as possible is put back, and then reports the first failure.
func (r *Run) Rollback(ctx context.Context) error {
	defer r.stopWatch()
	doc := r.Store.Document()
	if doc.Outcome != state.OutcomeOpen {
		return &StepError{Code: CodeFinished, Text: "the migration is " + doc.Outcome + ": there is nothing to undo",
			Hint: "a finished copy leaves the source as it was; drop the target by hand if it is not wanted"}
	}
	if id := r.pastReturn(); id != "" {
		return &StepError{Step: id, Code: CodeFinished, Text: "this step was begun, and nothing before it is undone any more",
			Hint: "`" + r.Resume + "` finishes the migration"}
	}
	r.Sink.Emit(event.RunStarted{Migration: r.Plan.Migration, Command: "rollback", Lineage: doc.Lineage, PlanID: r.Plan.ID,
		Resumed: true, Steps: stepIDs(r.Plan)})
	var failed error
	for i := len(r.Plan.Steps) - 1; i >= 0; i-- {
		step := r.Plan.Steps[i]
		record := r.record(step.ID)
		if record.Attempts == 0 || record.Status == state.Undone {
			continue
		}
		if ctx.Err() != nil {
			return &InterruptedError{Step: step.ID, Fenced: r.fenceUp()}
		}
		// The marker is what a later look, or another operator, finds leftovers by: it stays until
		// everything else is undone.
		if _, own := step.Action.(plan.Own); own && failed != nil {
			break
		}
		if err := r.undo(ctx, step); err != nil {
			failed = errors.Join(failed, err)
		}
	}
	if failed != nil {
		return failed
	}
	if err := r.Store.Update(func(d *state.Document) error {
		d.Outcome = state.OutcomeRolledBack
		return nil
	}); err != nil {
		return err
	}
	r.Sink.Emit(event.RunDone{Migration: r.Plan.Migration, Command: "rollback", Elapsed: r.Now().Sub(r.started),
		Text: "everything that this migration changed is as it was"})
	return nil
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

// undo compensates one step, under a deadline of its own: a Ctrl-C must not leave half of it.
func (r *Run) undo(ctx context.Context, step plan.Step) error {
	if step.Undo != nil {
		r.Sink.Emit(event.UndoStarted{Step: step.ID, What: describeUndo(step.Undo)})
		detail, err := r.compensate(ctx, step)
		if err != nil {
			repair := repairByHand(step.Undo)
			r.recordFailure(step.ID, err)
			r.Sink.Emit(event.UndoFailed{Step: step.ID, Error: err.Error(), Repair: repair})
			return &StepError{Step: step.ID, Code: CodeUndo, Text: "could not be undone", Err: err, Hint: repair}
		}
		r.Sink.Emit(event.UndoDone{Step: step.ID, Detail: detail})
	}
	if _, ok := step.Action.(plan.Copy); ok {
		if err := r.Store.Journal(step.ID).Discard(); err != nil {
			return err
		}
	}
	return r.update(step.ID, func(s *state.Step) {
		s.Status = state.Undone
		s.Finished = r.Now()
		s.Error = ""
	})
}

func (r *Run) compensate(ctx context.Context, step plan.Step) (string, error) {
	limit := r.Waits.Undo
	if l, ok := step.Undo.(plan.LiftFence); ok {
		sync, err := r.syncLimit(ctx, l.Table.Cluster)
		if err != nil {
			return "", err
		}
		limit += sync
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit)
	defer cancel()
	switch a := step.Undo.(type) {
	case plan.LiftFence:
		return "writes are accepted again on every partition", r.undoFence(ctx, step.ID, a.Table)
	case plan.DropTable:
		return r.dropCreated(ctx, step.ID, a)
	case plan.RestoreEnvs:
		return "", r.undoEnvs(ctx, step.ID, a)
	case plan.Disown:
		p, err := r.priors()
		if err != nil {
			return "", err
		}
		if err := r.unmark(ctx, a.Target, p.TargetInfo); err != nil {
			return "", err
		}
		return "", r.unmark(ctx, a.Source, p.SourceInfo)
	}
	return "", fmt.Errorf("no compensation for action %q", step.Undo.Kind())
}

// undoFence lifts a fence and proves it; also after an attempt that never came to be proven.
func (r *Run) undoFence(ctx context.Context, step string, t plan.TableRef) error {
	limit, err := r.syncLimit(ctx, t.Cluster)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit+r.Waits.Undo)
	defer cancel()
	l := &liftRunner{base{r: r, id: step}, plan.LiftFence{Table: t}}
	prior, err := r.denyPrior()
	if err != nil {
		return err
	}
	r.stopWatch()
	if done, _, err := l.lifted(ctx, prior); err != nil || done {
		return err
	}
	return l.lift(ctx, prior)
}

// dropCreated drops the table whose id this run recorded, and no other.
func (r *Run) dropCreated(ctx context.Context, step string, a plan.DropTable) (string, error) {
	s, err := r.World.Tables.Table(ctx, a.Table)
	if errors.Is(err, ErrNoTable) {
		return a.Table.String() + " does not exist", nil
	}
	if err != nil {
		return "", err
	}
	id, known, err := r.createdID(step)
	if err != nil {
		return "", err
	}
	if !known {
		if id, err = r.adoptCreated(step, s); err != nil {
			// Not provably ours: leaving a stranger's table alone is the promise.
			r.Sink.Emit(event.Warning{Step: step, Code: CodeTargetStolen,
				Text: fmt.Sprintf("%s (id %d) is left alone: %v", a.Table, s.ID, err)})
			return "left alone, it is not provably of this run", nil
		}
	}
	if id != s.ID {
		return fmt.Sprintf("%s has id %d, this run created id %d: left alone", a.Table, s.ID, id), nil
	}
	err = r.World.Tables.DropTable(ctx, a.Table, a.Reserve)
	if err != nil && !errors.Is(err, ErrOutcomeUnknown) {
		return "", fmt.Errorf("drop %s: %w", a.Table, err)
	}
	b := base{r: r, id: step}
	err = b.await(ctx, r.Waits.Undo, CodeUndo, "drop it by hand", func(ctx context.Context) (bool, string, error) {
		_, err := r.World.Tables.Table(ctx, a.Table)
		if errors.Is(err, ErrNoTable) {
			return true, "", nil
		}
		return false, a.Table.String() + " is still listed", err
	})
	return fmt.Sprintf("%s (id %d) is dropped, it can be recalled for %s", a.Table, id, a.Reserve.Round(time.Hour)), err
}

// adoptCreated decides about a table that was found after a create whose answer was lost.
func (r *Run) adoptCreated(step string, s TableState) (int32, error) {
	for _, p := range r.Plan.Steps {
		if a, ok := p.Action.(plan.CreateTable); ok && p.ID == step {
			c := &createRunner{base{r: r, id: step}, a}
			return s.ID, c.plausible(s)
		}
	}
	return 0, fmt.Errorf("the plan creates no table in step %s", step)
}

func (r *Run) undoEnvs(ctx context.Context, step string, a plan.RestoreEnvs) error {
	priors, ok, err := unblob[map[string]marker.Prior](r.record(step).Prior, kindEnvs)
	if err != nil {
		return err
	}
	if !ok {
		return nil
	}
	if _, err := r.World.Tables.Table(ctx, a.Table); errors.Is(err, ErrNoTable) {
		return nil
	}
	if p, ours := priors[plan.EnvDefaultTTL]; ours && !p.Had {
		// Deleting default_ttl leaves its value in force until the servers restart: it is set to 0,
		// proven out of force, and only then taken out.
		park := &parkRunner{base{r: r, id: step}, plan.ParkTTL{Table: a.Table}}
		if err := park.run(ctx); err != nil {
			return err
		}
	}
	return r.restoreEnvs(ctx, a.Table, priors)
}

func describeUndo(a plan.Action) string {
	switch a := a.(type) {
	case plan.LiftFence:
		return "lift the fence of " + a.Table.String()
	case plan.DropTable:
		return "drop " + a.Table.String() + ", if this run created it"
	case plan.RestoreEnvs:
		return fmt.Sprintf("put %v of %s back", a.Keys, a.Table)
	case plan.Disown:
		return "take the ownership marker out"
	}
	return a.Kind()
}

// repairByHand is what an operator types when undoing failed.
func repairByHand(a plan.Action) string {
	switch a := a.(type) {
	case plan.LiftFence:
		return fmt.Sprintf("in the shell of cluster %s: use %s; del_app_envs %s", a.Table.Cluster, a.Table.Table, plan.EnvDeny)
	case plan.DropTable:
		return fmt.Sprintf("in the shell of cluster %s: drop %s", a.Table.Cluster, a.Table.Table)
	case plan.RestoreEnvs:
		return fmt.Sprintf("in the shell of cluster %s: use %s; set_app_envs / del_app_envs for %v", a.Table.Cluster, a.Table.Table, a.Keys)
	case plan.Disown:
		return fmt.Sprintf("in the shell of cluster %s: use %s; del_app_envs business.info", a.Source.Cluster, a.Source.Table)
	}
	return "look at both tables with `pegmigrate doctor`"
}
