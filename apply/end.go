package apply

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/pegmigrate/pegmigrate/internal/event"
	"github.com/pegmigrate/pegmigrate/plan"
	"github.com/pegmigrate/pegmigrate/schema"
	"github.com/pegmigrate/pegmigrate/state"
)

// fail turns an error into what the caller tells the operator, records it, and emits how the run
// ended.
func (r *Run) fail(ctx context.Context, step plan.Step, err error) error {
	var gate *GateError
	switch {
	case errors.As(err, &gate):
		r.stillFenced(step)
		reached := event.GateReached{Gate: gate.Gate, Step: step.ID, Command: r.approveCommand(gate.Gate)}
		if gate.Gate == schema.GateTicket {
			reached.Command, reached.Until, reached.Rollback = r.completeCommand(), gate.Until, r.rollbackCommand()
		}
		r.Sink.Emit(reached)
		return err
	case r.inCutover() && !isBudget(err) && !isUndo(err):
		err = r.abortWindow(ctx, step, err)
		if ctx.Err() != nil && !isBudget(err) {
			break
		}
	case ctx.Err() != nil && !isWriteError(err):
		note, _ := r.fenceNote()
		if note != "" {
			note += "; `" + r.rollbackCommand() + "` lifts the fence"
		}
		r.Sink.Emit(event.Interrupted{Step: step.ID, Resume: r.Resume, Note: join(join(note, r.ratesNote()), r.usageNote())})
		return &InterruptedError{Step: step.ID, Fenced: r.fenceUp()}
	}
	err = r.describe(step, err)
	r.releaseRates(ctx)
	if !isBudget(err) { // its steps are pending again
		r.recordFailure(step.ID, err)
	}
	r.giveBack(ctx)
	r.Sink.Emit(failed(step.ID, err))
	r.stillFenced(step)
	return err
}

// describe makes sure that an error says at which step, and what to do.
func (r *Run) describe(step plan.Step, err error) error {
	var se *StepError
	switch {
	case errors.As(err, &se):
		if se.Step == "" {
			se.Step = step.ID
		}
		return err
	case isWriteError(err), isDifferences(err), isBudget(err):
		return err
	case errors.Is(err, ErrNoTable):
		return &StepError{Step: step.ID, Code: CodeTargetStolen, Text: "a table of this migration is gone", Err: err,
			Hint: "recall it within its reserve time, or `pegmigrate rollback`"}
	}
	return &StepError{Step: step.ID, Code: CodeCluster, Text: "stopped", Err: err,
		Hint: "when the cause is mended, run the same command again: it goes on here"}
}

// failed is the event for an error that ends a run.
func failed(step string, err error) event.StepFailed {
	e := event.StepFailed{Step: step, Error: err.Error()}
	var se *StepError
	var we *state.WriteError
	switch {
	case errors.As(err, &we):
		e.Code, e.Error, e.Hint = CodeState, we.Summary(), we.Hint()
	case isBudget(err): // before its cause, which does not know that the fence came down
		var be *BudgetError
		errors.As(err, &be)
		e.Code, e.Hint = be.Code(), be.Advice()
	case errors.As(err, &se):
		e.Code, e.Hint = se.Code, se.Hint
	case isDifferences(err):
		e.Code, e.Hint = CodeDifferences, "the first ones are listed above; apply again copies everything anew"
		var de *DifferencesError
		if errors.As(err, &de) && de.Hint != "" {
			e.Hint = de.Hint
		}
	}
	return e
}

// stillFenced warns whoever reads the end of a run that clients are locked out.
func (r *Run) stillFenced(step plan.Step) {
	if text, hint := r.fenceNote(); text != "" {
		r.Sink.Emit(event.Warning{Step: step.ID, Code: CodeFence, Text: text, Hint: hint})
	}
}

// fenceNote says that writes are rejected, and until when that was promised to end; "" without a
// fence.
func (r *Run) fenceNote() (text, hint string) {
	if !r.fenceUp() || r.cutsOver() && r.handedOver() {
		return "", "" // behind a cut-over the source is meant to stay closed
	}
	step, f, _ := r.fenceStep()
	text = "writes on " + f.Table.String() + " may be rejected"
	if p, known, err := r.fenceProof(step.ID); err == nil && known {
		text = "writes on " + f.Table.String() + " are still rejected"
		if budget := r.writeReject(); budget > 0 && !r.windowOver() {
			text += ", the budget ends at " + p.FirstRejected.Add(budget).UTC().Format("15:04:05 MST")
		}
	}
	return text, "`" + r.Resume + "` goes on, `" + r.rollbackCommand() + "` lifts the fence"
}

// rollbackCommand is the command that undoes this migration, with the same flags and folder.
func (r *Run) rollbackCommand() string { return r.command("rollback") }

// command is another command about this migration.
func (r *Run) command(verb string) string {
	if rest, ok := strings.CutPrefix(r.Resume, "pegmigrate apply"); ok {
		return "pegmigrate " + verb + rest
	}
	if rest, ok := strings.CutPrefix(r.Resume, "pegmigrate rollback"); ok {
		return "pegmigrate " + verb + rest
	}
	return "pegmigrate " + verb
}

// approveCommand is the command that opens a gate. Flags stand before the folder.
func (r *Run) approveCommand(gate string) string {
	const verb = "pegmigrate apply"
	if rest, ok := strings.CutPrefix(r.Resume, verb); ok {
		return verb + " -approve " + gate + rest
	}
	return r.Resume + " -approve " + gate
}

func (r *Run) closing() string {
	source, target := r.Plan.Source.TableRef, r.Plan.Target.TableRef
	if r.Plan.Back {
		return r.closingReturn()
	}
	if r.cutsOver() {
		return r.closingCutover()
	}
	if text := r.closingBackup(); text != "" {
		return text
	}
	if text := r.closingDual(); text != "" {
		return text
	}
	if text := r.closingCatchUp(); text != "" {
		return text
	}
	for _, s := range r.Plan.Steps {
		v, ok := s.Action.(plan.Verify)
		if !ok {
			continue
		}
		counts, _, _ := unblob[string](r.record(s.ID).Proof, kindProof) // absent, there is less to say
		return compared(source, target, v) + ": " + counts
	}
	return fmt.Sprintf("%s is copied to %s; nothing was compared", source, target)
}

// compared says what a comparison that found nothing has shown, and no more than it looked at.
func compared(source, target plan.TableRef, v plan.Verify) string {
	switch {
	case v.Mode != "" && v.Mode != plan.VerifyFull:
		return fmt.Sprintf("%s and %s were compared in part", source, target)
	case !v.Options.Whole():
		return fmt.Sprintf("%s holds what this copy takes from %s", target, source)
	case v.AllowExtra:
		return fmt.Sprintf("%s holds every row of %s", target, source)
	}
	return fmt.Sprintf("%s and %s hold the same rows", source, target)
}

// moved is what the copy moved, in this run or in an earlier one.
func (r *Run) moved() copied {
	for _, s := range r.Plan.Steps {
		if _, ok := s.Action.(plan.Copy); ok {
			out, _, err := unblob[copied](r.record(s.ID).Proof, kindCopied)
			if err == nil {
				return out
			}
		}
	}
	return copied{}
}

func isWriteError(err error) bool {
	var we *state.WriteError
	return errors.As(err, &we)
}

func isDifferences(err error) bool {
	var de *DifferencesError
	return errors.As(err, &de)
}

// isUndo says that lifting a fence was tried already, and failed.
func isUndo(err error) bool {
	var se *StepError
	return errors.As(err, &se) && se.Code == CodeUndo
}

func isBudget(err error) bool {
	var be *BudgetError
	return errors.As(err, &be)
}
