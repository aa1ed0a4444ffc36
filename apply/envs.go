package apply

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/pegmigrate/pegmigrate/internal/marker"
	"github.com/pegmigrate/pegmigrate/plan"
	"github.com/pegmigrate/pegmigrate/state"
)

func sorted[V any](m map[string]V) []string { return sortedKeys(m) }

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }

// restoreEnvs gives envs back exactly what they had: a value, or absence.
func (b base) restoreEnvs(ctx context.Context, t plan.TableRef, priors map[string]marker.Prior) error {
	set := map[string]string{}
	var remove []string
	for _, key := range sorted(priors) {
		if p := priors[key]; p.Had {
			set[key] = p.Value
		} else {
			remove = append(remove, key)
		}
	}
	if len(set) > 0 {
		if err := b.setEnvs(ctx, t, set); err != nil {
			return err
		}
	}
	if len(remove) > 0 {
		return b.deleteEnvs(ctx, t, remove)
	}
	return nil
}

// envsRunner sets envs of the target.
type envsRunner struct {
	base
	a plan.SetEnvs
}

func (e *envsRunner) prior(ctx context.Context) (*state.Blob, error) {
	s, err := e.table(ctx, e.a.Table)
	if err != nil {
		return nil, err
	}
	priors := map[string]marker.Prior{}
	for key := range e.a.Envs {
		priors[key] = marker.PriorOf(s.Envs, key)
	}
	return blob(kindEnvs, e.atFirst(priors))
}

// atFirst puts what a table's envs were before the migration over what they are now: what an
// earlier step of this run, or a run that was lost, had set is not what the table had.
func (b base) atFirst(priors map[string]marker.Prior) map[string]marker.Prior {
	own, err := b.r.priors()
	if err != nil {
		return priors
	}
	for key := range priors {
		if p, ok := own.TargetEnvs[key]; ok {
			priors[key] = p
		}
	}
	return priors
}

func (e *envsRunner) done(ctx context.Context) (bool, string, error) {
	s, err := e.table(ctx, e.a.Table)
	if err != nil {
		return false, "", err
	}
	for _, key := range sorted(e.a.Envs) {
		if got, ok := s.Envs[key]; !ok || got != e.a.Envs[key] {
			return false, fmt.Sprintf("%s of %s is %q", key, e.a.Table, got), nil
		}
	}
	return true, fmt.Sprintf("%s lists %s", e.a.Table.Cluster, strings.Join(sorted(e.a.Envs), ", ")), nil
}

func (e *envsRunner) run(ctx context.Context) error {
	return e.setEnvs(ctx, e.a.Table, e.a.Envs)
}

// parkRunner takes default_ttl out of force and proves it with rows.
type parkRunner struct {
	base
	a plan.ParkTTL
}

func (p *parkRunner) prior(ctx context.Context) (*state.Blob, error) {
	s, err := p.table(ctx, p.a.Table)
	if err != nil {
		return nil, err
	}
	return blob(kindEnvs, p.atFirst(map[string]marker.Prior{plan.EnvDefaultTTL: marker.PriorOf(s.Envs, plan.EnvDefaultTTL)}))
}

func (p *parkRunner) done(ctx context.Context) (bool, string, error) {
	s, err := p.table(ctx, p.a.Table)
	if err != nil {
		return false, "", err
	}
	if s.Envs[plan.EnvDefaultTTL] != "0" {
		return false, "default_ttl is " + s.Envs[plan.EnvDefaultTTL], nil
	}
	stamped, err := p.stamped(ctx)
	if err != nil {
		return false, "", err
	}
	if len(stamped) > 0 {
		return false, fmt.Sprintf("partitions %v still stamp rows", stamped), nil
	}
	return true, "a row without expiry keeps none on every partition", nil
}

func (p *parkRunner) run(ctx context.Context) error {
	if err := p.setEnvs(ctx, p.a.Table, map[string]string{plan.EnvDefaultTTL: "0"}); err != nil {
		return err
	}
	limit, err := p.syncLimit(ctx, p.a.Table.Cluster)
	if err != nil {
		return err
	}
	return p.await(ctx, limit, CodeTTL, "look at the replica servers: they should take envs over with each config sync",
		func(ctx context.Context) (bool, string, error) {
			stamped, err := p.stamped(ctx)
			if err != nil {
				reason, err := tolerate(ctx, err)
				return false, reason, err
			}
			return len(stamped) == 0, fmt.Sprintf("%d partitions still stamp rows with the old default_ttl", len(stamped)), nil
		})
}

func (p *parkRunner) stamped(ctx context.Context) ([]int32, error) {
	ctx, cancel := p.call(ctx)
	defer cancel()
	return p.r.World.Fences.ProbeTTL(ctx, p.a.Table)
}
