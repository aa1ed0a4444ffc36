package cli

import (
	"fmt"
	"strings"

	"github.com/pegmigrate/pegmigrate/apply"
	"github.com/pegmigrate/pegmigrate/plan"
	"github.com/pegmigrate/pegmigrate/schema"
)

// plannedVerify is the comparison of the migration's own plan, as it was carried out; false without one.
func (v *verification) plannedVerify() (plan.Verify, bool) {
	if v.doc == nil || v.doc.IdentityFingerprint != v.migration.IdentityFingerprint {
		return plan.Verify{}, false
	}
	p, err := apply.PlanOf(v.doc)
	if err != nil {
		return plan.Verify{}, false
	}
	for _, s := range p.Steps {
		if a, ok := s.Action.(plan.Verify); ok {
			return a, true
		}
	}
	return plan.Verify{}, false
}

// options are those of the copy that made the target, by which its rows are judged and repaired.
func (v *verification) options() plan.CopyOptions { return plan.DeclaredOptions(v.migration) }

// limits are the declared ones.
func (v *verification) limits() plan.CopyLimits { return plan.DeclaredLimits(v.migration.Limits) }

// allowExtra says that rows which only the target has are nobody's mistake: it had rows of its own when the
// migration began, or may have had.
func (v *verification) allowExtra() bool {
	if a, known := v.plannedVerify(); known {
		return a.AllowExtra
	}
	return v.migration.Target.IfExists == schema.IfExistsMerge
}

// rowsMeant says in words which rows are compared and what of them, "" for all of everything.
func rowsMeant(o plan.CopyOptions) string {
	var parts []string
	if len(o.Partitions) > 0 {
		parts = append(parts, fmt.Sprintf("source partitions %v", o.Partitions))
	}
	for _, f := range []struct{ name, text string }{{"hash_key", o.HashKey}, {"sort_key", o.SortKey}, {"value", o.Value}} {
		if f.text != "" {
			parts = append(parts, f.name+" "+f.text)
		}
	}
	if o.DropTTL {
		parts = append(parts, "without expiry")
	}
	if o.DropValue {
		parts = append(parts, "keys alone")
	}
	if o.KeepsTarget() {
		parts = append(parts, "rows that the target had are right")
	}
	return strings.Join(parts, ", ")
}
