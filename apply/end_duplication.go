package apply

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/pegmigrate/pegmigrate/internal/event"
	"github.com/pegmigrate/pegmigrate/internal/marker"
	"github.com/pegmigrate/pegmigrate/plan"
)

// endRunner removes this run's duplication at the end of a migration, and no other.
type endRunner struct {
	base
	a plan.RemoveDuplication
}

func (e *endRunner) done(ctx context.Context) (bool, string, error) {
	id, err := e.r.duplicationID()
	if err != nil {
		return false, "", err
	}
	gone, err := e.removed(ctx, e.a.Source, id)
	if err != nil || !gone {
		return false, fmt.Sprintf("%s lists duplication %d", e.a.Source.Cluster, id), err
	}
	return true, fmt.Sprintf("%s does not list duplication %d", e.a.Source.Cluster, id), nil
}

func (e *endRunner) run(ctx context.Context) error {
	id, err := e.r.duplicationID()
	if err != nil {
		return err
	}
	if err := e.r.drainLast(ctx, e.base, e.a); err != nil {
		return err
	}
	return e.remove(ctx, e.a.Source, id)
}

// drainLast proves once more that everything is shipped: a primary that moved since the switch may
// have let a write in, and what is not shipped when the duplication ends never is.
func (r *Run) drainLast(ctx context.Context, b base, a plan.RemoveDuplication) error {
	if !r.cutsOver() {
		return nil
	}
	s, err := b.table(ctx, a.Source)
	if err != nil {
		return err
	}
	if !deniesWrites(marker.PriorOf(s.Envs, plan.EnvDeny)) {
		return &StepError{Step: b.id, Code: CodeFence, Text: fmt.Sprintf("%s takes writes again: somebody took the fence down", a.Source),
			Hint: fmt.Sprintf("what it takes from the end of the duplication on is lost for the target; in the shell of cluster %s: use %s; set_app_envs %s %s; then run the same command again",
				a.Source.Cluster, a.Source.Table, plan.EnvDeny, r.denyMode())}
	}
	r.freezer = nil
	defer r.stopWatch()
	return (&drainRunner{base: b, a: plan.Drain{Source: a.Source, Target: a.Target, Remote: a.Remote}}).run(ctx)
}

// denyMode is the value that the source's deny env has behind the cut-over.
func (r *Run) denyMode() string {
	if step, ok := firstStep[plan.Evict](r.Plan); ok {
		return step.Action.(plan.Evict).Mode
	}
	_, f, _ := r.fenceStep()
	return f.Mode
}

// removed says whether a duplication is gone; with the table it is.
func (b base) removed(ctx context.Context, t plan.TableRef, id int32) (bool, error) {
	list, err := b.duplications(ctx, t)
	if errors.Is(err, ErrNoTable) {
		return true, nil
	}
	return !slices.ContainsFunc(list, func(d Duplication) bool { return d.ID == id }), err
}

// remove removes a duplication and waits until it is not listed any more; doing it twice does no harm.
func (b base) remove(ctx context.Context, t plan.TableRef, id int32) error {
	return b.await(ctx, max(b.r.Waits.Transient, b.r.Waits.Undo), CodeDuplication, removeByHand(t, id), func(ctx context.Context) (bool, string, error) {
		list, err := b.duplicationsOnce(ctx, t)
		switch {
		case errors.Is(err, ErrNoTable):
			return true, "", nil
		case err != nil:
			reason, err := tolerate(ctx, err)
			return false, reason, err
		case !slices.ContainsFunc(list, func(d Duplication) bool { return d.ID == id }):
			return true, "", nil
		}
		call, cancel := b.call(ctx)
		defer cancel()
		err = b.r.World.Duplications.RemoveDuplication(call, t, id)
		if errors.Is(err, ErrRefused) {
			return false, "", err
		}
		return false, fmt.Sprintf("duplication %d is being removed%s", id, because(err)), nil
	})
}

// undoDuplication takes back what addRunner did: the duplication goes, and the follower that it
// created, when that is declared.
func (b base) undoDuplication(ctx context.Context, a plan.RemoveDuplication) (string, error) {
	memory, prepared, err := b.findDuplication(ctx, b.id, a)
	if err != nil {
		return "", err
	}
	if memory.ID == 0 {
		return "no duplication of this run is there", nil
	}
	if err := b.remove(ctx, a.Source, memory.ID); err != nil {
		return "", err
	}
	text := fmt.Sprintf("duplication %d is removed", memory.ID)
	follower, err := b.leftFollower(ctx, a.Target, prepared)
	switch {
	case errors.Is(err, ErrNoTable):
		return text + ", " + a.Target.String() + " does not exist", nil
	case err != nil:
		return "", err
	}
	byHand := fmt.Sprintf("in the shell of cluster %s, when `ls -a` shows id %d for it: drop %s", a.Target.Cluster, follower.ID, a.Target.Table)
	if why := b.r.followerOf(follower, memory); why != nil {
		b.warn(CodeTargetStolen, fmt.Sprintf("%s (id %d) is left alone, it is not provably the follower of this duplication: %v", a.Target, follower.ID, why),
			"when nobody needs it, "+byHand)
		return fmt.Sprintf("%s; %s (id %d) is left alone", text, a.Target, follower.ID), nil
	}
	if !a.DropFollower {
		b.warn(CodeDuplication, fmt.Sprintf("the follower %s (id %d) stays, drop_follower is not declared; another duplication to it would never get out of DS_PREPARE",
			a.Target, follower.ID), byHand)
		return fmt.Sprintf("%s; the follower %s (id %d) stays", text, a.Target, follower.ID), nil
	}
	if err := b.drop(ctx, plan.DropTable{Table: a.Target, Reserve: a.Reserve}, follower.ID); err != nil {
		return "", err
	}
	text += fmt.Sprintf(", its follower %s (id %d) is dropped", a.Target, follower.ID)
	if a.Reserve > 0 {
		text += fmt.Sprintf(" and can be recalled for %s", plan.Duration(a.Reserve))
	}
	return text, nil
}

// findDuplication finds the duplication that this run added, also after a request whose answer was
// lost. prepared says that its meta may be asking for the follower right now. The id stays known when
// the duplication itself is gone: its follower may not be.
func (b base) findDuplication(ctx context.Context, step string, a plan.RemoveDuplication) (memory duplicationProof, prepared bool, err error) {
	begun := b.r.Now()
	late := (&addRunner{base: b}).late()
	for {
		if memory, err = b.r.memoryOf(step); err != nil || memory.ID == 0 && memory.Sent.IsZero() {
			return memory, false, err
		}
		list, err := b.duplications(ctx, a.Source)
		if errors.Is(err, ErrNoTable) {
			return memory, false, nil
		}
		if err != nil {
			return memory, false, err
		}
		for _, e := range list {
			if e.Remote != a.Remote || memory.mayBe(e, late) != nil {
				continue
			}
			err := b.r.rememberOf(step, func(p *duplicationProof) { p.ID = e.ID })
			memory.ID = e.ID
			return memory, e.Status == dsInit || e.Status == dsPrepare, err
		}
		elapsed := b.r.Now().Sub(begun)
		if memory.ID != 0 || elapsed >= b.r.Waits.Call {
			return memory, false, nil
		}
		b.r.Sink.Emit(event.Waiting{Step: b.id, Elapsed: elapsed, Limit: b.r.Waits.Call,
			Reason: "the answer to the duplication's request was lost; it may still turn up"})
		if !pause(ctx, b.r.Waits.Poll) {
			return memory, false, context.Cause(ctx)
		}
	}
}

// leftFollower looks for the table that the duplication made. When it was removed while its meta was
// asking for that table, the table may turn up a moment later.
func (b base) leftFollower(ctx context.Context, t plan.TableRef, prepared bool) (s TableState, err error) {
	begun := b.r.Now()
	for {
		s, err = b.table(ctx, t)
		elapsed := b.r.Now().Sub(begun)
		if !errors.Is(err, ErrNoTable) || !prepared || elapsed >= b.r.Waits.DuplicationSync {
			return s, err
		}
		b.r.Sink.Emit(event.Waiting{Step: b.id, Elapsed: elapsed, Limit: b.r.Waits.DuplicationSync,
			Reason: "the follower may still turn up: the duplication was removed while its meta server asked for it"})
		if !pause(ctx, b.r.Waits.Poll) {
			return s, context.Cause(ctx)
		}
	}
}

// compensateDuplication undoes what only method duplication does.
func (b base) compensateDuplication(ctx context.Context, undo plan.Action) (string, error) {
	switch a := undo.(type) {
	case plan.RemoveDuplication:
		return b.undoDuplication(ctx, a)
	case plan.ReleaseBalancer:
		return b.undoHold(ctx, a)
	case plan.RemoveReturn:
		return b.undoReturn(ctx, a)
	}
	return b.compensateFiles(ctx, undo)
}

// describeUndoDuplication says what compensateDuplication does.
func describeUndoDuplication(a plan.Action) string {
	switch a := a.(type) {
	case plan.RemoveDuplication:
		if a.DropFollower {
			return fmt.Sprintf("remove the duplication of %s and drop its follower %s", a.Source, a.Target)
		}
		return "remove the duplication of " + a.Source.String()
	case plan.ReleaseBalancer:
		return "give the meta function level of " + a.Cluster + " back"
	case plan.RemoveReturn:
		return fmt.Sprintf("remove the duplication of %s back to %s", a.Source, a.Target)
	}
	return describeUndoFiles(a)
}

// repairDuplication is what an operator types when compensateDuplication failed; "" for nothing.
func (r *Run) repairDuplication(step plan.Step) string {
	switch a := step.Undo.(type) {
	case plan.RemoveDuplication:
		p, _ := r.duplicationMemory()
		if p.ID == 0 {
			return fmt.Sprintf("in the shell of cluster %s: query_dup %s, then remove_dup %s ID", a.Source.Cluster, a.Source.Table, a.Source.Table)
		}
		return removeByHand(a.Source, p.ID)
	case plan.RemoveReturn:
		p, _ := r.memoryOf(step.ID)
		return removeByHand(a.Source, p.ID)
	case plan.ReleaseBalancer:
		if level, ok, err := unblob[string](r.record(step.ID).Prior, kindLevel); err == nil && ok {
			return fmt.Sprintf("in the shell of cluster %s: set_meta_level %s", a.Cluster, level)
		}
	}
	return r.repairFiles(step)
}
