package plan

import (
	"slices"

	"github.com/pegmigrate/pegmigrate/schema"
)

// resumeCopy gives the steps of a copy that are left what is declared now and may change on the way, and looks
// again at the window of a catch-up that has not begun. Behind the fence apply judges for itself.
func (b *builder) resumeCopy(p *Plan, method *schema.CopyMethod) {
	o := copyOptions(method)
	p.Steps = slices.Clone(p.Steps)
	for i, s := range p.Steps {
		switch a := s.Action.(type) {
		case Copy:
			a.Options = o
			s.Action, s.Estimate = a, s.Estimate.within(b.m.Limits.Window)
			s.Why = whyCopy(o, p.Source.Partitions, method.SourceWrites, a.Limits)
		case Verify:
			a.Options = o
			s.Action, s.Estimate = a, s.Estimate.within(b.m.Limits.Window)
		case BuildIndex:
			a.Geo = DeclaredGeo(method)
			s.Action, s.Why = a, whyIndex(a.Geo)
		}
		p.Steps[i] = s
	}
	if method.SourceWrites != schema.SourceWritesCatchUp {
		return
	}
	at := b.standing(p)
	w := b.resumedCatchUp(p, at)
	if !at.fenced && at.ahead("fence-source") {
		b.checkCatchUp()
	}
	b.withCatchUp(p.Steps, o, w)
	p.Clients = b.clientsLine(p, method)
}

// resumedCatchUp predicts the window anew. A fence that is or was up keeps the budget that it has, unless another
// is declared.
func (b *builder) resumedCatchUp(p *Plan, at standing) catchUp {
	w := b.catchUpWindow()
	if w.Declared || !at.fenced && at.ahead("fence-source") {
		return w
	}
	if s, ok := p.Step("fence-source"); ok {
		if f, ok := s.Action.(Fence); ok && f.Budget > 0 {
			w.Budget = f.Budget
		}
	}
	return w
}

// withCatchUp gives the steps of the window their budget and estimates. steps is changed in place.
func (b *builder) withCatchUp(steps []Step, o CopyOptions, w catchUp) {
	for i, s := range steps {
		switch a := s.Action.(type) {
		case Copy:
			a.Limits.WriteReject = w.Budget
			s.Action = a
		case Fence:
			a.Budget, a.Predicted = w.Budget, w.Total.Duration
			s.Action, s.Estimate = a, w.Live.Plus(w.Spread)
		case CatchUp:
			a.Limits, a.Options, a.Budget = b.catchUpLimits(w), o, w.Budget
			s.Action, s.Why, s.Estimate = a, whyCatchUp(o, w), catchUpEstimate(w)
		}
		steps[i] = s
	}
}
