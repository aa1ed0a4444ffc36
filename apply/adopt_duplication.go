package apply

import (
	"slices"

	"github.com/pegmigrate/pegmigrate/internal/marker"
	"github.com/pegmigrate/pegmigrate/plan"
	"github.com/pegmigrate/pegmigrate/state"
)

// beforeDuplication takes out of the facts what a lost run of method duplication changed: its
// duplication, known by its remote and its age, and the meta function level that it held.
func (a *adoption) beforeDuplication(f plan.Facts) plan.Facts {
	if a.mark.SourceLevel != "" {
		f.Source.Level = a.mark.SourceLevel
	}
	if f.Duplication == nil {
		return f
	}
	d := *f.Duplication
	memory := a.duplication()
	d.Entries = slices.DeleteFunc(slices.Clone(d.Entries), func(e plan.DuplicationEntry) bool {
		return e.Remote == f.Target.Name && memory.mayBe(Duplication{ID: e.ID, CreatedAt: e.CreatedAt}, 0) == nil
	})
	if r := d.Route; r != nil && a.away {
		before := *r
		before.ClusterName, before.MetaAddrs = f.Source.Name, f.Source.MetaServers
		before.Proxies = nil // each is asked again by the step that evicts
		d.Route = &before
	}
	f.Duplication = &d
	return f
}

// leadsAway says whether clients are led to the target already: the record names it, and the source is
// closed as a cut-over leaves it.
func leadsAway(f plan.Facts) bool {
	if f.Duplication == nil || f.Duplication.Route == nil || f.SourceTable == nil {
		return false
	}
	deny := f.SourceTable.Envs[plan.EnvDeny]
	return f.Duplication.Route.ClusterName == f.Target.Name && (deny == plan.FenceMode || deny == plan.EvictMode)
}

// handedOver says whether the lost run had switched the route: then everything up to the switch is done,
// and none of it may be done again, because the source rejects what it would ask. A plan with a return
// ticket is not rebuilt that far.
func (a *adoption) handedOver(p *plan.Plan) bool {
	if _, ticket := firstStep[plan.AddReturn](p); ticket {
		return false
	}
	_, switches := firstStep[plan.SwitchRoute](p)
	return switches && a.away
}

// isDone says which steps a run had done that had switched the route: all up to the switch but two that
// are looked at again, for what the state has to know of the marker and of the duplication; and the end
// of the duplication, when it is gone.
func (a *adoption) isDone(step plan.Step, ended bool) bool {
	switch step.Action.(type) {
	case plan.Own:
		return false
	case plan.AddDuplication, plan.RemoveDuplication:
		return ended
	}
	return !a.passed
}

// done takes a step for done. What clients did before the cut-over is not known any more.
func (a *adoption) done(step plan.Step, record *state.Step) (err error) {
	if _, hold := step.Action.(plan.HoldBalancer); hold {
		if record.Proof, err = blob(kindBaseline, trafficBaseline{At: a.mark.Since}); err != nil {
			return err
		}
	}
	if record.Proof == nil {
		if record.Proof, err = blob(kindProof, "not known any more: the state was lost, and the route leads to the target"); err != nil {
			return err
		}
	}
	record.Status, record.Attempts, record.Started, record.Finished = state.Done, 1, a.mark.Since, a.mark.Since
	return nil
}

// removed says whether the lost run's duplication is gone: then it was ended, and is not added again.
func (a *adoption) removed(now plan.Facts) bool {
	memory := a.duplication()
	return !slices.ContainsFunc(now.Duplication.Entries, func(e plan.DuplicationEntry) bool {
		return e.Remote == now.Target.Name && memory.mayBe(Duplication{ID: e.ID, CreatedAt: e.CreatedAt}, 0) == nil
	})
}

// duplication is what is left to know of a duplication that the lost run may have added: that it is not
// older than the migration.
func (a *adoption) duplication() duplicationProof {
	return duplicationProof{Sent: a.mark.Since, Last: a.mark.Since, Recovered: true}
}

// rememberDuplication fills in what the lost run had recorded of the steps of method duplication.
func (a *adoption) rememberDuplication(action plan.Action, record *state.Step) (begun bool, err error) {
	switch action := action.(type) {
	case plan.ParkEnvs:
		priors := map[string]marker.Prior{}
		for _, key := range action.Keys {
			priors[key] = a.mark.SourceEnvs[key]
		}
		record.Prior, err = blob(kindEnvs, priors)
		return true, err
	case plan.AddDuplication, plan.AddReturn:
		record.Proof, err = blob(kindDuplication, a.duplication())
		return true, err
	case plan.HoldBalancer:
		if a.mark.SourceLevel == "" {
			return false, nil
		}
		record.Prior, err = blob(kindLevel, a.mark.SourceLevel)
		return true, err
	}
	return false, nil
}
