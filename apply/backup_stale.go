package apply

import (
	"context"
	"errors"
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
	return false, k.spoiled(m)
}

// spoiled is the error when a table was made from a backup that is not to be used.
func (k *backupRunner) spoiled(m backupMemory) error {
	user := k.r.usedBackup(k.id)
	if user == "" {
		return nil
	}
	return &StepError{Step: k.id, Code: CodeBackup,
		Text: fmt.Sprintf("the fence came down since backup %d was made, and step %s has used it: the target lacks what was written meanwhile", m.ID, user),
		Hint: "`" + k.r.rollbackCommand() + "`, and apply again"}
}

// usedBackup names the step that made, or began to make, a table from the backup of a step; "" for none.
func (r *Run) usedBackup(backup string) string {
	behind := false
	for _, s := range r.Plan.Steps {
		switch s.Action.(type) {
		case plan.Restore, plan.BulkLoad:
			if rec := r.record(s.ID); behind && rec.Attempts > 0 && rec.Status != state.Undone {
				return s.ID
			}
		}
		behind = behind || s.ID == backup
	}
	return ""
}

// fencedBackup is the runner of a backup that has to begin behind the fence; nil when there is none. A backup that
// is made before any fence, when clients write both tables, does not rest on the one at the end.
func (r *Run) fencedBackup() *backupRunner {
	fenced := false
	for _, s := range r.Plan.Steps {
		switch a := s.Action.(type) {
		case plan.Fence:
			fenced = true
		case plan.Backup:
			if fenced && a.After != "" {
				return &backupRunner{base: base{r: r, id: s.ID}, a: a}
			}
		}
	}
	return nil
}

// clearStale deals with the backup of an earlier window before another window begins: one that is under way is waited
// for, which would take of the clients' time behind the fence. A table that was made from it ends the run here,
// before clients are rejected for nothing.
func (r *Run) clearStale(ctx context.Context) error {
	k := r.fencedBackup()
	if k == nil {
		return nil
	}
	m, err := r.backupMemory(k.id)
	if err != nil || m.Recovered {
		return err
	}
	if m.ID == 0 && !m.Sent.IsZero() {
		found, err := k.awaitLost(ctx, errors.New("an earlier request for a backup was not answered"))
		if err != nil {
			return err
		}
		if !found {
			err = r.rememberBackup(k.id, func(m *backupMemory) { *m = backupMemory{Dead: m.Dead} })
		}
		if err == nil {
			m, err = r.backupMemory(k.id)
		}
		if err != nil {
			return err
		}
	}
	if m.ID != 0 && !m.Asked.IsZero() {
		if err := k.spoiled(m); err != nil {
			return err
		}
		if err := k.discard(ctx, m); err != nil {
			return err
		}
		if err := k.again(); err != nil {
			return err
		}
	}
	return k.clearDead(ctx, k.a)
}

// dropStale removes a backup of this run that is too old to be used, and forgets one that was adopted.
func (k *backupRunner) dropStale(ctx context.Context) error {
	m, err := k.r.backupMemory(k.id)
	if err != nil || !k.stale(m) {
		return err
	}
	return k.discard(ctx, m)
}

// again makes the backup, its check and its limits steps that are not done.
func (k *backupRunner) again() error {
	return k.r.Store.Update(func(d *state.Document) error {
		for _, s := range k.r.Plan.Steps {
			a, check := s.Action.(plan.VerifyBackup)
			rate, back := s.Action.(plan.RestoreRate)
			ours := s.ID == k.id || s.ID == k.a.Rate || check && a.Backup.Step == k.id || back && rate.Step == k.a.Rate
			if rec := d.Step(s.ID); ours && rec != nil && rec.Status == state.Done {
				rec.Status = state.Pending
			}
		}
		return nil
	})
}

func (k *backupRunner) discard(ctx context.Context, m backupMemory) error {
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

// spoiledNote says that another window does not help, because a table was made from a backup that the
// source has left behind; "" when it does.
func (r *Run) spoiledNote() string {
	k := r.fencedBackup()
	if k == nil {
		return ""
	}
	user := r.usedBackup(k.id)
	if user == "" {
		return ""
	}
	return fmt.Sprintf("step %s made the target from a backup that lacks what is written from now on: `%s`, and apply again with a larger limits.write_reject",
		user, r.rollbackCommand())
}
