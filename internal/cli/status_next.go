package cli

import (
	"slices"
	"strings"

	"github.com/pegmigrate/pegmigrate/plan"
	"github.com/pegmigrate/pegmigrate/state"
)

// next says what an operator types to go on with a migration that nobody is at work on; "" when it has
// come to its end, or when other lines of status say it.
func (s *session) next(doc *state.Document, begun *plan.Plan) string {
	if doc.Outcome != state.OutcomeOpen || doc.Return != nil {
		return ""
	}
	if slices.ContainsFunc(doc.Steps, func(step state.Step) bool { return step.Status == state.Undone }) {
		return "it is being rolled back: `" + s.rollbackResume() + "` goes on"
	}
	for _, step := range begun.Steps {
		if done := doc.Step(step.ID); done != nil && done.Status == state.Done {
			continue
		}
		a, gate := step.Action.(plan.Approve)
		switch {
		case gate && !slices.Contains(doc.Approved, a.Gate):
			return "it waits at gate " + a.Gate + ": `" + strings.Replace(s.resumeCommand(), "apply", "apply -approve "+a.Gate, 1) + "`"
		case step.ID == plan.ReturnStep:
			return ""
		}
		return "`" + s.resumeCommand() + "` goes on"
	}
	return "`" + s.resumeCommand() + "` goes on"
}
