package schema

import (
	"fmt"
	"slices"
	"time"

	"github.com/hashicorp/hcl/v2/hclsyntax"
)

func duplicationSpec() bodySpec {
	return specOf("duplication", []attrSpec{{name: "fail_mode"}, {name: "return_ticket"}, {name: "drop_follower"},
		{name: "source_writes", elsewhere: copyOnly}}, elsewhere(copyOnly, copyArguments()), fileMethodArguments())
}

func (l *loader) decodeDuplication(b *hclsyntax.Block) *DuplicationMethod {
	c := l.check(duplicationSpec(), b.Body, b.DefRange())
	m := &DuplicationMethod{}
	m.FailMode, _ = choice(l, c, "fail_mode", FailSlow, nil, FailSlow, FailSkip, FailFast)
	m.ReturnTicket, _ = l.span(c, "return_ticket", false, "leave it out to have none")
	m.DropFollower = l.optionalBool(c, "drop_follower")
	return m
}

// parts implements methodRules.
func (*DuplicationMethod) parts() methodParts { return methodParts{when: true, drop: true} }

// check implements methodRules.
func (m *DuplicationMethod) check(l *loader, mig *Migration, c *content) {
	m.Cutover = l.decodeCutover(c.block("cutover"))
	m.checkTicket(l, c.block("method"))
	m.checkTarget(l, mig, c.block("target"))
	m.checkVerify(l, mig, c.block("verify"))
	m.checkLimits(l, mig, c.block("limits"))
	m.checkAfter(l, mig, c.block("after"))
}

// maxTicket catches a slip of the keyboard: as long as a ticket lives the old table takes writes.
const maxTicket = 30 * 24 * time.Hour

// checkTicket: only a switch that this tool does can be undone by it.
func (m *DuplicationMethod) checkTicket(l *loader, b *hclsyntax.Block) {
	if m.ReturnTicket == 0 || b == nil {
		return
	}
	a := b.Body.Attributes["return_ticket"]
	if a == nil {
		return
	}
	if m.Cutover.MetaProxy == nil {
		l.errorf(CodeTicketRoute, a.NameRange, "add cutover { metaproxy { ... } }, or remove it",
			"return_ticket leads clients back by the route, and without a metaproxy block nothing has led them over")
	}
	if m.ReturnTicket > maxTicket {
		l.errorf(CodeLimit, a.Expr.Range(), `like "24h"`, `"return_ticket" must be at most %dd`, int(maxTicket.Hours()/24))
	}
}

// checkTarget refuses what the servers' duplication does not do with the table that it makes.
func (m *DuplicationMethod) checkTarget(l *loader, mig *Migration, b *hclsyntax.Block) {
	t, s := mig.Target, mig.Source
	if t.Cluster != nil && s.Cluster != nil && t.Table != s.Table && sameCluster(s.Cluster, t.Cluster) {
		l.errorf(CodeSameCluster, t.Range, `name another cluster, or declare method "copy"`,
			"method duplication moves a table to another cluster; source and target are on %s", s.Cluster.Label)
	}
	if b == nil {
		return
	}
	if t.IfExists != IfExistsFail {
		l.errorf(CodeNotYet, b.Body.Attributes["if_exists"].Expr.Range(), "remove it, and drop or rename the table on the target first",
			"if_exists = %q is not supported by method duplication: the servers create the target themselves and are stuck when it is there", t.IfExists)
	}
	if m.Cutover.MetaProxy != nil && t.Table != "" && s.Table != "" && t.Table != s.Table {
		l.errorf(CodeRoutedName, b.Body.Attributes["table"].Expr.Range(), "remove it, or the metaproxy block",
			"target.table is %q: a MetaProxy passes on the name that clients ask for, so the target must be %q too", t.Table, s.Table)
	}
}

// checkVerify fills in when the comparison happens.
func (m *DuplicationMethod) checkVerify(l *loader, mig *Migration, b *hclsyntax.Block) {
	switch {
	case mig.Verify.Mode == VerifyOff && mig.Verify.When != "":
		l.errorf(CodeNoEffect, b.Body.Attributes["when"].Expr.Range(), `remove it, or declare mode = "full"`,
			"verify.when says when tables are compared; with mode = %q they are not", VerifyOff)
	case mig.Verify.Mode != VerifyOff && mig.Verify.When == "":
		mig.Verify.When = VerifyBeforeFence
	}
}

// checkpointBlock is the default of nfs_copy_block_bytes (nfs_client_impl.cpp): a bucket that fills with less per
// second never holds a whole one.
const checkpointBlock = 4 << 20

// checkLimits refuses the limits that a duplication cannot keep, and tells of those that limit
// nothing here.
func (m *DuplicationMethod) checkLimits(l *loader, mig *Migration, b *hclsyntax.Block) {
	if b == nil {
		return
	}
	l.refuseLimits(b, m.Kind(), "send_rate, write_reject, rows_per_second and bytes_per_second", "send_rate")
	if r := mig.Limits.SendRate; r != nil && r.Start > 0 && r.Start < checkpointBlock {
		l.errorf(CodeLimit, mig.Limits.Range, "begin with 4MiB or more", "send_rate.start is below 4 MiB, the piece in which servers copy a checkpoint (nfs_copy_block_bytes)")
	}
	without := func(name, hint, why string) {
		if a := b.Body.Attributes[name]; a != nil {
			l.warnf(CodeNoEffect, a.NameRange, hint, "limits.%s has no effect: %s", name, why)
		}
	}
	if mig.Limits.InFlight > 0 {
		without("in_flight", "remove it", "with method duplication the servers ship the rows")
	}
	if mig.Verify.Mode != VerifyOff {
		return
	}
	const hint, why = `declare verify.mode = "full", or remove it`, "it bounds the comparison, and nothing is compared"
	if mig.Limits.RowsPerSecond > 0 {
		without("rows_per_second", hint, why)
	}
	if mig.Limits.BytesPerSecond > 0 {
		without("bytes_per_second", hint, why)
	}
}

// maxReserve catches a slip of the keyboard: a dropped table keeps its disk space for so long.
const maxReserve = 3650 * 24 * time.Hour

// checkAfter fills in the end of the source. A table that clients were led away from stays closed
// unless it is declared otherwise: a client with an old address would write into it unseen.
func (m *DuplicationMethod) checkAfter(l *loader, mig *Migration, b *hclsyntax.Block) {
	switch mig.After.Source {
	case AfterNone:
		mig.After.Source = AfterKeepFenced
	case AfterDrop:
		if mig.After.Reserve == 0 {
			mig.After.Reserve = DefaultReserve
		}
		if mig.After.Reserve < time.Second || mig.After.Reserve > maxReserve {
			l.errorf(CodeLimit, b.Body.Attributes["reserve"].Expr.Range(), `like "7d"`, `"reserve" must be from 1s to %dd`, int(maxReserve.Hours()/24))
		}
	}
}

// gateHint implements methodRules.
func (m *DuplicationMethod) gateHint(gate string) string {
	if gate == GateComplete {
		return fmt.Sprintf("leave it out: it is always there with after.source = %q, and `pegmigrate complete` passes it", AfterDrop)
	}
	if gate == GateTicket {
		return "leave it out: it is always there with a return_ticket, and `pegmigrate complete` passes it"
	}
	if slices.Contains(m.Gates(), gate) {
		return ""
	}
	return didYouMean(gate, m.Gates(), "its gates are")
}
