package plan

import (
	"fmt"
	"maps"
	"strings"

	"github.com/pegmigrate/pegmigrate/schema"
)

// dualWriteSteps lists the steps of method "dual_write" in order.
func (b *builder) dualWriteSteps(method *schema.DualWriteMethod) []Step {
	use, src, limits := method.BackupUse, b.f.SourceTable, copyLimits(b.m.Limits)
	hold, release := b.usageSteps()
	const gate = "approve-" + schema.GateDualWrite
	b.envs.create[EnvIngestBehind] = "true"
	b.beforeWriters()
	steps := append(b.ownSteps(), b.targetSteps()...)
	steps = append(steps, hold, Step{
		ID: gate, Action: Approve{Gate: schema.GateDualWrite}, Gate: schema.GateDualWrite,
		Why: fmt.Sprintf("gate %q: you say that every writer now writes %s and %s, deletes as well, and repeats what fails", schema.GateDualWrite, b.source, b.target),
	}, Step{
		ID:       "prove-dual-write",
		Action:   ProveDualWrite{Source: b.source, Target: b.target, Rows: proofRows, For: proofTime, Gate: gate},
		Why:      fmt.Sprintf("rows that clients wrote after that (%d of them) are on both tables, equal", proofRows),
		Estimate: proofEstimate(),
	})
	steps = append(steps, b.backupSteps(use, "prove-dual-write")...)
	steps = append(steps, b.splitStep(use, method.SplitUse, false))
	steps = append(steps, b.loadSteps(use, method.SplitUse, true)...)
	steps = append(steps, Step{
		ID: "resurrection",
		Action: RepairResurrected{Provider: provider(use.Provider), Backup: b.backupRef(use), Source: b.source, Target: b.target,
			Limits: limits},
		Why:      "rows of the backup that the source no longer has, and the target has with the backup's value, are deleted there",
		Estimate: estimateMove(src.Rows, src.Bytes, limits, true),
	}, release)
	steps = append(steps, b.compactSteps()...)
	if b.m.Verify.Mode != schema.VerifyOff {
		steps = append(steps, Step{
			ID: "compare", Action: CompareLive{Source: b.source, Target: b.target, Limits: limits},
			Why:      "live comparison: every row of both tables: key, value, expiry, partition",
			Estimate: estimateMove(src.Rows, src.Bytes, limits, true),
		})
	}
	if len(b.envs.late) > 0 {
		steps = append(steps, b.lateEnvs())
	}
	steps = append(steps, b.gate(schema.GateCutover, "before the end: clients read and write "+b.target.String()+" alone")...)
	steps = append(steps, b.dualEnd()...)
	steps = append(steps, b.removeStagingStep(use, method.SplitUse))
	steps = append(steps, b.disownSteps()...)
	if b.m.After.Source == schema.AfterDrop {
		return steps
	}
	return ends(steps)
}

// proofEstimate is how long it takes until enough rows were seen: that depends on how many clients write.
func proofEstimate() Estimate {
	return Estimate{Duration: proofTime / 10, Low: proofTime / 60, High: proofTime}
}

// beforeWriters moves what decides about rows that clients write to before they begin: a default_ttl that came
// later would leave them without the expiry that the source gives them.
func (b *builder) beforeWriters() {
	for _, k := range []string{EnvDefaultTTL, "user_specified_compaction"} {
		if v, ok := b.envs.late[k]; ok {
			b.envs.early[k] = v
			delete(b.envs.late, k)
		}
	}
}

// dualEnd is what is declared to become of the source.
func (b *builder) dualEnd() []Step {
	switch b.m.After.Source {
	case schema.AfterKeepFenced:
		return []Step{{
			ID: "fence-source", Action: Fence{Table: b.source, Mode: FenceMode},
			Why:      fmt.Sprintf("deny writes on %s (%s), proven on %s, as declared", b.source, FenceMode, plural(int(b.f.SourceTable.Partitions), "partition")),
			Impact:   "whoever still writes " + b.source.String() + " is rejected from here on",
			Undo:     LiftFence{Table: b.source},
			Estimate: estimateSync(b.f.Source.ConfigSync),
		}}
	case schema.AfterDrop:
		return []Step{{
			ID: "approve-complete", Action: Approve{Gate: schema.GateComplete}, Gate: schema.GateComplete,
			Why: "gate \"complete\", before the source is dropped: `pegmigrate complete`",
		}, {
			ID: "drop-source", Action: DropTable{Table: b.source, Reserve: b.m.After.Reserve},
			Why:   "drop " + b.source.String() + ", recallable for " + Duration(b.m.After.Reserve),
			Final: true,
		}}
	}
	return nil
}

// sayDualWrite fills the two sentences of the header that an operator reads first.
func (b *builder) sayDualWrite(p *Plan) {
	r := b.estimateIngest()
	rejected := "nothing is rejected on " + b.source.String()
	if n := indexOf(p, "fence-source"); n > 0 {
		rejected += fmt.Sprintf(" before step %d, the end", n)
	}
	p.Clients = fmt.Sprintf("%s; from step %d on clients write both tables, and writes to a partition of %s are rejected about %s at step %d",
		rejected, indexOf(p, "approve-"+schema.GateDualWrite), b.target, Duration(r.Duration), indexOf(p, "load"))
	final := len(p.Steps)
	if n := indexOf(p, "drop-source"); n > 0 {
		final = n
	}
	p.Return = fmt.Sprintf("every step can be undone until step %d; let clients write %s alone before a rollback drops %s", final, b.source, b.target)
}

// fileClients is what clients notice of a method that begins with a backup.
func (b *builder) fileClients(p *Plan, writes schema.SourceWrites) string {
	if b.fromBackup() {
		return "nothing: the source is a backup"
	}
	switch writes {
	case schema.SourceWritesFenced:
		w := b.fileWindow()
		line := fmt.Sprintf("writes to the source rejected about %s (%s to %s", Duration(w.Duration), Duration(w.Low), Duration(w.High))
		if budget := b.m.Limits.WriteReject; budget > 0 {
			line += ", budget " + Duration(budget)
		}
		line += fmt.Sprintf(") from step %d", indexOf(p, "fence-source"))
		if n := indexOf(p, "unfence-source"); n > 0 {
			return line + fmt.Sprintf(" to %d; reads go on", n)
		}
		return line + " on, and left rejected; reads go on"
	case schema.SourceWritesAccepted:
		return "nothing is rejected; what they write after the backup of a partition is missing on the target"
	}
	return "nothing is rejected; writers must be stopped by you, from now until the target is verified"
}

// createOnly lists envs of the source that only a new table can be given.
func (b *builder) createOnly() string {
	return strings.Join(sortedKeys(maps.Clone(b.envs.create)), ", ")
}
