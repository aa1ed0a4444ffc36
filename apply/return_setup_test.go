package apply_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/apply"
	"github.com/pegmigrate/pegmigrate/internal/marker"
	"github.com/pegmigrate/pegmigrate/plan"
	"github.com/pegmigrate/pegmigrate/schema"
	"github.com/pegmigrate/pegmigrate/state"
)

const ticketTime = time.Hour

// newReturn is a migration with a return ticket, as it is planned.
func newReturn(t *testing.T, busy bool, changes ...func(*dupScene)) *dupScene {
	s := newDup(t, busy).declare()
	s.decl.Method.(*schema.DuplicationMethod).ReturnTicket = ticketTime
	s.waits.Traffic = 3 * time.Minute
	for _, change := range changes {
		change(s)
	}
	s.decl.Method.(*schema.DuplicationMethod).DropFollower = s.drops
	s.plan = s.build()
	return s
}

// there applies until the ticket is held.
func (s *dupScene) there(ctx context.Context) {
	s.t.Helper()
	for n := 0; ; n++ {
		err := s.apply(ctx)
		var gate *apply.GateError
		var over *apply.BudgetError
		switch {
		case errors.As(err, &gate) && gate.Gate == schema.GateTicket:
			if gate.Until.IsZero() {
				s.t.Fatal("the ticket has no end")
			}
			return
		case err == nil || n == 4 || !errors.As(err, &over):
			s.t.Fatalf("the ticket is not held: %v\n%s", err, s.story())
		}
	}
}

// back is the command rollback behind a switch.
func (s *dupScene) back(ctx context.Context) error {
	doc := s.document()
	begun, err := apply.PlanOf(doc)
	s.must(err)
	p, err := apply.ReturnOf(doc)
	s.must(err)
	if p == nil {
		o, err := apply.BackOptions(doc, begun)
		if err != nil {
			return err
		}
		f := s.facts()
		f.Owned = apply.OwnershipOf(doc, begun)
		if p, err = plan.Back(begun, s.decl, f, o); err != nil {
			return err
		}
		for _, c := range p.Checks {
			if c.Severity == plan.Error {
				s.t.Fatalf("the plan of the return has an error: %s %s", c.Code, c.Text)
			}
		}
		s.slim(p)
	}
	forward := s.plan
	defer func() { s.plan = forward }()
	s.plan = p
	return s.session(func(r *apply.Run) error {
		if r.Store.Document().Return == nil {
			if err := apply.BeginReturn(r.Store, p); err != nil {
				return err
			}
		}
		return r.Return(ctx)
	})
}

// goBack does what an operator does who is told that the same command goes on.
func (s *dupScene) goBack(ctx context.Context) {
	s.t.Helper()
	for n := 0; ; n++ {
		if s.document().Outcome == state.OutcomeRolledBack {
			return
		}
		err := s.back(ctx)
		var over *apply.BudgetError
		if err == nil {
			return
		}
		if n == 4 || !errors.As(err, &over) {
			s.t.Fatalf("%v\n%s", err, s.story())
		}
	}
}

// returned checks the end of a return.
func (s *dupScene) returned() {
	s.t.Helper()
	if s.app != nil {
		s.app.stopped = true
	}
	src, dst := s.world.table(source()), s.world.table(target())
	for i, p := range src.parts {
		if p.denies() || p.deniesReads(time.Now()) {
			s.t.Errorf("partition %d of the source denies", i)
		}
	}
	if src.envs[plan.EnvBusinessInfo] != "team pay" || src.envs[plan.EnvDeny] != "" || src.envs[plan.EnvDefaultTTL] != "86400" {
		s.t.Errorf("envs of the source: %v", src.envs)
	}
	s.noDuplication()
	switch {
	case s.drops && dst != nil:
		s.t.Error("the follower is left")
	case !s.drops && dst == nil:
		s.t.Error("the follower is gone")
	case dst != nil:
		if m, _ := marker.Parse(dst.envs[marker.Env]); m != nil || dst.envs[plan.EnvDeny] != "reconfig*all" {
			s.t.Errorf("envs of the target: %v", dst.envs)
		}
		for _, d := range dst.dups {
			if !d.removed {
				s.t.Errorf("duplication %d of the target is left", d.id)
			}
		}
	}
	rec := s.world.records[dupRoute().Path()]
	if rec.ClusterName != "cluster-east" {
		s.t.Error("the route does not lead to the source")
	}
	for label, c := range s.world.clusters {
		if c.level != "lively" {
			s.t.Errorf("meta function level %s of %s", c.level, label)
		}
	}
	s.acknowledged(src)
	if doc := s.document(); doc.Outcome != state.OutcomeRolledBack {
		s.t.Errorf("outcome %q", doc.Outcome)
	}
	s.waitsHaveEnds()
	if s.t.Failed() {
		s.t.Log(s.story())
	}
}
