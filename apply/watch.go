package apply

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/pegmigrate/pegmigrate/plan"
)

// fenceWatch proves a standing fence again and again while rows move. Secondaries learn envs later
// than primaries, so a partition whose primary moves may take writes for a while: the fence leaks.
// What leaked cannot be seen in decrees (idle primaries commit empty writes), so a change of
// ballot counts as a leak, and whoever compares afterwards must compare again.
type fenceWatch struct {
	b      base
	table  plan.TableRef
	cancel context.CancelFunc
	done   chan struct{}
	// looking holds one token: a proof must not be older than the question.
	looking chan struct{}

	mu       sync.Mutex
	ballots  map[int32]int64  // under which each partition rejected a write last
	leaks    map[int32]string // since the last settle
	unproven map[int32]bool   // partitions that have to reject a write again
}

// startWatch begins after the source is quiet. It is idempotent.
func (r *Run) startWatch(t plan.TableRef) error {
	if r.watch != nil {
		return nil
	}
	step, _, _ := r.fenceStep()
	p, _, err := r.fenceProof(step.ID)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background()) // ends with stopWatch, whatever ended the run
	w := &fenceWatch{b: base{r: r, id: step.ID}, table: t, cancel: cancel, done: make(chan struct{}),
		looking: make(chan struct{}, 1),
		ballots: map[int32]int64{}, leaks: map[int32]string{}, unproven: map[int32]bool{}}
	for _, probe := range p.Probes {
		w.ballots[probe.Partition] = probe.Ballot
	}
	if r.freezer != nil { // the proofs of a run whose state was lost are not known
		for partition, probe := range r.freezer.fenced {
			if _, known := w.ballots[partition]; !known {
				w.ballots[partition] = probe.Ballot
			}
		}
	}
	r.watch = w
	go w.loop(ctx)
	return nil
}

// stopWatch ends the watch and waits for it.
func (r *Run) stopWatch() {
	if r.watch == nil {
		return
	}
	r.watch.cancel()
	<-r.watch.done
	r.watch = nil
}

func (w *fenceWatch) loop(ctx context.Context) {
	defer close(w.done)
	ticker := time.NewTicker(w.b.r.Waits.Watch)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		_ = w.look(ctx, w.partitions()) // a round that could not be sent proves nothing either way
	}
}

// partitions lists all of them.
func (w *fenceWatch) partitions() []int32 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return sortedKeys(w.ballots)
}

// look probes partitions once. One round at a time: the answers of an older one must not count as
// proof for a younger one.
func (w *fenceWatch) look(ctx context.Context, partitions []int32) error {
	select {
	case w.looking <- struct{}{}:
		defer func() { <-w.looking }()
	case <-ctx.Done():
		return ctx.Err()
	}
	probes, err := w.b.probe(ctx, w.table, partitions)
	if err != nil {
		return err
	}
	for _, p := range probes {
		if why := w.judge(p); why != "" {
			w.b.warn(CodeFence, fmt.Sprintf("the fence of %s may have leaked on partition %d: %s", w.table, p.Partition, why),
				"everything is compared again once it is proven anew")
		}
	}
	return nil
}

// judge takes one probe in and says why the fence may have leaked, the first time that it did on
// this partition.
func (w *fenceWatch) judge(p Probe) (leak string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case p.Verdict == Accepted:
		leak = "a write was accepted"
		w.unproven[p.Partition] = true
	case p.Verdict != Rejected:
		w.unproven[p.Partition] = true
		return ""
	default:
		if then := w.ballots[p.Partition]; p.Ballot != then {
			leak = fmt.Sprintf("its ballot went from %d to %d, the primary may have moved", then, p.Ballot)
			w.ballots[p.Partition] = p.Ballot
		}
		delete(w.unproven, p.Partition)
	}
	if _, known := w.leaks[p.Partition]; known || leak == "" {
		return ""
	}
	w.leaks[p.Partition] = leak
	return leak
}

// leaked gives the partitions that may have leaked since the last call, or since the last settle.
func (w *fenceWatch) leaked() []int32 {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := sortedKeys(w.leaks)
	clear(w.leaks)
	return out
}

// settle waits until every partition has rejected a write that was sent after this call, and says
// which of them may have leaked since the last call.
func (w *fenceWatch) settle(ctx context.Context) (leaked []int32, err error) {
	limit, err := w.b.syncLimit(ctx, w.table.Cluster)
	if err != nil {
		return nil, err
	}
	open := w.partitions()
	err = w.b.await(ctx, limit, CodeFence, "a partition keeps accepting writes; look at its primary, or `pegmigrate rollback`",
		func(ctx context.Context) (bool, string, error) {
			if err := w.look(ctx, open); err != nil {
				reason, err := tolerate(ctx, err)
				return false, reason, err
			}
			w.mu.Lock()
			defer w.mu.Unlock()
			open = sortedKeys(w.unproven)
			return len(open) == 0, fmt.Sprintf("%d partitions have to reject a write again", len(open)), nil
		})
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	leaked = sortedKeys(w.leaks)
	clear(w.leaks)
	return leaked, nil
}
