package apply

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/pegmigrate/pegmigrate/internal/event"
	"github.com/pegmigrate/pegmigrate/plan"
	"github.com/pegmigrate/pegmigrate/state"
)

const (
	// kindChecked is the proof that every file of a backup was read, a checkedBackup.
	kindChecked = "checked-backup"
	// kindWhole is a partition whose files were read and found whole: the key is "<backup id>/<partition>".
	kindWhole = "whole-partition"
)

// checkedBackup is what reading all files of a backup gave.
type checkedBackup struct {
	StoredBackup
	// Empty says that damage was found and that the target is declared to come up without those partitions.
	Empty bool `json:"empty,omitempty"`
}

// checkBackupRunner reads every file of a backup.
type checkBackupRunner struct {
	base
	a plan.VerifyBackup
}

func (c *checkBackupRunner) done(context.Context) (bool, string, error) {
	out, ok, err := unblob[checkedBackup](c.r.record(c.id).Proof, kindChecked)
	if err != nil || !ok {
		return false, "not every file was read", err
	}
	ref, err := c.backupOf(c.a.Backup)
	if err != nil || out.Ref.ID != ref.ID {
		return false, "the files of another backup were read", err
	}
	if out.Empty {
		return true, fmt.Sprintf("backup %d is damaged, which is declared to be skipped: %v", ref.ID, damagedParts(out.Damaged)), nil
	}
	return true, fmt.Sprintf("every file of backup %d is what its metadata says: %d files, %s", ref.ID, out.Files, plan.Bytes(uint64(out.Bytes))), nil
}

func damagedParts(partitions []int32) string {
	if len(partitions) == 0 {
		return "partitions that could not be told"
	}
	return fmt.Sprintf("partitions %v", partitions)
}

func (c *checkBackupRunner) run(ctx context.Context) error {
	ref, err := c.backupOf(c.a.Backup)
	if err != nil {
		return err
	}
	journal := c.r.Store.Journal(c.id)
	var verified []int32
	if err := journal.Replay(func(b state.Blob) error {
		var id int64
		var partition int32
		if _, err := fmt.Sscanf(b.Key, "%d/%d", &id, &partition); err == nil && b.Kind == kindWhole && b.Version == 1 && id == ref.ID {
			verified = append(verified, partition)
		}
		return nil
	}); err != nil {
		return err
	}
	job := BackupVerifyJob{VerifyBackup: c.a, Ref: ref, Verified: verified,
		Save: func(partition int32) error {
			key := strconv.FormatInt(ref.ID, 10) + "/" + strconv.Itoa(int(partition))
			return errors.Join(journal.Append(state.Blob{Kind: kindWhole, Key: key, Version: 1, Data: json.RawMessage("true")}), journal.Sync())
		},
		Report: func(p event.MoveProgress) { p.Step, p.Kind = c.id, "check"; c.r.Sink.Emit(p) },
	}
	stored, err := c.r.World.Stores.VerifyBackup(ctx, job)
	stored.Ref = ref
	out := checkedBackup{StoredBackup: stored}
	if err != nil {
		if out.Empty = errors.Is(err, ErrDamaged) && c.r.skipsBad() && ctx.Err() == nil && !isWriteError(err); !out.Empty {
			return c.failure(ctx, ref, err)
		}
		c.warn(CodeBackup, fmt.Sprintf("backup %d is damaged: %v", ref.ID, err), "declared is that such partitions come up empty (skip_bad_partition)")
	}
	proof, err := blob(kindChecked, out)
	if err != nil {
		return err
	}
	if err := c.r.update(c.id, func(s *state.Step) { s.Proof = proof }); err != nil {
		return err
	}
	return journal.Discard()
}

func (c *checkBackupRunner) failure(ctx context.Context, ref BackupRef, err error) error {
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case isWriteError(err):
		return err
	case errors.Is(err, ErrDamaged), errors.Is(err, ErrNoBackup):
		hint := "`" + c.r.rollbackCommand() + "` and apply again: another backup is made"
		if c.a.Backup.Step == "" {
			hint = "name another backup in source { backup { path } }; skip_bad_partition of method backup_restore lets damaged partitions come up empty"
		}
		return &StepError{Step: c.id, Code: CodeBackup, Text: fmt.Sprintf("backup %d is not what its metadata says", ref.ID), Err: err, Hint: hint}
	}
	return &StepError{Step: c.id, Code: CodeBackup, Text: "the files of the backup could not be read", Err: err,
		Hint: "when the cause is mended, run the same command again: partitions that were found whole are not read again"}
}

// skipsBad says that damaged partitions are declared to come up empty.
func (r *Run) skipsBad() bool {
	step, ok := firstStep[plan.Restore](r.Plan)
	return ok && step.Action.(plan.Restore).SkipBadPartition
}

// damaged are the partitions of a backup that were found damaged.
func (r *Run) damaged() []int32 {
	step, ok := firstStep[plan.VerifyBackup](r.Plan)
	if !ok {
		return nil
	}
	out, _, err := unblob[checkedBackup](r.record(step.ID).Proof, kindChecked)
	if err != nil {
		return nil
	}
	return slices.Clone(out.Damaged)
}
