package apply

import (
	"context"
	"errors"
	"fmt"

	"github.com/pegmigrate/pegmigrate/plan"
	"github.com/pegmigrate/pegmigrate/state"
)

// levelBackRunner gives the meta function level back that a bulk load found: its start sets steady and
// nobody sets it back (meta_bulk_load_service.cpp, on_start_bulk_load).
type levelBackRunner struct {
	base
	a plan.RestoreLevel
}

func (l *levelBackRunner) done(ctx context.Context) (bool, string, error) {
	ok, text, err := l.levelIsBack(ctx, l.a.Cluster, l.a.Step)
	return ok, text, err
}

func (l *levelBackRunner) run(ctx context.Context) error {
	return l.levelBack(ctx, l.a.Cluster, l.a.Step)
}

// levelIsBack says whether nothing is left of what the start of a load did to the level. Only steady is
// the servers' doing; another level is somebody's decision and stays.
func (b base) levelIsBack(ctx context.Context, cluster, step string) (bool, string, error) {
	prior, ok, err := unblob[string](b.r.record(step).Prior, kindLevel)
	if err != nil {
		return false, "", err
	}
	if !ok {
		return true, "the meta function level of " + cluster + " was left as it was", nil
	}
	now, err := b.level(ctx, cluster)
	if err != nil {
		return false, "", err
	}
	if now != prior && now != steady {
		return true, fmt.Sprintf("the meta function level of %s is %s: somebody set it since, it is left so (it was %s)", cluster, now, prior), nil
	}
	return now == prior, fmt.Sprintf("the meta function level of %s is %s", cluster, now), nil
}

func (b base) levelBack(ctx context.Context, cluster, step string) error {
	prior, ok, err := unblob[string](b.r.record(step).Prior, kindLevel)
	if err != nil || !ok {
		return err
	}
	return b.setLevel(ctx, cluster, prior)
}

// levelMeanwhile gives the level back after a load that is over, whatever came of it: the next one sets
// steady again by itself. While one is under way, or paused, primaries had better stay where they are.
func (b base) levelMeanwhile(ctx context.Context, a plan.BulkLoad) error {
	memory, err := b.r.loadMemory(b.id)
	if err != nil || !memory.ours() && memory.Loaded.IsZero() && b.r.record(b.id).Status != state.Failed || b.r.levelStepDone(b.id) {
		return err
	}
	if ok, _, err := b.levelIsBack(ctx, a.Target.Cluster, b.id); err != nil || ok {
		return err
	}
	s, err := b.loadStatus(ctx, a.Target)
	switch {
	case err != nil && !errors.Is(err, ErrNoTable):
		return err
	case err == nil && s.Loading:
		return nil
	}
	return b.levelBack(ctx, a.Target.Cluster, b.id)
}

// levelStepDone says whether the level was given back by its own step.
func (r *Run) levelStepDone(load string) bool {
	for _, s := range r.Plan.Steps {
		if a, ok := s.Action.(plan.RestoreLevel); ok && a.Step == load {
			return r.record(s.ID).Status == state.Done
		}
	}
	return false
}
