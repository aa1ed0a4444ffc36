package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/pegmigrate/pegmigrate/apply"
	"github.com/pegmigrate/pegmigrate/internal/view"
	"github.com/pegmigrate/pegmigrate/plan"
	"github.com/pegmigrate/pegmigrate/state"
)

// goesBack says whether a rollback is a return: clients were led over, and a ticket was declared.
func goesBack(doc *state.Document, begun *plan.Plan) bool {
	_, declared := begun.Step(plan.ReturnStep)
	return doc.Outcome == state.OutcomeOpen && declared && (doc.Return != nil || apply.Switched(doc, begun))
}

// rollbackResume is what an operator types to go on with a return.
func (s *session) rollbackResume() string {
	return strings.Replace(s.resumeCommand(), "pegmigrate apply", "pegmigrate rollback", 1)
}

// goBack leads clients back with the return ticket, or goes on with that.
func (s *session) goBack(ctx context.Context, store *state.Store, begun *plan.Plan, o rollbackOptions) error {
	doc := store.Document()
	options, err := apply.BackOptions(doc, begun)
	if err != nil {
		return err
	}
	away := s.connectAny(ctx)
	defer s.close()
	if len(away) > 0 {
		return s.goBackLater(ctx, store, begun, away, o)
	}
	facts, err := s.observe(ctx)
	if err != nil {
		return err
	}
	p, err := s.backPlan(doc, begun, facts, options)
	if err != nil {
		return err
	}
	if !o.json {
		if err := view.PlanText(s.env.Stdout, p, s.env.style(s.env.Stdout)); err != nil {
			return failf(codePlanNotShown, "give a standard output that can be written", "the plan could not be shown, nothing was changed: %v", err)
		}
	}
	if p.HasErrors() {
		if o.json {
			return checksFailure(p)
		}
		return &exitError{code: ExitError}
	}
	if !o.autoApprove {
		yes, err := view.Confirm(ctx, s.env.Stdin, s.env.Stderr, fmt.Sprintf("lead clients from %s back to %s?", p.Source.TableRef, p.Target.TableRef))
		if err != nil {
			return err
		}
		if !yes {
			return failf(codeNotApproved, "answer yes, or pass -auto-approve", "not approved; nothing was changed")
		}
	}
	if doc.Return == nil {
		if err := apply.BeginReturn(store, p); err != nil {
			return err
		}
	}
	sink, done := s.sink(o.json, "rollback")
	defer done()
	return s.newRun(store, p, sink, s.rollbackResume()).Return(ctx)
}

// goBackLater ends a return that cannot go on, because a cluster is away: when one is under way, and the
// cluster that clients are on answers, it is taken back, so that nobody waits behind its fence.
func (s *session) goBackLater(ctx context.Context, store *state.Store, begun *plan.Plan, away []error, o rollbackOptions) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if store.Document().Return == nil || s.clusters[begun.Target.Cluster] == nil {
		return errors.Join(away...)
	}
	for _, err := range away {
		s.env.report(err)
	}
	if err := s.takeBack(ctx, store, o.json); err != nil {
		return err
	}
	return failf(plan.CodeClusterSilent, "`"+s.rollbackResume()+"` begins it anew when both clusters answer",
		"a cluster is away: the return was taken back, clients stay on %s", begun.Target.TableRef)
}

// backPlan makes the plan of a return, or describes the one that is under way.
func (s *session) backPlan(doc *state.Document, begun *plan.Plan, facts plan.Facts, o plan.BackOptions) (*plan.Plan, error) {
	facts.Owned = apply.OwnershipOf(doc, begun)
	under, err := apply.ReturnOf(doc)
	if err != nil {
		return nil, err
	}
	if under == nil {
		return plan.Back(begun, s.migration, facts, o)
	}
	p, err := plan.ResumeBack(under, begun, s.migration, facts, o)
	if err != nil {
		return nil, err
	}
	progress := apply.OwnershipOf(doc, p).Progress
	p.Progress = &progress
	return p, nil
}

// takeBack undoes a return that was begun and has not led clients back, because apply means to go on.
func (s *session) takeBack(ctx context.Context, store *state.Store, json bool) error {
	doc := store.Document()
	if doc == nil || doc.Outcome != state.OutcomeOpen {
		return nil
	}
	back, err := apply.ReturnOf(doc)
	if err != nil || back == nil {
		return err
	}
	sink, done := s.sink(json, "apply")
	defer done()
	return s.newRun(store, back, sink, s.rollbackResume()).CancelReturn(ctx)
}

// ticketLine says what there is to say of a return ticket; "" when none was declared.
func ticketLine(doc *state.Document, begun *plan.Plan) (string, error) {
	if _, declared := begun.Step(plan.ReturnStep); !declared || !apply.Switched(doc, begun) {
		return "", nil
	}
	t, why, err := apply.TicketOf(doc, begun)
	switch {
	case err != nil:
		return "", err
	case doc.Outcome == state.OutcomeRolledBack:
		return "clients were led back", nil
	case doc.Return != nil:
		return "clients are being led back: `pegmigrate rollback` goes on, `pegmigrate apply` takes it back as long as the route was not switched", nil
	case why != "":
		return why, nil
	}
	until := t.Until.UTC().Format("2006-01-02T15:04:05Z")
	if t.Valid.IsZero() {
		return "the return ticket is not valid yet: what was written since the switch is on its way; until " + until, nil
	}
	return "the return ticket is valid until " + until + ": `pegmigrate rollback` leads clients back, `pegmigrate complete` ends it", nil
}
