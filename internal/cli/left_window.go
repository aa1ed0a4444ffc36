package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/pegmigrate/pegmigrate/apply"
	"github.com/pegmigrate/pegmigrate/plan"
	"github.com/pegmigrate/pegmigrate/state"
)

// leaveWindow ends an apply that cannot go on before it has done anything: a cluster is away, the facts
// cannot be read, the plan has errors. When an earlier run died in the window of a cut-over and its
// watchdog with it, clients wait behind a fence that nobody else is there to lift: it comes down first.
// The error is cause, and why the fence could not be lifted.
func (s *session) leaveWindow(ctx context.Context, store *state.Store, cause error, json bool) error {
	doc := store.Document()
	if cause == nil || doc == nil || doc.Outcome != state.OutcomeOpen {
		return cause
	}
	p, err := apply.PlanOf(doc)
	if err != nil || !cutsOver(p) || s.clusters[p.Source.Cluster] == nil {
		s.warnOfFence(doc)
		return cause
	}
	sink, done := s.sink(json, "apply")
	defer done()
	lifted, err := s.newRun(store, p, sink, s.resumeCommand()).LiftAbandoned(context.WithoutCancel(ctx))
	if lifted {
		fmt.Fprintf(s.env.Stderr, "an earlier run died inside the reject window and this one cannot go on: the fence of %s is lifted\n",
			p.Source.TableRef)
	}
	return errors.Join(cause, err)
}

// cutsOver says whether a plan has a window that may be given up without losing what was done before it.
func cutsOver(p *plan.Plan) bool {
	return slices.ContainsFunc(p.Steps, func(s plan.Step) bool {
		switch s.Action.(type) {
		case plan.Drain, plan.CatchUp:
			return true
		}
		return false
	})
}
