package apply_test

import (
	"errors"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/apply"
)

// What ended a window decides about what helps: a budget that is too small, something that stood still, a
// cause to be mended, or nothing but the same command. The code is that of the cause: PM3014 is the budget.
func TestAdviceAfterAWindow(t *testing.T) {
	zookeeper := &apply.StepError{Code: apply.CodeRoute, Text: "no answer", Hint: "look at ZooKeeper"}
	whole := &apply.StepError{Code: apply.CodeLoss, Text: "the servers lost mutations", Hint: "`pegmigrate rollback`, and apply again"}
	for _, c := range []struct {
		err                *apply.BudgetError
		code, text, advice string
	}{
		{&apply.BudgetError{Step: "drain", Budget: 8 * time.Second}, apply.CodeBudget,
			"drain: the write-reject budget of 8 s is used up; the fence was lifted",
			"raise limits.write_reject, or run the same command at a quieter time"},
		{&apply.BudgetError{Step: "drain", Budget: 8 * time.Second, Waited: "decree 3 of 5 is shipped"}, apply.CodeBudget,
			"drain: the write-reject budget of 8 s is used up; the fence was lifted",
			"it waited for: decree 3 of 5 is shipped; mend that if it stood still, otherwise raise limits.write_reject; the same command begins another window"},
		{&apply.BudgetError{Step: "drain", Interrupted: true, Cause: errors.New("context canceled")}, apply.CodeWindow,
			"drain: interrupted inside the reject window; the fence was lifted", "the same command begins another window"},
		{&apply.BudgetError{Step: "switch", Cause: zookeeper}, apply.CodeRoute,
			"switch: no answer; the fence was lifted", "look at ZooKeeper; then the same command begins another window"},
		{&apply.BudgetError{Step: "drain", Cause: whole}, apply.CodeLoss,
			"drain: the servers lost mutations; the fence was lifted", "`pegmigrate rollback`, and apply again"},
		{&apply.BudgetError{Step: "fence", Cause: zookeeper, Unfenced: true}, apply.CodeRoute,
			"fence: no answer; no write was rejected", "look at ZooKeeper; then the same command begins another window"},
		{&apply.BudgetError{Step: "fence", Interrupted: true, Unfenced: true}, apply.CodeWindow,
			"fence: interrupted before the fence was raised; no write was rejected", "the same command begins another window"},
		{&apply.BudgetError{Step: "drain", Cause: errors.New("disk")}, apply.CodeWindow,
			"drain: disk; the fence was lifted", "when the cause is mended, the same command begins another window"},
	} {
		if got := c.err.Error(); got != c.text {
			t.Errorf("it says %q, want %q", got, c.text)
		}
		if got := c.err.Advice(); got != c.advice {
			t.Errorf("it advises %q, want %q", got, c.advice)
		}
		if got := c.err.Code(); got != c.code {
			t.Errorf("%s has code %s, want %s", c.text, got, c.code)
		}
	}
}
