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
	when   bool // verify.when
	drop   bool // after.source = "drop"
	backup bool // source.backup
	sample bool // verify.mode "sample" and "count"
}

// availableMethods are the methods of this release: all of the language.
func availableMethods() []string {
	return []string{"copy", "duplication", "backup_restore", "backup_bulk_load", "dual_write"}
}

// decodeMethod reads the method block; nil when there is no such method, or none yet.
func (l *loader) decodeMethod(b *hclsyntax.Block) methodRules {
	name := b.Labels[0]
	switch name {
	case "copy":
		return l.decodeCopy(b)
	case "duplication":
		return l.decodeDuplication(b)
	case "backup_restore":
		return l.decodeBackupRestore(b)
	case "backup_bulk_load":
		return l.decodeBackupBulkLoad(b)
	case "dual_write":
		return l.decodeDualWrite(b)
	}
	hint := "available: " + list(availableMethods())
	if near := suggest(name, availableMethods()); near != "" {
		hint = fmt.Sprintf("did you mean %q? %s", near, hint)
	}
	l.errorf(CodeMethodUnknown, b.LabelRanges[0], hint, "there is no method %q", name)
	return nil
}

// duplicationArguments are refused by the other methods.
func duplicationArguments() []attrSpec {
	return []attrSpec{{name: "fail_mode", elsewhere: duplicationOnly}, {name: "return_ticket", elsewhere: duplicationOnly},
		{name: "drop_follower", elsewhere: duplicationOnly}}
}

// fileMethodArguments are refused by the methods that move no files.
func fileMethodArguments() []attrSpec {
	return append(append(elsewhere(fileMethods, backupArguments()), elsewhere(loadMethods, splitArguments())...),
		attrSpec{name: "skip_bad_partition", elsewhere: restoreOnly}, attrSpec{name: "drop_expired", elsewhere: `the method "backup_bulk_load"`})
}

// refuseLimits refuses the limits of the language that the method does not keep; but names those that only some
// methods keep, and this one does.
func (l *loader) refuseLimits(b *hclsyntax.Block, method, kept string, but ...string) {
	refuse := func(name string, at hcl.Range) {
		l.errorf(CodeNotYet, at, "remove it; "+method+" keeps "+kept, "limits.%s is not supported by method %s in this release", name, method)
	}
	for _, name := range []string{"send_rate", "stop_if"} {
		if slices.Contains(but, name) {
			continue
		}
		for _, nested := range b.Body.Blocks {
			if nested.Type == name {
				refuse(name, nested.DefRange())
				break
			}
		}
	}
	if a := b.Body.Attributes["window"]; a != nil && !slices.Contains(but, "window") {
		refuse("window", a.NameRange)
	}
}
