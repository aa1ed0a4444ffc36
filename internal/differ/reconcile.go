package differ

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/pegmigrate/pegmigrate/internal/scan"
)

// defaultRounds is ReconcileOptions.Rounds when it is zero.
const defaultRounds = 3

// repairing is what Reconcile adds to a run.
type repairing struct {
	Repairer
	ctx             context.Context
	rounds          int
	drift           bool
	selection       Selection
	copied, deleted atomic.Uint64
	found           Counts // under telling
}

// Reconcile compares two tables by digests, as Run does, and repairs the target where it differs: rows of
// unequal buckets are compared, those that differ are handed to repairer, and the same buckets are compared
// again until nothing differs or all rounds are used up. So the Result proves what it says about every
// row. Misplaced rows cannot be repaired and stay differences.
//
// Cursors, save, report and errors are as in Run; besides it fails with a *RepairError.
func Reconcile(ctx context.Context, src, dst scan.Source, repairer Repairer, resume []Cursor, opts ReconcileOptions, save func([]Cursor) error, report Reporter) (ReconcileResult, error) {
	opts.Method, opts.OnEqual = MethodDigest, nil
	if opts.Rounds <= 0 {
		opts.Rounds = defaultRounds
	}
	r, err := newRun(src, dst, opts.Options, save)
	if err != nil {
		return ReconcileResult{}, err
	}
	r.repair = &repairing{Repairer: repairer, ctx: ctx, rounds: opts.Rounds, drift: opts.Drift, selection: opts.Selection}
	if err := r.prepare(resume, ""); err != nil {
		return ReconcileResult{}, err
	}
	result, err := r.run(ctx, report)
	out := ReconcileResult{Result: result, Copied: r.repair.copied.Load(), Deleted: r.repair.deleted.Load()}
	out.Found = r.repair.found
	for _, l := range r.digest.looks {
		out.Found.MisplacedSource += l.out.MisplacedSource
		out.Found.MisplacedTarget += l.out.MisplacedTarget
	}
	return out, err
}

// settleDown compares a second look's rows, and repairs them and compares again until they are equal.
func (u *unit) settleDown(ctx context.Context) error {
	if u.r.repair == nil {
		return u.compare(ctx)
	}
	for round := 1; ; round++ {
		u.mending = round <= u.r.repair.rounds
		if err := u.compare(ctx); err != nil {
			return err
		}
		if round == 1 {
			u.r.telling.Lock()
			u.r.repair.found.add(&u.out.Counts)
			u.r.telling.Unlock()
		}
		wrong := u.out.Differences()
		if u.r.repair.drift {
			wrong += u.out.Stamped + u.out.Drifted
		}
		if wrong == 0 || !u.mending {
			return nil
		}
		if err := u.flush(ctx); err != nil {
			return err
		}
	}
}

// flush waits until repairs have arrived.
func (u *unit) flush(ctx context.Context) error {
	u.r.telling.Lock()
	defer u.r.telling.Unlock()
	if err := u.r.repair.Flush(ctx); err != nil {
		return repairError(ctx, err)
	}
	return nil
}

// mend repairs one difference, if that is what the unit is about.
func (u *unit) mend(d Difference) {
	p := u.r.repair
	if !u.mending || d.Action() == LeaveRow {
		return
	}
	u.r.telling.Lock()
	defer u.r.telling.Unlock()
	var err error
	if d.Action() == DeleteRow {
		p.deleted.Add(1)
		err = p.Delete(p.ctx, d.Key)
	} else {
		p.copied.Add(1)
		err = p.Copy(p.ctx, p.selection.Wanted(d.Source))
	}
	if err != nil {
		u.r.fail(repairError(p.ctx, err))
	}
}

// repairError wraps what a Repairer says, unless it is the end of ctx.
func repairError(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return ctx.Err()
	}
	return &RepairError{err}
}
