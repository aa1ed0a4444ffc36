package schema

import (
	"fmt"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// methodRules is a method with what it has to say about the rest of its migration.
type methodRules interface {
	Method
	// parts says what it understands of the blocks that methods share.
	parts() methodParts
	// check refuses what the method cannot honour and fills in its defaults.
	check(l *loader, m *Migration, c *content)
	// gateHint is what to say of a gate that the method does not have here, "" when it has it.
	gateHint(gate string) string
}

// methodParts are the parts of the language that some methods understand and others do not.
type methodParts struct {
	when bool // verify.when
	drop bool // after.source = "drop"
}

// availableMethods are the methods of this release, plannedMethods those of the language besides.
func availableMethods() []string { return []string{"copy", "duplication"} }
func plannedMethods() []string {
	return []string{"backup_bulk_load", "backup_restore", "dual_write"}
}

// decodeMethod reads the method block; nil when there is no such method, or none yet.
func (l *loader) decodeMethod(b *hclsyntax.Block) methodRules {
	name := b.Labels[0]
	switch name {
	case "copy":
		return l.decodeCopy(b)
	case "duplication":
		return l.decodeDuplication(b)
	}
	available := list(availableMethods())
	if slices.Contains(plannedMethods(), name) {
		l.errorf(CodeMethodUnavailable, b.LabelRanges[0], `write method "copy" { ... }`, "method %q is not in this release; available: %s", name, available)
		return nil
	}
	hint := "available: " + available
	if near := suggest(name, append(availableMethods(), plannedMethods()...)); near != "" {
		hint = fmt.Sprintf("did you mean %q? %s", near, hint)
	}
	l.errorf(CodeMethodUnknown, b.LabelRanges[0], hint, "there is no method %q", name)
	return nil
}

// fileMethodArguments are refused by the methods that move no files.
func fileMethodArguments() []attrSpec {
	return []attrSpec{
		{name: "provider", elsewhere: fileMethods},
		{name: "target_provider", elsewhere: fileMethods},
		{name: "backup_path", elsewhere: fileMethods},
		{name: "adopt_max_age", elsewhere: fileMethods},
		{name: "staging", elsewhere: fileMethods},
	}
}

// refuseLimits refuses the limits of the language that no method keeps yet.
func (l *loader) refuseLimits(b *hclsyntax.Block, method, kept string) {
	refuse := func(name string, at hcl.Range) {
		l.errorf(CodeNotYet, at, "remove it; "+method+" keeps "+kept, "limits.%s is not supported by method %s in this release", name, method)
	}
	for _, name := range []string{"send_rate", "stop_if"} {
		for _, nested := range b.Body.Blocks {
			if nested.Type == name {
				refuse(name, nested.DefRange())
				break
			}
		}
	}
	if a := b.Body.Attributes["window"]; a != nil {
		refuse("window", a.NameRange)
	}
}
