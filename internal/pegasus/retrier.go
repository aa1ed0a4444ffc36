package pegasus

import (
	"container/heap"
	"sync"
	"time"
)

// retrier sends writes again when their pause is over: one goroutine and one timer for
// all of a cluster's tables. Acknowledged writes never come here.
type retrier struct {
	mu     sync.Mutex
	queue  opQueue
	closed bool
	wake   chan struct{}
	done   chan struct{}
}

func newRetrier() *retrier {
	return &retrier{wake: make(chan struct{}, 1), done: make(chan struct{})}
}

// add sends o again at the given time; after close it fails it instead.
func (r *retrier) add(o *op, at time.Time) {
	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		o.end(ErrClosed)
		return
	}
	o.resume = at
	heap.Push(&r.queue, o)
	first := r.queue[0] == o
	r.mu.Unlock()
	if first {
		select {
		case r.wake <- struct{}{}:
		default:
		}
	}
}

// run works until close.
func (r *retrier) run() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-r.done:
			return
		case <-r.wake:
		case <-timer.C:
		}
		for {
			o, wait := r.next()
			if o == nil {
				if wait > 0 {
					timer.Reset(wait)
				}
				break
			}
			o.send()
		}
	}
}

// next takes the first write whose time has come, or says how long that takes; 0 means
// that there is none.
func (r *retrier) next() (o *op, wait time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.queue) == 0 || r.closed {
		return nil, 0
	}
	if wait = time.Until(r.queue[0].resume); wait > 0 {
		return nil, wait
	}
	return heap.Pop(&r.queue).(*op), 0
}

// close fails what waits.
func (r *retrier) close() {
	r.mu.Lock()
	waiting := r.queue
	r.queue, r.closed = nil, true
	r.mu.Unlock()
	close(r.done)
	for _, o := range waiting {
		o.end(ErrClosed)
	}
}

// opQueue is a heap by time.
type opQueue []*op

// Len implements heap.Interface.
func (q opQueue) Len() int { return len(q) }

// Less implements heap.Interface.
func (q opQueue) Less(i, j int) bool { return q[i].resume.Before(q[j].resume) }

// Swap implements heap.Interface.
func (q opQueue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }

// Push implements heap.Interface.
func (q *opQueue) Push(x any) { *q = append(*q, x.(*op)) }

// Pop implements heap.Interface.
func (q *opQueue) Pop() any {
	last := len(*q) - 1
	o := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	return o
}
