package sandbox

import (
	"time"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// queuedWrite is a write that was accepted and waits to be prepared: it has no decree
// and no answer, and a fence that goes up meanwhile does not stop it.
type queuedWrite struct {
	q   *request
	due time.Time
	// execute prepares and commits the write and appends its reply.
	execute func(q *request, out []byte) []byte
}

// enqueue puts an accepted write behind those that wait already, whatever their delays:
// a primary's queue is first in, first out (mutation_queue of replica_2pc.cpp). part.mu
// must be held.
func (r *replica) enqueue(q *request, delay time.Duration, execute func(*request, []byte) []byte) {
	w := &queuedWrite{q: q.detach(), due: r.now().Add(delay), execute: execute}
	r.queue = append(r.queue, w)
	r.node.c.afterLocked(delay, r.drain)
}

// drain executes the writes at the head of the queue whose time has come. A primary that
// is inactive keeps them; one that is primary no more has forgotten them.
func (r *replica) drain() {
	for {
		w, out := r.takeQueued()
		if w == nil {
			return
		}
		w.q.resume(func(_ *request, b []byte) []byte { return append(b, out...) })
	}
}

// takeQueued executes the first write of the queue, nil when none can be executed now.
func (r *replica) takeQueued() (*queuedWrite, []byte) {
	r.part.mu.Lock()
	defer r.part.mu.Unlock()
	if len(r.queue) == 0 {
		return nil, nil
	}
	w := r.queue[0]
	switch {
	case r.now().Before(w.due):
		return nil, nil
	case w.q.srv.epoch.Load() != w.q.epoch || (r.status != idl.ReplicaPrimary && !r.suspended):
		r.queue = nil
		return nil, nil
	case r.status != idl.ReplicaPrimary:
		r.node.c.afterLocked(r.node.c.timing.Inactive, r.drain)
		return nil, nil
	}
	r.queue = r.queue[1:]
	if r.members < r.minMembers {
		w.q.srv.perf.refused(true, idl.ErrNotEnoughMember)
		return w, w.q.fail(nil, idl.ErrNotEnoughMember)
	}
	return w, w.execute(w.q, nil)
}
