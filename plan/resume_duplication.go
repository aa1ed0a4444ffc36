package plan

import (
	"slices"

	"github.com/pegmigrate/pegmigrate/schema"
)

// resumeDuplication looks again at what the steps of a duplication that are left rest on, and gives
// them what is declared now and may change on the way. Errors are only for what must not be begun: behind the
// fence a refusal would leave clients rejected, and apply judges the world there itself.
func (b *builder) resumeDuplication(p *Plan, method *schema.DuplicationMethod) {
	at := b.standing(p)
	w := b.resumedWindow(p, at)
	if d := b.f.Duplication; d != nil {
		b.resumeServers(d, at)
		b.resumeEntry(d, at)
		if !at.fenced && at.ahead("fence-source") {
			b.checkWindow()
		}
		b.resumeRoute(method, d, at)
	}
	p.Steps = b.withCutover(withWindow(p.Steps, w, b.comparesInWindow()), method)
	b.sayDuplication(p, method, w)
}

// standing is how far a run is.
type standing struct {
	plan *Plan
	done int // steps
	// fenced says that the source carries a fence of ours, or may.
	fenced bool
}

func (b *builder) standing(p *Plan) standing {
	s := standing{plan: p}
	if b.f.Owned != nil {
		s.done = b.f.Owned.Progress.StepsDone
	}
	deny := b.f.SourceTable.Envs[EnvDeny]
	s.fenced = deny == FenceMode || deny == EvictMode
	return s
}

// ahead says whether a step is planned and not done; it may have begun.
func (s standing) ahead(id string) bool { return indexOf(s.plan, id) > s.done }

// next says whether a step is the one to go on with.
func (s standing) next(id string) bool { return indexOf(s.plan, id) == s.done+1 }

// past says whether a step is done.
func (s standing) past(id string) bool {
	n := indexOf(s.plan, id)
	return n > 0 && n <= s.done
}

// resumedWindow predicts the window anew. A fence that is or was up keeps the budget that it has,
// unless another is declared.
func (b *builder) resumedWindow(p *Plan, at standing) Window {
	w := b.cutoverWindow()
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

// withWindow gives the steps of the window their budget and estimates.
func withWindow(steps []Step, w Window, full bool) []Step {
	out := slices.Clone(steps)
	for i, s := range out {
		switch a := s.Action.(type) {
		case AwaitLag:
			a.Budget = w.Budget
			s.Action = a
		case Fence:
			a.Budget, a.Predicted = w.Budget, w.Total.Duration
			s.Action, s.Estimate = a, w.Spread
		case Drain:
			s.Estimate = w.Drain.less(w.Quiesce)
		case RecheckKeys:
			if full {
				s.Estimate = w.Recheck
			}
		}
		out[i] = s
	}
	return out
}

// resumeServers: before the duplication exists a server that is not configured is a reason not to add
// it; after that it is a danger to tell of. A server may also have joined meanwhile.
func (b *builder) resumeServers(d *DuplicationFacts, at standing) {
	if !at.ahead("end-duplication") {
		return
	}
	look := &builder{m: b.m, f: b.f, source: b.source, target: b.target, partitions: b.partitions, replicas: b.replicas}
	look.checkDupServers(d)
	for _, c := range look.checks.list {
		if c.Severity == Error && !at.ahead("duplication") {
			c.Severity = Warning
		}
		b.checks.list = append(b.checks.list, c)
	}
}

// resumeEntry: a duplication that somebody removed cannot go on; what was written since is in no log
// that would be shipped. The steps find out for themselves; here it is told before they run.
func (b *builder) resumeEntry(d *DuplicationFacts, at standing) {
	if !at.past("duplication") || !at.ahead("end-duplication") || at.next("end-duplication") {
		return
	}
	if !slices.ContainsFunc(d.Entries, func(e DuplicationEntry) bool { return e.Remote == b.f.Target.Name }) {
		hint := "`pegmigrate rollback`, then plan again: what was written since it is gone is not shipped"
		if at.past("switch") {
			hint = "compare the tables with `pegmigrate verify`: what leaked through the fence after it was gone is not shipped"
		}
		b.checks.warn(CodeDupGone, b.place(b.m.Source.Range), hint, "%s is not duplicated to %s any more: somebody removed it", b.source, b.f.Target.Name)
	}
	for _, e := range d.Entries {
		if e.Remote != b.f.Target.Name {
			b.checks.warn(CodeDupOther, b.place(b.m.Source.Range), "it is not this migration's; look at it with `pegmigrate doctor`",
				"%s is duplicated to %s as well (id %d, %s)", b.source, e.Remote, e.ID, e.Status)
		}
	}
}

// resumeRoute: before the fence nobody should be led to a third place; apply looks again in the moment
// before it raises one.
func (b *builder) resumeRoute(method *schema.DuplicationMethod, d *DuplicationFacts, at standing) {
	r := d.Route
	if method.Cutover.MetaProxy == nil || r == nil || indexOf(at.plan, "switch") == 0 {
		return
	}
	place, severity := b.atRoute(), Error
	if at.fenced || !at.ahead("fence-source") {
		severity = Warning
	}
	switch target := r.ClusterName == b.f.Target.Name; {
	case r.Problem != "":
		b.checks.warn(CodeRouteMissing, place, "it is needed at the switch: look at it in ZooKeeper", "route record %s", r.Problem)
		return
	case !r.Exists:
		b.checks.warn(CodeRouteMissing, place, "it is needed at the switch: put it back", "there is no route record %s in ZooKeeper", r.Path)
		return
	case at.past("switch") && !target:
		b.checks.list = append(b.checks.list, Check{Code: CodeRouteElsewhere, Severity: Warning, Loud: true, Place: place,
			Hint: "find out who changed it; clients may be writing to a table that nothing is shipped from",
			Text: "route record " + r.Path + " leads to \"" + r.ClusterName + "\", it was switched to \"" + b.f.Target.Name + "\""})
		return
	case at.ahead("switch") && r.ClusterName != b.f.Source.Name && (!target || !at.next("switch")):
		b.checks.add(CodeRouteElsewhere, severity, place, "find out who changed it; put it back when clients belong to the source",
			"route record %s leads to %q, the source calls itself %q", r.Path, r.ClusterName, b.f.Source.Name)
		return
	}
	if at.ahead("switch") && !at.next("switch") {
		b.checkProxies(r, Warning)
	}
}
