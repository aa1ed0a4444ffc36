package schema

import (
	"fmt"
	"slices"

	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// methodRules is what a method has to say about the rest of its migration: it refuses what it
// cannot honour and fills in its defaults.
type methodRules interface {
	check(l *loader, m *Migration, c *content)
}

// availableMethods are the methods of this release, plannedMethods those of the language besides.
func availableMethods() []string { return []string{"copy"} }
func plannedMethods() []string {
	return []string{"backup_bulk_load", "backup_restore", "dual_write", "duplication"}
}

// decodeMethod reads the method block; nil when there is no such method, or none yet.
func (l *loader) decodeMethod(b *hclsyntax.Block) (Method, methodRules) {
	name := b.Labels[0]
	switch name {
	case "copy":
		m := l.decodeCopy(b)
		return m, m
	}
	available := list(availableMethods())
	if slices.Contains(plannedMethods(), name) {
		l.errorf(CodeMethodUnavailable, b.LabelRanges[0], `write method "copy" { ... }`, "method %q is not in this release; available: %s", name, available)
		return nil, nil
	}
	hint := "available: " + available
	if near := suggest(name, append(availableMethods(), plannedMethods()...)); near != "" {
		hint = fmt.Sprintf("did you mean %q? %s", near, hint)
	}
	l.errorf(CodeMethodUnknown, b.LabelRanges[0], hint, "there is no method %q", name)
	return nil, nil
}

// gateHint is what to say of a gate that the method does not have here, "" when it has it.
func gateHint(gate string, method Method) string {
	gates := method.Gates()
	if slices.Contains(gates, gate) {
		return ""
	}
	if c, ok := method.(*CopyMethod); ok && gate == GateUnfence {
		return fmt.Sprintf("with source_writes = %q nothing is fenced; its gates are %s", c.SourceWrites, list(gates))
	}
	return didYouMean(gate, gates, "its gates are")
}
