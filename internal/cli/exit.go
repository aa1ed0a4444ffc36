package cli

import (
	"context"
	"errors"

	"github.com/pegmigrate/pegmigrate/apply"
	"github.com/pegmigrate/pegmigrate/state"
)

// The exit codes, the only table of them. They are listed in the help text and kept for ever.
const (
	ExitDone        = 0
	ExitError       = 1
	ExitChanges     = 2 // plan -detailed-exitcode: there is something to do
	ExitGate        = 3
	ExitStale       = 4
	ExitLocked      = 5
	ExitBudget      = 6 // stopped by a limit, fence lifted
	ExitDifferences = 7
	ExitInterrupted = 130
)

// exitHelp is shown by every command's help.
const exitHelp = `Exit codes: 0 done, 1 error, 2 plan has changes (-detailed-exitcode), 3 waiting at a gate,
4 plan is stale, 5 state is locked, 6 stopped by a limit with the fence lifted,
7 verification found differences, 130 interrupted and resumable.`

// exitError ends a command with a code of its own; whatever there was to say is said already.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// codeOf maps an error to the exit code.
func codeOf(err error) int {
	if err == nil {
		return ExitDone
	}
	var (
		exit        *exitError
		gate        *apply.GateError
		stale       *staleError
		locked      *state.LockedError
		budget      *apply.BudgetError
		differences *apply.DifferencesError
		interrupted *apply.InterruptedError
	)
	switch {
	case errors.As(err, &exit):
		return exit.code
	case errors.As(err, &gate):
		return ExitGate
	case errors.As(err, &stale):
		return ExitStale
	case errors.As(err, &locked):
		return ExitLocked
	case errors.As(err, &budget):
		return ExitBudget
	case errors.As(err, &differences):
		return ExitDifferences
	case errors.As(err, &interrupted), errors.Is(err, context.Canceled):
		return ExitInterrupted
	}
	return ExitError
}
