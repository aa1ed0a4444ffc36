package apply

import (
	"context"
	"fmt"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/event"
	"github.com/pegmigrate/pegmigrate/internal/marker"
	"github.com/pegmigrate/pegmigrate/plan"
	"github.com/pegmigrate/pegmigrate/state"
)

// fenceProof says when and by whom writes were seen to be rejected.
type fenceProof struct {
	// Sent is when the last request to set the env left.
	Sent time.Time `json:"sent,omitzero"`
	// FirstRejected is when the first partition rejected a write: the write-reject budget runs from
	// here on. It is durable before the second partition is looked at again.
	FirstRejected time.Time `json:"first_rejected,omitzero"`
	// Proven is when every partition had rejected one, zero before.
	Proven time.Time `json:"proven,omitzero"`
	// Until is when the budget ends as it was declared then, zero without one; for people.
	Until  time.Time `json:"until,omitzero"`
	Probes []Probe   `json:"probes,omitempty"`
	// Leaked says that writes may have been let in since Proven while no watch was running.
	Leaked bool `json:"leaked,omitempty"`
	// Lifted is when the fence was taken down before the step that does so had its turn.
	Lifted time.Time `json:"lifted,omitzero"`
}

// moved says whether a partition's ballot differs from what was proven: its primary may have
// changed, and a new primary accepts writes until it has learnt the env.
func (p fenceProof) moved(now []Probe) bool {
	then := map[int32]int64{}
	for _, probe := range p.Probes {
		then[probe.Partition] = probe.Ballot
	}
	for _, probe := range now {
		if ballot, ok := then[probe.Partition]; ok && ballot != probe.Ballot {
			return true
		}
	}
	return false
}

// fenceRunner raises a fence.
type fenceRunner struct {
	base
	a plan.Fence
	// looked is when the last round of probes ended that met no rejection.
	looked time.Time
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
	if err := f.amend(func(p *fenceProof) { p.Proven, p.Probes = f.r.Now(), probes }); err != nil {
		return false, "", err
	}
	return true, fmt.Sprintf("a write to each of %d partitions was rejected by its primary", len(probes)), nil
}

// holds proves a fence again that an earlier run raised. Whatever shows that it may have let writes
// in meanwhile is made durable before the old proof is replaced.
func (f *fenceRunner) holds(ctx context.Context) (bool, error) {
	p, _, err := f.r.fenceProof(f.id)
	if err != nil {
		return false, err
	}
	s, err := f.table(ctx, f.a.Table)
	if err != nil {
		return false, err
	}
	if s.Envs[plan.EnvDeny] != f.a.Mode {
		return false, f.amend(func(p *fenceProof) { p.Leaked = true })
	}
	var probes []Probe
	err = f.await(ctx, f.r.Waits.Transient, CodeFence, "look at the primaries of the source table", func(ctx context.Context) (bool, string, error) {
		var err error
		if probes, err = f.probe(ctx, f.a.Table, partitionsOf(s)); err != nil {
			reason, err := tolerate(ctx, err)
			return false, reason, err
		}
		unclear := count(probes, Unclear)
		return unclear == 0, fmt.Sprintf("%d partitions do not say whether the fence holds", unclear), nil
	})
	if err != nil {
		return false, err
	}
	held := count(probes, Accepted) == 0
	return held, f.amend(func(now *fenceProof) {
		now.Leaked = now.Leaked || !held || p.moved(probes)
		if held {
			now.Proven, now.Probes = f.r.Now(), probes
		}
	})
}

func (f *fenceRunner) run(ctx context.Context) error {
	if err := f.r.beforeFence(ctx, f.base); err != nil {
		return err
	}
	if err := f.refreshPrior(ctx); err != nil {
		return err
	}
	f.r.tellImpact()
	sent, err := f.raise(ctx)
	if err != nil {
		return err
	}
	s, err := f.table(ctx, f.a.Table)
	if err != nil {
		return err
	}
	round := newFenceRound(partitionsOf(s), Rejected)
	if err := f.proveAll(ctx, f.a.Table, round, func() error { return f.inBudget(ctx, round) }); err != nil {
		return err
	}
	if err := f.amend(func(p *fenceProof) { p.Proven, p.Probes = round.last, round.list() }); err != nil {
		return err
	}
	if f.r.guarded() {
		if err := f.r.startWatch(f.a.Table); err != nil {
			return err
		}
		p, _, err := f.r.fenceProof(f.id)
		if err != nil {
			return err
		}
		// What an earlier attempt proved went with its fence.
		if err := f.r.certify(func(c *Certificate) {
			*c = Certificate{FirstRejected: p.FirstRejected, Fenced: p.Proven, RouteBefore: c.RouteBefore}
		}); err != nil {
			return err
		}
	}
	f.r.Sink.Emit(event.FenceProven{Step: f.id, Cluster: f.a.Table.Cluster, Table: f.a.Table.Table, Up: true,
		Partitions: len(round.proven), Spread: round.last.Sub(round.first), Took: f.r.Now().Sub(sent)})
	return nil
}

// refreshPrior looks at the prior value again when an earlier attempt recorded it but, as the
// clusters show, changed nothing: somebody may have changed the env since.
func (f *fenceRunner) refreshPrior(ctx context.Context) error {
	if _, known, err := f.r.fenceProof(f.id); err != nil || known || f.r.record(f.id).Attempts < 2 {
		return err
	}
	s, err := f.table(ctx, f.a.Table)
	if err != nil || s.Envs[plan.EnvDeny] == f.a.Mode {
		return err
	}
	prior, err := blob(kindDeny, marker.PriorOf(s.Envs, plan.EnvDeny))
	if err != nil {
		return err
	}
	return f.r.update(f.id, func(rec *state.Step) { rec.Prior = prior })
}

// raise has the meta set the env. That a request leaves is durable before it does: after a crash
// one that was not seen to have an effect may have it yet. sent is a moment before any effect.
func (f *fenceRunner) raise(ctx context.Context) (sent time.Time, err error) {
	sent = f.r.Now()
	if err := f.r.tellUntil(ctx, f.a.Table, sent); err != nil {
		return sent, err
	}
	f.looked = sent
	return sent, f.insist(ctx, fmt.Sprintf("set %s of %s", plan.EnvDeny, f.a.Table), func(ctx context.Context) error {
		if err := f.amend(func(p *fenceProof) { p.Sent = f.r.Now() }); err != nil {
			return err
		}
		ctx, cancel := f.call(ctx)
		defer cancel()
		return f.r.World.Tables.SetEnvs(ctx, f.a.Table, map[string]string{plan.EnvDeny: f.a.Mode})
	})
}

// inBudget makes the first rejection durable, and ends the wait for the other partitions when the
// budget does: it runs while some partitions reject already and others do not yet.
func (f *fenceRunner) inBudget(ctx context.Context, round *fenceRound) error {
	first := round.first
	if first.IsZero() { // later than the round before
		first, f.looked = f.looked, f.r.Now()
	}
	if err := f.r.tellUntil(ctx, f.a.Table, first); err != nil || round.first.IsZero() {
		return err
	}
	if err := f.freezeEarly(ctx, round); err != nil {
		return err
	}
	p, known, err := f.r.fenceProof(f.id)
	if err != nil {
		return err
	}
	if !known || p.FirstRejected.IsZero() {
		if err := f.amend(func(p *fenceProof) { p.FirstRejected = round.first }); err != nil {
			return err
		}
	}
	left, ok, err := f.r.windowLeft(ctx)
	if err == nil && ok && left <= 0 && !round.complete() {
		return errOverBudget
	}
	return err
}

// freezeEarly looks at the decrees of partitions that reject writes while others do not yet, and freezes
// those that have done so for long enough. A look that fails is made up for by the step that waits for all of them.
func (f *fenceRunner) freezeEarly(ctx context.Context, round *fenceRound) error {
	if !f.r.cutsOver() {
		return nil
	}
	z := f.r.freezerOf(f.base, f.a.Table)
	z.add(round.list())
	if !z.due() {
		return nil
	}
	if _, err := z.freeze(ctx); err != nil {
		_, err = tolerate(ctx, err)
		return err
	}
	return nil
}

// proveAll probes until every partition gave the wanted verdict once. each, when there is one, is
// called after every round of probes.
func (b base) proveAll(ctx context.Context, t plan.TableRef, round *fenceRound, each func() error) error {
	limit, err := b.syncLimit(ctx, t.Cluster)
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
			if each != nil {
				if err := each(); err != nil {
					return false, "", err
				}
			}
			return round.complete(), round.reason(), nil
		})
}

// amend changes the proof in the state document. The budget's clock goes on from where it began.
func (f *fenceRunner) amend(change func(*fenceProof)) error {
	p, _, err := f.r.fenceProof(f.id)
	if err != nil {
		return err
	}
	change(&p)
	if p.FirstRejected.IsZero() && len(p.Probes) > 0 {
		p.FirstRejected = p.Proven
	}
	if budget := f.r.writeReject(); budget > 0 && !p.FirstRejected.IsZero() {
		p.Until = p.FirstRejected.Add(budget)
	}
	proof, err := blob(kindFence, p)
	if err != nil {
		return err
	}
	return f.r.update(f.id, func(s *state.Step) { s.Proof = proof })
}

// fenceProof reads what a fence step has proven; false before the first rejected write.
func (r *Run) fenceProof(step string) (fenceProof, bool, error) {
	p, _, err := unblob[fenceProof](r.record(step).Proof, kindFence)
	return p, !p.FirstRejected.IsZero(), err
}
