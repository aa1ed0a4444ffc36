package plan

import (
	"fmt"
	"maps"

	"github.com/pegmigrate/pegmigrate/schema"
)

// restoreSteps lists the steps of method "backup_restore" in order.
func (b *builder) restoreSteps(method *schema.BackupRestoreMethod) []Step {
	use, writes := method.BackupUse, method.SourceWrites
	steps := b.ownSteps()
	steps = append(steps, b.gate(schema.GateBackup, "before the backup is made and anything is restored")...)
	steps = append(steps, b.fencedSteps(writes)...)
	steps = append(steps, b.backupSteps(use, after(writes))...)
	before, back, rateStep := b.rateSteps("restore-rate", b.target.Cluster, UseDownload, use.TargetProvider.Type)
	steps = append(steps, before...)
	steps = append(steps, Step{
		ID: "restore",
		Action: Restore{Target: b.target, Provider: provider(use.TargetProvider), Backup: b.backupRef(use), Replicas: b.replicas,
			SkipBadPartition: method.SkipBadPartition, Rate: rateStep},
		Why: fmt.Sprintf("%s x %d, as in the backup; one replica of each downloads, the others learn from it",
			plural(int(b.partitions), "partition"), b.replicas),
		Undo:     DropTable{Table: b.target, Reserve: DropReserve},
		Estimate: withRows(b.estimateRestore(use.TargetProvider.Type), b.f.SourceTable),
	})
	steps = append(steps, back...)
	steps = append(steps, Step{
		ID:       "health",
		Action:   AwaitHealthy{Table: b.target, Replicas: b.replicas},
		Why:      fmt.Sprintf("all %d partitions have a primary and %d secondaries", b.partitions, b.replicas-1),
		Estimate: b.estimateLearn(),
	})
	if early := b.restoredEnvs(); len(early) > 0 {
		steps = append(steps, Step{
			ID: "target-envs", Action: SetEnvs{Table: b.target, Envs: early},
			Why: "a backup holds no envs: " + listEnvs(early),
		})
	}
	steps = append(steps, b.verifyStep(use, writes)...)
	if len(b.envs.late) > 0 {
		steps = append(steps, b.lateEnvs())
	}
	steps = append(steps, b.unfenceSteps(writes)...)
	return ends(append(steps, b.disownSteps()...))
}

// restoredEnvs are those that a table which servers made from a backup can still be given.
func (b *builder) restoredEnvs() map[string]string { return maps.Clone(b.envs.early) }

// sayRestore fills the two sentences of the header that an operator reads first.
func (b *builder) sayRestore(p *Plan, method *schema.BackupRestoreMethod) {
	p.Clients = b.fileClients(p, method.SourceWrites)
	p.Return = fmt.Sprintf("every step can be undone until step %d: %s is dropped, a backup that this run made is removed", len(p.Steps), b.target)
	if b.fromBackup() {
		p.Return = fmt.Sprintf("every step can be undone until step %d: %s is dropped, the backup stays as it is", len(p.Steps), b.target)
	}
}
