package apply

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/event"
	"github.com/pegmigrate/pegmigrate/plan"
	"github.com/pegmigrate/pegmigrate/state"
)

// kindRoute is a RouteRecord.
const kindRoute = "route"

// kindSwitch is a switchMemory.
const kindSwitch = "switch"

// switchMemory is what a later run has to know of the requests of this one.
type switchMemory struct {
	// Sent is when a request left whose outcome is not known; zero when there is none.
	Sent time.Time `json:"sent,omitzero"`
}

// rememberSwitch makes durable whether a request may be under way.
func (r *Run) rememberSwitch(step string, m switchMemory) error {
	proof, err := blob(kindSwitch, m)
	if err != nil {
		return err
	}
	return r.update(step, func(s *state.Step) { s.Proof = proof })
}

// switchRunner leads clients to the target.
type switchRunner struct {
	base
	a plan.SwitchRoute
}

func (s *switchRunner) prior(ctx context.Context) (*state.Blob, error) {
	var rec RouteRecord
	err := s.insist(ctx, "read "+s.a.Route.Path(), func(ctx context.Context) (err error) {
		rec, err = s.readRoute(ctx, s.a.Route)
		return err
	})
	if err != nil {
		return nil, err
	}
	if rec.ClusterName != s.a.From.ClusterName && !leadsTo(rec, s.a.To) {
		return nil, s.elsewhere(rec)
	}
	if err := s.r.certify(func(c *Certificate) { c.RouteBefore = &rec }); err != nil {
		return nil, err
	}
	return blob(kindRoute, rec)
}

// done reads the record back.
func (s *switchRunner) done(ctx context.Context) (bool, string, error) {
	rec, err := s.readRoute(ctx, s.a.Route)
	if err != nil {
		return false, "", err
	}
	if !leadsTo(rec, s.a.To) {
		return false, fmt.Sprintf("%s leads to %s", s.a.Route.Path(), rec.ClusterName), nil
	}
	err = s.r.certify(func(c *Certificate) {
		if c.Switched.IsZero() {
			c.Switched = s.r.Now()
		}
		c.RouteAfter = &rec
	})
	return true, fmt.Sprintf("%s leads to %s, version %d, read back", s.a.Route.Path(), rec.ClusterName, rec.Version), err
}

func (s *switchRunner) elsewhere(rec RouteRecord) error {
	return &StepError{Step: s.id, Code: CodeRoute,
		Text: fmt.Sprintf("%s leads to cluster %q: somebody else changed it", s.a.Route.Path(), rec.ClusterName),
		Hint: "find out who; the route is left as it is"}
}

func (s *switchRunner) run(ctx context.Context) error {
	if err := s.takesClients(ctx); err != nil {
		return err
	}
	// One more proof, as close to the switch as it can be: whatever a moved primary let in since the
	// drain has to be on the target too.
	if step, ok := firstStep[plan.Drain](s.r.Plan); ok {
		drain := &drainRunner{base: base{r: s.r, id: s.id}, a: step.Action.(plan.Drain)}
		if err := drain.run(ctx); err != nil {
			return err
		}
	}
	// Without a budget a ZooKeeper that is away is waited for as long as any other.
	limit := max(s.r.Waits.Transient, s.r.writeReject())
	return s.await(ctx, limit, CodeRoute, "look at ZooKeeper", func(ctx context.Context) (bool, string, error) {
		return s.trySwitch(ctx)
	})
}

// trySwitch is one compare-and-set. An answer that was lost is settled by writing the record as it is
// again, so that the lost request can no longer take effect, before another is sent.
func (s *switchRunner) trySwitch(ctx context.Context) (over bool, reason string, err error) {
	rec, err := s.readRoute(ctx, s.a.Route)
	if err != nil {
		reason, err := tolerate(ctx, err)
		return false, reason, err
	}
	switch {
	case leadsTo(rec, s.a.To):
		return true, "", nil
	case rec.ClusterName != s.a.From.ClusterName:
		return false, "", s.elsewhere(rec)
	}
	if err := s.r.handover(ctx); err != nil {
		return false, "", err
	}
	if err := s.r.rememberSwitch(s.id, switchMemory{Sent: s.r.Now()}); err != nil {
		return false, "", err
	}
	now, err := s.swapRoute(ctx, s.a.Route, rec, s.a.To)
	if err != nil && !errors.Is(err, ErrOutcomeUnknown) { // nothing was changed
		if err := s.r.rememberSwitch(s.id, switchMemory{}); err != nil {
			return false, "", err
		}
		s.r.keepWatch()
	}
	switch {
	case err == nil:
		s.r.Sink.Emit(event.RouteSwitched{Step: s.id, Path: s.a.Route.Path(), From: s.a.From.ClusterName, To: s.a.To.ClusterName,
			Version: now.Version})
		return true, "", nil
	case errors.Is(err, ErrRouteMoved):
		return false, err.Error(), nil
	case errors.Is(err, ErrOutcomeUnknown):
		switched, settleErr := s.r.settleRoute(context.WithoutCancel(ctx))
		if settleErr != nil {
			return false, "", settleErr
		}
		if !switched {
			s.r.keepWatch()
		}
		return switched, err.Error(), nil
	}
	reason, err = tolerate(ctx, err)
	return false, reason, err
}
