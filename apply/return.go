package apply

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/pegmigrate/pegmigrate/plan"
)

// A return ticket is a second duplication, from the target back to the source, that begins before the
// first client writes on the target. What the servers do about it (2.4 to 2.6):
//
//   - A primary that hears of a duplication for which nothing is stored begins with its own last decree
//     (replica_duplicator.cpp); one that takes over before that is stored begins later. So the step is
//     done when every partition has stored its decree, and only then clients are led over.
//   - What a table got by a duplication is not shipped on: there is no loop. But a batch of log that ends
//     with such a write is dropped as a whole (pegasus_mutation_duplicator::duplicate sends a batch only
//     at its last mutation, and skips that one first), with the clients' writes in it. So nothing may be
//     shipped in any more once clients write: the drain before the switch proves that. What a former
//     primary of the source had under way still, or a leak of its fence, may come later; therefore a
//     return compares every row before it leads anybody back.
//   - A fenced table rejects what is shipped to it, and counts each attempt as a failed write. So the
//     duplication is held while the source is fenced: the proof of traffic would see failures that no
//     client has.
//   - Timetags are not compared (verify_timetag is set by no server): the last to arrive wins, whatever
//     the clocks of the two clusters say.

// returnRunner adds the duplication of a return ticket.
type returnRunner struct {
	base
	a plan.AddReturn
}

func (t *returnRunner) adder() *addRunner { return &addRunner{t.base, t.a.Duplication()} }

func (t *returnRunner) done(ctx context.Context) (bool, string, error) {
	memory, err := t.r.memoryOf(t.id)
	if err != nil {
		return false, "", err
	}
	e, found, err := t.findReturn(ctx, t.a.Source)
	switch {
	case err != nil:
		return false, "", err
	case !found:
		return false, fmt.Sprintf("%s is not duplicated to %s", t.a.Source, t.a.Remote), nil
	case !memory.Opened:
		return false, fmt.Sprintf("duplication %d is in %s, and partitions have not stored where they begin", e.ID, e.Status), nil
	}
	return true, fmt.Sprintf("duplication %d to %s is in %s, every partition has stored where it begins", e.ID, e.Remote, e.Status), nil
}

// holds: one that is gone before the switch is added anew; nothing was to be shipped by it yet.
func (t *returnRunner) holds(ctx context.Context) (bool, error) {
	ok, _, err := t.done(ctx)
	return ok, err
}

func (t *returnRunner) run(ctx context.Context) error {
	memory, err := t.r.memoryOf(t.id)
	if err != nil {
		return err
	}
	e, found, err := t.findReturn(ctx, t.a.Source)
	if err != nil {
		return err
	}
	if found && e.Status == dsPause {
		// Held before a window that came to nothing: its log has writes of ours, see holdReturn.
		if err := t.remove(ctx, t.a.Source, e.ID); err != nil {
			return err
		}
		if err := t.r.rememberOf(t.id, func(p *duplicationProof) { *p = duplicationProof{} }); err != nil {
			return err
		}
		memory, found = duplicationProof{}, false
	}
	if !found {
		if memory.ID != 0 {
			t.warn(CodeDuplication, fmt.Sprintf("duplication %d of %s, of the return ticket, is gone: somebody removed it; another one is added", memory.ID, t.a.Source), "")
			if err := t.r.rememberOf(t.id, func(p *duplicationProof) { *p = duplicationProof{} }); err != nil {
				return err
			}
		}
		if err := t.adder().run(ctx); err != nil {
			return err
		}
	}
	return t.awaitOpened(ctx)
}

// awaitOpened waits until every partition has stored the decree that it begins with.
func (t *returnRunner) awaitOpened(ctx context.Context) error {
	limit := t.r.Waits.Prepare
	return t.await(ctx, limit, CodeDuplication, "look at the replica servers of "+t.a.Source.String()+"; they agree with their meta about duplications every "+t.r.Waits.DuplicationSync.String(),
		func(ctx context.Context) (bool, string, error) {
			e, found, err := t.findReturn(ctx, t.a.Source)
			if err == nil && found {
				err = t.r.rememberOf(t.id, func(p *duplicationProof) { p.ID = e.ID })
			}
			if err == nil && !found {
				err = &StepError{Step: t.id, Code: CodeDuplication, Text: "the duplication that was added a moment ago is gone: somebody removed it",
					Hint: "`" + t.r.Resume + "` adds another one"}
			}
			if err == nil && e.Status == dsPause {
				err = &StepError{Step: t.id, Code: CodeDuplication, Text: "the duplication that was added a moment ago is held: somebody paused it",
					Hint: "`" + t.r.Resume + "` adds another one"}
			}
			var lags []Lag
			if err == nil {
				lags, err = t.lagsOnce(ctx, t.a.Source, e.ID)
			}
			if err != nil {
				reason, err := tolerate(ctx, err)
				return false, reason, err
			}
			if n, first := unstored(lags); n > 0 || e.Status != dsLog {
				return false, fmt.Sprintf("duplication %d is in %s, %d partitions have not stored where they begin (%s)", e.ID, e.Status, n, first), nil
			}
			return true, "", t.r.rememberOf(t.id, func(p *duplicationProof) { p.Opened = true })
		})
}

// unstored counts partitions that do not ship from a decree that is stored.
func unstored(lags []Lag) (n int, first string) {
	for _, l := range lags {
		if l.Shipped >= 0 && l.Confirmed >= 0 {
			continue
		}
		if n++; n == 1 {
			first = fmt.Sprintf("partition %d on %s", l.Partition, l.Primary)
			if l.Problem != "" {
				first += ": " + l.Problem
			}
		}
	}
	return n, first
}

// clearBack looks, right before the request, at what must not be on the way back.
func (d *addRunner) clearBack(ctx context.Context, refuse func(text, hint string) error) error {
	from, err := d.table(ctx, d.a.Source)
	if err != nil {
		return err
	}
	to, err := d.table(ctx, d.a.Target)
	if err != nil {
		return err
	}
	if from.Partitions != to.Partitions {
		return refuse(fmt.Sprintf("%s has %d partitions, %s %d: what is shipped back would lie where no client finds it", d.a.Source, from.Partitions, d.a.Target, to.Partitions),
			"`"+d.r.rollbackCommand()+"`")
	}
	return nil
}

// findReturn finds the duplication of the return ticket among those of a table; one that turned up after a request
// whose answer was lost is taken as it.
func (b base) findReturn(ctx context.Context, t plan.TableRef) (Duplication, bool, error) {
	memory, err := b.r.memoryOf(plan.ReturnStep)
	if err != nil {
		return Duplication{}, false, err
	}
	list, err := b.duplications(ctx, t)
	if err != nil {
		return Duplication{}, false, err
	}
	late := (&addRunner{base: b}).late()
	for _, e := range list {
		if remote, ok := b.r.returnRemote(); ok && e.Remote == remote && memory.mayBe(e, late) == nil {
			return e, true, nil
		}
	}
	return Duplication{}, false, nil
}

// returnRemote is the cluster that the duplication of the return ticket goes to.
func (r *Run) returnRemote() (string, bool) {
	if r.Plan.Back {
		return r.Plan.Target.ClusterName, true
	}
	step, ok := firstStep[plan.AddReturn](r.Plan)
	if !ok {
		return "", false
	}
	return step.Action.(plan.AddReturn).Remote, true
}

// hold pauses a duplication, or lets it go on.
func (b base) hold(ctx context.Context, t plan.TableRef, id int32, hold bool) error {
	word := "go on with"
	if hold {
		word = "hold"
	}
	return b.insist(ctx, fmt.Sprintf("%s duplication %d of %s", word, id, t), func(ctx context.Context) error {
		ctx, cancel := b.call(ctx)
		defer cancel()
		return b.r.World.Duplications.HoldDuplication(ctx, t, id, hold)
	})
}

// holdReturn holds the duplication of the return ticket, and waits until no primary ships by it any more.
// It comes before the fence and before the first write to the target: what would arrive back in the log
// of the source ends a batch there that is dropped with everything in it, and that are writes of clients
// that the duplication to the target counts as shipped.
func (r *Run) holdReturn(ctx context.Context, b base) error {
	step, ok := firstStep[plan.AddReturn](r.Plan)
	if !ok || r.Plan.Back {
		return nil
	}
	a := step.Action.(plan.AddReturn)
	e, found, err := b.findReturn(ctx, a.Source)
	switch {
	case err != nil:
		return err
	case !found:
		return &StepError{Step: b.id, Code: CodeDuplication, Text: fmt.Sprintf("the duplication of the return ticket, of %s, is gone: somebody removed it", a.Source),
			Hint: "nothing was changed; `" + r.Resume + "` adds another one"}
	case e.Status != dsPause:
		if err := b.hold(ctx, a.Source, e.ID, true); err != nil {
			return err
		}
	}
	return b.await(ctx, r.Waits.Prepare, CodeDuplication, "look at the replica servers of "+a.Source.String()+"; nothing was changed",
		func(ctx context.Context) (bool, string, error) {
			lags, err := b.lagsOnce(ctx, a.Source, e.ID)
			if err != nil {
				reason, err := tolerate(ctx, err)
				return false, reason, err
			}
			for _, l := range lags {
				if !l.Held {
					return false, fmt.Sprintf("duplication %d is to be held, and partition %d on %s does not say that it is", e.ID, l.Partition, l.Primary), nil
				}
			}
			return len(lags) > 0, "no partition is reported", nil
		})
}

// dropReturn removes it when a window was closed without a switch. It must not go on: the target's log
// has the writes that proved that the target takes clients, see holdReturn. And as long as it is held the
// target keeps its log. The next attempt adds another one, which begins behind them; one that could not
// be removed stays held.
func (r *Run) dropReturn(ctx context.Context, b base) {
	step, ok := firstStep[plan.AddReturn](r.Plan)
	if !ok || r.Plan.Back || r.World.Duplications == nil {
		return
	}
	ctx, cancel := b.call(context.WithoutCancel(ctx))
	defer cancel()
	a := step.Action.(plan.AddReturn)
	memory, err := r.memoryOf(step.ID)
	if err != nil || memory.ID == 0 {
		return
	}
	if err := r.World.Duplications.RemoveDuplication(ctx, a.Source, memory.ID); err != nil {
		b.warn(CodeDuplication, fmt.Sprintf("duplication %d of %s, of the return ticket, is still held, and the target keeps its log as long: %v", memory.ID, a.Source, err),
			"the next attempt goes on with it")
		return
	}
	if err := r.rememberOf(step.ID, func(p *duplicationProof) { *p = duplicationProof{} }); err != nil {
		b.warn(CodeDuplication, fmt.Sprintf("duplication %d of %s, of the return ticket, was removed, and this could not be written down: %v", memory.ID, a.Source, err), "")
	}
}

// endReturnRunner removes the duplication of the return ticket, and no other.
type endReturnRunner struct {
	base
	a plan.RemoveReturn
}

func (e *endReturnRunner) done(ctx context.Context) (bool, string, error) {
	d, found, err := e.findReturn(ctx, e.a.Source)
	if errors.Is(err, ErrNoTable) {
		return true, e.a.Source.String() + " is gone", nil
	}
	if err != nil || found {
		return false, fmt.Sprintf("%s lists duplication %d", e.a.Source.Cluster, d.ID), err
	}
	return true, fmt.Sprintf("%s lists no duplication back to %s", e.a.Source.Cluster, e.a.Target), nil
}

func (e *endReturnRunner) run(ctx context.Context) error {
	d, found, err := e.findReturn(ctx, e.a.Source)
	if err != nil || !found {
		return err
	}
	return e.remove(ctx, e.a.Source, d.ID)
}

// undoReturn takes back what returnRunner did.
func (b base) undoReturn(ctx context.Context, a plan.RemoveReturn) (string, error) {
	memory, _, err := b.findDuplication(ctx, b.id, plan.RemoveDuplication{Source: a.Source, Target: a.Target, Remote: a.Remote})
	if errors.Is(err, ErrNoTable) || err == nil && memory.ID == 0 {
		return "no duplication of a return ticket is there", nil
	}
	if err != nil {
		return "", err
	}
	if err := b.remove(ctx, a.Source, memory.ID); err != nil {
		return "", err
	}
	return fmt.Sprintf("duplication %d of %s, of the return ticket, is removed", memory.ID, a.Source), nil
}

// denyRunner shuts a table for good.
type denyRunner struct {
	base
	a      plan.Deny
	proven bool
}

func (d *denyRunner) done(ctx context.Context) (bool, string, error) {
	s, err := d.table(ctx, d.a.Table)
	if errors.Is(err, ErrNoTable) {
		return true, d.a.Table.String() + " is gone", nil
	}
	if err != nil {
		return false, "", err
	}
	if s.Envs[plan.EnvDeny] != d.a.Mode || !d.proven {
		return false, fmt.Sprintf("%s of %s is %q, not proven to be in force", plan.EnvDeny, d.a.Table, s.Envs[plan.EnvDeny]), nil
	}
	return true, fmt.Sprintf("a write to each of %d partitions was rejected by its primary", s.Partitions), nil
}

func (d *denyRunner) run(ctx context.Context) error {
	if err := d.setEnvs(ctx, d.a.Table, map[string]string{plan.EnvDeny: d.a.Mode}); err != nil {
		return err
	}
	s, err := d.table(ctx, d.a.Table)
	if err != nil {
		return err
	}
	if err := d.proveAll(ctx, d.a.Table, newFenceRound(partitionsOf(s), Rejected), nil); err != nil {
		return err
	}
	d.proven = true
	return nil
}

// isBack says whether a step belongs to a return.
func isBack(id string) bool { return strings.HasPrefix(id, backPrefix) }

const backPrefix = "back-"

func withoutBack[S ~[]E, E any](list S, id func(E) string) S {
	return slices.DeleteFunc(slices.Clone(list), func(e E) bool { return isBack(id(e)) })
}
