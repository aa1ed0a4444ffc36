package differ

import (
	"bytes"
	"context"
	"fmt"
	"sync"

	"github.com/pegmigrate/pegmigrate/internal/pegkey"
	"github.com/pegmigrate/pegmigrate/internal/scan"
)

// openAtOnce is how many first pages a stream asks for at the same time.
const openAtOnce = 16

// ReadError ends a comparison because a partition could not be read on.
type ReadError struct {
	Side      Side
	Partition int32
	Err       error
}

// Error names side and partition.
func (e *ReadError) Error() string {
	return fmt.Sprintf("read %s partition %d: %v", e.Side, e.Partition, e.Err)
}

// Unwrap gives the cause.
func (e *ReadError) Unwrap() error { return e.Err }

// part is one partition that is being read.
type part struct {
	index  int32
	reader *scan.Reader
	page   scan.Page
	at     int // of the current row in page
	held   bool
	// only, when set, skips the rows of other buckets.
	only *suspects
	// paid is called with every page when only is set: most rows are passed over then, and what is read counts.
	paid func(ctx context.Context, rows, bytes int64) error
}

// row is the current row.
func (p *part) row() *scan.Row { return &p.page.Rows[p.at] }

// advance goes to the next row; false at the end of the partition.
func (p *part) advance(ctx context.Context) (bool, error) {
	if p.at++; p.here() {
		return true, nil
	}
	for {
		last := p.held && p.page.Last
		p.release()
		if last {
			return false, nil
		}
		page, err := p.reader.Next(ctx)
		if err != nil {
			return false, err
		}
		p.page, p.at, p.held = page, 0, true
		if p.paid != nil {
			if err := p.paid(ctx, int64(len(page.Rows)), page.Bytes); err != nil {
				return false, err
			}
		}
		if p.here() {
			return true, nil
		}
	}
}

// here goes on to the next row of the page that counts; false at its end.
func (p *part) here() bool {
	for ; p.at < len(p.page.Rows); p.at++ {
		if p.only == nil || p.only.has(p.page.Rows[p.at].Key) {
			return true
		}
	}
	return false
}

// release gives the page back.
func (p *part) release() {
	if p.held {
		p.page.Release()
		p.page, p.at, p.held = scan.Page{}, 0, false
	}
}

// stream merges the partitions of one side of a unit in the order of keys: a heap of partitions
// by their current row. Not safe for concurrent use.
type stream struct {
	side  Side
	count int32 // partitions of the table
	all   []*part
	heap  []*part // those that have a row
	// last is the key of the row before, kept only when there is more than one partition.
	last  []byte
	begun bool
	// misplaced is told of every row that its hash puts elsewhere, duplicate of every row
	// whose key another partition has too, left of every row that pick does not take.
	misplaced func(row *scan.Row, partition int32)
	duplicate func()
	left      func(row *scan.Row)
	pick      *picker
	// ignore is a prefix of hash keys to skip, nil for none.
	ignore []byte
	// caps are drawn from for every row that is left, delivered or not; nil where pages are paid for.
	caps  *caps
	lease lease
	// turned says that time may have passed since somebody set it to false: a page was read, or the pacer waited for.
	turned bool
}

// newStream prepares reading partitions of src.
func newStream(side Side, src scan.Source, sizer *scan.Sizer, spec scan.Spec, partitions []int32, only *suspects, c *caps) *stream {
	s := &stream{side: side, count: src.PartitionCount()}
	var paid func(ctx context.Context, rows, bytes int64) error
	if only == nil {
		s.caps = c
	} else {
		paid = func(ctx context.Context, rows, bytes int64) error { return c.draw(ctx, side, rows, bytes) }
	}
	for _, p := range partitions {
		spec.Partition = p
		s.all = append(s.all, &part{index: p, reader: scan.NewReader(src, sizer, spec), only: only, paid: paid})
	}
	return s
}

// open reads the first page of every partition.
func (s *stream) open(ctx context.Context) error {
	found := make([]bool, len(s.all))
	errs := make([]error, len(s.all))
	room := make(chan struct{}, openAtOnce)
	var wg sync.WaitGroup
	for i, p := range s.all {
		room <- struct{}{} // a first page ends by its deadline
		wg.Go(func() {
			defer func() { <-room }()
			found[i], errs[i] = p.advance(ctx)
		})
	}
	wg.Wait()
	for i, p := range s.all {
		if errs[i] != nil {
			return &ReadError{s.side, p.index, errs[i]}
		}
		if found[i] {
			s.heap = append(s.heap, p)
		}
	}
	for i := len(s.heap)/2 - 1; i >= 0; i-- {
		s.sink(i)
	}
	return nil
}

// close gives up all scans.
func (s *stream) close() {
	for _, p := range s.all {
		p.release()
		p.reader.Close()
	}
}

// ignored tells whether a raw key has a hash key with a prefix; none has the empty one.
func ignored(key, prefix []byte) bool {
	const lenPrefix = 2
	if len(prefix) == 0 || len(key) < lenPrefix || !bytes.HasPrefix(key[lenPrefix:], prefix) {
		return false
	}
	hash, _, err := pegkey.Decode(key) // a short hash key may make up the prefix with its sort key
	return err == nil && bytes.HasPrefix(hash, prefix)
}

// settle skips rows to be ignored, and misplaced rows, telling about them, and returns the current row and its partition,
// nil at the end. The row is valid until advance.
func (s *stream) settle(ctx context.Context) (*scan.Row, int32, error) {
	for len(s.heap) > 0 {
		p := s.heap[0]
		row := p.row()
		if ignored(row.Key, s.ignore) {
			if err := s.advance(ctx); err != nil {
				return nil, 0, err
			}
			continue
		}
		if len(s.all) > 1 {
			if s.begun && bytes.Equal(row.Key, s.last) {
				s.duplicate()
			}
			s.begun = true
			s.last = append(s.last[:0], row.Key...)
		}
		switch {
		case !s.pick.takes(row):
			s.left(row)
		case pegkey.Partition(pegkey.HashRaw(row.Key), s.count) == p.index:
			return row, p.index, nil
		default:
			s.misplaced(row, p.index)
		}
		if err := s.advance(ctx); err != nil {
			return nil, 0, err
		}
	}
	return nil, 0, nil
}

// advance leaves the current row.
func (s *stream) advance(ctx context.Context) error {
	p := s.heap[0]
	if s.caps != nil {
		row := p.row()
		if err := s.lease.take(ctx, s.caps, s.side); err != nil {
			return err
		}
		s.lease.bytes -= int64(len(row.Key) + len(row.Value))
		s.turned = s.turned || s.lease.fresh
	}
	more, err := p.advance(ctx)
	if err != nil {
		return &ReadError{s.side, p.index, err}
	}
	s.turned = s.turned || p.at == 0 || p.only != nil
	if !more {
		last := len(s.heap) - 1
		s.heap[0] = s.heap[last]
		s.heap = s.heap[:last]
	}
	if len(s.heap) > 1 {
		s.sink(0)
	}
	return nil
}

// sink puts the partition at i where its current row belongs in the heap.
func (s *stream) sink(i int) {
	h := s.heap
	p := h[i]
	key := p.row().Key
	for {
		child := 2*i + 1
		if child >= len(h) {
			break
		}
		least := h[child].row().Key
		if right := child + 1; right < len(h) {
			if k := h[right].row().Key; bytes.Compare(k, least) < 0 {
				child, least = right, k
			}
		}
		if bytes.Compare(key, least) <= 0 {
			break
		}
		h[i] = h[child]
		i = child
	}
	h[i] = p
}
