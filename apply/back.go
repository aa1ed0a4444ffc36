package apply

import (
	"context"
	"fmt"

	"github.com/pegmigrate/pegmigrate/internal/event"
	"github.com/pegmigrate/pegmigrate/plan"
	"github.com/pegmigrate/pegmigrate/state"
)

// A return is the same cut-over backwards, carried out by a Run of its own: its plan is Document.Return
// (plan.Back), its steps follow the migration's in the document and their ids are none of the migration's. Until its
// own switch it can be taken back, and clients stay where they are.

// ReturnOf reads the plan of the return that is under way, or done; nil without one.
func ReturnOf(doc *state.Document) (*plan.Plan, error) {
	if doc == nil || doc.Return == nil {
		return nil, nil
	}
	bare := *doc
	bare.Plan = doc.Return
	return PlanOf(&bare)
}

// ActivePlanOf reads the plan that is being carried out: that of the return, where one is under way.
func ActivePlanOf(doc *state.Document) (*plan.Plan, error) {
	if back, err := ReturnOf(doc); err != nil || back != nil {
		return back, err
	}
	return PlanOf(doc)
}

// Switched says whether a document's migration led its clients over, as far as it knows.
func Switched(doc *state.Document, begun *plan.Plan) bool {
	step, ok := firstStep[plan.SwitchRoute](begun)
	if !ok {
		return false
	}
	s := doc.Step(step.ID)
	return s != nil && s.Status == state.Done
}

// BackOptions gives what the plan of a return needs to know from the document of its migration. Errors: *StepError
// when there is no way back.
func BackOptions(doc *state.Document, begun *plan.Plan) (plan.BackOptions, error) {
	var out plan.BackOptions
	t, why, err := TicketOf(doc, begun)
	if err != nil {
		return out, err
	}
	if why != "" {
		return out, &StepError{Code: CodeTicket, Text: "clients were led over, and there is no way back: " + why, Hint: "`pegmigrate apply` finishes the migration"}
	}
	out.Until = t.Until
	cert, err := CertificateOf(doc)
	if err != nil {
		return out, err
	}
	out.Route = plan.RouteEnd{ClusterName: begun.Source.ClusterName, MetaServers: begun.Source.MetaServers}
	if cert != nil && cert.RouteBefore != nil {
		out.Route = routeEndOf(*cert.RouteBefore)
	}
	for _, s := range doc.Steps {
		if p, ok, err := unblob[duplicationProof](s.Proof, kindDuplication); err == nil && ok && p.Follower != 0 {
			out.TargetID = p.Follower
		}
	}
	return out, nil
}

// BeginReturn makes the plan of a return durable.
func BeginReturn(store *state.Store, back *plan.Plan) error {
	doc, err := NewDocument(back, "", "")
	if err != nil {
		return err
	}
	return store.Update(func(d *state.Document) error {
		d.Return, d.ReturnCertificate = doc.Plan, nil
		d.Steps = append(withoutBack(d.Steps, func(s state.Step) string { return s.ID }), doc.Steps...)
		return nil
	})
}

// Return carries out the plan of a return. Errors as Apply's.
func (r *Run) Return(ctx context.Context) error {
	return r.carryOut(ctx, "rollback", state.OutcomeRolledBack)
}

// CancelReturn takes a return back that has not led clients back: the fence of its window is lifted, the
// balancer released, and the migration stands where it stood. Errors as Rollback's; CodeTicket when
// clients are led back already.
func (r *Run) CancelReturn(ctx context.Context) error {
	defer r.stopWatch()
	if err := r.unswitch(ctx); err != nil {
		return err
	}
	if id := r.pastReturn(); id != "" {
		return &StepError{Step: id, Code: CodeTicket, Text: "clients are led back already", Hint: "`" + r.rollbackCommand() + "` finishes the return"}
	}
	r.Sink.Emit(event.Warning{Step: r.Plan.Steps[0].ID, Code: CodeTicket,
		Text: fmt.Sprintf("the return that was begun is taken back: clients stay on %s", r.Plan.Source.TableRef)})
	if err := r.undoAll(ctx); err != nil {
		return err
	}
	for _, s := range r.Plan.Steps {
		if _, ok := s.Action.(plan.CompareLive); ok {
			if err := r.Store.Journal(s.ID).Discard(); err != nil {
				return err
			}
		}
	}
	return r.Store.Update(func(d *state.Document) error {
		d.Return, d.ReturnCertificate = nil, nil
		d.Steps = withoutBack(d.Steps, func(s state.Step) string { return s.ID })
		return nil
	})
}

// closingReturn says where clients are now, and what is left to do.
func (r *Run) closingReturn() string {
	from, to := r.Plan.Source.TableRef, r.Plan.Target.TableRef
	text := fmt.Sprintf("every write that %s accepted is on %s, and clients are led back there", from, to)
	if _, dropped := firstStep[plan.DropTable](r.Plan); dropped {
		return text
	}
	return text + fmt.Sprintf("; %s rejects everything until you drop it", from)
}
