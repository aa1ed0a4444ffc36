package copier

import (
	"sync/atomic"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/scan"
)

// chunkOps is the number of writes of a chunk. A chunk is what acknowledgements are counted in: a
// smaller one costs more bookkeeping per row, a larger one makes a resumed copy read more again.
const chunkOps = 64

// open is where the pending writes of a chunk count from while it is being filled, so that it
// cannot look finished meanwhile and starting a write needs no atomic operation.
const open = 1 << 32

// chunk is a run of neighbouring rows of one page on their way to the target. Its worker fills it;
// after that only the callbacks of its writes and its partition touch it.
type chunk struct {
	r    *run
	part *partition
	page *page
	// ops are the writes that were started, one per row or per multi_put.
	ops  [chunkOps]op
	used int
	kvs  []KV // backs the rows of multi_puts
	// pending is open less the acknowledgements; once sealed, the writes without one.
	pending atomic.Int64

	rows, bytes, misplaced uint64

	digests Digests
	last    []byte     // key of the last row, in the page
	opts    PutOptions // of its writes
	opened  time.Time

	done bool   // all acknowledged; guarded by partition.mu
	next *chunk // the chunk of the following rows; guarded by partition.mu
}

// op is one write.
type op struct {
	weight int64
	first  int32 // index of the first row in the page
	rows   int32
}

// reset prepares a chunk for new rows. It must have no write under way.
func (c *chunk) reset(part *partition, pg *page) {
	c.part, c.page = part, pg
	c.used, c.rows, c.bytes, c.misplaced = 0, 0, 0, 0
	c.kvs = c.kvs[:0]
	c.pending.Store(open)
	c.digests = Digests{Start: c.r.start}
	c.last, c.done, c.next = nil, false, nil
	c.opened = time.Now()
	c.opts = PutOptions{Deadline: c.opened.Add(c.r.opts.GiveUpAfter), OnRetry: c.r.onWrite}
}

// Acked implements Acker; the tag is the index of the write. An acknowledged chunk is handed to its
// partition before the window is given back: who sees an empty window sees the cursors of
// everything before it.
func (c *chunk) Acked(tag uint64, err error) {
	r, weight := c.r, c.ops[tag].weight
	if err != nil {
		r.fail(c.writeError(&c.ops[tag], err))
	} else if c.pending.Add(-1) == 0 {
		c.part.complete(c)
	}
	r.win.release(weight)
}

// writeError describes a failed write. Its chunk stays unfinished for ever, and with it the page.
func (c *chunk) writeError(o *op, err error) error {
	rows := c.page.Rows[o.first : o.first+o.rows]
	return &WriteError{Partition: c.part.index, Key: append([]byte(nil), rows[0].Key...), Rows: len(rows), Size: int(o.weight & byteMask), Err: err}
}

// seal says that no further rows follow.
func (c *chunk) seal() {
	if c.pending.Add(int64(c.used)-open) == 0 {
		c.part.complete(c)
	}
}

// page is a scanned page that is given back when no chunk needs it any more.
type page struct {
	scan.Page
	part *partition
	refs atomic.Int32
}

// release drops one reference.
func (p *page) release() {
	if p.refs.Add(-1) == 0 {
		p.part.pages.Add(-1)
		p.Release()
	}
}
