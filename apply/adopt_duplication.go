package apply

import (
	"fmt"
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
		d.ArrivingQPS = 0 // by the duplication of the return ticket
		if t := f.TargetTable; t != nil && t.Marker != nil && t.Marker.Lineage == a.mark.Lineage {
			a.follower = t.ID
		}
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

// holdsTicket says whether the lost run had come to its return ticket: the marker tells, and the route
// still leads to the target.
func holdsTicket(f plan.Facts, mark *marker.Marker) bool {
	return !mark.Ticket.IsZero() && f.Duplication != nil && f.Duplication.Route != nil && f.Duplication.Route.ClusterName == f.Target.Name
}

// refuseReturn: a fence on the target is one of a return whose state is lost. Nothing rebuilds that, and
// clients wait behind it.
func (a *adoption) refuseReturn(p *plan.Plan, now plan.Facts) {
	t := now.TargetTable
	if t == nil || t.Envs[plan.EnvDeny] == "" {
		return
	}
	p.Checks = append(p.Checks, plan.Check{Code: plan.CodeReturn, Severity: plan.Error,
		Text: fmt.Sprintf("the lost run was leading clients back: %s carries %s=%s, and the route still leads there", p.Target.TableRef, plan.EnvDeny, t.Envs[plan.EnvDeny]),
		Hint: fmt.Sprintf("let clients write again, in the shell of cluster %s: use %s; del_app_envs %s; then the same command", p.Target.Cluster, p.Target.Table, plan.EnvDeny)})
}

// handedOver says whether the lost run had switched the route: then everything up to the switch is done,
// and none of it may be done again, because the source rejects what it would ask. With a return ticket
// that is held everything up to there is.
func (a *adoption) handedOver(p *plan.Plan) bool {
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
	if _, ready := step.Action.(plan.AwaitReturn); ready {
		if record.Proof, err = blob(kindTicket, Ticket{Valid: a.mark.Since, Until: a.mark.Ticket}); err != nil {
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
	case plan.AddDuplication:
		memory := a.duplication()
		memory.Follower = a.follower
		record.Proof, err = blob(kindDuplication, memory)
		return true, err
	case plan.AddReturn:
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
