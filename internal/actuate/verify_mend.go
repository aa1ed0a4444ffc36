package actuate

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/pegmigrate/pegmigrate/apply"
	"github.com/pegmigrate/pegmigrate/internal/differ"
	"github.com/pegmigrate/pegmigrate/internal/event"
	"github.com/pegmigrate/pegmigrate/internal/pegasus"
	"github.com/pegmigrate/pegmigrate/internal/pegkey"
	"github.com/pegmigrate/pegmigrate/internal/scan"
)

// repairer makes the target's row what the source's is. A misplaced row is left alone: a request
// for its key goes to the partition that its hash selects, not to where it lies.
type repairer struct {
	ctx       context.Context
	target    *pegasus.Table
	selection differ.Selection
	now       func() time.Time

	mu  sync.Mutex
	err error
	// forgiven are the rows that were repaired although they are about to expire, by the way in which they differed.
	forgiven map[differ.Kind]uint64
}

// repairer is told of what differs, if that is to be repaired.
func (e *Engine) repairer(ctx context.Context, target *pegasus.Table, job apply.VerifyJob, opts *differ.Options) *repairer {
	r := &repairer{ctx: ctx, target: target, selection: opts.Selection, now: e.now, forgiven: map[differ.Kind]uint64{}}
	if job.Repair {
		opts.OnDifference, opts.Eager, opts.Tolerance = r.one, true, clockTolerance
	}
	return r
}

const (
	// repairLimit bounds the repair of one row.
	repairLimit = time.Minute
	// clockTolerance is how far the clocks of servers may be apart where rows are repaired.
	clockTolerance = time.Minute
)

func (r *repairer) one(d differ.Difference) {
	if r.failure() != nil || d.Kind == differ.Misplaced {
		return
	}
	if expiring(&d, r.now().Add(clockTolerance)) {
		r.mu.Lock()
		r.forgiven[d.Kind]++
		r.mu.Unlock()
	}
	ctx, cancel := context.WithTimeout(r.ctx, repairLimit)
	defer cancel()
	var err error
	if d.Source == nil {
		err = r.target.Remove(ctx, d.Key)
	} else {
		deadline, _ := ctx.Deadline()
		err = putAndWait(ctx, r.target, r.selection.Wanted(d.Source), deadline)
	}
	if err != nil {
		r.mu.Lock()
		r.err = fmt.Errorf("repair a row of partition %d: %w", d.TargetPartition, err)
		r.mu.Unlock()
	}
}

// ended says what became of repairs and tables when everything was compared.
func (r *repairer) ended(ctx context.Context, source *pegasus.Table) error {
	if err := r.failure(); err != nil {
		return err
	}
	return unchanged(ctx, source, r.target)
}

func (r *repairer) failure() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

// expiring says that all there is of a row has expired at a moment.
func expiring(d *differ.Difference, at time.Time) bool {
	for _, row := range []*scan.Row{d.Source, d.Target} {
		if row != nil && !pegkey.Expired(row.Expire, at) {
			return false
		}
	}
	return true
}

// forgive takes rows that are about to expire out of the differences. They were repaired like others, for they may be
// what clients wrote with a short time to live; but one that expired between the readings of the two sides looks
// the same, and on some tables there is always one.
func (r *repairer) forgive(out *event.Verified) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for kind, of := range map[differ.Kind]*uint64{differ.Missing: &out.Missing, differ.Extra: &out.Extra, differ.Changed: &out.Changed, differ.Expiry: &out.ExpiryDiffers} {
		n := min(r.forgiven[kind], *of)
		*of -= n
		out.Differences -= n
		out.ExpiredMidway += n
	}
	if out.Differences == 0 {
		out.FirstDiffering = nil
	}
}
