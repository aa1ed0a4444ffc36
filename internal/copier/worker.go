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

// worker copies one span at a time.
type worker struct {
	r     *run
	sizer *scan.Sizer
	lease lease
	// The span and page at hand, and the chunk being filled, nil when there is none.
	span  *span
	page  *page
	chunk *chunk
	// Of the page: how many neighbours share a multi_put at least, and the index up to which rows
	// are known to have too few.
	least, alone int
}

func newWorker(r *run) *worker { return &worker{r: r, sizer: r.sizer} }

// run copies spans until none is left.
func (w *worker) run(ctx context.Context) error {
	for {
		s, err := w.r.nextSpan(ctx)
		if s == nil {
			return err
		}
		if err := w.copy(ctx, s); err != nil {
			return err
		}
	}
}

// copy copies one span.
func (w *worker) copy(ctx context.Context, s *span) error {
	w.span = s
	p, o, left := s.part, &w.r.opts, s.bounds()
	p.active.Add(1)
	defer p.active.Add(-1)
	w.r.work.begin(s, o.SplitAfter)
	defer w.r.work.stop(s)
	reader := scan.NewReader(w.r.src, w.sizer, scan.Spec{
		Partition: p.index, After: left.After, Through: left.Through, GiveUpAfter: o.GiveUpAfter, OnRetry: w.r.gov.onScan,
		HashKey: o.Filter.HashKey, SortKey: o.Filter.SortKey, NoValue: o.DropValue, Timeout: o.Timeout,
	})
	defer reader.Close()
	for last := false; !last; {
		if err := s.awaitPage(ctx); err != nil {
			return err
		}
		pg, err := reader.Next(ctx)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			return &ReadError{Partition: p.index, After: reader.Last(), Err: err}
		}
		s.claim(&pg)
		last = pg.Last
		if err := w.writePage(ctx, pg); err != nil {
			return err
		}
	}
	if err := s.awaitAll(ctx); err != nil {
		return err
	}
	p.finish(s)
	w.r.work.finished()
	return nil
}

// writePage starts the writes of one page.
func (w *worker) writePage(ctx context.Context, pg scan.Page) error {
	if len(pg.Rows) == 0 {
		pg.Release()
		return nil
	}
	if w.r.opts.DropValue {
		for i := range pg.Rows {
			pg.Rows[i].Value = nil // a server may have sent it all the same
		}
	}
	w.least, w.alone = w.r.opts.leastShared(pg.Rows), 0
	w.page = &page{Page: pg, span: w.span}
	w.page.refs.Store(1)
	w.span.pages.Add(1)
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

// writeRows writes every row that the source shows and the filter takes, also one that has expired by this
// machine's clock: which rows exist is for the clusters' clocks to say, and a put stores any expiry. It
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
		return 0, &ReadError{Partition: w.span.part.index, After: bytes.Clone(row.Key), Err: err}
	}
	n := 1
	switch {
	case !w.takes(row, len(hashKey)):
		w.chunk.filtered++
	case pegkey.Partition(pegkey.Hash(hashKey, sortKey), w.r.count) != w.span.part.index:
		w.chunk.misplaced++
	default:
		var size int
		n, size = w.group(i, len(hashKey))
		if n == 1 && size+putOverhead > w.r.opts.MaxWrite {
			return 0, &WriteError{Partition: w.span.part.index, Key: bytes.Clone(row.Key), Rows: 1, Size: size,
				Err: &TooLargeError{Body: size + putOverhead, Limit: w.r.opts.MaxWrite}}
		}
		if err := w.admit(ctx, n, size); err != nil {
			return 0, err
		}
		w.start(ctx, i, n, size, hashKey)
	}
	c := w.chunk
	c.last = rows[i+n-1].Key
	if c.used == chunkOps || c.taken() >= chunkOps {
		w.seal()
	}
	return n, nil
}

// admit waits until a write of n rows may be started. It may close the chunk and open a new one.
func (w *worker) admit(ctx context.Context, n, size int) error {
	if !w.lease.covers(w.r.caps, int64(n), int64(size)) {
		if err := w.pause(ctx, 0, func() error { return w.lease.renew(ctx, w.r.caps, int64(n), int64(size)) }); err != nil {
			return err
		}
		w.lease.covers(w.r.caps, int64(n), int64(size))
	}
	if n > 1 {
		if err := w.admitMulti(ctx); err != nil {
			return err
		}
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
	if err != nil && n > 1 {
		w.span.part.multiEnded()
	}
	return err
}

// admitMulti waits until the partition may have another multi_put in flight.
func (w *worker) admitMulti(ctx context.Context) error {
	p := w.span.part
	if p.multiMayBegin() {
		return nil
	}
	begun := false
	err := w.pause(ctx, shut, func() error {
		err := p.multiBegins(ctx)
		begun = err == nil
		return err
	})
	if err != nil && begun {
		p.multiEnded()
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
	switch c := w.chunk; {
	case c == nil:
		return w.open(ctx)
	case c.used == 0:
		c.begin() // its deadline counts from its first write, however long the wait for that was
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
	first := rows[0]
	if w.r.opts.DropTTL {
		first.Expire = 0
	}
	if n == 1 {
		w.r.dst.Send(ctx, first, &c.opts, c, tag)
		return
	}
	base := len(c.kvs)
	for j := range rows {
		c.kvs = append(c.kvs, KV{SortKey: rows[j].Key[2+len(hashKey):], Value: rows[j].Value})
	}
	w.r.dst.SendMulti(ctx, hashKey, c.kvs[base:len(c.kvs):len(c.kvs)], first.Expire, &c.opts, c, tag)
}

// open begins a chunk behind all others of the span.
func (w *worker) open(ctx context.Context) error {
	if err := w.span.awaitTurn(ctx); err != nil {
		return err
	}
	c := w.r.chunks.Get().(*chunk)
	c.reset(w.span, w.page)
	w.page.refs.Add(1)
	w.span.append(c)
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
