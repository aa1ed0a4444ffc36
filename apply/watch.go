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

	mu      sync.Mutex
	ballots map[int32]int64
	leaks   map[int32]string
	// until is when the write-reject budget ends, zero without one; expired is closed then.
	unproven map[int32]bool
}

// startWatch begins after the source is quiet. It is idempotent.
func (r *Run) startWatch(t plan.TableRef) error {
	if r.watch != nil {
		return nil
	}
	ctx, cancel := context.WithCancel(context.Background()) // ends with stopWatch, whatever ended the run
	w := &fenceWatch{b: base{r: r, id: "fence-source"}, table: t, cancel: cancel, done: make(chan struct{}),
		ballots: map[int32]int64{}, leaks: map[int32]string{}, unproven: map[int32]bool{}}
	for _, s := range r.Plan.Steps {
		if _, ok := s.Action.(plan.Fence); !ok {
			continue
		}
		p, _, err := unblob[fenceProof](r.record(s.ID).Proof, kindFence)
		if err != nil {
			cancel()
			return err
		}
		for _, probe := range p.Probes {
			w.ballots[probe.Partition] = probe.Ballot
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
		w.look(ctx)
	}
}

// look probes every partition once. A probe that fails to be sent proves nothing either way.
func (w *fenceWatch) look(ctx context.Context) {
	partitions := make([]int32, 0, len(w.ballots))
	for p := range w.ballots {
		partitions = append(partitions, p)
	}
	probes, err := w.b.probe(ctx, w.table, partitions)
	if err != nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range probes {
		switch {
		case p.Verdict == Accepted:
			w.leak(p, "a write was accepted")
			w.unproven[p.Partition] = true
		case p.Verdict == Rejected:
			if p.Ballot != w.ballots[p.Partition] {
				w.leak(p, fmt.Sprintf("the primary moved (ballot %d to %d)", w.ballots[p.Partition], p.Ballot))
				w.ballots[p.Partition] = p.Ballot
			}
			delete(w.unproven, p.Partition)
		default:
			w.unproven[p.Partition] = true
		}
	}
}

func (w *fenceWatch) leak(p Probe, why string) {
	w.leaks[p.Partition] = why
	w.b.warn(CodeFence, fmt.Sprintf("the fence of %s may have leaked on partition %d: %s", w.table, p.Partition, why),
		"everything is compared again once it is proven anew")
}

// settle waits until every partition is proven under its present ballot, and says which leaked
// since the last call.
func (w *fenceWatch) settle(ctx context.Context) ([]int32, error) {
	limit, err := w.b.r.syncLimit(ctx, w.table.Cluster)
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	for p := range w.ballots {
		w.unproven[p] = true
	}
	w.mu.Unlock()
	err = w.b.await(ctx, limit, CodeFence, "a partition keeps accepting writes; look at its primary, or `pegmigrate rollback`",
		func(ctx context.Context) (bool, string, error) {
			w.look(ctx)
			w.mu.Lock()
			defer w.mu.Unlock()
			return len(w.unproven) == 0, fmt.Sprintf("%d partitions have to reject a write again", len(w.unproven)), ctx.Err()
		})
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	leaked := sortedKeys(w.leaks)
	w.leaks = map[int32]string{}
	return leaked, nil
}

// budgetLeft says how long the fence may stay up before lifting has to begin; ok is false without
// a declared budget.
func (r *Run) budgetLeft(ctx context.Context) (left time.Duration, ok bool, err error) {
	for _, s := range r.Plan.Steps {
		f, isFence := s.Action.(plan.Fence)
		if !isFence {
			continue
		}
		p, known, err := unblob[fenceProof](r.record(s.ID).Proof, kindFence)
		if err != nil || !known || p.Until.IsZero() {
			return 0, false, err
		}
		call, cancel := context.WithTimeout(ctx, r.Waits.Call)
		defer cancel()
		sync, err := r.World.Fences.SyncInterval(call, f.Table.Cluster)
		if err != nil {
			return 0, false, err
		}
		return p.Until.Sub(r.Now()) - sync, true, nil
	}
	return 0, false, nil
}

// writeReject is the declared budget of the whole reject window, 0 for none.
func (r *Run) writeReject() time.Duration {
	for _, s := range r.Plan.Steps {
		if c, ok := s.Action.(plan.Copy); ok {
			return c.Limits.WriteReject
		}
	}
	return 0
}
