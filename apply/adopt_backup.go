package apply

import (
	"slices"
	"strconv"
	"time"

	"github.com/pegmigrate/pegmigrate/plan"
	"github.com/pegmigrate/pegmigrate/state"
)

// beforeFiles takes out of the facts what a lost run of a method that goes through files had under way: its backup,
// known by its age, its load, and what it staged for the table that it made.
func (a *adoption) beforeFiles(f plan.Facts) plan.Facts {
	if f.Files == nil {
		return f
	}
	files := *f.Files
	files.Running = slices.DeleteFunc(slices.Clone(files.Running), func(b plan.BackupRunning) bool {
		return backupMemory{Sent: a.mark.Since, Recovered: true}.mayBe(b.ID, 0)
	})
	if a.created != nil && a.created.ID != 0 {
		files.Loads = slices.DeleteFunc(slices.Clone(files.Loads), func(l plan.LoadRunning) bool { return l.Table == a.table })
		if files.StagedFor == a.created.ID {
			files.Staged, files.StagedFor = false, 0
		}
	}
	f.Files = &files
	return f
}

// restoredFrom is the backup that a table of this migration was made from, 0 for none.
func (a *adoption) restoredFrom(envs map[string]string, source *plan.TableFacts) int64 {
	id, err := strconv.ParseInt(envs[envRestoreBackup], 10, 64)
	if err != nil || source == nil || envs[envRestoreApp] != source.Name || envs[envRestoreAppID] != strconv.Itoa(int(source.ID)) {
		return 0
	}
	return id
}

// rememberFiles fills in what the lost run had recorded of limits, of its backup and of a restore.
func (a *adoption) rememberFiles(action plan.Action, record *state.Step) (begun bool, err error) {
	switch action := action.(type) {
	case plan.LimitRate:
		servers := a.mark.Rates[rateKey(action)]
		if len(servers) == 0 {
			return false, nil
		}
		record.Prior, err = blob(kindRates, ratePrior{Servers: servers})
		return true, err
	case plan.Backup:
		if a.backup != 0 { // the table that was made from it names it
			record.Proof, err = blob(kindBackup, backupMemory{ID: a.backup, Recovered: true, Adopted: time.UnixMilli(a.backup).Before(a.mark.Since)})
			return true, err
		}
		// Every backup that began since may be the lost run's: the meta server, or the store, shows it.
		record.Proof, err = blob(kindBackup, backupMemory{Sent: a.mark.Since, Last: a.mark.Since, Recovered: true})
		return true, err
	case plan.Restore:
		if a.created == nil {
			return false, nil
		}
		record.Proof, err = blob(kindCreate, *a.created)
		if err == nil {
			record.Prior, err = blob(kindHighest, a.mark.TargetHighestID)
		}
		return true, err
	}
	return a.rememberLoading(action, record)
}
