package apply

import "github.com/pegmigrate/pegmigrate/plan"

// backupRunner maps what has to do with backups, and with the limits of transfers, to code; nil for others.
func (r *Run) backupRunner(b base, step plan.Step) runner {
	switch a := step.Action.(type) {
	case plan.LimitRate:
		return &limitRunner{b, a}
	case plan.RestoreRate:
		return &rateBackRunner{base: b, a: a}
	case plan.Backup:
		return &backupRunner{base: b, a: a}
	case plan.VerifyBackup:
		return &checkBackupRunner{b, a}
	case plan.Restore:
		return &restoreRunner{base: b, a: a}
	case plan.VerifyBackupRows:
		return &backupRowsRunner{base: b, a: a}
	}
	return nil
}
