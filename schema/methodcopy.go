package schema

import (
	"fmt"
	"slices"

	"github.com/hashicorp/hcl/v2/hclsyntax"
)

func copySpec() bodySpec {
	return bodySpec{
		what: `the block of method "copy"`,
		attrs: append([]attrSpec{
			{name: "source_writes"},
			{name: "fail_mode", elsewhere: duplicationOnly},
			{name: "return_ticket", elsewhere: duplicationOnly},
			{name: "drop_follower", elsewhere: duplicationOnly},
		}, fileMethodArguments()...),
	}
}

// sourceWritesCatchUp is a value of the language that this release does not do.
const sourceWritesCatchUp SourceWrites = "catch_up"

func (l *loader) decodeCopy(b *hclsyntax.Block) *CopyMethod {
	c := l.check(copySpec(), b.Body, b.DefRange())
	return &CopyMethod{SourceWrites: l.sourceWrites(c)}
}

// parts implements methodRules.
func (*CopyMethod) parts() methodParts { return methodParts{} }

// gateHint implements methodRules.
func (m *CopyMethod) gateHint(gate string) string {
	if slices.Contains(m.Gates(), gate) {
		return ""
	}
	if gate == GateUnfence {
		return fmt.Sprintf("with source_writes = %q nothing is fenced; its gates are %s", m.SourceWrites, list(m.Gates()))
	}
	return didYouMean(gate, m.Gates(), "its gates are")
}

// check implements methodRules.
func (m *CopyMethod) check(l *loader, mig *Migration, c *content) {
	if b := c.block("cutover"); b != nil {
		l.errorf(CodeOtherMethod, b.DefRange(), "remove it; after a copy clients are moved by hand", "the block \"cutover\" belongs to %s; method \"copy\" does not understand it", duplicationOnly)
	}
	m.checkLimits(l, mig, c)
	m.checkAfter(l, mig, c.block("after"))
}

// checkLimits refuses the limits that a copy cannot keep yet.
func (m *CopyMethod) checkLimits(l *loader, mig *Migration, c *content) {
	b := c.block("limits")
	if b == nil {
		return
	}
	l.refuseLimits(b, m.Kind(), "rows_per_second, bytes_per_second and in_flight")
	if mig.Limits.WriteReject > 0 && m.SourceWrites != SourceWritesFenced {
		l.warnf(CodeNoEffect, b.Body.Attributes["write_reject"].NameRange, `declare source_writes = "fenced", or remove it`,
			"limits.write_reject has no effect: with source_writes = %q no write is rejected", m.SourceWrites)
	}
}

// checkAfter fills in the default end of a fence and refuses one without a fence.
func (m *CopyMethod) checkAfter(l *loader, mig *Migration, b *hclsyntax.Block) {
	at := mig.After.Range
	if mig.After.Source != AfterNone {
		at = b.Body.Attributes["source"].Expr.Range()
	}
	fenced := m.SourceWrites == SourceWritesFenced
	switch {
	case mig.After.Source == AfterDrop:
		l.errorf(CodeNotYet, at, `available: source = "unfence" or "keep_fenced"`, "dropping the source is not supported by method copy in this release")
	case !fenced && mig.After.Source != AfterNone:
		l.errorf(CodeNoEffect, at, `declare source_writes = "fenced", or remove the block`,
			"after.source = %q needs a fence, and with source_writes = %q there is none", mig.After.Source, m.SourceWrites)
	case fenced && mig.After.Source == AfterNone:
		mig.After.Source = AfterUnfence
	}
}
