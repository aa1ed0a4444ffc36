package cli

import (
	"cmp"
	"errors"
	"fmt"

	"github.com/hashicorp/hcl/v2"

	"github.com/pegmigrate/pegmigrate/apply"
	"github.com/pegmigrate/pegmigrate/internal/view"
	"github.com/pegmigrate/pegmigrate/plan"
	"github.com/pegmigrate/pegmigrate/schema"
	"github.com/pegmigrate/pegmigrate/state"
)

// failure is an error of a command itself, ready to be shown.
type failure struct {
	Code, Place, Text, Hint string
	cause                   error // what decides about the exit code, nil for 1
}

func (f *failure) Error() string { return f.Text }

func (f *failure) Unwrap() error { return f.cause }

func failf(code, hint, format string, args ...any) *failure {
	return &failure{Code: code, Hint: hint, Text: fmt.Sprintf(format, args...)}
}

// staleError says that a saved plan rests on facts that moved.
type staleError struct {
	moved []plan.Moved
	text  string
}

func (e *staleError) Error() string {
	if e.text != "" {
		return e.text
	}
	if len(e.moved) == 1 {
		return "the plan is stale: one of its facts has moved"
	}
	return fmt.Sprintf("the plan is stale: %d of its facts have moved", len(e.moved))
}

// hinted is what the errors of package state offer.
type hinted interface {
	Summary() string
	Hint() string
}

// describe turns any error into what view prints: code, place, text, hint.
func describe(err error) view.Failure {
	var (
		own    *failure
		step   *apply.StepError
		saved  *plan.SavedError
		stale  *staleError
		budget *apply.BudgetError
		differ *apply.DifferencesError
		memory hinted
	)
	switch {
	case errors.As(err, &own):
		return view.Failure{Code: own.Code, Place: own.Place, Text: own.Text, Hint: own.Hint}
	case errors.As(err, &stale):
		f := view.Failure{Code: plan.CodeStale, Text: stale.Error(), Hint: "plan again"}
		for _, m := range stale.moved {
			f.Details = append(f.Details, m.String())
		}
		return f
	case errors.As(err, &saved):
		return view.Failure{Code: saved.Code, Text: saved.Text, Hint: saved.Hint}
	case errors.As(err, &budget):
		return view.Failure{Code: budget.Code(), Text: budget.Error(), Hint: budget.Advice()}
	case errors.As(err, &differ):
		return view.Failure{Code: apply.CodeDifferences, Text: differ.Error(),
			Hint: cmp.Or(differ.Hint, "the first ones are listed above; apply again copies everything anew")}
	case errors.As(err, &memory):
		return view.Failure{Code: stateCode(err), Text: memory.Summary(), Hint: memory.Hint()}
	case errors.Is(err, view.ErrNotTerminal):
		return view.Failure{Code: codeNotApproved, Text: "standard input is not a terminal, so nobody can be asked; nothing was changed",
			Hint: "pass -auto-approve"}
	case errors.As(err, &step):
		return view.Failure{Code: step.Code, Text: step.Error(), Hint: step.Hint}
	}
	return view.Failure{Text: err.Error()}
}

// stateCode tells the ways apart in which a state document can stand in the way.
func stateCode(err error) string {
	var (
		locked   *state.LockedError
		unusable *state.UnusableError
		newer    *state.NewerError
		lineage  *state.LineageError
	)
	switch {
	case errors.As(err, &locked):
		return codeStateLocked
	case errors.As(err, &unusable):
		return codeStateUnusable
	case errors.As(err, &newer):
		return codeStateNewer
	case errors.As(err, &lineage):
		return codeStateLineage
	}
	return apply.CodeState
}

// printDiagnostics shows what is wrong with the configuration.
func (e Env) printDiagnostics(diags hcl.Diagnostics, config *schema.Config) {
	view.Diagnostics(e.Stderr, diags, config.Files, e.style(e.Stderr))
}
