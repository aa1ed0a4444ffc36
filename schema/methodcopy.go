package schema

import (
	"fmt"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

func copySpec() bodySpec {
	spec := specOf("copy", []attrSpec{{name: "source_writes"}}, copyArguments(), duplicationArguments(), fileMethodArguments())
	spec.blocks = []blockSpec{{name: "geo"}}
	return spec
}

func (l *loader) decodeCopy(b *hclsyntax.Block) *CopyMethod {
	c := l.check(copySpec(), b.Body, b.DefRange())
	return &CopyMethod{SourceWrites: l.sourceWrites(c, SourceWritesCatchUp), CopyOptions: l.decodeCopyOptions(c)}
}

// parts implements methodRules.
func (*CopyMethod) parts() methodParts { return methodParts{sample: true} }

// gateHint implements methodRules.
func (m *CopyMethod) gateHint(gate string) string {
	switch {
	case slices.Contains(m.Gates(), gate):
		return ""
	case gate == GateUnfence:
		return fmt.Sprintf("with source_writes = %q nothing is fenced; its gates are %s", m.SourceWrites, list(m.Gates()))
	case gate == GateFence:
		return fmt.Sprintf("it is there with source_writes = %q; with %q its gates are %s", SourceWritesCatchUp, m.SourceWrites, list(m.Gates()))
	}
	return didYouMean(gate, m.Gates(), "its gates are")
}

// check implements methodRules.
func (m *CopyMethod) check(l *loader, mig *Migration, c *content) {
	if b := c.block("cutover"); b != nil {
		l.errorf(CodeOtherMethod, b.DefRange(), "remove it; after a copy clients are moved by hand", "the block \"cutover\" belongs to %s; method \"copy\" does not understand it", duplicationOnly)
	}
	m.checkOptions(l, c.block("method"))
	m.checkGeo(l, mig, c.block("method"))
	m.checkLimits(l, mig, c)
	m.checkVerify(l, mig, c)
	if m.SourceWrites == SourceWritesCatchUp {
		m.checkCatchUp(l, mig, c)
	}
	m.checkAfter(l, mig, c.block("after"))
}

// checkLimits refuses the limits that a copy cannot keep.
func (m *CopyMethod) checkLimits(l *loader, mig *Migration, c *content) {
	b := c.block("limits")
	if b == nil {
		return
	}
	l.refuseLimits(b, m.Kind(), "rows_per_second, bytes_per_second, in_flight, window and stop_if", "window", "stop_if")
	if mig.Limits.WriteReject > 0 && !m.Fences() {
		l.warnf(CodeNoEffect, b.Body.Attributes["write_reject"].NameRange, `declare source_writes = "fenced" or "catch_up", or remove it`,
			"limits.write_reject has no effect: with source_writes = %q no write is rejected", m.SourceWrites)
	}
	if m.SourceWrites != SourceWritesFenced {
		return
	}
	// A copy that waits behind its own fence rejects writes for nothing.
	fenced := func(name string, at hcl.Range) {
		l.errorf(CodeConflict, at, `remove it, or declare source_writes = "catch_up", which copies before the fence goes up`,
			"limits.%s and source_writes = %q exclude each other: clients cannot write until the rows are copied, so nothing may hold these", name, m.SourceWrites)
	}
	if a := b.Body.Attributes["window"]; a != nil {
		fenced("window", a.NameRange)
	}
	for _, nested := range b.Body.Blocks {
		if nested.Type == "stop_if" {
			fenced("stop_if", nested.DefRange())
			break
		}
	}
}

// checkVerify refuses comparisons that could prove nothing.
func (m *CopyMethod) checkVerify(l *loader, mig *Migration, c *content) {
	b := c.block("verify")
	if b == nil || mig.Verify.Mode != VerifyCount || b.Body.Attributes["mode"] == nil {
		return
	}
	at := b.Body.Attributes["mode"].Expr.Range()
	if m.SourceWrites == SourceWritesAccepted {
		l.errorf(CodeConflict, at, `declare mode = "full" or "sample"`,
			"verify.mode = %q says nothing with source_writes = %q: counts of a table that clients write to differ anyway", VerifyCount, m.SourceWrites)
	}
	if mig.Target.IfExists == IfExistsMerge {
		l.errorf(CodeConflict, at, `declare mode = "full" or "sample"`,
			"verify.mode = %q says nothing with if_exists = %q: rows of the target's own count as well", VerifyCount, IfExistsMerge)
	}
}

// checkCatchUp refuses what a catch-up, which makes the target equal to the source, cannot be together with.
func (m *CopyMethod) checkCatchUp(l *loader, mig *Migration, c *content) {
	if b := c.block("target"); b != nil && mig.Target.IfExists == IfExistsMerge {
		l.errorf(CodeConflict, b.Body.Attributes["if_exists"].Expr.Range(), `declare if_exists = "fail" or "resume_empty", or source_writes = "fenced"`,
			"if_exists = %q cannot be together with source_writes = %q, which deletes from the target what the source does not have", IfExistsMerge, m.SourceWrites)
	}
	if b := c.block("method"); b != nil && m.Overwrite != OverwriteAlways {
		l.errorf(CodeConflict, b.Body.Attributes["overwrite"].Expr.Range(), `remove it, or declare source_writes = "fenced"`,
			"overwrite = %q cannot be together with source_writes = %q, which brings over what clients changed after it was copied", m.Overwrite, m.SourceWrites)
	}
	if b := c.block("verify"); b != nil && mig.Verify.Mode != VerifyFull && b.Body.Attributes["mode"] != nil {
		l.errorf(CodeConflict, b.Body.Attributes["mode"].Expr.Range(), `remove it, or declare mode = "full"`,
			"verify.mode = %q cannot be together with source_writes = %q, which compares every row: that is how it finds what to copy", mig.Verify.Mode, m.SourceWrites)
	}
}

// checkAfter fills in the default end of a fence and refuses one without a fence.
func (m *CopyMethod) checkAfter(l *loader, mig *Migration, b *hclsyntax.Block) {
	at := mig.After.Range
	if mig.After.Source != AfterNone {
		at = b.Body.Attributes["source"].Expr.Range()
	}
	switch {
	case mig.After.Source == AfterDrop:
		l.errorf(CodeNotYet, at, `available: source = "unfence" or "keep_fenced"`, "dropping the source is not supported by method copy in this release")
	case !m.Fences() && mig.After.Source != AfterNone:
		l.errorf(CodeNoEffect, at, `declare source_writes = "fenced" or "catch_up", or remove the block`,
			"after.source = %q needs a fence, and with source_writes = %q there is none", mig.After.Source, m.SourceWrites)
	case m.Fences() && mig.After.Source == AfterNone:
		mig.After.Source = AfterUnfence
	}
}
