package apply

import (
	"cmp"
	"context"
	"fmt"

	"github.com/pegmigrate/pegmigrate/plan"
)

// undoBackup removes what a Backup step made, and never what it adopted. The servers have no cancel: one that is under
// way is waited for, which can be interrupted and taken up again.
func (b base) undoBackup(ctx context.Context, u plan.RemoveBackup) (string, error) {
	b.id = cmp.Or(u.Step, b.id)
	step, _ := b.r.Plan.Step(b.id)
	a, ok := step.Action.(plan.Backup)
	if !ok {
		return "", &StepError{Step: b.id, Code: CodeState2, Text: "the plan makes no backup in this step", Hint: "plan again"}
	}
	m, listed, err := b.lastBackup(ctx, a)
	if err != nil {
		return "", err
	}
	if err := b.clearDead(ctx, a); err != nil {
		return "", err
	}
	switch {
	case m.ID == 0:
		return "no backup of this run is there", nil
	case m.Adopted:
		return fmt.Sprintf("backup %d was adopted, it stays", m.ID), nil
	}
	if err := b.awaitEnd(ctx, a, m.ID); err != nil {
		return "", err
	}
	if m.Recovered && !listed {
		// Its folder is all that is known of it: one that is finished may be somebody else's.
		finished, err := b.removeBackup(ctx, a, m.ID, true)
		if err != nil {
			return "", err
		}
		if finished {
			b.warn(CodeBackup, fmt.Sprintf("backup %d of %s is finished and not provably of this run: it stays", m.ID, a.Source), b.r.backupByHand(b.id, u))
			return fmt.Sprintf("backup %d is left alone", m.ID), nil
		}
	} else if _, err := b.removeBackup(ctx, a, m.ID, false); err != nil {
		return "", err
	}
	if err := b.r.rememberBackup(b.id, func(m *backupMemory) { *m = backupMemory{} }); err != nil {
		return "", err
	}
	return fmt.Sprintf("backup %d is removed", m.ID), nil
}

// lastBackup is what this run knows of its backup, after a look for one whose request was not answered. listed says
// that the meta server remembers it as a backup that was asked for, and not as one of a policy.
func (b base) lastBackup(ctx context.Context, a plan.Backup) (m backupMemory, listed bool, err error) {
	if m, err = b.r.backupMemory(b.id); err != nil {
		return m, false, err
	}
	if m.ID == 0 && !m.Sent.IsZero() {
		k := &backupRunner{base: b, a: a}
		if _, err := k.awaitLost(ctx, fmt.Errorf("the answer to the request for a backup of %s was lost", a.Source)); err != nil {
			return m, false, err
		}
		if m, err = b.r.backupMemory(b.id); err != nil {
			return m, false, err
		}
	}
	if m.ID == 0 || !m.Recovered {
		return m, true, nil
	}
	list, err := b.backups(ctx, a)
	for _, s := range list {
		listed = listed || s.ID == m.ID
	}
	return m, listed, err
}

// awaitEnd waits until a backup is finished or dead, and nobody writes into its folder any more.
func (b base) awaitEnd(ctx context.Context, a plan.Backup, id int64) error {
	s, err := b.lookAtBackup(ctx, a, id)
	if err == nil && s.files.Info && !s.underway() && (s.known || s.uploading == 0) {
		return nil // it is finished, and servers tell of uploads that ended a while ago
	}
	return b.awaitQuiet(ctx, a, []int64{id})
}
