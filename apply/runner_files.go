package apply

import (
	"context"
	"fmt"

	"github.com/pegmigrate/pegmigrate/plan"
)

// CodeNotYet is the code of an action that this release plans and does not run.
const CodeNotYet = "PM3050"

// filesRunner maps the actions of the methods that go through files to code; nil for others.
func (r *Run) filesRunner(b base, step plan.Step) runner {
	if work := r.backupRunner(b, step); work != nil {
		return work
	}
	if work := r.loadingRunner(b, step); work != nil {
		return work
	}
	switch a := step.Action.(type) {
	case plan.RemoveBackup, plan.CancelBulkLoad:
		return &notYetRunner{b, a}
	}
	return nil
}

// notYetRunner stands for an action without code.
type notYetRunner struct {
	base
	a plan.Action
}

func (n *notYetRunner) done(context.Context) (bool, string, error) {
	return false, "there is no code for it", nil
}

func (n *notYetRunner) run(context.Context) error {
	return &StepError{Step: n.id, Code: CodeNotYet, Text: fmt.Sprintf("this release does not run action %q yet", n.a.Kind()),
		Hint: "roll back, or use another method"}
}
