package apply

import (
	"github.com/pegmigrate/pegmigrate/plan"
	"github.com/pegmigrate/pegmigrate/state"
)

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
	return false, nil
}
