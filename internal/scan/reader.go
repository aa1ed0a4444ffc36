package scan

import (
	"bytes"
	"context"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/rowfilter"
)

// Source opens scans of one table. *pegasus.Table is one through Table. Safe for concurrent use.
type Source interface {
	// PartitionCount is fixed for the life of the Source.
	PartitionCount() int32
	// Open begins a scan; no request need be sent before the first Next.
	Open(Spec) Cursor
}

// Spec says what a scan reads.
type Spec struct {
	Partition int32
	// After is the raw key behind which the scan begins; nil means the start of the partition.
	After []byte
	// Through is the raw key with which the scan ends, nil for the end of the partition. It must have
	// the form of a key: a length and at least that many bytes.
	Through []byte
	// HashKey and SortKey may leave rows out, or not: the rows have to be checked again.
	HashKey, SortKey rowfilter.Match
	// NoValue leaves the values out.
	NoValue bool
	// CountOnly makes Next give one Page with a Count and no rows. Where servers do not count, keys are
	// read and counted here. Not for a Reader.
	CountOnly bool
	// Timeout is how long one request may take before it is sent again, 0 for the source's own.
	Timeout time.Duration
	// Batch is how many rows a page may have, 1 to 1000.
	Batch int
	// GiveUpAfter is how long one page is tried before Next fails.
	GiveUpAfter time.Duration
	// OnRetry is told of everything that made a request be sent again. May be nil; must not block.
	OnRetry func(Retry)
}

// Cursor is an open scan. Not safe for concurrent use.
type Cursor interface {
	// Next returns the next page in the order of raw keys. It recovers by itself from lost
	// contexts, moved primaries and busy servers until its deadline, and may then deliver rows
	// again. It returns when ctx ends.
	Next(ctx context.Context) (Page, error)
	// Close gives up the scan. Pages that were delivered stay valid.
	Close()
}

// Page is a run of rows. An empty page that is not Last is normal.
type Page struct {
	// Rows alias a buffer that is theirs until Free.
	Rows []Row
	// Last says that the partition has no further rows.
	Last bool
	// Bytes is the size of all keys and values; Reader sets it.
	Bytes int64
	// Count is the number of rows, with Spec.CountOnly.
	Count int64
	// Free gives the buffer back; nil when there is nothing to give back. Call it at most once.
	Free func()
}

// Release calls Free if there is one.
func (p Page) Release() {
	if p.Free != nil {
		p.Free()
	}
}

// Reader reads one partition page by page, each page near the Sizer's bytes, every row once.
// Not safe for concurrent use.
type Reader struct {
	src   Source
	sizer *Sizer
	spec  Spec
	scan  Cursor
	last  []byte // the last key delivered; own copy
}

// NewReader reads the partition of spec from behind spec.After. Its Batch is overwritten.
func NewReader(src Source, sizer *Sizer, spec Spec) *Reader {
	return &Reader{src: src, sizer: sizer, spec: spec, last: bytes.Clone(spec.After)}
}

// Next returns the next page; see Cursor. Rows at or before the last delivered key, which a scan
// that was begun again may repeat, are left out.
func (r *Reader) Next(ctx context.Context) (Page, error) {
	if r.scan == nil && r.spec.Batch == 0 {
		batch, learned, err := r.sizer.first(ctx)
		if err != nil {
			return Page{}, err
		}
		defer learned()
		r.spec.Batch = batch
	}
	if r.scan == nil {
		r.spec.After = bytes.Clone(r.last)
		r.scan = r.src.Open(r.spec)
	}
	page, err := r.scan.Next(ctx)
	if err != nil {
		return Page{}, err
	}
	page.Rows = r.unseen(page.Rows)
	for i := range page.Rows {
		page.Bytes += int64(len(page.Rows[i].Key) + len(page.Rows[i].Value))
	}
	if n := len(page.Rows); n > 0 {
		r.last = append(r.last[:0], page.Rows[n-1].Key...)
		r.sizer.learn(n, page.Bytes)
		r.adapt(page)
	}
	return page, nil
}

// unseen cuts off the rows that were delivered before.
func (r *Reader) unseen(rows []Row) []Row {
	if len(r.last) == 0 {
		return rows
	}
	for i := range rows {
		if bytes.Compare(rows[i].Key, r.last) > 0 {
			return rows[i:]
		}
	}
	return nil
}

// adapt begins the scan anew when its batch is off by more than a factor of two. The batch of a
// scan cannot be changed while it runs.
func (r *Reader) adapt(page Page) {
	if page.Last {
		return
	}
	want := r.sizer.rows(len(page.Rows), page.Bytes)
	if want <= 2*r.spec.Batch && r.spec.Batch <= 2*want {
		return
	}
	r.Close()
	r.spec.Batch = want
}

// Last is the raw key of the last row that was delivered, or what the reader began behind.
func (r *Reader) Last() []byte { return bytes.Clone(r.last) }

// Close gives up the scan. Pages that were delivered stay valid until released.
func (r *Reader) Close() {
	if r.scan != nil {
		r.scan.Close()
		r.scan = nil
	}
}
