package sandbox

import "time"

// scanContexts are the open scans of one replica (pegasus_context_cache). A context
// is taken out to be continued and put back under a new id, so each id works once.
// It is guarded by the partition's lock.
type scanContexts struct {
	next int64
	open map[int64]*scanContext
}

// newScanContexts starts ids at a random multiple of 2^32, half of them negative,
// as 2.5.0 does.
func newScanContexts(random uint64) scanContexts {
	return scanContexts{next: int64(random &^ (1<<32 - 1)), open: make(map[int64]*scanContext)}
}

// put keeps a context and returns the id to continue it with.
func (s *scanContexts) put(sc *scanContext, now time.Time) int64 {
	id := s.next
	s.next++
	sc.putAt = now
	s.open[id] = sc
	return id
}

// take returns the context and forgets it; nil when it is unknown, used before, or
// was left alone for longer than lifetime.
func (s *scanContexts) take(id int64, now time.Time, lifetime time.Duration) *scanContext {
	sc := s.open[id]
	delete(s.open, id)
	if sc == nil || now.Sub(sc.putAt) >= lifetime {
		return nil
	}
	return sc
}

// expire forgets contexts that nobody continued in time.
func (s *scanContexts) expire(now time.Time, lifetime time.Duration) {
	for id, sc := range s.open {
		if now.Sub(sc.putAt) >= lifetime {
			delete(s.open, id)
		}
	}
}

// clear forgets all contexts.
func (s *scanContexts) clear() { clear(s.open) }
