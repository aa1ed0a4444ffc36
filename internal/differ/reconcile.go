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
	r.repair = &repairing{Repairer: repairer, rounds: opts.Rounds, drift: opts.Drift, selection: opts.Selection}
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

// mend repairs what was found wrong with the current key.
func (u *unit) mend(ctx context.Context) error {
	for i := range u.wrong {
		if err := u.r.repair.one(ctx, u.r, &u.wrong[i]); err != nil {
			return err
		}
	}
	u.wrong = u.wrong[:0]
	return nil
}

// one repairs one row.
func (p *repairing) one(ctx context.Context, r *run, d *Difference) error {
	r.telling.Lock()
	defer r.telling.Unlock()
	var err error
	switch d.Action() {
	case LeaveRow:
	case DeleteRow:
		p.deleted.Add(1)
		err = p.Delete(ctx, d.Key)
	case CopyRow:
		p.copied.Add(1)
		err = p.Copy(ctx, p.selection.Wanted(d.Source))
	}
	if err != nil {
		return repairError(ctx, err)
	}
	return nil
}

// repairError wraps what a Repairer says, unless it is the end of ctx.
func repairError(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return ctx.Err()
	}
	return &RepairError{err}
}
