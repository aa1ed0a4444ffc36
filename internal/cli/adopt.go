package cli

import (
	"github.com/pegmigrate/pegmigrate/apply"
	"github.com/pegmigrate/pegmigrate/internal/marker"
	"github.com/pegmigrate/pegmigrate/plan"
	"github.com/pegmigrate/pegmigrate/state"
)

// adopt rebuilds a lost state document from the marker in the source table: the plan is made as it
// was before the first change, prior values come from the marker, and every step asks the clusters
// again. Cursors are gone, so rows are copied from the start; writing them twice changes nothing.
func (s *session) adopt(store *state.Store, facts plan.Facts) error {
	if doc := store.Document(); doc != nil && doc.Outcome == state.OutcomeOpen {
		return failf(codeNothingLost, "run `pegmigrate apply` without -adopt", "there is a usable state document; nothing has to be adopted")
	}
	if facts.SourceTable == nil || facts.SourceTable.Marker == nil {
		return failf(codeNoMarker, "plan and apply as usual", "%s carries no ownership marker; there is nothing to adopt", s.migration.Source.Table)
	}
	m, err := marker.Parse(facts.SourceTable.Envs[marker.Env])
	if err != nil {
		return failf(plan.CodeDamagedMarker, "put the right "+marker.Env+" back by hand", "the marker cannot be read: %v", err)
	}
	if m.Migration != s.migration.Name {
		return failf(plan.CodeForeignMarker, "ask its owner", "%s is being migrated by %s as %q, not %q",
			s.migration.Source.Table, m.Owner, m.Migration, s.migration.Name)
	}
	before, created := asBefore(facts, m)
	p, err := plan.Build(s.migration, before, plan.Options{ToolVersion: s.env.Version})
	if err != nil {
		return err
	}
	if p.HasErrors() {
		return checksFailure(p)
	}
	doc, err := apply.NewDocument(p, m.Lineage, s.env.Version)
	if err != nil {
		return err
	}
	if err := fillPriors(doc, p, m, created); err != nil {
		return err
	}
	return store.Create(doc)
}

// asBefore gives the facts as they were before the first change, and the app id of the target that
// the lost run created, 0 for none.
func asBefore(f plan.Facts, m *marker.Marker) (before plan.Facts, created int32) {
	src := *f.SourceTable
	src.Marker = nil
	src.Envs = withPriors(src.Envs, m.SourceEnvs)
	src.Envs = withPriors(src.Envs, map[string]marker.Prior{marker.Env: m.Prior})
	f.SourceTable = &src
	if f.TargetTable == nil {
		return f, 0
	}
	dst := *f.TargetTable
	if m.TargetExisted {
		dst.Marker = nil
		dst.Envs = withPriors(dst.Envs, m.TargetEnvs)
		f.TargetTable = &dst
		return f, 0
	}
	ours := dst.Marker != nil && dst.Marker.Lineage == m.Lineage || dst.Marker == nil && dst.ID > m.TargetHighestID && !dst.HasRows
	if ours {
		f.TargetTable = nil
		return f, dst.ID
	}
	return f, 0
}

// withPriors puts prior values over a table's envs.
func withPriors(envs map[string]string, priors map[string]marker.Prior) map[string]string {
	out := map[string]string{}
	for k, v := range envs {
		out[k] = v
	}
	for k, p := range priors {
		if p.Had {
			out[k] = p.Value
		} else {
			delete(out, k)
		}
	}
	return out
}

// fillPriors records what the lost run had recorded: what there was before, and what it created.
func fillPriors(doc *state.Document, p *plan.Plan, m *marker.Marker, created int32) error {
	for _, step := range p.Steps {
		record := doc.Step(step.ID)
		var err error
		switch step.Action.(type) {
		case plan.Own:
			record.Prior, err = apply.PriorsBlob(m)
			record.Attempts, record.Status = 1, state.Intended
		case plan.CreateTable:
			if created != 0 {
				record.Proof, err = apply.CreatedBlob(created)
				record.Attempts, record.Status = 1, state.Intended
			}
		case plan.Fence:
			record.Prior, err = apply.DenyBlob(m.SourceEnvs[plan.EnvDeny])
		}
		if err != nil {
			return err
		}
	}
	return nil
}
