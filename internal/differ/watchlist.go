package differ

import (
	"container/heap"
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/pegmigrate/pegmigrate/internal/pegkey"
	"github.com/pegmigrate/pegmigrate/internal/scan"
)

// Bounds of what is kept about keys that are unequal.
const (
	// looksAtOnce is how many keys are read at the same time. A look waits for two servers.
	looksAtOnce = 64
	// watchedBytes bounds the memory of the keys that are looked at again.
	watchedBytes = 64 << 20
	// openBytes bounds the keys that stay open: they are stored with the state of a migration.
	openBytes = 4 << 20
)

// watchlist looks again at keys that were unequal until they are settled. Safe for concurrent use.
type watchlist struct {
	r        *run
	src, dst LiveTable
	patience time.Duration
	room     *semaphore.Weighted
	least    int64 // weight of a short key, such that MaxWatched fit
	due      chan *watched
	wake     chan struct{}
	// pending is the number of keys that are not settled.
	pending atomic.Int64

	mu          sync.Mutex
	queue       watchQueue
	open        int
	openBytes   int
	differences int
}

func newWatchlist(r *run, src, dst LiveTable) *watchlist {
	return &watchlist{
		r: r, src: src, dst: dst, patience: r.live.Patience, room: semaphore.NewWeighted(watchedBytes),
		least: max(watchedBytes/int64(r.live.MaxWatched), 1), due: make(chan *watched), wake: make(chan struct{}, 1),
	}
}

// start looks at keys until ctx ends.
func (w *watchlist) start(ctx context.Context, background *sync.WaitGroup) {
	background.Go(func() { w.dispatch(ctx) })
	for range looksAtOnce {
		background.Go(func() {
			for {
				select {
				case k := <-w.due:
					if err := w.look(ctx, k); err != nil {
						w.r.fail(err)
					}
				case <-ctx.Done():
					return
				}
			}
		})
	}
}

// dispatch hands out keys when their time has come.
func (w *watchlist) dispatch(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		k, wait := w.pop()
		if k != nil {
			select {
			case w.due <- k:
				continue
			case <-ctx.Done():
				return
			}
		}
		timer.Reset(wait)
		select {
		case <-timer.C:
		case <-w.wake:
		case <-ctx.Done():
			return
		}
	}
}

// pop takes the first key whose time has come, or says how long that takes at least.
func (w *watchlist) pop() (*watched, time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.queue) == 0 {
		return nil, time.Hour
	}
	if wait := time.Until(w.queue[0].next); wait > 0 {
		return nil, wait
	}
	return heap.Pop(&w.queue).(*watched), 0
}

// push queues a key for its next look.
func (w *watchlist) push(k *watched) {
	w.mu.Lock()
	heap.Push(&w.queue, k)
	first := w.queue[0] == k
	w.mu.Unlock()
	if first {
		select {
		case w.wake <- struct{}{}:
		default:
		}
	}
}

// add watches a key, waiting for room.
func (w *watchlist) add(ctx context.Context, k *watched) error {
	k.weight = max(int64(len(k.key)), w.least)
	if err := w.room.Acquire(ctx, k.weight); err != nil {
		return err
	}
	w.pending.Add(1)
	w.mu.Lock()
	k.unit.pending++
	w.mu.Unlock()
	w.push(k)
	return nil
}

// settled waits until no key is left.
func (w *watchlist) settled(ctx context.Context) error {
	if err := w.room.Acquire(ctx, watchedBytes); err != nil {
		return context.Cause(ctx)
	}
	return nil
}

// look reads a key on both sides, the source first: what is younger on the target than the reading
// of the source makes them unequal for this look only.
func (w *watchlist) look(ctx context.Context, k *watched) error {
	began := time.Now()
	source, err := w.read(ctx, SourceSide, k)
	if err != nil {
		return err
	}
	k.saw(source, time.Now())
	target, err := w.read(ctx, TargetSide, k)
	if err != nil {
		return err
	}
	v, kind := w.r.rules.judge(source, target)
	switch {
	case v != unequal:
	case k.rested(began, w.patience):
		if source, target, err = w.stare(ctx, k); err != nil {
			return err
		}
		if v, kind = w.r.rules.judge(source, target); v == unequal && k.same == 0 {
			k.rest(w.patience)
			w.push(k)
			return nil
		}
	case k.restless(began, w.patience):
		w.leave(k)
		return nil
	default:
		k.rest(w.patience)
		w.push(k)
		return nil
	}
	w.settle(k, v, Difference{Kind: kind, Key: k.key, Source: source, Target: target,
		SourcePartition: home(k.key, w.src), TargetPartition: home(k.key, w.dst)})
	return nil
}

// home is the partition that a key belongs to.
func home(key []byte, t LiveTable) int32 {
	return pegkey.Partition(pegkey.HashRaw(key), t.PartitionCount())
}

// stare reads the source several times in quick succession before a difference is told, so that one
// that is written all the time, and looked the same by chance, is found out. Then it reads both.
func (w *watchlist) stare(ctx context.Context, k *watched) (source, target *scan.Row, err error) {
	for range stares {
		if source, err = w.read(ctx, SourceSide, k); err != nil {
			return nil, nil, err
		}
		if k.saw(source, time.Now()) {
			break
		}
		if err := scan.Sleep(ctx, rand.N(starePause)); err != nil {
			return nil, nil, err
		}
	}
	target, err = w.read(ctx, TargetSide, k)
	return source, target, err
}

// read gets the row of one side, nil for none, within the declared limits.
func (w *watchlist) read(ctx context.Context, side Side, k *watched) (*scan.Row, error) {
	if side == SourceSide {
		return w.r.row(ctx, w.src, side, k.key)
	}
	return w.r.row(ctx, w.dst, side, k.key)
}

// readRow gets a row, nil for none. What cannot be read for so long ends the comparison.
func readRow(ctx context.Context, table LiveTable, side Side, key []byte, limit time.Duration) (*scan.Row, error) {
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	row, found, err := table.Row(limited, key)
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case err != nil:
		return nil, &ReadError{side, home(key, table), err}
	case !found:
		return nil, nil
	}
	return &row, nil
}

// settle ends the watch of a key.
func (w *watchlist) settle(k *watched, v verdict, d Difference) {
	w.mu.Lock()
	late := &k.unit.late
	d.Age = time.Since(k.first)
	if v != unequal {
		late.Counts.settle(v)
	} else {
		late.count(&d)
		if len(late.First) < keepFirst {
			late.First = append(late.First, d.Shown())
		}
		w.differences++
		k.unit.lateDifferences.Add(1)
	}
	enough := w.differences >= w.r.live.MaxDifferences
	w.mu.Unlock()
	switch v {
	case unequal:
		w.r.tell(d)
	case drifted:
		w.r.tellDrift(d)
	}
	if enough {
		w.r.fail(errEnough)
	}
	w.drop(k)
}

// leave ends the watch of a key that did not rest.
func (w *watchlist) leave(k *watched) {
	w.mu.Lock()
	if w.open < w.r.live.MaxOpen && w.openBytes+len(k.key) <= openBytes {
		w.open++
		w.openBytes += len(k.key)
		k.unit.late.Open = append(k.unit.late.Open, k.key)
	} else {
		k.unit.late.TooMany = true
	}
	w.mu.Unlock()
	w.drop(k)
}

// drop forgets a key, and finishes its unit when it was the last.
func (w *watchlist) drop(k *watched) {
	w.mu.Lock()
	k.unit.pending--
	last := k.unit.scanned && k.unit.pending == 0
	w.mu.Unlock()
	if last {
		w.r.fail(w.r.finish(k.unit))
	}
	w.pending.Add(-1)
	w.room.Release(k.weight)
}

// scanned says that no key of a unit is added any more, and finishes it when all are settled.
func (w *watchlist) scanned(u *unit) error {
	w.mu.Lock()
	u.scanned = true
	last := u.pending == 0
	w.mu.Unlock()
	if last {
		return w.r.finish(u)
	}
	return nil
}
