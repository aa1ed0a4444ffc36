package actuate

import (
	"context"
	"errors"
	"iter"
	"sync"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/differ"
	"github.com/pegmigrate/pegmigrate/internal/difference"
	"github.com/pegmigrate/pegmigrate/internal/event"
	"github.com/pegmigrate/pegmigrate/internal/idl"
	"github.com/pegmigrate/pegmigrate/internal/pace"
	"github.com/pegmigrate/pegmigrate/internal/pegasus"
	"github.com/pegmigrate/pegmigrate/internal/scan"
	"github.com/pegmigrate/pegmigrate/plan"
)

// Repair makes rows of the target what they are on the source, one key at a time.
//
// A key is never written as a report has it. It is read on both sides, written as the source has it now, and read on
// both sides again; it counts as repaired when they agree then. That is also what makes it right while writes arrive
// on the target by another way, from a duplication or from clients that write both tables: there the last to arrive wins
// (no server compares timetags of shipped writes, pegasus_mutation_duplicator.cpp). A write that the source accepted
// after it was read may arrive before the repair and be written over. The second reading of the source finds such a
// write, and the key is repaired again. A write that was accepted before the first reading and arrives after the repair
// takes the row back to what it was, for as long as the writes behind it need, the last of which is what was read: they
// are shipped in order.
type Repair struct {
	Source, Target plan.TableRef
	Options        plan.CopyOptions // rows are written as a copy with these writes them
	// Limits hold for every row that is looked at; InFlight of them are looked at at the same time, 64 at most.
	Limits plan.CopyLimits
	// Patience is that of the comparison, 0 when nothing carries writes over.
	Patience   time.Duration
	ExpirySkew time.Duration
	// Deletes allows rows to be deleted that the source does not have.
	Deletes bool
	// Drifted says that rows whose expiry drifted get the source's, too.
	Drifted bool
	// Keys are the rows, Count how many there are. An error of it ends the repair.
	Keys   iter.Seq2[difference.Entry, error]
	Count  uint64
	Report func(event.MoveProgress)
}

const (
	defaultRepairs = 64
	// repairRounds is how often one key is written before it is left as it is. Between two of them a key has time to
	// become equal by itself, firstRepairPause at first and twice that each time, at most as long as a write may take.
	repairRounds     = 6
	firstRepairPause = 50 * time.Millisecond
	// shownLeft is how many rows that still differ are kept for the outcome.
	shownLeft = 20
	// repairReport is the time between two reports of progress.
	repairReport = 500 * time.Millisecond
)

// errStopped ends the workers of a repair because another one failed.
var errStopped = errors.New("another row could not be repaired")

// repairing is one run of a Repair.
type repairing struct {
	job   Repair
	pair  livePair
	pacer *pace.Pacer
	began time.Time

	mu  sync.Mutex
	out event.Repaired
	err error
}

// Repair repairs. When ctx ends, rows that are being repaired are finished and no other is begun; the error is ctx's
// then, and the outcome says what was done. It may be run again with the same keys.
func (l *Live) Repair(ctx context.Context, job Repair) (event.Repaired, error) {
	pair, err := l.pair(ctx, job.Source, job.Target)
	if err != nil {
		return event.Repaired{}, err
	}
	if pair.opts.Selection, err = selection(job.Options); err != nil {
		return event.Repaired{}, err
	}
	pair.opts.ExpirySkew = uint32(job.ExpirySkew / time.Second)
	pacer, stop, err := l.engine.clusters.paced(ctx, job.Source, job.Target, job.Limits)
	if err != nil {
		return event.Repaired{}, err
	}
	defer stop()
	r := &repairing{job: job, pair: pair, pacer: pacer, began: time.Now(), out: event.Repaired{Target: job.Target.String()}}
	inner, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	keys := make(chan difference.Entry)
	var workers, meter sync.WaitGroup
	workers.Go(func() {
		defer close(keys)
		for e, err := range job.Keys {
			if err != nil {
				r.fail(err, cancel)
				return
			}
			select {
			case keys <- e:
			case <-inner.Done():
				return
			}
		}
	})
	for range max(1, job.inFlight()) {
		workers.Go(func() {
			for e := range keys {
				if inner.Err() != nil {
					continue // drain what was handed out
				}
				r.fail(r.one(inner, e), cancel)
			}
		})
	}
	over := make(chan struct{})
	meter.Go(func() { r.meter(over) })
	workers.Wait()
	close(over)
	meter.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.out.Elapsed = time.Since(r.began)
	if r.err == nil {
		r.err = ctx.Err()
	}
	return r.out, r.err
}

func (j *Repair) inFlight() int {
	if n := j.Limits.InFlight; n > 0 {
		return min(n, defaultRepairs)
	}
	return defaultRepairs
}

// fail ends the repair with its first error.
func (r *repairing) fail(err error, cancel context.CancelCauseFunc) {
	if err == nil {
		return
	}
	r.mu.Lock()
	if r.err == nil && !errors.Is(err, errStopped) && !errors.Is(err, context.Canceled) {
		r.err = err
	}
	r.mu.Unlock()
	cancel(errStopped)
}

// did is what became of one key.
type did struct {
	written, deleted bool
	left             differ.Kind // "" when the sides agree
	bytes            int
	source, target   *scan.Row
}

// one repairs one key. Once it is begun, it is finished: a write whose outcome is not known would be worse than one
// that takes a moment.
func (r *repairing) one(ctx context.Context, e difference.Entry) error {
	if e.Kind == difference.Misplaced || e.Kind == difference.Drift && !r.job.Drifted {
		r.count(e, did{left: leftAlone(e)})
		return nil
	}
	if err := r.pacer.Draw(ctx, 1, int64(len(e.Key)+e.SourceBytes)); err != nil {
		return err
	}
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), repairLimit+r.job.Patience)
	defer cancel()
	d, err := r.repair(limited, e)
	if refusesRow(err) {
		d.left, err = differ.Kind(e.Kind), nil
	}
	if err != nil {
		return err
	}
	r.count(e, d)
	return nil
}

// refusesRow says that the target's servers do not take a row as it is: one that is larger than their
// max_allowed_write_size is refused by its header, others by a status.
func refusesRow(err error) bool {
	var status *pegasus.StatusError
	return errors.Is(err, idl.ErrInvalidData) || errors.As(err, &status) && status.Status == idl.StatusInvalidArgument
}

// leftAlone is the kind of a row that is not touched; one that drifted is no difference.
func leftAlone(e difference.Entry) differ.Kind {
	if e.Kind == difference.Drift {
		return ""
	}
	return differ.Kind(e.Kind)
}

// repair reads, writes and reads again until both sides agree.
func (r *repairing) repair(ctx context.Context, e difference.Entry) (d did, err error) {
	pause := firstRepairPause
	for round := 0; ; round++ {
		if err := r.read(ctx, e.Key, &d); err != nil {
			return d, err
		}
		kind, again := r.judge(e, &d)
		d.left = kind
		if !again || round == repairRounds {
			return d, nil
		}
		if kind == differ.Extra && !r.job.Deletes {
			return d, nil
		}
		if round > 0 {
			if err := scan.Sleep(ctx, pause); err != nil {
				return d, err
			}
			pause = min(2*pause, max(r.job.Patience, firstRepairPause))
			if err := r.read(ctx, e.Key, &d); err != nil {
				return d, err
			}
			if kind, again = r.judge(e, &d); !again {
				d.left = kind
				return d, nil
			}
		}
		if err := r.write(ctx, kind, e.Key, &d); err != nil {
			return d, err
		}
	}
}

// read reads the source first: what the target has then is as old at least.
func (r *repairing) read(ctx context.Context, key []byte, d *did) (err error) {
	if d.source, err = rowOf(ctx, r.pair.src, key); err != nil {
		return err
	}
	d.target, err = rowOf(ctx, r.pair.dst, key)
	return err
}

// rowOf is a row, nil for none.
func rowOf(ctx context.Context, t liveTable, key []byte) (*scan.Row, error) {
	row, found, err := t.Row(ctx, key)
	if err != nil || !found {
		return nil, err
	}
	return &row, nil
}

// judge says in which way the sides disagree, and whether something is to be done about it. An expiry that default_ttl
// explains is given back exactly when the entry is about one; where the target stamps every write, it stays.
func (r *repairing) judge(e difference.Entry, d *did) (kind differ.Kind, again bool) {
	kind, same, drift := differ.Judge(d.source, d.target, r.pair.opts)
	if !same {
		return kind, true
	}
	exact := drift && (e.Kind == difference.Drift || e.Kind == difference.Expiry) && !d.written
	return "", exact
}

// write makes the target's row what the source's was when it was read. A row of the source that the selection does
// not take counts as one that is not there.
func (r *repairing) write(ctx context.Context, kind differ.Kind, key []byte, d *did) error {
	if kind == differ.Extra {
		d.deleted = true
		return r.pair.dst.rows.Remove(ctx, key)
	}
	deadline, _ := ctx.Deadline()
	want := r.pair.opts.Selection.Wanted(d.source)
	d.written = true
	d.bytes += len(want.Key) + len(want.Value)
	return putAndWait(ctx, r.pair.dst.rows, want, deadline)
}

// count takes one key into account.
func (r *repairing) count(e difference.Entry, d did) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.out.Looked++
	r.out.Bytes += uint64(d.bytes)
	switch {
	case d.left != "":
		r.out.Left++
		if len(r.out.FirstLeft) < shownLeft {
			left := shownEntry(e)
			left.Kind = event.DifferenceKind(d.left)
			r.out.FirstLeft = append(r.out.FirstLeft, left)
		}
	case d.written:
		r.out.Written++
	case d.deleted:
		r.out.Deleted++
	default:
		r.out.Equal++
	}
}

// ShownEntry is a difference of a report as an event has it.
func ShownEntry(e difference.Entry) event.Difference { return shownEntry(e) }

func shownEntry(e difference.Entry) event.Difference {
	return event.Difference{Kind: event.DifferenceKind(e.Kind), Side: e.Side, SourcePartition: e.SourcePartition, TargetPartition: e.TargetPartition,
		HashKey: e.HashKey, SortKey: e.SortKey, RawKey: e.Key, SourceBytes: e.SourceBytes, TargetBytes: e.TargetBytes,
		SourceExpire: e.SourceExpire, TargetExpire: e.TargetExpire, Age: e.Age}
}

// meter reports progress until it is over.
func (r *repairing) meter(over <-chan struct{}) {
	if r.job.Report == nil {
		return
	}
	ticker := time.NewTicker(repairReport)
	defer ticker.Stop()
	for {
		select {
		case <-over:
			return
		case <-ticker.C:
			r.report()
		}
	}
}

func (r *repairing) report() {
	r.mu.Lock()
	p := event.MoveProgress{Kind: "repair", Rows: r.out.Looked, Bytes: r.out.Bytes, RowsEstimate: r.job.Count,
		Differences: r.out.Left, Elapsed: time.Since(r.began)}
	r.mu.Unlock()
	if s := p.Elapsed.Seconds(); s > 0 {
		p.RowsPerSecond, p.BytesPerSecond = float64(p.Rows)/s, float64(p.Bytes)/s
	}
	p.ETA = eta(p.RowsEstimate, p.Rows, p.RowsPerSecond)
	if s := r.pacer.State(); s.Limit != "" {
		p.Limit, p.LimitReason = s.Limit, s.Reason
	}
	r.job.Report(p)
}
