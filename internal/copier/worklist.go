package copier

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// splitEvery is the time between two looks of an idle worker for a span to take a part of, and after a
// split that failed the time until the next one of the span in units of Options.SplitAfter.
const (
	splitEvery = 50 * time.Millisecond
	splitPause = 4
)

// workList gives spans to workers: first those that nobody copies, then parts of those that somebody does.
// Safe for concurrent use.
type workList struct {
	queue []*span
	next  atomic.Int32 // index into queue
	left  atomic.Int32 // spans that are not copied
	ended chan struct{}

	mu      sync.Mutex
	running []*span
}

// fill queues what is left of the partitions, before the workers start.
func (l *workList) fill(parts []*partition) {
	l.ended = make(chan struct{})
	for _, p := range parts {
		l.queue = append(l.queue, p.spans...)
	}
	l.left.Store(int32(len(l.queue)))
	if len(l.queue) == 0 {
		close(l.ended)
	}
}

// add counts another span.
func (l *workList) add() { l.left.Add(1) }

// begin notes that a worker copies a span.
func (l *workList) begin(s *span, splitAfter time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s.splitAt = time.Now().Add(splitAfter)
	l.running = append(l.running, s)
}

// stop notes that its worker has stopped.
func (l *workList) stop(s *span) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.running = slices.DeleteFunc(l.running, func(other *span) bool { return other == s })
}

// finished counts a span that is copied.
func (l *workList) finished() {
	if l.left.Add(-1) == 0 {
		close(l.ended)
	}
}

// longest is the span that has been copied by one worker for the longest time, if that is long enough.
// Nobody else gets it until the time given.
func (l *workList) longest(now, until time.Time) *span {
	l.mu.Lock()
	defer l.mu.Unlock()
	var found *span
	for _, s := range l.running {
		if !now.Before(s.splitAt) && (found == nil || s.splitAt.Before(found.splitAt)) {
			found = s
		}
	}
	if found != nil {
		found.splitAt = until
	}
	return found
}

// soon lets a span be split again after the given time.
func (l *workList) soon(s *span, at time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s.splitAt = at
}

// nextSpan is the next span to copy. It waits while others still copy what cannot be divided, and is nil
// when nothing is left. The error is ctx's cause.
func (r *run) nextSpan(ctx context.Context) (*span, error) {
	l := &r.work
	if i := int(l.next.Add(1)) - 1; i < len(l.queue) {
		return l.queue[i], nil
	}
	ticker := time.NewTicker(min(splitEvery, r.opts.SplitAfter))
	defer ticker.Stop()
	for {
		if s := r.split(ctx); s != nil {
			return s, nil
		}
		select {
		case <-ticker.C:
		case <-l.ended:
			return nil, nil
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// split takes a part of a span that another worker copies, nil when there is none or it cannot be divided.
func (r *run) split(ctx context.Context) *span {
	after := r.opts.SplitAfter
	now := time.Now()
	s := r.work.longest(now, now.Add(splitPause*after))
	if s == nil {
		return nil
	}
	key := r.middle(ctx, s.part.index, s.bounds())
	if key == nil {
		return nil
	}
	rest := s.cut(key)
	if rest != nil {
		r.work.soon(s, time.Now().Add(after))
	}
	return rest
}
