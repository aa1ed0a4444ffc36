package apply

import (
	"maps"

	"github.com/pegmigrate/pegmigrate/internal/marker"
	"github.com/pegmigrate/pegmigrate/plan"
	"github.com/pegmigrate/pegmigrate/schema"
	"github.com/pegmigrate/pegmigrate/state"
)

// Adopt rebuilds the plan and the state document of a migration whose state file is lost, from its
// ownership marker and from what the clusters show. The plan is made as it was before the first
// change. What was changed since is not known, so every step with something to undo counts as
// begun: apply asks the clusters about it, rollback puts the prior value back. Cursors are gone and
// rows are copied from the start. The document is nil when the plan has errors.
func Adopt(m *schema.Migration, now plan.Facts, mark *marker.Marker, toolVersion string) (*plan.Plan, *state.Document, error) {
	a := adoption{mark: mark, held: holdsTicket(now, mark)}
	a.away = a.held || leadsAway(now)
	a.table = m.Target.Table
	before := a.beforeFiles(a.asBefore(m, now))
	p, err := plan.Build(m, before, plan.Options{ToolVersion: toolVersion})
	if err == nil && a.held {
		a.refuseReturn(p, now)
	}
	if err != nil || p.HasErrors() {
		return p, nil, err
	}
	doc, err := NewDocument(p, mark.Lineage, toolVersion)
	if err != nil {
		return p, nil, err
	}
	over := a.handedOver(p)
	ended := over && a.removed(now)
	for _, step := range p.Steps {
		record := doc.Step(step.ID)
		begun, err := a.remember(step.Action, record)
		if err != nil {
			return p, nil, err
		}
		if begun {
			record.Status, record.Attempts, record.Started = state.Intended, 1, mark.Since
		}
		if over && a.isDone(step, ended) {
			if err := a.done(step, record); err != nil {
				return p, nil, err
			}
		}
		if _, ready := step.Action.(plan.AwaitReturn); ready || !a.held {
			a.passed = a.passed || step.Final || ready
		}
	}
	return p, doc, nil
}

// adoption is one rebuilding of a lost document.
type adoption struct {
	mark *marker.Marker
	// table is the target's name, backup the id of the backup that it was made from, 0 for none.
	table  string
	backup int64
	// created is the proof of the create step, nil when no table may be ours.
	created *created
	// index is that of the step that creates the table of a geo index.
	index *created
	// away says that the route leads to the target, held that the return ticket is valid.
	away, held bool
	// follower is the app id of the table that clients are on then, 0 when it is not provably ours.
	follower int32
	// passed says that the steps that are gone through are past the point of no return.
	passed bool
}

// asBefore gives the facts as they were before the first change.
func (a *adoption) asBefore(m *schema.Migration, f plan.Facts) plan.Facts {
	if f.SourceTable != nil {
		src := *f.SourceTable
		src.Marker = nil
		src.Envs = withPriors(src.Envs, a.mark.SourceEnvs)
		src.Envs = withPriors(src.Envs, map[string]marker.Prior{marker.Env: a.mark.Prior})
		f.SourceTable = &src
	}
	f = a.beforeIndex(a.beforeDuplication(f), f.TargetTable)
	if f.TargetTable == nil {
		return f
	}
	dst := *f.TargetTable
	marked := dst.Marker != nil && dst.Marker.Lineage == a.mark.Lineage || dst.ID == a.mark.TargetID
	if marked || dst.Marker == nil && dst.ID > a.mark.TargetHighestID {
		a.backup = a.restoredFrom(dst.Envs, f.SourceTable)
	}
	switch {
	case a.mark.TargetExisted:
		if marked {
			dst.Marker = nil
		}
		// It was empty then, or the migration could not have begun: the rows are its own.
		if dst.Marker == nil && m.Target.IfExists == schema.IfExistsResumeEmpty {
			dst.HasRows, dst.Rows, dst.Bytes = false, 0, 0
		}
		dst.Envs = withPriors(dst.Envs, a.mark.TargetEnvs)
		f.TargetTable = &dst
	case marked:
		a.created = &created{ID: dst.ID}
		f.TargetTable = nil
	case a.away && dst.Marker == nil && dst.ID > a.mark.TargetHighestID:
		// Clients are on it. The run died while it took its markers away, that of the target first.
		f.TargetTable = nil
	case dst.Marker == nil && dst.ID > a.mark.TargetHighestID && (!dst.HasRows || dst.Envs[envRestoreBackup] != ""):
		// The run may have died between create and marking it: the create step judges its shape, that of a
		// restore the backup that it names.
		a.created = &created{Sent: true}
		f.TargetTable = nil
	}
	return f
}

// remember fills in what the lost run had recorded, and says whether the step counts as begun.
func (a *adoption) remember(action plan.Action, record *state.Step) (begun bool, err error) {
	switch action := action.(type) {
	case plan.Own:
		record.Prior, err = PriorsBlob(a.mark)
		return true, err
	case plan.CreateTable:
		if a.created == nil {
			return false, nil
		}
		record.Proof, err = blob(kindCreate, *a.created)
		return true, err
	case plan.CreateIndex:
		if a.index == nil {
			return false, nil
		}
		record.Proof, err = blob(kindCreate, *a.index)
		return true, err
	case plan.LimitRate, plan.Backup, plan.Restore:
		return a.rememberFiles(action, record)
	case plan.Fence:
		record.Prior, err = blob(kindDeny, a.mark.SourceEnvs[plan.EnvDeny])
		return true, err
	case plan.ParkTTL:
		return a.rememberEnvs(record, plan.EnvDefaultTTL)
	case plan.SetEnvs:
		return a.rememberEnvs(record, sorted(action.Envs)...)
	case plan.SetUsage:
		return a.rememberEnvs(record, plan.EnvUsageScenario)
	case plan.Verify:
		record.Cursor = recopied() // rows of the lost run's copy may be on the target
	}
	return a.rememberDuplication(action, record)
}

// rememberEnvs gives a step the prior values of a target that existed; one that was created is
// dropped as a whole.
func (a *adoption) rememberEnvs(record *state.Step, keys ...string) (begun bool, err error) {
	if !a.mark.TargetExisted {
		return false, nil
	}
	priors := map[string]marker.Prior{}
	for _, key := range keys {
		priors[key] = a.mark.TargetEnvs[key]
	}
	record.Prior, err = blob(kindEnvs, priors)
	return true, err
}

// withPriors puts prior values over a table's envs.
func withPriors(envs map[string]string, priors map[string]marker.Prior) map[string]string {
	out := map[string]string{}
	maps.Copy(out, envs)
	for k, p := range priors {
		if p.Had {
			out[k] = p.Value
		} else {
			delete(out, k)
		}
	}
	return out
}
