package cli

import (
	"github.com/pegmigrate/pegmigrate/apply"
	"github.com/pegmigrate/pegmigrate/internal/marker"
	"github.com/pegmigrate/pegmigrate/plan"
	"github.com/pegmigrate/pegmigrate/state"
)

// adopt rebuilds a lost state document from the marker in the source table, see apply.Adopt.
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
	p, doc, err := apply.Adopt(s.migration, facts, m, s.env.Version)
	if err != nil {
		return err
	}
	if p.HasErrors() {
		return checksFailure(p)
	}
	return store.Create(doc)
}
