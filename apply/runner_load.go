package apply

import (
	"context"
	"fmt"
	"time"

	"github.com/pegmigrate/pegmigrate/plan"
)

// loadingRunner maps what has to do with split and bulk load to code; nil for others.
func (r *Run) loadingRunner(b base, step plan.Step) runner {
	switch a := step.Action.(type) {
	case plan.Split:
		return &splitRunner{b, a}
	case plan.RemoveStaging:
		return &stagingRunner{base: b, a: a}
	case plan.SetUsage:
		return &usageRunner{b, a}
	case plan.RestoreUsage:
		return &usageBackRunner{b, a}
	case plan.BulkLoad:
		return &loadRunner{base: b, a: a}
	case plan.RestoreLevel:
		return &levelBackRunner{b, a}
	case plan.ManualCompact:
		return &compactRunner{b, a}
	case plan.AwaitCompaction:
		return &debtRunner{b, a}
	case plan.ProveDualWrite:
		return &dualWriteRunner{b, a}
	case plan.RepairResurrected:
		return &resurrectionRunner{b, a}
	}
	return nil
}

// compensateLoading undoes what split and bulk load did; known is false for other actions.
func (b base) compensateLoading(ctx context.Context, undo plan.Action) (text string, known bool, err error) {
	switch a := undo.(type) {
	case plan.RemoveStaging:
		text, err = b.undoSplit(ctx, a)
	case plan.RestoreUsage:
		text, err = b.undoUsage(ctx, a)
	case plan.CancelBulkLoad:
		text, err = b.cancelLoad(ctx, a)
	default:
		return "", false, nil
	}
	return text, true, err
}

// undoLoadingLimit is how long compensateLoading may take; known is false for other actions.
func (b base) undoLoadingLimit(ctx context.Context, undo plan.Action) (limit time.Duration, known bool, err error) {
	w := b.r.Waits
	switch a := undo.(type) {
	case plan.RemoveStaging:
		return w.Undo + 2*w.Transient, true, nil
	case plan.CancelBulkLoad:
		return w.Undo + 2*w.Transient + w.Call + loadCleanup, true, nil
	case plan.RestoreUsage:
		limit, err = b.usageLimit(ctx, a.Table.Cluster)
		return w.Undo + limit, true, err
	}
	return 0, false, nil
}

// describeLoading says what compensateLoading does; "" for other actions.
func describeLoading(a plan.Action) string {
	switch a := a.(type) {
	case plan.RemoveStaging:
		return "remove the staged files in " + stagingDir(a.Staging)
	case plan.RestoreUsage:
		return fmt.Sprintf("give %s of %s back", plan.EnvUsageScenario, a.Table)
	case plan.CancelBulkLoad:
		return fmt.Sprintf("cancel the bulk load of %s, if it is under way, and give the meta function level back", a.Target)
	}
	return ""
}

// repairLoading is what an operator types when compensateLoading failed; "" for nothing.
func (r *Run) repairLoading(step plan.Step) string {
	switch a := step.Undo.(type) {
	case plan.RemoveStaging:
		return "remove " + stagingDir(a.Staging)
	case plan.RestoreUsage:
		if p, ok, err := r.usagePrior(step.ID); err == nil && ok {
			return fmt.Sprintf("in the shell of cluster %s: use %s; set_app_envs %s %s", a.Table.Cluster, a.Table.Table, plan.EnvUsageScenario, usageOf(p))
		}
	case plan.CancelBulkLoad:
		text := fmt.Sprintf("in the shell of cluster %s: cancel_bulk_load -a %s -f; clear_bulk_load -a %s", a.Target.Cluster, a.Target.Table, a.Target.Table)
		if level, ok, err := unblob[string](r.record(step.ID).Prior, kindLevel); err == nil && ok {
			text += "; set_meta_level " + level
		}
		return text
	}
	return ""
}
