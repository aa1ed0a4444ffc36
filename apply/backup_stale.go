package apply

import (
	"context"
	"fmt"

	"github.com/pegmigrate/pegmigrate/plan"
	"github.com/pegmigrate/pegmigrate/state"
)

// stale says that the fence behind which the backup has to begin was raised anew since: writes that were let in
// meanwhile are not in it.
func (k *backupRunner) stale(m backupMemory) bool {
	if k.a.After == "" || m.ID == 0 || m.Asked.IsZero() {
		return false
	}
	fence := k.r.record(k.a.After)
	return fence.Status == state.Done && m.Asked.Before(fence.Finished)
}

// holds notices a fence that came down since the backup was made. Where nothing rests on the backup another one is
// made; a table that was made from it cannot be mended.
func (k *backupRunner) holds(context.Context) (bool, error) {
	m, err := k.r.backupMemory(k.id)
	if err != nil || !k.stale(m) {
		return true, err
	}
	behind := false
	for _, s := range k.r.Plan.Steps {
		switch s.Action.(type) {
		case plan.Restore, plan.BulkLoad:
			if rec := k.r.record(s.ID); behind && rec.Attempts > 0 && rec.Status != state.Undone {
				return false, &StepError{Step: k.id, Code: CodeBackup,
					Text: fmt.Sprintf("the fence came down since backup %d was made, and step %s has used it: the target lacks what was written meanwhile", m.ID, s.ID),
					Hint: "`" + k.r.rollbackCommand() + "`, and apply again"}
			}
		}
		behind = behind || s.ID == k.id
	}
	return false, nil
}

// dropStale removes a backup of this run that is too old to be used, and forgets one that was adopted.
func (k *backupRunner) dropStale(ctx context.Context) error {
	m, err := k.r.backupMemory(k.id)
	if err != nil || !k.stale(m) {
		return err
	}
	k.warn(CodeBackup, fmt.Sprintf("backup %d is older than the fence, which came down meanwhile: another one is made", m.ID), "")
	if !m.Adopted {
		if err := k.awaitEnd(ctx, k.a, m.ID); err != nil {
			return err
		}
		if _, err := k.removeBackup(ctx, k.a, m.ID, m.Recovered); err != nil {
			return err
		}
	}
	return k.r.rememberBackup(k.id, func(m *backupMemory) { *m = backupMemory{Dead: m.Dead} })
}
