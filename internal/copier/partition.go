package copier

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// lookAhead is for how long a partition may run ahead of a write that is not acknowledged. What
// lies between is read again when the copy is resumed.
const lookAhead = 2 * time.Second

// partition is one source partition being copied: its chunks in the order of their keys, and the
// cursor behind the last one before which everything is acknowledged.
type partition struct {
	r     *run
	index int32

	mu         sync.Mutex
	head, tail *chunk // opened and not yet covered by the cursor
	cursor     Cursor
	dirty      bool // the cursor moved since it was last taken for saving

	pages   atomic.Int32  // pages that are held
	changed chan struct{} // signals its worker that head or pages changed

	// For progress only.
	rows, bytes  atomic.Uint64
	active, done atomic.Bool
}

func newPartition(r *run, index int32) *partition {
	return &partition{
		r: r, index: index, changed: make(chan struct{}, 1),
		cursor: Cursor{Version: CursorVersion, Partition: index, Digests: Digests{Start: r.start}},
	}
}

// resume puts the partition where an earlier run left it.
func (p *partition) resume(c Cursor) {
	p.cursor = c.clone()
	p.rows.Store(c.Rows)
	p.bytes.Store(c.Bytes)
	p.done.Store(c.Done)
}

// append adds a chunk behind all others.
func (p *partition) append(c *chunk) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.tail == nil {
		p.head = c
	} else {
		p.tail.next = c
	}
	p.tail = c
}

// complete notes that every write of a chunk is acknowledged and moves the cursor over as many
// chunks as are complete from the front.
func (p *partition) complete(c *chunk) {
	p.mu.Lock()
	c.done = true
	for p.head != nil && p.head.done {
		c := p.head
		p.head = c.next
		p.advance(c)
		c.page.release()
		p.r.chunks.Put(c)
	}
	if p.head == nil {
		p.tail = nil
	}
	p.mu.Unlock()
	select {
	case p.changed <- struct{}{}:
	default:
	}
}

// advance moves the cursor over one chunk.
func (p *partition) advance(c *chunk) {
	p.r.gov.acked.Add(uint64(c.used))
	if c.last == nil {
		return
	}
	cur := &p.cursor
	cur.After = append(cur.After[:0], c.last...)
	cur.Rows += c.rows
	cur.Bytes += c.bytes
	cur.Misplaced += c.misplaced
	cur.Digests.Merge(&c.digests)
	p.dirty = true
	p.rows.Store(cur.Rows)
	p.bytes.Store(cur.Bytes)
}

// finish marks the partition as copied. Everything must be acknowledged.
func (p *partition) finish() {
	p.mu.Lock()
	p.cursor.Done, p.dirty = true, true
	p.mu.Unlock()
	p.done.Store(true)
}

// take returns the cursor if it moved since the last call.
func (p *partition) take() (Cursor, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.dirty {
		return Cursor{}, false
	}
	p.dirty = false
	return p.cursor.clone(), true
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
	return p.cursor.clone()
}

// oldest is when the first chunk was opened that is not covered by the cursor.
func (p *partition) oldest() (time.Time, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.head == nil {
		return time.Time{}, false
	}
	return p.head.opened, true
}

// awaitTurn waits while the partition is too far ahead of its cursor. It is called between chunks.
func (p *partition) awaitTurn(ctx context.Context) error {
	return p.await(ctx, func() bool {
		opened, any := p.oldest()
		return !any || time.Since(opened) < lookAhead
	})
}

// awaitPage waits until another page may be held.
func (p *partition) awaitPage(ctx context.Context) error {
	return p.await(ctx, func() bool { return p.pages.Load() < maxPages })
}

// awaitAll waits until everything is acknowledged.
func (p *partition) awaitAll(ctx context.Context) error {
	return p.await(ctx, func() bool { _, any := p.oldest(); return !any })
}

// await waits for a condition that only complete can make true. Writes end by their deadline, so
// it ends too.
func (p *partition) await(ctx context.Context, ready func() bool) error {
	for !ready() {
		select {
		case <-p.changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return ctx.Err()
}
