package copier

import (
	"errors"
	"sync/atomic"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/idl"
	"github.com/pegmigrate/pegmigrate/internal/pegasus"
	"github.com/pegmigrate/pegmigrate/internal/scan"
)

// chunkOps is the number of writes of a chunk. A chunk is what acknowledgements are counted in: a
// smaller one costs more bookkeeping per row, a larger one makes a resumed copy read more again.
const chunkOps = 64

// open is where the pending writes of a chunk count from while it is being filled, so that it
// cannot look finished meanwhile and starting a write needs no atomic operation.
const open = 1 << 32

// chunk is a run of neighbouring rows of one page on their way to the target. Its worker fills it;
// after that only the callbacks of its writes and its span touch it.
type chunk struct {
	r    *run
	span *span
	page *page
	// ops are the writes that were started, one per row or per multi_put.
	ops  [chunkOps]op
	used int
	kvs  []KV // backs the rows of multi_puts
	// pending is open less the acknowledgements; once sealed, the writes without one.
	pending atomic.Int64

	rows, bytes, misplaced, filtered uint64
	// kept counts the acknowledgements of rows that the target had.
	kept atomic.Uint64

	digests Digests
	last    []byte     // key of the last row, in the page
	opts    PutOptions // of its writes
	opened  time.Time
	sealed  time.Time

	done bool   // all acknowledged; guarded by partition.mu
	next *chunk // the chunk of the following rows of the span; guarded by partition.mu
}

// op is one write.
type op struct {
	weight int64
	first  int32 // index of the first row in the page
	rows   int32
}

// reset prepares a chunk for new rows. It must have no write under way.
func (c *chunk) reset(s *span, pg *page) {
	c.span, c.page = s, pg
	c.used, c.rows, c.bytes, c.misplaced, c.filtered = 0, 0, 0, 0, 0
	c.kept.Store(0)
	c.kvs = c.kvs[:0]
	c.pending.Store(open)
	c.digests = Digests{Start: c.r.start}
	c.last, c.done, c.next = nil, false, nil
	c.begin()
}

// begin is when the writes of the chunk, of which there is none yet, count from.
func (c *chunk) begin() {
	c.opened = time.Now()
	o := &c.r.opts
	c.opts = PutOptions{Deadline: c.opened.Add(o.GiveUpAfter), OnRetry: c.r.onWrite, Timeout: o.Timeout, Overwrite: o.Overwrite}
}

// taken is the number of rows that the chunk has dealt with.
func (c *chunk) taken() uint64 { return c.rows + c.misplaced + c.filtered }

// Acked implements Acker; the tag is the index of the write. An acknowledged chunk is handed to its
// span before the window is given back: who sees an empty window sees the cursors of
// everything before it.
func (c *chunk) Acked(tag uint64, err error) {
	r, weight := c.r, c.ops[tag].weight
	if c.ops[tag].rows > 1 {
		c.span.part.multiEnded()
	}
	if err == pegasus.ErrKept {
		c.kept.Add(1)
		err = nil
	}
	if err != nil {
		r.fail(c.writeError(&c.ops[tag], err))
	} else if c.pending.Add(-1) == 0 {
		c.complete()
	}
	r.win.release(weight)
}

// writeError describes a failed write. Its chunk stays unfinished for ever, and with it the page.
func (c *chunk) writeError(o *op, err error) error {
	if c.opts.Overwrite == OverwriteNever && errors.Is(err, idl.ErrOperationDisabled) {
		err = &RefusedError{err}
	}
	rows := c.page.Rows[o.first : o.first+o.rows]
	return &WriteError{Partition: c.span.part.index, Key: append([]byte(nil), rows[0].Key...), Rows: len(rows), Size: int(o.weight & byteMask), Err: err}
}

// seal says that no further rows follow.
func (c *chunk) seal() {
	c.sealed = time.Now()
	if c.pending.Add(int64(c.used)-open) == 0 {
		c.complete()
	}
}

// complete is called once, when the chunk is sealed and acknowledged.
func (c *chunk) complete() {
	c.r.gov.took.add(time.Since(c.sealed))
	c.r.gov.acked.Add(uint64(c.used))
	c.span.complete(c)
}

// page is a scanned page that is given back when no chunk needs it any more.
type page struct {
	scan.Page
	span *span
	refs atomic.Int32
}

// release drops one reference.
func (p *page) release() {
	if p.refs.Add(-1) == 0 {
		p.span.pages.Add(-1)
		p.Release()
	}
}
