package apply

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/pegmigrate/pegmigrate/internal/event"
	"github.com/pegmigrate/pegmigrate/internal/marker"
	"github.com/pegmigrate/pegmigrate/plan"
)

// liftRunner takes a fence down.
type liftRunner struct {
	base
	a plan.LiftFence
}

func (l *liftRunner) done(ctx context.Context) (bool, string, error) {
	prior, err := l.r.denyPrior()
	if err != nil {
		return false, "", err
	}
	return l.lifted(ctx, prior)
}

func (l *liftRunner) lifted(ctx context.Context, prior marker.Prior) (bool, string, error) {
	s, err := l.table(ctx, l.a.Table)
	if errors.Is(err, ErrNoTable) {
		return true, l.a.Table.String() + " is gone", nil
	}
	if err != nil {
		return false, "", err
	}
	if got := marker.PriorOf(s.Envs, plan.EnvDeny); got != prior {
		return false, fmt.Sprintf("%s of %s is still %q", plan.EnvDeny, l.a.Table, got.Value), nil
	}
	if deniesWrites(prior) {
		return true, plan.EnvDeny + " has its prior value " + prior.Value, nil
	}
	probes, err := l.probe(ctx, l.a.Table, partitionsOf(s))
	if err != nil {
		return false, "", err
	}
	if n := count(probes, Accepted); n < len(probes) {
		return false, fmt.Sprintf("%d of %d partitions accept writes", n, len(probes)), nil
	}
	return true, fmt.Sprintf("a write to each of %d partitions was accepted", len(probes)), nil
}

func (l *liftRunner) run(ctx context.Context) error {
	prior, err := l.r.denyPrior()
	if err != nil {
		return err
	}
	if step, f, ok := l.r.fenceStep(); ok && l.r.inCatchUp() {
		l.r.tellLifting(step, f)
	}
	return l.lift(ctx, prior)
}

func (l *liftRunner) lift(ctx context.Context, prior marker.Prior) error {
	l.r.stopWatch()
	if err := l.restoreEnvs(ctx, l.a.Table, map[string]marker.Prior{plan.EnvDeny: prior}); err != nil {
		return err
	}
	sent := l.r.Now()
	if deniesWrites(prior) {
		return nil
	}
	s, err := l.table(ctx, l.a.Table)
	if err != nil {
		return err
	}
	round := newFenceRound(partitionsOf(s), Accepted)
	if err := l.proveAll(ctx, l.a.Table, round, nil); err != nil {
		return err
	}
	l.r.Sink.Emit(event.FenceProven{Step: l.id, Cluster: l.a.Table.Cluster, Table: l.a.Table.Table, Up: false,
		Partitions: len(round.proven), Spread: round.last.Sub(round.first), Took: l.r.Now().Sub(sent)})
	return nil
}

// deniesWrites says whether the prior value itself rejects writes, so that an accepted one cannot
// be asked for. Values are MODE*SCOPE with scope all, write or read (replica_envs.cpp,
// replica.deny_client_request).
func deniesWrites(p marker.Prior) bool {
	return p.Had && (strings.HasSuffix(p.Value, "*write") || strings.HasSuffix(p.Value, "*all"))
}

// denyPrior is the value that the source's deny env had before the fence.
func (r *Run) denyPrior() (marker.Prior, error) {
	if step, _, ok := r.fenceStep(); ok {
		if p, ok, err := unblob[marker.Prior](r.record(step.ID).Prior, kindDeny); err != nil || ok {
			return p, err
		}
	}
	if r.Plan.Back { // what the table had before the migration began it had not from its clients
		return marker.Prior{}, nil
	}
	p, err := r.priors()
	return p.SourceEnvs[plan.EnvDeny], err
}

// undoFence lifts a fence and proves it; also after an attempt that never came to be proven. A
// cancelled run must not leave half of it, so it has a deadline of its own.
func (r *Run) undoFence(ctx context.Context, step string, t plan.TableRef) error {
	b := base{r: r, id: step}
	ctx = context.WithoutCancel(ctx)
	limit, err := b.syncLimit(ctx, t.Cluster)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, limit+r.Waits.Undo)
	defer cancel()
	r.stopWatch()
	l := &liftRunner{b, plan.LiftFence{Table: t}}
	prior, err := r.denyPrior()
	if err != nil {
		return err
	}
	// The env is put back before anything is probed: a node that does not answer must not keep
	// the fence up everywhere else.
	s, err := l.afterSent(ctx, step, prior)
	if errors.Is(err, ErrNoTable) {
		return nil
	}
	if err == nil && marker.PriorOf(s.Envs, plan.EnvDeny) == prior {
		done, _, err := l.lifted(ctx, prior)
		if err == nil && done {
			return nil
		}
	}
	return l.lift(ctx, prior)
}

// afterSent looks at the table when no request to raise the fence is under way any more: one whose
// sender died, or whose answer was lost, may have its effect until Waits.Call after it left.
func (l *liftRunner) afterSent(ctx context.Context, step string, prior marker.Prior) (s TableState, err error) {
	p, rejected, err := l.r.fenceProof(step)
	if err != nil {
		return s, err
	}
	for {
		if s, err = l.table(ctx, l.a.Table); err != nil || rejected || marker.PriorOf(s.Envs, plan.EnvDeny) != prior {
			return s, err
		}
		now := l.r.Now()
		if p.Sent.IsZero() || now.Sub(p.Sent) >= l.r.Waits.Call || now.Before(p.Sent) {
			return s, nil
		}
		l.r.Sink.Emit(event.Waiting{Step: l.id, Elapsed: now.Sub(p.Sent), Limit: l.r.Waits.Call,
			Reason: "the request to raise the fence may be under way yet"})
		if !pause(ctx, l.r.Waits.Poll) {
			return s, context.Cause(ctx)
		}
	}
}
