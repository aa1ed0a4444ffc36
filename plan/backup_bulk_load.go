package plan

import (
	"fmt"

	"github.com/pegmigrate/pegmigrate/schema"
)

// bulkLoadSteps lists the steps of method "backup_bulk_load" in order.
func (b *builder) bulkLoadSteps(method *schema.BackupBulkLoadMethod) []Step {
	use, writes := method.BackupUse, method.SourceWrites
	hold, release := b.usageSteps()
	steps := b.ownSteps()
	steps = append(steps, b.gate(schema.GateBackup, "before the backup is made and anything is loaded")...)
	steps = append(steps, b.fencedSteps(writes)...)
	steps = append(steps, b.backupSteps(use, after(writes))...)
	steps = append(steps, b.targetSteps()...)
	steps = append(steps, b.splitStep(use, method.SplitUse, method.DropExpired), hold)
	steps = append(steps, b.loadSteps(use, method.SplitUse, false)...)
	steps = append(steps, release)
	steps = append(steps, b.compactSteps()...)
	steps = append(steps, b.verifyStep(use, writes)...)
	if len(b.envs.late) > 0 {
		steps = append(steps, b.lateEnvs())
	}
	steps = append(steps, b.unfenceSteps(writes)...)
	steps = append(steps, b.removeStagingStep(use, method.SplitUse))
	return ends(append(steps, b.disownSteps()...))
}

// sayBulkLoad fills the two sentences of the header that an operator reads first.
func (b *builder) sayBulkLoad(p *Plan, method *schema.BackupBulkLoadMethod) {
	p.Clients = b.fileClients(p, method.SourceWrites)
	switch {
	case !b.create:
		p.Return = fmt.Sprintf("rows that are loaded stay in the existing table; everything else can be undone until step %d", len(p.Steps))
	case b.fromBackup():
		p.Return = fmt.Sprintf("every step can be undone until step %d: %s is dropped, the backup stays as it is", len(p.Steps), b.target)
	default:
		p.Return = fmt.Sprintf("every step can be undone until step %d: %s is dropped, a backup that this run made is removed", len(p.Steps), b.target)
	}
}
