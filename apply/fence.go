package apply

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/event"
	"github.com/pegmigrate/pegmigrate/internal/marker"
	"github.com/pegmigrate/pegmigrate/plan"
	"github.com/pegmigrate/pegmigrate/state"
)

// fenceProof says when and by whom writes were seen to be rejected.
type fenceProof struct {
	FirstRejected time.Time `json:"first_rejected"`
	Proven        time.Time `json:"proven"`
	// Until is when the declared write-reject budget ends; zero without one.
	Until  time.Time `json:"until,omitzero"`
	Probes []Probe   `json:"probes"`
}

// fenceRunner raises a fence.
type fenceRunner struct {
	base
	a plan.Fence
}

func (f *fenceRunner) prior(ctx context.Context) (*state.Blob, error) {
	s, err := f.table(ctx, f.a.Table)
	if err != nil {
		return nil, err
	}
	return blob(kindDeny, marker.PriorOf(s.Envs, plan.EnvDeny))
}

// done is one round of probes over all partitions.
func (f *fenceRunner) done(ctx context.Context) (bool, string, error) {
	s, err := f.table(ctx, f.a.Table)
	if err != nil {
		return false, "", err
	}
	if s.Envs[plan.EnvDeny] != f.a.Mode {
		return false, fmt.Sprintf("%s of %s is %q", plan.EnvDeny, f.a.Table, s.Envs[plan.EnvDeny]), nil
	}
	probes, err := f.probe(ctx, f.a.Table, partitionsOf(s))
	if err != nil {
		return false, "", err
	}
	if n := count(probes, Rejected); n < len(probes) {
		return false, fmt.Sprintf("%d of %d partitions reject writes", n, len(probes)), nil
	}
	if err := f.recordProbes(probes); err != nil {
		return false, "", err
	}
	return true, fmt.Sprintf("a write to each of %d partitions was rejected by its primary", len(probes)), nil
}

// holds proves a fence again that an earlier run raised.
func (f *fenceRunner) holds(ctx context.Context) (bool, error) {
	ok, _, err := f.done(ctx)
	return ok, err
}

func (f *fenceRunner) run(ctx context.Context) error {
	if err := f.r.setEnvs(ctx, f.a.Table, map[string]string{plan.EnvDeny: f.a.Mode}); err != nil {
		return err
	}
	sent := f.r.Now()
	s, err := f.table(ctx, f.a.Table)
	if err != nil {
		return err
	}
	round := newFenceRound(partitionsOf(s), Rejected)
	if err := f.proveAll(ctx, f.a.Table, round); err != nil {
		return err
	}
	if err := f.recordRound(round); err != nil {
		return err
	}
	f.r.Sink.Emit(event.FenceProven{Step: f.id, Cluster: f.a.Table.Cluster, Table: f.a.Table.Table, Up: true,
		Partitions: len(round.proven), Spread: round.last.Sub(round.first), Took: f.r.Now().Sub(sent)})
	return nil
}

// proveAll probes until every partition gave the wanted verdict once under its present ballot.
func (b base) proveAll(ctx context.Context, t plan.TableRef, round *fenceRound) error {
	limit, err := b.r.syncLimit(ctx, t.Cluster)
	if err != nil {
		return err
	}
	return b.await(ctx, limit, CodeFence,
		"replica servers take envs over with config sync; look at the ones named here, or `pegmigrate rollback`",
		func(ctx context.Context) (bool, string, error) {
			probes, err := b.probe(ctx, t, round.open())
			if err != nil {
				reason, err := tolerate(ctx, err)
				return false, reason, err
			}
			round.add(probes, b.r.Now())
			return round.complete(), round.reason(), nil
		})
}

func (b base) probe(ctx context.Context, t plan.TableRef, partitions []int32) ([]Probe, error) {
	ctx, cancel := b.call(ctx)
	defer cancel()
	return b.r.World.Fences.Probe(ctx, t, partitions)
}

func (f *fenceRunner) recordRound(round *fenceRound) error {
	p := fenceProof{FirstRejected: round.first, Proven: round.last, Probes: round.list()}
	if budget := f.r.writeReject(); budget > 0 {
		p.Until = round.first.Add(budget)
	}
	proof, err := blob(kindFence, p)
	if err != nil {
		return err
	}
	return f.r.update(f.id, func(s *state.Step) { s.Proof = proof })
}

// recordProbes refreshes the proof of a standing fence; the budget's clock goes on from where it
// began.
func (f *fenceRunner) recordProbes(probes []Probe) error {
	p, known, err := unblob[fenceProof](f.r.record(f.id).Proof, kindFence)
	if err != nil {
		return err
	}
	now := f.r.Now()
	if !known {
		p.FirstRejected = now
		if budget := f.r.writeReject(); budget > 0 {
			p.Until = now.Add(budget)
		}
	}
	p.Proven, p.Probes = now, probes
	proof, err := blob(kindFence, p)
	if err != nil {
		return err
	}
	return f.r.update(f.id, func(s *state.Step) { s.Proof = proof })
}

// syncLimit is how long an env may take to reach every primary: two config syncs and a margin.
func (r *Run) syncLimit(ctx context.Context, cluster string) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, r.Waits.Call)
	defer cancel()
	sync, err := r.World.Fences.SyncInterval(ctx, cluster)
	if err != nil {
		return 0, fmt.Errorf("read the config sync interval of %s: %w", cluster, err)
	}
	return 2*sync + r.Waits.FenceMargin, nil
}

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
	if denies(prior) {
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
	return l.lift(ctx, prior)
}

func (l *liftRunner) lift(ctx context.Context, prior marker.Prior) error {
	l.r.stopWatch()
	sent := l.r.Now()
	if err := l.r.restoreEnvs(ctx, l.a.Table, map[string]marker.Prior{plan.EnvDeny: prior}); err != nil {
		return err
	}
	if denies(prior) {
		return nil
	}
	s, err := l.table(ctx, l.a.Table)
	if err != nil {
		return err
	}
	round := newFenceRound(partitionsOf(s), Accepted)
	if err := l.proveAll(ctx, l.a.Table, round); err != nil {
		return err
	}
	l.r.Sink.Emit(event.FenceProven{Step: l.id, Cluster: l.a.Table.Cluster, Table: l.a.Table.Table, Up: false,
		Partitions: len(round.proven), Spread: round.last.Sub(round.first), Took: l.r.Now().Sub(sent)})
	return nil
}

// denies says whether the prior value itself rejects deletes, so that an accepted write cannot be
// asked for.
func denies(p marker.Prior) bool { return p.Had && p.Value != "" }

// denyPrior is the value that the source's deny env had before the fence.
func (r *Run) denyPrior() (marker.Prior, error) {
	for _, s := range r.Plan.Steps {
		if _, ok := s.Action.(plan.Fence); !ok {
			continue
		}
		if p, ok, err := unblob[marker.Prior](r.record(s.ID).Prior, kindDeny); err != nil || ok {
			return p, err
		}
	}
	p, err := r.priors()
	return p.SourceEnvs[plan.EnvDeny], err
}

// DenyBlob is the prior of a fence step rebuilt by -adopt.
func DenyBlob(p marker.Prior) (*state.Blob, error) { return blob(kindDeny, p) }
