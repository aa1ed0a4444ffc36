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
	f.Duplication = &d
	return f
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
