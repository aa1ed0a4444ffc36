package copier

import (
	"bytes"
	"context"
	"slices"
	"sort"
	"sync/atomic"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/scan"
)

// lookAhead is for how long a span may run ahead of a write that is not acknowledged. What
// lies between is read again when the copy is resumed.
const lookAhead = 2 * time.Second

// span is a range of the keys of one partition that one worker copies: its chunks in the order of their
// keys, and the key before which everything is acknowledged. Most partitions are one span; another worker
// may take the end of one away, see split.
type span struct {
	part *partition

	// Guarded by part.mu.
	after   []byte // everything up to it is acknowledged
	through []byte // the last key that belongs to the span, empty for the end of the partition
	read    []byte // the last key of the pages that the worker has begun: up to it nothing can be taken away
	head    *chunk // opened and not yet covered by after
	tail    *chunk

	splitAt time.Time // when others may take a part; guarded by run.work.mu

	pages   atomic.Int32  // pages that are held
	changed chan struct{} // signals its worker that head or pages changed
}

func newSpan(p *partition, r Range) *span {
	return &span{part: p, after: slices.Clone(r.After), through: slices.Clone(r.Through), read: slices.Clone(r.After),
		changed: make(chan struct{}, 1)}
}

// bounds is the range that nobody has begun to copy.
func (s *span) bounds() Range {
	s.part.mu.Lock()
	defer s.part.mu.Unlock()
	return Range{After: slices.Clone(s.read), Through: slices.Clone(s.through)}
}

// claim makes a page the worker's own, without the rows behind the end of the span, which may have
// moved since the page was asked for.
func (s *span) claim(pg *scan.Page) {
	s.part.mu.Lock()
	defer s.part.mu.Unlock()
	if len(s.through) > 0 {
		n := sort.Search(len(pg.Rows), func(i int) bool { return bytes.Compare(pg.Rows[i].Key, s.through) > 0 })
		if n < len(pg.Rows) {
			pg.Rows, pg.Last = pg.Rows[:n], true
		}
	}
	if n := len(pg.Rows); n > 0 {
		s.read = append(s.read[:0], pg.Rows[n-1].Key...)
		pg.Last = pg.Last || bytes.Equal(s.read, s.through)
	}
}

// cut takes everything behind key away from the span and makes it a span of its own; nil when the worker
// has come too near, or has ended.
func (s *span) cut(key []byte) *span {
	p := s.part
	p.mu.Lock()
	defer p.mu.Unlock()
	at := slices.Index(p.spans, s)
	if at < 0 || bytes.Compare(key, s.read) <= 0 || len(s.through) > 0 && bytes.Compare(key, s.through) >= 0 {
		return nil
	}
	rest := newSpan(p, Range{After: key, Through: s.through})
	s.through = slices.Clone(key)
	p.spans = slices.Insert(p.spans, at+1, rest)
	p.dirty = true
	p.r.work.add()
	return rest
}

// append adds a chunk behind all others.
func (s *span) append(c *chunk) {
	s.part.mu.Lock()
	defer s.part.mu.Unlock()
	if s.tail == nil {
		s.head = c
	} else {
		s.tail.next = c
	}
	s.tail = c
}

// complete notes that every write of a chunk is acknowledged and moves over as many chunks as are
// complete from the front.
func (s *span) complete(c *chunk) {
	p := s.part
	p.mu.Lock()
	c.done = true
	for s.head != nil && s.head.done {
		c := s.head
		s.head = c.next
		if c.last != nil {
			s.after = append(s.after[:0], c.last...)
			p.advance(c)
		}
		c.page.release()
		p.r.chunks.Put(c)
	}
	if s.head == nil {
		s.tail = nil
	}
	p.mu.Unlock()
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

// oldest is when the first chunk was opened that is not acknowledged.
func (s *span) oldest() (time.Time, bool) {
	s.part.mu.Lock()
	defer s.part.mu.Unlock()
	if s.head == nil {
		return time.Time{}, false
	}
	return s.head.opened, true
}

// awaitTurn waits while the span is too far ahead of its cursor. It is called between chunks.
func (s *span) awaitTurn(ctx context.Context) error {
	return s.await(ctx, func() bool {
		opened, any := s.oldest()
		return !any || time.Since(opened) < lookAhead
	})
}

// awaitPage waits until another page may be held.
func (s *span) awaitPage(ctx context.Context) error {
	return s.await(ctx, func() bool { return s.pages.Load() < maxPages })
}

// awaitAll waits until everything is acknowledged.
func (s *span) awaitAll(ctx context.Context) error {
	return s.await(ctx, func() bool { _, any := s.oldest(); return !any })
}

// await waits for a condition that only complete can make true. Writes end by their deadline, so
// it ends too.
func (s *span) await(ctx context.Context, ready func() bool) error {
	for !ready() {
		select {
		case <-s.changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return ctx.Err()
}
