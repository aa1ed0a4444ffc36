package apply

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/pegmigrate/pegmigrate/internal/marker"
	"github.com/pegmigrate/pegmigrate/plan"
	"github.com/pegmigrate/pegmigrate/state"
)

// parkEnvsRunner takes envs off the source that would kill the servers of a follower which is created
// with them (facts 14.9, 14.10). The values are in the state and in the ownership marker.
type parkEnvsRunner struct {
	base
	a plan.ParkEnvs
}

func (p *parkEnvsRunner) prior(ctx context.Context) (*state.Blob, error) {
	s, err := p.table(ctx, p.a.Table)
	if err != nil {
		return nil, err
	}
	priors := map[string]marker.Prior{}
	for _, key := range p.a.Keys {
		priors[key] = marker.PriorOf(s.Envs, key)
	}
	return blob(kindEnvs, priors)
}

func (p *parkEnvsRunner) done(ctx context.Context) (bool, string, error) {
	s, err := p.table(ctx, p.a.Table)
	if err != nil {
		return false, "", err
	}
	for _, key := range p.a.Keys {
		if value, ok := s.Envs[key]; ok {
			return false, fmt.Sprintf("%s carries %s = %q", p.a.Table, key, value), nil
		}
	}
	return true, fmt.Sprintf("%s lists none of %s", p.a.Table.Cluster, strings.Join(p.a.Keys, ", ")), nil
}

// holds asks again until the duplication is there: a follower that exists is not made again.
func (p *parkEnvsRunner) holds(ctx context.Context) (bool, error) {
	memory, err := p.r.duplicationMemory()
	if err != nil || memory.ID != 0 {
		return true, err
	}
	ok, _, err := p.done(ctx)
	return ok, err
}

// run takes the envs off. What stands there now is what goes back later: an owner may have changed a
// value since it was recorded, or put one back that an earlier attempt took off.
func (p *parkEnvsRunner) run(ctx context.Context) error {
	s, err := p.table(ctx, p.a.Table)
	if err != nil {
		return err
	}
	priors, _, err := p.parked()
	if err != nil {
		return err
	}
	changed := false
	for _, key := range p.a.Keys {
		if now := marker.PriorOf(s.Envs, key); now.Had && now != priors[key] {
			priors[key], changed = now, true
		}
	}
	if changed {
		prior, err := blob(kindEnvs, priors)
		if err != nil {
			return err
		}
		if err := p.r.update(p.id, func(rec *state.Step) { rec.Prior = prior }); err != nil {
			return err
		}
	}
	return p.deleteEnvs(ctx, p.a.Table, p.a.Keys)
}

// parked is what this step took off.
func (b base) parked() (map[string]marker.Prior, bool, error) {
	priors, ok, err := unblob[map[string]marker.Prior](b.r.record(b.id).Prior, kindEnvs)
	if priors == nil {
		priors = map[string]marker.Prior{}
	}
	return priors, ok, err
}

// putBack gives a table the envs back that it has no value for now: one that somebody set meanwhile is
// the owner's later word, and is kept.
func (b base) putBack(ctx context.Context, t plan.TableRef, priors map[string]marker.Prior) error {
	s, err := b.table(ctx, t)
	if err != nil {
		return err
	}
	set := map[string]string{}
	for _, key := range sorted(priors) {
		if _, there := s.Envs[key]; priors[key].Had && !there {
			set[key] = priors[key].Value
		}
	}
	if len(set) == 0 {
		return nil
	}
	return b.setEnvs(ctx, t, set)
}

// unparkRunner gives the source its envs back.
type unparkRunner struct {
	base
	a    plan.UnparkEnvs
	told bool // of values that somebody set meanwhile
}

func (u *unparkRunner) done(ctx context.Context) (bool, string, error) {
	priors, _, err := base{r: u.r, id: u.a.Step}.parked()
	if err != nil {
		return false, "", err
	}
	s, err := u.table(ctx, u.a.Table)
	if err != nil {
		return false, "", err
	}
	var back []string
	for _, key := range sorted(priors) {
		if !priors[key].Had {
			continue
		}
		if _, ok := s.Envs[key]; !ok {
			return false, fmt.Sprintf("%s carries no %s", u.a.Table, key), nil
		}
		back = append(back, key)
	}
	for _, key := range back {
		if now, then := s.Envs[key], priors[key].Value; now != then && !u.told {
			u.warn(CodeTTL, fmt.Sprintf("%s of %s was set to %q while it was parked; it had %q and keeps the later value", key, u.a.Table, now, then),
				"when that is to hold on the target too, set it there")
		}
	}
	u.told = true
	return true, fmt.Sprintf("%s lists %s", u.a.Table.Cluster, strings.Join(back, ", ")), nil
}

func (u *unparkRunner) run(ctx context.Context) error {
	priors, _, err := base{r: u.r, id: u.a.Step}.parked()
	if err != nil {
		return err
	}
	if err := u.putBack(ctx, u.a.Table, priors); err != nil {
		return err
	}
	if p := priors[plan.EnvDefaultTTL]; stamps(p) {
		if err := u.awaitStamps(ctx, u.a.Table); err != nil {
			return err
		}
	}
	step, ok := firstStep[plan.FollowDuplication](u.r.Plan)
	if !ok {
		return nil
	}
	follow := step.Action.(plan.FollowDuplication)
	if !stamps(marker.PriorOf(follow.FollowerEnvs, plan.EnvDefaultTTL)) {
		return nil
	}
	return u.awaitStamps(ctx, follow.Target)
}

// stamps says whether a default_ttl gives rows an expiry.
func stamps(p marker.Prior) bool { return p.Had && p.Value != "" && p.Value != "0" }

// awaitStamps waits until a row without expiry gets one on every partition: replicas that were
// restarted while the env was parked have to take it over first. The env is set, so a partition that
// does not answer is a warning and no reason to stop.
func (b base) awaitStamps(ctx context.Context, t plan.TableRef) error {
	limit, err := b.syncLimit(ctx, t.Cluster)
	if err != nil {
		return err
	}
	s, err := b.table(ctx, t)
	if err != nil || s.Envs[plan.EnvDefaultTTL] == "0" {
		return err // its owner took it out of force meanwhile
	}
	err = b.await(ctx, limit, CodeTTL, "look at the replica servers: they should take envs over with each config sync",
		func(ctx context.Context) (bool, string, error) {
			idle, err := b.unstamped(ctx, t)
			if err != nil {
				reason, err := tolerate(ctx, err)
				return false, reason, err
			}
			return len(idle) == 0, fmt.Sprintf("%d partitions of %s do not apply its default_ttl yet", len(idle), t), nil
		})
	var late *StepError
	if errors.As(err, &late) && late.Code == CodeTTL {
		b.warn(CodeTTL, fmt.Sprintf("%s has its default_ttl again, but it is not seen in force: %s", t, late.Text), late.Hint)
		return nil
	}
	return err
}

// unstamped lists the partitions that give a row without expiry none.
func (b base) unstamped(ctx context.Context, t plan.TableRef) ([]int32, error) {
	s, err := b.tableOnce(ctx, t)
	if err != nil {
		return nil, err
	}
	ctx, cancel := b.call(ctx)
	defer cancel()
	stamped, err := b.r.World.Fences.ProbeTTL(ctx, t)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(partitionsOf(s), func(p int32) bool { return slices.Contains(stamped, p) }), nil
}

// deleteEnvsRunner takes envs off the target that only a follower needs. Left behind, they would make
// a partition that lost all its replicas copy old rows from the former master again
// (replica_stub.cpp, open_replica).
type deleteEnvsRunner struct {
	base
	a plan.DeleteEnvs
}

func (d *deleteEnvsRunner) done(ctx context.Context) (bool, string, error) {
	s, err := d.table(ctx, d.a.Table)
	if err != nil {
		return false, "", err
	}
	for _, key := range d.a.Keys {
		if _, ok := s.Envs[key]; ok {
			return false, fmt.Sprintf("%s carries %s", d.a.Table, key), nil
		}
	}
	return true, fmt.Sprintf("%s lists none of %s", d.a.Table.Cluster, strings.Join(d.a.Keys, ", ")), nil
}

func (d *deleteEnvsRunner) run(ctx context.Context) error {
	return d.deleteEnvs(ctx, d.a.Table, d.a.Keys)
}
