package apply

import (
	"github.com/pegmigrate/pegmigrate/plan"
	"github.com/pegmigrate/pegmigrate/state"
)

// rememberLoading fills in what the lost run had recorded of its staged files and of its load. The app id
// in staged files is the target's, which is used once: files for a table of this migration are its own. A
// split that was not finished has no id yet, and is left to whoever knows.
func (a *adoption) rememberLoading(action plan.Action, record *state.Step) (begun bool, err error) {
	switch action.(type) {
	case plan.Split:
		if a.created == nil || a.created.ID == 0 {
			return false, nil
		}
		record.Proof, err = blob(kindSplit, splitMemory{TargetID: a.created.ID, Lost: true})
		return true, err
	case plan.BulkLoad:
		if a.mark.TargetLevel == "" || a.created == nil || a.created.ID == 0 {
			return false, nil
		}
		if record.Prior, err = blob(kindLevel, a.mark.TargetLevel); err != nil {
			return false, err
		}
		record.Proof, err = blob(kindLoad, loadMemory{Sent: true})
		return true, err
	}
	return false, nil
}
