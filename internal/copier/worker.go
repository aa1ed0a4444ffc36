package copier

import (
	"bytes"
	"context"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/pegkey"
	"github.com/pegmigrate/pegmigrate/internal/scan"
)

// Sizes of thrift around the data of a request (idl/rrdb.thrift): what the body of a put has
// besides key and value, and what a multi_put has per row. The put's is exact.
const (
	putOverhead = 55
	kvOverhead  = 24
)

// shut is the age at which a chunk that waits is closed, so that a slow target does not keep rows
// that it has acknowledged out of the cursor.
const shut = 250 * time.Millisecond

// worker copies one partition at a time.
type worker struct {
	r     *run
	sizer *scan.Sizer
	lease lease
	// The partition and page at hand, and the chunk being filled, nil when there is none.
	part  *partition
	page  *page
	chunk *chunk
}

func newWorker(r *run) *worker { return &worker{r: r, sizer: r.sizer} }

// run copies partitions until none is left.
func (w *worker) run(ctx context.Context) error {
	for {
		i := int(w.r.next.Add(1)) - 1
		if i >= len(w.r.parts) {
			return nil
		}
		if p := w.r.parts[i]; !p.done.Load() {
			if err := w.copy(ctx, p); err != nil {
				return err
			}
		}
	}
}

// copy copies the rest of one partition.
func (w *worker) copy(ctx context.Context, p *partition) error {
	w.part = p
	p.active.Store(true)
	defer p.active.Store(false)
	after := p.snapshot().After
	reader := scan.NewReader(w.r.src, w.sizer, scan.Spec{
		Partition: p.index, After: after, GiveUpAfter: w.r.opts.GiveUpAfter, OnRetry: w.r.gov.onScan,
	})
	defer reader.Close()
	for {
		if err := p.awaitPage(ctx); err != nil {
			return err
		}
		pg, err := reader.Next(ctx)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			return &ReadError{Partition: p.index, After: reader.Last(), Err: err}
		}
		last := pg.Last
		if err := w.writePage(ctx, pg); err != nil {
			return err
		}
		if last {
			break
		}
	}
	if err := p.awaitAll(ctx); err != nil {
		return err
	}
	p.finish()
	return nil
}

// writePage starts the writes of one page.
func (w *worker) writePage(ctx context.Context, pg scan.Page) error {
	if len(pg.Rows) == 0 {
		pg.Release()
		return nil
	}
	w.page = &page{Page: pg, part: w.part}
	w.page.refs.Store(1)
	w.part.pages.Add(1)
	defer w.page.release()
	defer w.seal()
	for i := 0; i < len(pg.Rows); {
		n, err := w.writeRows(ctx, i)
		if err != nil {
			return err
		}
		i += n
	}
	return nil
}

// writeRows writes every row that the source shows, also one that has expired by this machine's
// clock: which rows exist is for the clusters' clocks to say, and a put stores any expiry. It
// takes care of row i of the page, and of the rows that can go along with it, and returns how many
// that were.
func (w *worker) writeRows(ctx context.Context, i int) (int, error) {
	if w.chunk == nil {
		if err := w.open(ctx); err != nil {
			return 0, err
		}
	}
	rows := w.page.Rows
	row := &rows[i]
	hashKey, sortKey, err := pegkey.Decode(row.Key)
	if err != nil {
		return 0, &ReadError{Partition: w.part.index, After: bytes.Clone(row.Key), Err: err}
	}
	n := 1
	switch {
	case pegkey.Partition(pegkey.Hash(hashKey, sortKey), w.r.count) != w.part.index:
		w.chunk.misplaced++
	default:
		var size int
		n, size = w.group(rows[i:], len(hashKey))
		if n == 1 && size+putOverhead > w.r.opts.MaxWrite {
			return 0, &WriteError{Partition: w.part.index, Key: bytes.Clone(row.Key), Rows: 1, Size: size,
				Err: &TooLargeError{Body: size + putOverhead, Limit: w.r.opts.MaxWrite}}
		}
		if err := w.admit(ctx, n, size); err != nil {
			return 0, err
		}
		w.start(ctx, i, n, size, hashKey)
	}
	c := w.chunk
	c.last = rows[i+n-1].Key
	if c.used == chunkOps || c.rows+c.misplaced >= chunkOps {
		w.seal()
	}
	return n, nil
}

// group is how many rows from the first on can share a write, and the bytes of their keys and
// values: neighbours of one hash key and one expiry, never with an empty hash key.
func (w *worker) group(rows []Row, hashKey int) (n, size int) {
	first := &rows[0]
	size = len(first.Key) + len(first.Value)
	if hashKey == 0 {
		return 1, size
	}
	prefix := first.Key[:2+hashKey]
	body := size + kvOverhead
	for n = 1; n < len(rows) && n < w.r.opts.MultiPutRows; n++ {
		row := &rows[n]
		if row.Expire != first.Expire || !bytes.HasPrefix(row.Key, prefix) {
			break
		}
		body += len(row.Key) + len(row.Value) + kvOverhead
		if body > w.r.opts.MultiPutBytes {
			break
		}
		size += len(row.Key) + len(row.Value)
	}
	return n, size
}

// admit waits until a write of n rows may be started. It may close the chunk and open a new one.
func (w *worker) admit(ctx context.Context, n, size int) error {
	if !w.lease.covers(w.r.caps, int64(n), int64(size)) {
		if err := w.pause(ctx, 0, func() error { return w.lease.renew(ctx, w.r.caps, int64(n), int64(size)) }); err != nil {
			return err
		}
		w.lease.covers(w.r.caps, int64(n), int64(size))
	}
	weight := weightOf(size)
	if w.r.win.try(weight) {
		return nil
	}
	taken := false
	err := w.pause(ctx, shut, func() error {
		if taken = w.r.win.wait(ctx, weight); !taken {
			return context.Cause(ctx)
		}
		return nil
	})
	if err != nil && taken {
		w.r.win.release(weight)
	}
	return err
}

// pause waits with f. A chunk of at least the given age is closed before.
func (w *worker) pause(ctx context.Context, age time.Duration, f func() error) error {
	if w.chunk.last != nil && time.Since(w.chunk.opened) >= age {
		w.seal()
	}
	if err := f(); err != nil {
		return err
	}
	if w.chunk == nil {
		return w.open(ctx)
	}
	return nil
}

// start sends rows i to i+n of the page as one write. It has been admitted.
func (w *worker) start(ctx context.Context, i, n, size int, hashKey []byte) {
	c := w.chunk
	o := &c.ops[c.used]
	o.weight, o.first, o.rows = weightOf(size), int32(i), int32(n)
	c.rows += uint64(n)
	c.bytes += uint64(size)
	rows := w.page.Rows[i : i+n]
	for j := range rows {
		c.digests.Add(&rows[j])
	}
	tag := uint64(c.used)
	c.used++
	if n == 1 {
		w.r.dst.Send(ctx, rows[0], &c.opts, c, tag)
		return
	}
	first := len(c.kvs)
	for j := range rows {
		c.kvs = append(c.kvs, KV{SortKey: rows[j].Key[2+len(hashKey):], Value: rows[j].Value})
	}
	w.r.dst.SendMulti(ctx, hashKey, c.kvs[first:len(c.kvs):len(c.kvs)], rows[0].Expire, &c.opts, c, tag)
}

// open begins a chunk behind all others of the partition.
func (w *worker) open(ctx context.Context) error {
	if err := w.part.awaitTurn(ctx); err != nil {
		return err
	}
	c := w.r.chunks.Get().(*chunk)
	c.reset(w.part, w.page)
	w.page.refs.Add(1)
	w.part.append(c)
	w.chunk = c
	return nil
}

// seal closes the chunk.
func (w *worker) seal() {
	if c := w.chunk; c != nil {
		w.chunk = nil
		c.seal()
	}
}
