package apply

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/pegmigrate/pegmigrate/plan"
)

// Codes of run-time failures.
const (
	CodeCluster       = "PM3001" // a cluster did not do what was asked
	CodeState         = "PM3002" // the state could not be written
	CodeForeignMarker = "PM3003"
	CodeTargetStolen  = "PM3004" // somebody else created the target meanwhile
	CodeNeverHealthy  = "PM3005"
	CodeFence         = "PM3006" // the fence did not come up, or did not come down
	CodeQuiesce       = "PM3007"
	CodeCopy          = "PM3008"
	CodeVerify        = "PM3009" // the comparison could not be finished
	CodeDifferences   = "PM3010"
	CodeSourceChanged = "PM3011" // stopped writers were not stopped
	CodeTTL           = "PM3012"
	CodeUndo          = "PM3013"
	CodeBudget        = "PM3014"
	CodeFinished      = "PM3015" // nothing to undo, or nothing to apply
	CodeState2        = "PM3016" // the state document does not fit the plan
	CodeDrain         = "PM3017" // what was accepted before the fence does not arrive on the target
	CodeRoute         = "PM3018" // the route record
	CodeProxy         = "PM3019" // a proxy does not lead where the record does
	CodeWatchdog      = "PM3020"
	CodeTicket        = "PM3045" // there is no return ticket (any more), or it does not hold right now
	CodeDuplication   = "PM3041" // the duplication is not this run's, is gone, paused, or stuck
	CodeLag           = "PM3042" // the target does not catch up
	CodeTraffic       = "PM3043" // clients are not seen to have moved
	CodeLoss          = "PM3044" // servers lost mutations that they had to ship
	CodeIndex         = "PM3046" // a row has no place in a geo index
	CodeWindow        = "PM3047" // a window was given up for another cause than its budget
)

// share writes a part of a whole in percent.
func share(part float64) string { return strconv.FormatFloat(100*part, 'g', 4, 64) + "%" }

// StepError ends a run. Code is stable, Hint says what to do.
type StepError struct {
	Step string
	Code string
	Text string
	Hint string
	Err  error
}

// Error implements error.
func (e *StepError) Error() string {
	s := e.Text
	if e.Step != "" {
		s = e.Step + ": " + s
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap gives the cause.
func (e *StepError) Unwrap() error { return e.Err }

// GateError says that the run waits for a person.
type GateError struct {
	Gate string
	Step string
	// Until is when the gate opens by itself, zero for never.
	Until time.Time
}

// Error implements error.
func (e *GateError) Error() string { return fmt.Sprintf("waiting at gate %q", e.Gate) }

// InterruptedError says that the run was told to stop and did so at a safe point.
type InterruptedError struct {
	Step string
	// Fenced says that writes on the source are still rejected.
	Fenced bool
}

// Error implements error.
func (e *InterruptedError) Error() string { return "interrupted at step " + e.Step }

// DifferencesError says that source and target do not hold the same rows.
type DifferencesError struct {
	Step  string
	Count uint64
	// SourceChanged counts the source partitions that do not hold the rows any more that were read
	// from them, although the operator promised that nobody writes.
	SourceChanged int
	// Mode and Sample are those of the comparison, SourceRows and TargetRows what it read or counted.
	Mode                   string
	Sample                 float64
	SourceRows, TargetRows uint64
	// Hint says what to do, "" for what helps after a copy.
	Hint string
	// Text says what differs when it is not source and target.
	Text string
}

// Error implements error.
func (e *DifferencesError) Error() string {
	if e.Text != "" {
		return e.Step + ": " + e.Text
	}
	s := fmt.Sprintf("%s: source and target differ in %s", e.Step, plan.Counted(e.Count, "row"))
	switch e.Mode {
	case plan.VerifyCount:
		s = fmt.Sprintf("%s: the source holds %s, the target %d", e.Step, plan.Counted(e.SourceRows, "row"), e.TargetRows)
	case plan.VerifySample:
		s += fmt.Sprintf(" of a sample of %s of the rows", share(e.Sample))
	}
	if e.SourceChanged > 0 {
		s += fmt.Sprintf("; %d partitions of the source were written to during the copy", e.SourceChanged)
	}
	return s
}

// BudgetError says that a window ended before its work was done, and that the fence was lifted: the
// write-reject budget was used up, or the run could not go on inside the window of a cut-over.
type BudgetError struct {
	Step   string
	Budget time.Duration
	// Interrupted says that a signal ended the window, Cause what else did; neither: the budget.
	Interrupted bool
	Cause       error
	// Unfenced says that it ended before the fence was raised, so that no write was rejected.
	Unfenced bool
	// Waited is what the window waited for when its budget ended, "" when that is not known.
	Waited string
	// Hint says what to do where another window is not enough, "" where it is.
	Hint string
}

// Error implements error.
func (e *BudgetError) Error() string {
	end := "; the fence was lifted"
	if e.Unfenced {
		end = "; no write was rejected"
	}
	switch {
	case e.Interrupted && e.Unfenced:
		return e.Step + ": interrupted before the fence was raised" + end
	case e.Interrupted:
		return e.Step + ": interrupted inside the reject window" + end
	case e.Cause != nil:
		return fmt.Sprintf("%s: %v%s", e.Step, e.Cause, end)
	}
	return fmt.Sprintf("%s: the write-reject budget of %s is used up%s", e.Step, plan.Duration(e.Budget), end)
}

// Code is CodeBudget when the budget ended the window, and otherwise that of what did, or CodeWindow.
func (e *BudgetError) Code() string {
	var cause *StepError
	switch {
	case !e.Interrupted && e.Cause == nil:
		return CodeBudget
	case !e.Interrupted && errors.As(e.Cause, &cause) && cause.Code != "":
		return cause.Code
	}
	return CodeWindow
}

// Advice says what to do.
func (e *BudgetError) Advice() string {
	const again = "the same command begins another window"
	var cause *StepError
	switch {
	case e.Hint != "":
		return e.Hint
	case e.Interrupted:
		return again
	case errors.Is(e.Cause, errWatchdogLifts):
		return again
	case errors.As(e.Cause, &cause) && cause.Hint != "":
		// Hints are written for steps of all kinds, and most do not know that the fence is down.
		if strings.Contains(cause.Hint, "again") || strings.HasPrefix(cause.Hint, "`") {
			return cause.Hint
		}
		return cause.Hint + "; then " + again
	case e.Cause != nil:
		return "when the cause is mended, " + again
	case e.Waited != "":
		return "it waited for: " + e.Waited + "; mend that if it stood still, otherwise raise limits.write_reject; " + again
	}
	return "raise limits.write_reject, or run the same command at a quieter time"
}

// Unwrap gives the cause.
func (e *BudgetError) Unwrap() error { return e.Cause }
