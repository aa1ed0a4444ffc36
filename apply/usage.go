package apply

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/marker"
	"github.com/pegmigrate/pegmigrate/plan"
	"github.com/pegmigrate/pegmigrate/state"
)

// CodeUsage is the code of a usage scenario that does not come into force.
const CodeUsage = "PM3061"

// usageNormal is rocksdb.usage_scenario of a table that has none (base/pegasus_const.cpp).
const usageNormal = "normal"

// groupCheckShipped is group_check_interval_ms of the shipped config.ini: the longest time that a
// secondary commonly takes to learn what its primary has learned. It only makes deadlines longer.
const groupCheckShipped = 100 * time.Second

// usageRunner sets rocksdb.usage_scenario and proves it on every replica.
type usageRunner struct {
	base
	a plan.SetUsage
}

func (u *usageRunner) prior(ctx context.Context) (*state.Blob, error) {
	s, err := u.target(ctx, u.a.Table)
	if err != nil {
		return nil, err
	}
	prior := marker.PriorOf(s.Envs, plan.EnvUsageScenario)
	if step, ok := firstStep[plan.CreateTable](u.r.Plan); ok && s.ID == u.r.createdTarget() {
		// A run that was lost may have set it: a table of this migration has what it was created with.
		prior = marker.PriorOf(step.Action.(plan.CreateTable).Envs, plan.EnvUsageScenario)
	}
	return blob(kindEnvs, u.atFirst(map[string]marker.Prior{plan.EnvUsageScenario: prior}))
}

func (u *usageRunner) done(ctx context.Context) (bool, string, error) {
	s, err := u.target(ctx, u.a.Table)
	if err != nil {
		return false, "", err
	}
	if now := s.Envs[plan.EnvUsageScenario]; now != u.a.Scenario {
		return false, fmt.Sprintf("%s of %s is %q", plan.EnvUsageScenario, u.a.Table, now), nil
	}
	others, servers, err := u.usage(ctx, u.a.Table, u.a.Scenario)
	if err != nil {
		reason, err := tolerate(ctx, err)
		return false, reason, err
	}
	if others != "" {
		return false, others, nil
	}
	return true, fmt.Sprintf("%s is in force on all replicas of %s", u.a.Scenario, plan.Counted(uint64(servers), "server")), nil
}

// holds: a run that failed gave the old scenario back. It is set again while something needs it.
func (u *usageRunner) holds(ctx context.Context) (bool, error) {
	if !u.r.usageNeeded(u.id) {
		return true, nil
	}
	ok, _, err := u.done(ctx)
	return ok, err
}

func (u *usageRunner) run(ctx context.Context) error {
	if err := u.setEnvs(ctx, u.a.Table, map[string]string{plan.EnvUsageScenario: u.a.Scenario}); err != nil {
		return err
	}
	return u.awaitUsage(ctx, u.a.Table, u.a.Scenario)
}

// usage says which servers do not go by the scenario, "" when all do, and how many there are.
func (b base) usage(ctx context.Context, t plan.TableRef, want string) (others string, servers int, err error) {
	ctx, cancel := b.call(ctx)
	defer cancel()
	list, err := b.r.World.Compactions.Usage(ctx, t)
	if err != nil {
		return "", 0, err
	}
	var first string
	n := 0
	for _, v := range list {
		if v.Value != want {
			if n++; n == 1 {
				first = fmt.Sprintf("%s goes by %q", v.Server, v.Value)
			}
		}
	}
	switch {
	case len(list) == 0:
		return "no server tells of its replicas", 0, nil
	case n == 0:
		return "", len(list), nil
	}
	return fmt.Sprintf("%s is not in force on %d of %d servers yet (%s)", want, n, len(list), first), len(list), nil
}

// usageLimit is how long a scenario may take to be in force on every replica: primaries learn it with
// the config sync, secondaries with the group check that follows.
func (b base) usageLimit(ctx context.Context, cluster string) (time.Duration, error) {
	sync, err := b.syncLimit(ctx, cluster)
	return sync + 2*groupCheckShipped, err
}

// awaitUsage waits until every replica goes by a scenario.
func (b base) awaitUsage(ctx context.Context, t plan.TableRef, want string) error {
	limit, err := b.usageLimit(ctx, t.Cluster)
	if err != nil {
		return err
	}
	return b.await(ctx, limit, CodeUsage, "look at the replica servers that are named: they take envs over with each config sync, secondaries with the group check; the same command goes on here",
		func(ctx context.Context) (bool, string, error) {
			others, _, err := b.usage(ctx, t, want)
			if err != nil {
				reason, err := tolerate(ctx, err)
				return false, reason, err
			}
			return others == "", others, nil
		})
}

// usagePrior is what a SetUsage step found; absent where there is no such step.
func (r *Run) usagePrior(step string) (marker.Prior, bool, error) {
	priors, ok, err := unblob[map[string]marker.Prior](r.record(step).Prior, kindEnvs)
	if err != nil || !ok {
		return marker.Prior{}, false, err
	}
	p, ok := priors[plan.EnvUsageScenario]
	return p, ok, nil
}

// usageOf is the scenario that a prior value means.
func usageOf(p marker.Prior) string {
	if p.Had && p.Value != "" {
		return p.Value
	}
	return usageNormal
}

// usageBackRunner gives the scenario back. Deleting the env leaves the old scenario in force until the
// servers restart: an absent one is set to normal, proven, and only then taken out.
type usageBackRunner struct {
	base
	a plan.RestoreUsage
}

func (u *usageBackRunner) done(ctx context.Context) (bool, string, error) {
	p, _, err := u.r.usagePrior(u.a.Step)
	if err != nil {
		return false, "", err
	}
	s, err := u.table(ctx, u.a.Table)
	if err != nil {
		return false, "", err
	}
	if now, has := s.Envs[plan.EnvUsageScenario]; has != p.Had || now != p.Value {
		return false, fmt.Sprintf("%s of %s is %q", plan.EnvUsageScenario, u.a.Table, now), nil
	}
	others, servers, err := u.usage(ctx, u.a.Table, usageOf(p))
	if err != nil {
		reason, err := tolerate(ctx, err)
		return false, reason, err
	}
	if others != "" {
		return false, others, nil
	}
	return true, fmt.Sprintf("%s is in force on all replicas of %s", usageOf(p), plan.Counted(uint64(servers), "server")), nil
}

func (u *usageBackRunner) run(ctx context.Context) error {
	p, _, err := u.r.usagePrior(u.a.Step)
	if err != nil {
		return err
	}
	return u.restoreUsage(ctx, u.a.Table, p)
}

func (b base) restoreUsage(ctx context.Context, t plan.TableRef, p marker.Prior) error {
	if err := b.setEnvs(ctx, t, map[string]string{plan.EnvUsageScenario: usageOf(p)}); err != nil {
		return err
	}
	if err := b.awaitUsage(ctx, t, usageOf(p)); err != nil {
		return err
	}
	return b.restoreEnvs(ctx, t, map[string]marker.Prior{plan.EnvUsageScenario: p})
}

// undoUsage gives the scenario back in a rollback; a.Step may be empty there. Of a table that this run
// created, and that is dropped next, nothing is proven.
func (b base) undoUsage(ctx context.Context, a plan.RestoreUsage) (string, error) {
	p, ok, err := b.r.usagePrior(b.id)
	if err != nil || !ok {
		return "nothing was changed", err
	}
	s, err := b.table(ctx, a.Table)
	if errors.Is(err, ErrNoTable) {
		return a.Table.String() + " does not exist", nil
	}
	if err != nil {
		return "", err
	}
	if id := b.r.createdTarget(); id != 0 && id == s.ID {
		return plan.EnvUsageScenario + " has its prior value; the table goes next",
			b.restoreEnvs(ctx, a.Table, map[string]marker.Prior{plan.EnvUsageScenario: {Had: true, Value: usageOf(p)}})
	}
	if err := b.restoreUsage(ctx, a.Table, p); err != nil {
		return "", err
	}
	return fmt.Sprintf("%s is in force on all replicas again", usageOf(p)), nil
}

// usageNeeded says whether a load is ahead that the scenario of that step is for.
func (r *Run) usageNeeded(step string) bool {
	from := slices.IndexFunc(r.Plan.Steps, func(s plan.Step) bool { return s.ID == step })
	for _, s := range r.Plan.Steps[from+1:] {
		switch a := s.Action.(type) {
		case plan.RestoreUsage:
			if a.Step == step {
				return false
			}
		case plan.BulkLoad:
			if r.record(s.ID).Status != state.Done {
				return true
			}
		}
	}
	return false
}

// giveBack puts back, when a run ends before its end, what other users of the cluster feel and what the
// next run sets again by itself: nobody knows when that will be. What cannot be put back now is said;
// the next apply or rollback does it.
func (r *Run) giveBack(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*r.Waits.Call)
	defer cancel()
	for _, step := range r.Plan.Steps {
		record := r.record(step.ID)
		if record.Attempts == 0 || record.Status == state.Undone {
			continue
		}
		b := base{r: r, id: step.ID}
		var err error
		switch a := step.Action.(type) {
		case plan.SetUsage:
			err = b.usageMeanwhile(ctx, a)
		case plan.BulkLoad:
			err = b.levelMeanwhile(ctx, a)
		}
		if err != nil {
			b.warn(CodeUsage, "what this step had changed could not be put back for the time being: "+err.Error(),
				"`"+r.Resume+"` or `"+r.rollbackCommand()+"` puts it back")
		}
	}
}

// usageMeanwhile gives the scenario back until the next run: a table that does not compact gets slower,
// and its disks fuller, for as long as nobody looks.
func (b base) usageMeanwhile(ctx context.Context, a plan.SetUsage) error {
	p, ok, err := b.r.usagePrior(b.id)
	if err != nil || !ok || b.r.usageBack(b.id) || usageOf(p) == a.Scenario {
		return err
	}
	s, err := b.table(ctx, a.Table)
	if errors.Is(err, ErrNoTable) {
		return nil
	}
	if err != nil || s.Envs[plan.EnvUsageScenario] != a.Scenario {
		return err
	}
	if err := b.setEnvs(ctx, a.Table, map[string]string{plan.EnvUsageScenario: usageOf(p)}); err != nil {
		return err
	}
	b.warn(CodeUsage, fmt.Sprintf("%s of %s is %s until this goes on", plan.EnvUsageScenario, a.Table, usageOf(p)), "")
	return nil
}

// usageNote says that a scenario stays when a run is interrupted: what it is for goes on, or will soon.
func (r *Run) usageNote() string {
	for _, step := range r.Plan.Steps {
		a, ok := step.Action.(plan.SetUsage)
		p, set, err := r.usagePrior(step.ID)
		if !ok || err != nil || !set || r.usageBack(step.ID) || usageOf(p) == a.Scenario {
			continue
		}
		return fmt.Sprintf("%s may stay with %s = %s, so that it does not compact by itself; `%s` or `%s` gives %s back",
			a.Table, plan.EnvUsageScenario, a.Scenario, r.Resume, r.rollbackCommand(), usageOf(p))
	}
	return ""
}

// usageBack says whether the step that gives a scenario back is done.
func (r *Run) usageBack(step string) bool {
	for _, s := range r.Plan.Steps {
		if a, ok := s.Action.(plan.RestoreUsage); ok && a.Step == step {
			return r.record(s.ID).Status == state.Done
		}
	}
	return false
}
