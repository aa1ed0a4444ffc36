package apply_test

import (
	"errors"
	"testing"

	"github.com/pegmigrate/pegmigrate/apply"
)

// What ended a window decides about what helps: a budget that is too small, a cause to be mended, or
// nothing but the same command.
func TestAdviceAfterAWindow(t *testing.T) {
	for want, err := range map[string]*apply.BudgetError{
		"raise limits.write_reject, or apply again at a quieter time":      {},
		"the same command begins another window":                           {Interrupted: true, Cause: errors.New("context canceled")},
		"look at ZooKeeper":                                                {Cause: &apply.StepError{Text: "no answer", Hint: "look at ZooKeeper"}},
		"when the cause is mended, the same command begins another window": {Cause: errors.New("disk")},
	} {
		if got := err.Advice(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
