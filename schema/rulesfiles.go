package schema

import (
	"slices"
	"time"

	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// parts implements methodRules.
func (*BackupRestoreMethod) parts() methodParts { return methodParts{backup: true} }

// parts implements methodRules.
func (*BackupBulkLoadMethod) parts() methodParts { return methodParts{backup: true} }

// parts implements methodRules.
func (*DualWriteMethod) parts() methodParts { return methodParts{drop: true} }

// gateHint implements methodRules.
func (m *BackupRestoreMethod) gateHint(gate string) string {
	return backupGateHint(m, m.SourceWrites, gate)
}

// gateHint implements methodRules.
func (m *BackupBulkLoadMethod) gateHint(gate string) string {
	return backupGateHint(m, m.SourceWrites, gate)
}

func backupGateHint(m Method, writes SourceWrites, gate string) string {
	switch {
	case slices.Contains(m.Gates(), gate):
		return ""
	case gate == GateUnfence:
		return "with source_writes = \"" + string(writes) + "\" nothing is fenced; its gates are " + list(m.Gates())
	}
	return didYouMean(gate, m.Gates(), "its gates are")
}

// gateHint implements methodRules.
func (m *DualWriteMethod) gateHint(gate string) string {
	switch {
	case slices.Contains(m.Gates(), gate):
		return ""
	case gate == GateComplete:
		return "leave it out: it is always there with after.source = \"drop\", and `pegmigrate complete` passes it"
	}
	return didYouMean(gate, m.Gates(), "its gates are")
}

// check implements methodRules.
func (m *BackupRestoreMethod) check(l *loader, mig *Migration, c *content) {
	if t := c.block("target"); t != nil && mig.Target.IfExists != IfExistsFail {
		l.errorf(CodeNotYet, t.Body.Attributes["if_exists"].Expr.Range(), "remove it, and drop or rename the table on the target first",
			"if_exists = %q is not supported by method backup_restore: the servers create the table themselves", mig.Target.IfExists)
	}
	checkFiles(l, mig, c, m, m.BackupUse, &m.SourceWrites)
}

// check implements methodRules.
func (m *BackupBulkLoadMethod) check(l *loader, mig *Migration, c *content) {
	checkFiles(l, mig, c, m, m.BackupUse, &m.SourceWrites)
}

// check implements methodRules.
func (m *DualWriteMethod) check(l *loader, mig *Migration, c *content) {
	if t := c.block("target"); t != nil && mig.Target.IfExists != IfExistsFail {
		l.errorf(CodeNotYet, t.Body.Attributes["if_exists"].Expr.Range(), "remove it, and drop or rename the table on the target first",
			"if_exists = %q is not supported by method dual_write: the table has to be created with rocksdb.allow_ingest_behind", mig.Target.IfExists)
	}
	refuseCutover(l, c, m.Kind())
	checkFileLimits(l, mig, c.block("limits"), m, m.BackupUse)
	if b := c.block("limits"); b != nil && mig.Limits.WriteReject > 0 {
		l.warnf(CodeNoEffect, b.Body.Attributes["write_reject"].NameRange, "remove it",
			"limits.write_reject has no effect: clients write both tables, no window has to end")
	}
	m.checkAfter(l, mig, c.block("after"))
}

func refuseCutover(l *loader, c *content, kind string) {
	if b := c.block("cutover"); b != nil {
		l.errorf(CodeOtherMethod, b.DefRange(), "remove it; clients are moved by hand", "the block \"cutover\" belongs to %s; method %q does not understand it", duplicationOnly, kind)
	}
}

// checkFiles is what backup_restore and backup_bulk_load have in common.
func checkFiles(l *loader, mig *Migration, c *content, m Method, use BackupUse, writes *SourceWrites) {
	refuseCutover(l, c, m.Kind())
	if mig.Source.Backup != nil {
		checkBackupSource(l, c.block("method"), m.Kind(), *writes)
		*writes = SourceWritesAccepted // whatever clients do to a table that is not looked at
	}
	checkFileLimits(l, mig, c.block("limits"), m, use)
	b := c.block("after")
	at := mig.After.Range
	if mig.After.Source != AfterNone {
		at = b.Body.Attributes["source"].Expr.Range()
	}
	fenced := *writes == SourceWritesFenced
	switch {
	case mig.After.Source == AfterDrop:
		l.errorf(CodeNotYet, at, `available: source = "unfence" or "keep_fenced"`, "dropping the source is not supported by method %s in this release", m.Kind())
	case !fenced && mig.After.Source != AfterNone:
		l.errorf(CodeNoEffect, at, `declare source_writes = "fenced", or remove the block`,
			"after.source = %q needs a fence, and with source_writes = %q there is none", mig.After.Source, *writes)
	case fenced && mig.After.Source == AfterNone:
		mig.After.Source = AfterUnfence
	}
	if b := c.block("limits"); b != nil && mig.Limits.WriteReject > 0 && !fenced {
		l.warnf(CodeNoEffect, b.Body.Attributes["write_reject"].NameRange, `declare source_writes = "fenced", or remove it`,
			"limits.write_reject has no effect: with source_writes = %q no write is rejected", *writes)
	}
}

// checkBackupSource refuses what needs a living source.
func checkBackupSource(l *loader, b *hclsyntax.Block, kind string, writes SourceWrites) {
	if b == nil {
		return
	}
	for _, name := range []string{"backup_path", "cold_backup_root", "adopt_max_age"} {
		if a := b.Body.Attributes[name]; a != nil {
			l.errorf(CodeNoEffect, a.NameRange, "remove it", "%q has no effect: source.backup names the backup", name)
		}
	}
	if a := b.Body.Attributes["source_writes"]; a != nil {
		l.errorf(CodeNoEffect, a.NameRange, "remove it", "source_writes = %q has no effect: the source of this %s is a backup, nothing writes to it", writes, kind)
	}
}

// hdfsRateUnit is the 1 of the servers' flags for HDFS, in bytes per second (hdfs_service.cpp).
const hdfsRateUnit = 1 << 20

// checkFileLimits tells of limits that limit nothing here, and refuses those that nothing keeps yet.
func checkFileLimits(l *loader, mig *Migration, b *hclsyntax.Block, m Method, use BackupUse) {
	if b == nil {
		return
	}
	kept := "send_rate, write_reject, rows_per_second and bytes_per_second"
	if _, dual := m.(*DualWriteMethod); dual {
		kept = "send_rate, rows_per_second and bytes_per_second"
	}
	l.refuseLimits(b, m.Kind(), kept, "send_rate")
	none := func(name, hint, why string) {
		if a := b.Body.Attributes[name]; a != nil {
			l.warnf(CodeNoEffect, a.NameRange, hint, "limits.%s has no effect: %s", name, why)
		}
	}
	if mig.Limits.InFlight > 0 {
		none("in_flight", "remove it", "the servers move the rows")
	}
	if mig.Verify.Mode == VerifyOff {
		none("rows_per_second", `declare verify.mode = "full", or remove it`, "it bounds the comparison, and nothing is compared")
		none("bytes_per_second", `declare verify.mode = "full", or remove it`, "it bounds the comparison, and nothing is compared")
	}
	if mig.Limits.SendRate == nil || use.Provider == nil || use.TargetProvider == nil {
		return
	}
	if use.Provider.Type == HDFSService || use.TargetProvider.Type == HDFSService {
		if r := mig.Limits.SendRate; r.Start > 0 && r.Start < hdfsRateUnit {
			l.errorf(CodeLimit, mig.Limits.Range, "begin with 1MiB or more", "send_rate.start is below 1 MiB, and the servers' flags count in MiB")
		}
		return
	}
	for _, nested := range b.Body.Blocks {
		if nested.Type == "send_rate" {
			l.warnf(CodeNoEffect, nested.DefRange(), "remove it; the disks and the mount set the pace",
				"limits.send_rate has no effect: servers do not limit what a local_service writes and reads")
		}
	}
}

// checkAfter fills in the end of a source whose clients write both tables: it stays as it is.
func (m *DualWriteMethod) checkAfter(l *loader, mig *Migration, b *hclsyntax.Block) {
	switch mig.After.Source {
	case AfterUnfence:
		l.errorf(CodeNoEffect, b.Body.Attributes["source"].Expr.Range(), `remove it, or declare "keep_fenced" or "drop"`,
			"after.source = %q has no effect: method dual_write fences nothing before its end", AfterUnfence)
	case AfterDrop:
		if mig.After.Reserve == 0 {
			mig.After.Reserve = DefaultReserve
		}
		if mig.After.Reserve < time.Second || mig.After.Reserve > maxReserve {
			l.errorf(CodeLimit, b.Body.Attributes["reserve"].Expr.Range(), `like "7d"`, `"reserve" must be from 1s to %dd`, int(maxReserve.Hours()/24))
		}
	}
}
