package apply

import (
	"context"
	"errors"
	"fmt"
	"time"

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

// levelLate is how long whoever loaded before may take to give the meta function level back: looks at a load
// that is over, and the clearing of its result, come first.
const levelLate = time.Minute

// findLevel takes down the level to give back, right before the first start: what was found before may have been
// the doing of another load that was under way then. reason is what is waited for, "" for nothing. busy is when
// another load was seen last, zero for never.
func (l *loadRunner) findLevel(ctx context.Context, busy time.Time) (reason string, err error) {
	m, err := l.r.loadMemory(l.id)
	if err != nil || m.Tried {
		return "", err
	}
	now, err := l.level(ctx, l.a.Target.Cluster)
	if err != nil {
		return "", err
	}
	if now == steady && !busy.IsZero() && l.r.Now().Sub(busy) < levelLate {
		return fmt.Sprintf("the meta function level of %s is still that of another load, which has ended: whoever loaded may be about to give it back", l.a.Target.Cluster), nil
	}
	prior, err := blob(kindLevel, now)
	if err != nil {
		return "", err
	}
	return "", l.r.update(l.id, func(s *state.Step) { s.Prior = prior })
}
