package apply

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/event"
	"github.com/pegmigrate/pegmigrate/internal/marker"
	"github.com/pegmigrate/pegmigrate/plan"
)

// compensate undoes what one step changed, under a deadline of its own: a Ctrl-C must not leave
// half of it.
func (r *Run) compensate(ctx context.Context, step plan.Step) (string, error) {
	b := base{r: r, id: step.ID}
	if a, ok := step.Undo.(plan.LiftFence); ok {
		return plan.EnvDeny + " has its prior value, and it is in force", r.undoFence(ctx, step.ID, a.Table)
	}
	if a, ok := step.Undo.(plan.RemoveBackup); ok { // it may have to wait for hours, and can be taken up again
		return b.undoBackup(ctx, a)
	}
	ctx = context.WithoutCancel(ctx)
	limit, err := b.undoLimit(ctx, step.Undo)
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	switch a := step.Undo.(type) {
	case plan.DropTable:
		return b.dropCreated(ctx, a)
	case plan.RestoreEnvs:
		return "", b.undoEnvs(ctx, a)
	case plan.Disown:
		p, err := r.priors()
		if err != nil {
			return "", err
		}
		if err := b.unmark(ctx, a.Target, p.TargetInfo); err != nil {
			return "", err
		}
		return "", b.unmark(ctx, a.Source, p.SourceInfo)
	}
	return b.compensateDuplication(ctx, step.Undo)
}

// undoLimit adds the time that envs take to get into force, where that is proven.
func (b base) undoLimit(ctx context.Context, undo plan.Action) (time.Duration, error) {
	switch undo.(type) {
	case plan.RemoveDuplication, plan.RemoveReturn:
		// A request that may still take effect, the removal, a follower that turns up late, its drop.
		return 2*b.r.Waits.Undo + b.r.Waits.Transient + b.r.Waits.Call + b.r.Waits.DuplicationSync, nil
	}
	if limit, known, err := b.undoLoadingLimit(ctx, undo); known {
		return limit, err
	}
	a, ok := undo.(plan.RestoreEnvs)
	if !ok {
		return b.r.Waits.Undo, nil
	}
	sync, err := b.syncLimit(ctx, a.Table.Cluster)
	return b.r.Waits.Undo + sync, err
}

// dropCreated drops the table that this run created, and no other.
func (b base) dropCreated(ctx context.Context, a plan.DropTable) (string, error) {
	id, why, err := b.createdTable(ctx, a.Table)
	if err != nil {
		return "", err
	}
	if id == 0 {
		return why, nil
	}
	if err := b.drop(ctx, a, id); err != nil {
		return "", err
	}
	return fmt.Sprintf("%s (id %d) is dropped, it can be recalled for %s", a.Table, id, plan.Duration(a.Reserve)), nil
}

// createdTable finds the table to drop; id 0 and the reason when there is none.
func (b base) createdTable(ctx context.Context, t plan.TableRef) (id int32, why string, err error) {
	memory, err := b.r.created(b.id)
	if err != nil {
		return 0, "", err
	}
	s, err := b.table(ctx, t)
	if errors.Is(err, ErrNoTable) && memory.Sent && memory.ID == 0 {
		s, err = b.lateTable(ctx, t)
	}
	switch {
	case errors.Is(err, ErrNoTable):
		return 0, t.String() + " does not exist", nil
	case err != nil:
		return 0, "", err
	case memory.ID == s.ID:
		return s.ID, "", nil
	}
	if memory.ID != 0 {
		err = fmt.Errorf("this run created id %d", memory.ID)
	} else {
		err = b.adoptable(s, memory)
	}
	if err != nil {
		// Not provably ours: leaving a stranger's table alone is the promise.
		b.warn(CodeTargetStolen, fmt.Sprintf("%s (id %d) is left alone: %v", t, s.ID, err), "drop it by hand if nobody needs it")
		return 0, fmt.Sprintf("%s (id %d) is left alone, it is not provably of this run", t, s.ID), nil
	}
	return s.ID, "", nil
}

// lateTable waits for the table of a create request whose answer was lost: it may turn up as long
// as the request is under way.
func (b base) lateTable(ctx context.Context, t plan.TableRef) (s TableState, err error) {
	begun := b.r.Now()
	for {
		if s, err = b.table(ctx, t); !errors.Is(err, ErrNoTable) {
			return s, err
		}
		elapsed := b.r.Now().Sub(begun)
		if elapsed >= b.r.Waits.Call {
			return s, err
		}
		b.r.Sink.Emit(event.Waiting{Step: b.id, Elapsed: elapsed, Limit: b.r.Waits.Call,
			Reason: "the answer to create was lost; " + t.String() + " may still turn up"})
		if !pause(ctx, b.r.Waits.Poll) {
			return s, ctx.Err()
		}
	}
}

// adoptable says why a table that was found after a create request is not of this run.
func (b base) adoptable(s TableState, memory created) error {
	step, _ := b.r.Plan.Step(b.id)
	switch a := step.Action.(type) {
	case plan.CreateTable:
		return (&createRunner{b, a}).plausible(s, memory)
	case plan.CreateIndex:
		return (&createRunner{b, plan.CreateTable(a)}).plausible(s, memory)
	case plan.Restore:
		return (&restoreRunner{base: b, a: a}).plausible(s, memory)
	}
	return fmt.Errorf("the plan creates no table in step %s", b.id)
}

// drop asks until the table with that id is gone. A request whose answer was lost is sent again
// only after a look: by then the name may be another table's.
func (b base) drop(ctx context.Context, a plan.DropTable, id int32) error {
	var lost error
	var sent time.Time
	return b.await(ctx, b.r.Waits.Undo, CodeUndo, "drop it by hand", func(ctx context.Context) (bool, string, error) {
		s, err := b.tableOnce(ctx, a.Table)
		switch {
		case errors.Is(err, ErrNoTable), err == nil && s.ID != id:
			return true, "", nil
		case err != nil:
			reason, err := tolerate(ctx, err)
			return false, reason, err
		case !sent.IsZero() && b.r.Now().Sub(sent) < b.r.Waits.Call:
			return false, a.Table.String() + " is still listed" + because(lost), nil
		}
		sent = b.r.Now()
		call, cancel := b.call(ctx)
		defer cancel()
		if lost = b.r.World.Tables.DropTable(call, a.Table, a.Reserve); errors.Is(lost, ErrRefused) {
			return false, "", lost
		}
		return false, a.Table.String() + " is being dropped" + because(lost), nil
	})
}

func because(err error) string {
	if err == nil {
		return ""
	}
	return ": " + err.Error()
}

func (b base) undoEnvs(ctx context.Context, a plan.RestoreEnvs) error {
	priors, ok, err := unblob[map[string]marker.Prior](b.r.record(b.id).Prior, kindEnvs)
	if err != nil || !ok {
		return err
	}
	if _, err := b.table(ctx, a.Table); err != nil {
		if errors.Is(err, ErrNoTable) {
			return nil
		}
		return err
	}
	if step, _ := b.r.Plan.Step(b.id); step.Action != nil && step.Action.Kind() == (plan.ParkEnvs{}).Kind() {
		// Parked envs were taken off and nothing was set in their place: what was absent is nothing to
		// undo, and a default_ttl that replicas kept applying must not be taken out of force.
		return b.putBack(ctx, a.Table, priors)
	}
	if p, ours := priors[plan.EnvDefaultTTL]; ours && !p.Had {
		// Deleting default_ttl leaves its value in force until the servers restart: it is set to 0,
		// proven out of force, and only then taken out.
		if err := (&parkRunner{b, plan.ParkTTL{Table: a.Table}}).run(ctx); err != nil {
			return err
		}
	}
	return b.restoreEnvs(ctx, a.Table, priors)
}

func describeUndo(a plan.Action) string {
	switch a := a.(type) {
	case plan.LiftFence:
		return "lift the fence of " + a.Table.String()
	case plan.DropTable:
		return "drop " + a.Table.String() + ", if this run created it"
	case plan.RestoreEnvs:
		return fmt.Sprintf("put %v of %s back", a.Keys, a.Table)
	case plan.Disown:
		return "take the ownership marker out"
	}
	return describeUndoDuplication(a)
}

// repairByHand is what an operator types in the servers' own shell when undoing failed.
func (r *Run) repairByHand(step plan.Step) string {
	switch a := step.Undo.(type) {
	case plan.LiftFence:
		prior, err := r.denyPrior()
		if err != nil {
			return "look at " + a.Table.String() + " with `pegmigrate doctor`"
		}
		return byHand(a.Table, map[string]marker.Prior{plan.EnvDeny: prior})
	case plan.DropTable:
		memory, _ := r.created(step.ID)
		return fmt.Sprintf("in the shell of cluster %s, when `ls -a` shows id %d for it: drop %s", a.Table.Cluster, memory.ID, a.Table.Table)
	case plan.RestoreEnvs:
		if priors, ok, err := unblob[map[string]marker.Prior](r.record(step.ID).Prior, kindEnvs); err == nil && ok {
			return byHand(a.Table, priors)
		}
	case plan.Disown:
		if p, err := r.priors(); err == nil {
			return byHand(a.Source, map[string]marker.Prior{marker.Env: p.SourceInfo})
		}
	}
	if text := r.repairDuplication(step); text != "" {
		return text
	}
	return "look at both tables with `pegmigrate doctor`"
}

func byHand(t plan.TableRef, priors map[string]marker.Prior) string {
	var b strings.Builder
	fmt.Fprintf(&b, "in the shell of cluster %s: use %s", t.Cluster, t.Table)
	for _, key := range sorted(priors) {
		if p := priors[key]; p.Had {
			fmt.Fprintf(&b, "; set_app_envs %s %q", key, p.Value)
		} else {
			fmt.Fprintf(&b, "; del_app_envs %s", key)
		}
	}
	return b.String()
}
