package cli

import (
	"fmt"
	"strings"

	"github.com/pegmigrate/pegmigrate/plan"
	"github.com/pegmigrate/pegmigrate/schema"
)

// options are those of the copy that made the target, by which its rows are judged and repaired.
func (v *verification) options() plan.CopyOptions {
	m, ok := v.migration.Method.(*schema.CopyMethod)
	if !ok {
		return plan.CopyOptions{}
	}
	o := m.CopyOptions
	out := plan.CopyOptions{Partitions: o.Partitions, HashKey: o.HashKey, SortKey: o.SortKey, Value: o.Value,
		DropTTL: o.DropTTL, DropValue: o.DropValue, ScanBatch: o.ScanBatch, Timeout: o.Timeout}
	if o.Overwrite != "" && o.Overwrite != schema.OverwriteAlways {
		out.Overwrite = string(o.Overwrite)
	}
	return out
}

// allowExtra says that rows which only the target has are nobody's mistake: it had rows of its own.
func (v *verification) allowExtra() bool { return v.migration.Target.IfExists == schema.IfExistsMerge }

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
