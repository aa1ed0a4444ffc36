package apply

import (
	"context"
	"fmt"

	"github.com/pegmigrate/pegmigrate/plan"
)

// compensateFiles undoes what only the methods that go through files do.
func (b base) compensateFiles(ctx context.Context, undo plan.Action) (string, error) {
	switch a := undo.(type) {
	case plan.RestoreRate:
		return b.undoRate(ctx, a)
	}
	if text, known, err := b.compensateLoading(ctx, undo); known {
		return text, err
	}
	return "", fmt.Errorf("no compensation for action %q", undo.Kind())
}

// describeUndoFiles says what compensateFiles does.
func describeUndoFiles(a plan.Action) string {
	switch a := a.(type) {
	case plan.RestoreRate:
		return "give the replica servers of " + a.Cluster + " their transfer limits back"
	case plan.RemoveBackup:
		return fmt.Sprintf("remove the backup of %s, if this run made it", a.Source)
	}
	if text := describeLoading(a); text != "" {
		return text
	}
	return a.Kind()
}

// repairFiles is what an operator types when compensateFiles failed; "" for nothing.
func (r *Run) repairFiles(step plan.Step) string {
	switch a := step.Undo.(type) {
	case plan.RestoreRate:
		return r.rateByHand(step.ID)
	case plan.RemoveBackup:
		return r.backupByHand(step.ID, a)
	}
	return r.repairLoading(step)
}
