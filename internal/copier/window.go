package copier

import (
	"context"
	"sync"
	"sync/atomic"
)

// opShift splits a weight into writes (above) and bytes (below), so that one atomic operation
// accounts for both. 2^40 bytes are far above any bound.
const (
	opShift  = 40
	byteMask = 1<<opShift - 1
)

// weightOf is one write of the given number of bytes.
func weightOf(bytes int) int64 { return 1<<opShift | int64(bytes) }

// window bounds the writes in flight. Taking and giving back cost one atomic operation each while
// there is room; only a full window makes goroutines wait. Safe for concurrent use.
type window struct {
	used     atomic.Int64
	limit    atomic.Int64 // writes
	maxBytes int64
	waiters  atomic.Int32
	mu       sync.Mutex
	room     *sync.Cond
}

func newWindow(limit int, maxBytes int64) *window {
	w := &window{maxBytes: maxBytes}
	w.limit.Store(int64(limit))
	w.room = sync.NewCond(&w.mu)
	return w
}

// try takes weight if there is room. A write above maxBytes gets room when it is alone.
func (w *window) try(weight int64) bool {
	for {
		used := w.used.Load()
		ops, bytes := used>>opShift, used&byteMask
		if ops >= w.limit.Load() || ops > 0 && bytes+weight&byteMask > w.maxBytes {
			return false
		}
		if w.used.CompareAndSwap(used, used+weight) {
			return true
		}
	}
}

// wait takes weight as soon as there is room. It is false when ctx ended first; whoever cancels
// ctx must call wake.
func (w *window) wait(ctx context.Context, weight int64) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.waiters.Add(1)
	defer w.waiters.Add(-1)
	for {
		if ctx.Err() != nil {
			return false
		}
		if w.try(weight) {
			return true
		}
		w.room.Wait()
	}
}

// release gives weight back. Waiting goroutines are woken when a quarter of the window is free
// rather than for every write: at full speed that is a wake-up per hundreds of rows.
func (w *window) release(weight int64) {
	ops := w.used.Add(-weight) >> opShift
	if w.waiters.Load() > 0 && ops <= w.limit.Load()*3/4 {
		w.wake()
	}
}

// wake makes every waiting goroutine look again.
func (w *window) wake() {
	w.mu.Lock()
	w.room.Broadcast()
	w.mu.Unlock()
}

// inFlight is the number of writes without acknowledgement.
func (w *window) inFlight() int { return int(w.used.Load() >> opShift) }

// idle waits until nothing is in flight or ctx ends.
func (w *window) idle(ctx context.Context) bool {
	defer context.AfterFunc(ctx, w.wake)()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.waiters.Add(1)
	defer w.waiters.Add(-1)
	for w.used.Load() != 0 {
		if ctx.Err() != nil {
			return false
		}
		w.room.Wait()
	}
	return true
}
