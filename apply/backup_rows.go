package apply

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/pegmigrate/pegmigrate/internal/event"
	"github.com/pegmigrate/pegmigrate/plan"
	"github.com/pegmigrate/pegmigrate/state"
)

// kindRowsCursor is how far the comparison with a backup's rows is.
const kindRowsCursor = "backup-rows-cursor"

// backupRowsRunner compares the target with the rows of a backup's files. It is the proof of what came from files where
// the source is gone or takes writes: the target must hold what the backup holds, expired rows aside.
type backupRowsRunner struct {
	base
	a     plan.VerifyBackupRows
	clean *event.Verified
}

func (v *backupRowsRunner) done(context.Context) (bool, string, error) {
	if v.clean == nil {
		return false, "not compared yet", nil
	}
	text := fmt.Sprintf("%s in the backup, %d on the target, 0 differences", plan.Counted(v.clean.SourceRows, "row"), v.clean.TargetRows)
	if empty := v.r.emptyPartitions(); len(empty) > 0 {
		text += fmt.Sprintf("; partitions %v came up empty, as declared", empty)
	}
	return true, text, nil
}

func (v *backupRowsRunner) run(ctx context.Context) error {
	ref, err := v.backupOf(v.a.Backup)
	if err != nil {
		return err
	}
	s, err := v.target(ctx, v.a.Target)
	if err != nil {
		return err
	}
	journal := v.r.Store.Journal(v.id)
	// Cursors of another backup, or of another table, are of rows that nobody compared.
	prefix := fmt.Sprintf("%d/%d/", ref.ID, s.ID)
	cursors := map[string]json.RawMessage{}
	if err := journal.Replay(func(b state.Blob) error {
		if b.Kind == kindRowsCursor && b.Version == 1 && len(b.Key) > len(prefix) && b.Key[:len(prefix)] == prefix {
			cursors[b.Key[len(prefix):]] = b.Data
		}
		return nil
	}); err != nil {
		return err
	}
	result, err := v.r.World.Files.VerifyBackupRows(ctx, BackupRowsJob{VerifyBackupRows: v.a, Ref: ref, Cursors: cursors, Empty: v.r.emptyPartitions(),
		Save: func(m map[string]json.RawMessage) error {
			for _, key := range sorted(m) {
				if err := journal.Append(state.Blob{Kind: kindRowsCursor, Key: prefix + key, Version: 1, Data: m[key]}); err != nil {
					return err
				}
			}
			return journal.Sync()
		},
		Report: func(p event.MoveProgress) { p.Step = v.id; v.r.Sink.Emit(p) },
	})
	if err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if isWriteError(err) {
			return err
		}
		return &StepError{Step: v.id, Code: CodeVerify, Text: "the comparison with the backup's rows could not be finished", Err: err,
			Hint: "run the same command again: it goes on from the saved cursors"}
	}
	result.Step, result.Round = v.id, max(result.Round, 1)
	v.r.Sink.Emit(result)
	// Also after differences: the target may be mended, and then all of it has to be compared again.
	if err := journal.Discard(); err != nil {
		return err
	}
	if result.Differences > 0 {
		return &DifferencesError{Step: v.id, Count: result.Differences,
			Hint: fmt.Sprintf("the target is not what backup %d holds: was it written to? `%s`, and apply again", ref.ID, v.r.rollbackCommand())}
	}
	v.clean = &result
	return nil
}

// closingBackup is the closing line of a plan that compared the target with a backup, or restored one and compared
// nothing; "" for others.
func (r *Run) closingBackup() string {
	target := r.Plan.Target.TableRef
	if step, ok := firstStep[plan.VerifyBackupRows](r.Plan); ok {
		counts, _, _ := unblob[string](r.record(step.ID).Proof, kindProof) // absent, there is less to say
		return fmt.Sprintf("%s holds the rows of the backup: %s", target, counts)
	}
	_, compared := firstStep[plan.Verify](r.Plan)
	if _, ok := firstStep[plan.Restore](r.Plan); ok && !compared {
		return fmt.Sprintf("%s is restored from a backup of %s; nothing was compared", target, r.Plan.Source.TableRef)
	}
	return ""
}
