package apply

import (
	"context"
	"fmt"
	"time"

	"github.com/pegmigrate/pegmigrate/plan"
	"github.com/pegmigrate/pegmigrate/state"
)

// kindLevel is a meta function level, a string.
const kindLevel = "level"

// Meta function levels (meta/meta_data.h, meta_function_level). With lively the balancer moves
// primaries; with steady and below it does not.
const (
	lively = "lively"
	steady = "steady"
)

// baselineAge is how old the measure of the clients' traffic may be when the fence goes up.
const baselineAge = 10 * time.Minute

// holdRunner keeps the balancer from moving primaries, and measures what clients do now: behind the
// fence nothing can be measured that the target's traffic could be compared with.
type holdRunner struct {
	base
	a plan.HoldBalancer
}

func (h *holdRunner) prior(ctx context.Context) (*state.Blob, error) {
	level, err := h.level(ctx, h.a.Cluster)
	if err != nil {
		return nil, err
	}
	return blob(kindLevel, level)
}

func (h *holdRunner) done(ctx context.Context) (bool, string, error) {
	level, err := h.level(ctx, h.a.Cluster)
	if err != nil || level == lively {
		return false, fmt.Sprintf("the meta function level of %s is %s", h.a.Cluster, level), err
	}
	text := fmt.Sprintf("the meta function level of %s is %s", h.a.Cluster, level)
	base, known, err := h.r.baseline()
	switch {
	case err != nil || !h.r.provesTraffic():
		return err == nil, text, err
	case !known || !h.r.fenceUp() && h.r.Now().Sub(base.At) > baselineAge:
		return false, "the traffic of the clients is not measured yet", nil
	}
	return true, fmt.Sprintf("%s; clients do %.0f reads and %.0f writes per second", text, base.Source.ReadQPS, base.Source.WriteQPS), nil
}

// holds asks again: a meta server that takes over begins with the level of its configuration.
func (h *holdRunner) holds(ctx context.Context) (bool, error) {
	ok, _, err := h.done(ctx)
	return ok, err
}

func (h *holdRunner) run(ctx context.Context) error {
	level, err := h.level(ctx, h.a.Cluster)
	if err != nil {
		return err
	}
	if level == lively {
		if err := h.setLevel(ctx, h.a.Cluster, steady); err != nil {
			return err
		}
	} else if prior, _, err := unblob[string](h.r.record(h.id).Prior, kindLevel); err == nil && prior == level {
		h.warn(CodeCluster, fmt.Sprintf("the meta function level of %s is %s, not lively: it is left as it is, now and later", h.a.Cluster, level), "")
	}
	if !h.r.provesTraffic() || h.r.fenceUp() {
		return nil
	}
	return h.r.measureBaseline(ctx, h.base)
}

func (b base) level(ctx context.Context, cluster string) (level string, err error) {
	err = b.insist(ctx, "read the meta function level of "+cluster, func(ctx context.Context) error {
		ctx, cancel := b.call(ctx)
		defer cancel()
		var err error
		level, err = b.r.World.Levels.MetaLevel(ctx, cluster)
		return err
	})
	return level, err
}

func (b base) setLevel(ctx context.Context, cluster, level string) error {
	return b.insist(ctx, fmt.Sprintf("set the meta function level of %s to %s", cluster, level), func(ctx context.Context) error {
		ctx, cancel := b.call(ctx)
		defer cancel()
		return b.r.World.Levels.SetMetaLevel(ctx, cluster, level)
	})
}

// releaseRunner gives the level back.
type releaseRunner struct {
	base
	a plan.ReleaseBalancer
}

func (l *releaseRunner) done(ctx context.Context) (bool, string, error) {
	return l.released(ctx, l.a)
}

// released says whether nothing is left of a hold: only the level steady, where it was lively before,
// is this run's doing.
func (b base) released(ctx context.Context, a plan.ReleaseBalancer) (bool, string, error) {
	prior, ok, err := unblob[string](b.r.record(a.Step).Prior, kindLevel)
	if err != nil {
		return false, "", err
	}
	if !ok || prior != lively {
		return true, "the meta function level of " + a.Cluster + " was left as it was", nil
	}
	now, err := b.level(ctx, a.Cluster)
	if err != nil {
		return false, "", err
	}
	return now != steady, fmt.Sprintf("the meta function level of %s is %s", a.Cluster, now), nil
}

func (l *releaseRunner) run(ctx context.Context) error { return l.release(ctx, l.a) }

func (b base) release(ctx context.Context, a plan.ReleaseBalancer) error {
	prior, ok, err := unblob[string](b.r.record(a.Step).Prior, kindLevel)
	if err != nil || !ok || prior != lively {
		return err
	}
	return b.setLevel(ctx, a.Cluster, prior)
}

// undoHold gives the level back in a rollback; a.Step may be empty there.
func (b base) undoHold(ctx context.Context, a plan.ReleaseBalancer) (string, error) {
	a.Step = b.id
	if ok, text, err := b.released(ctx, a); err != nil || ok {
		return text, err
	}
	if err := b.release(ctx, a); err != nil {
		return "", err
	}
	return fmt.Sprintf("the meta function level of %s is %s again", a.Cluster, lively), nil
}
