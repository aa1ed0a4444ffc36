package copier

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
)

// partition is one source partition being copied, by one span or several, and what its cursor counts.
type partition struct {
	r     *run
	index int32

	mu     sync.Mutex
	spans  []*span // not copied yet, in the order of their keys
	cursor Cursor  // without After and Ranges, which are the spans'
	dirty  bool    // the cursor moved since it was last taken for saving

	// multis holds a token for every multi_put in flight; nil without a bound.
	multis chan struct{}

	// For progress only.
	rows, bytes, filtered, kept atomic.Uint64
	active                      atomic.Int32 // workers
	done                        atomic.Bool
}

// newPartition puts the partition where a cursor says.
func newPartition(r *run, c Cursor) *partition {
	p := &partition{r: r, index: c.Partition, cursor: c}
	p.cursor.Version = CursorVersion
	if id := r.opts.SourceID; id != 0 {
		p.cursor.SourceID = id
	}
	for _, left := range c.left() {
		p.spans = append(p.spans, newSpan(p, left))
	}
	if r.opts.MultiSetConcurrency > 0 {
		p.multis = make(chan struct{}, r.opts.MultiSetConcurrency)
	}
	p.cursor.After, p.cursor.Ranges = nil, nil
	p.count()
	p.done.Store(c.Done)
	return p
}

// count publishes the cursor's counts.
func (p *partition) count() {
	p.rows.Store(p.cursor.Rows)
	p.bytes.Store(p.cursor.Bytes)
	p.filtered.Store(p.cursor.Filtered)
	p.kept.Store(p.cursor.Kept)
}

// advance counts the rows of a chunk; mu is held.
func (p *partition) advance(c *chunk) {
	cur := &p.cursor
	cur.Rows += c.rows
	cur.Bytes += c.bytes
	cur.Misplaced += c.misplaced
	cur.Filtered += c.filtered
	cur.Kept += c.kept.Load()
	cur.Digests.Merge(&c.digests)
	p.dirty = true
	p.count()
}

// finish takes out a span that is copied to its end.
func (p *partition) finish(s *span) {
	p.mu.Lock()
	p.spans = slices.DeleteFunc(p.spans, func(other *span) bool { return other == s })
	p.cursor.Done, p.dirty = len(p.spans) == 0, true
	p.done.Store(p.cursor.Done)
	p.mu.Unlock()
}

// take returns the cursor if it moved since the last call.
func (p *partition) take() (Cursor, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.dirty {
		return Cursor{}, false
	}
	p.dirty = false
	return p.now(), true
}

// keep makes the next take return the cursor again, because it was not saved.
func (p *partition) keep() {
	p.mu.Lock()
	p.dirty = true
	p.mu.Unlock()
}

// snapshot returns the cursor.
func (p *partition) snapshot() Cursor {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.now()
}

// now is the cursor, which shares no memory with the spans; mu is held.
func (p *partition) now() Cursor {
	c := p.cursor
	if len(p.spans) == 1 && len(p.spans[0].through) == 0 {
		c.After = slices.Clone(p.spans[0].after)
		return c
	}
	for _, s := range p.spans { // also one whose last key is acknowledged, but that is not known to be the last
		c.Ranges = append(c.Ranges, Range{After: slices.Clone(s.after), Through: slices.Clone(s.through)})
	}
	return c
}

// multiBegins waits until another multi_put may be in flight. The error is ctx's cause.
func (p *partition) multiBegins(ctx context.Context) error {
	select {
	case p.multis <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// multiMayBegin is multiBegins without waiting.
func (p *partition) multiMayBegin() bool {
	if p.multis == nil {
		return true
	}
	select {
	case p.multis <- struct{}{}:
		return true
	default:
		return false
	}
}

// multiEnded gives the token of a multi_put back.
func (p *partition) multiEnded() {
	if p.multis != nil {
		<-p.multis
	}
}
