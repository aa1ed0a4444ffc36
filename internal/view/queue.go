package view

import (
	"slices"
	"sync"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/event"
)

// patience is how long Emit waits for an event to be written. A terminal that is stopped with
// Ctrl-S, or a pager that nobody scrolls, must not hold up a run that has a fence standing.
const patience = time.Second

// queue hands events to show, one at a time and in order, on a goroutine that lives only while
// there are any. Emit returns when its event was shown, or after patience. Progress, lag and
// Waiting are not waited for, and one that was not shown yet is replaced by its successor, so that a
// writer that is stuck costs little memory. Safe for concurrent use.
type queue struct {
	show func(event.Event, time.Time)
	now  func() time.Time

	mu      sync.Mutex
	pending []queued
	// idle is closed when everything is shown; nil while nothing is under way.
	idle chan struct{}
	// stuck is set when patience ran out, until everything is shown: then nobody waits.
	stuck bool
}

type queued struct {
	e     event.Event
	at    time.Time
	shown chan struct{}
}

func newQueue(now func() time.Time, show func(event.Event, time.Time)) *queue {
	if now == nil {
		now = time.Now
	}
	return &queue{show: show, now: now}
}

// emit queues an event and waits for it as described.
func (q *queue) emit(e event.Event) {
	if e == nil {
		return
	}
	item := queued{e: e, at: q.now(), shown: make(chan struct{})}
	if q.put(item) && !within(patience, item.shown) {
		q.mu.Lock()
		q.stuck = q.idle != nil
		q.mu.Unlock()
	}
}

// put queues an event and says whether to wait for it.
func (q *queue) put(item queued) (wait bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if passing(item.e) {
		q.overtake(item.e.Name())
	}
	q.pending = append(q.pending, item)
	if q.idle == nil {
		q.idle = make(chan struct{})
		go q.drain()
	}
	return !passing(item.e) && !q.stuck
}

// overtake drops an event of a name that only passing ones stand behind: a drain tells of its lag and
// of its waiting in turn, and both are to cost little memory.
func (q *queue) overtake(name string) {
	for i := len(q.pending) - 1; i >= 0 && passing(q.pending[i].e); i-- {
		if q.pending[i].e.Name() == name {
			q.pending = slices.Delete(q.pending, i, i+1)
			return
		}
	}
}

// passing says that an event is soon followed by another that says the same better.
func passing(e event.Event) bool {
	switch e.(type) {
	case event.MoveProgress, event.LagProgress, event.Waiting:
		return true
	}
	return false
}

func (q *queue) drain() {
	for {
		q.mu.Lock()
		if len(q.pending) == 0 {
			close(q.idle)
			q.idle, q.stuck, q.pending = nil, false, nil
			q.mu.Unlock()
			return
		}
		item := q.pending[0]
		q.pending = q.pending[1:]
		q.mu.Unlock()
		q.show(item.e, item.at)
		close(item.shown)
	}
}

// flush waits until everything is shown, at most for patience, and says whether it is.
func (q *queue) flush() bool {
	q.mu.Lock()
	idle := q.idle
	q.mu.Unlock()
	return idle == nil || within(patience, idle)
}

// within waits for done to be closed.
func within(limit time.Duration, done <-chan struct{}) bool {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-done:
		return true
	case <-timer.C:
		return false
	}
}
