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
}

// row is the current row.
func (p *part) row() *scan.Row { return &p.page.Rows[p.at] }

// advance goes to the next row; false at the end of the partition.
func (p *part) advance(ctx context.Context) (bool, error) {
	if p.at++; p.at < len(p.page.Rows) {
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
		if len(page.Rows) > 0 {
			return true, nil
		}
	}
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
	// whose key another partition has too.
	misplaced func(row *scan.Row, partition int32)
	duplicate func()
	// ignore is a prefix of hash keys to skip, nil for none.
	ignore []byte
}

// newStream prepares reading partitions first, first+step ... below the count of src.
func newStream(side Side, src scan.Source, sizer *scan.Sizer, spec scan.Spec, first, step int32) *stream {
	s := &stream{side: side, count: src.PartitionCount()}
	for p := first; p < s.count; p += step {
		spec.Partition = p
		s.all = append(s.all, &part{index: p, reader: scan.NewReader(src, sizer, spec)})
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

// ignored tells whether a raw key is one to skip.
func (s *stream) ignored(key []byte) bool {
	const lenPrefix = 2
	if len(s.ignore) == 0 || len(key) < lenPrefix || !bytes.HasPrefix(key[lenPrefix:], s.ignore) {
		return false
	}
	hash, _, err := pegkey.Decode(key) // a short hash key may make up the prefix with its sort key
	return err == nil && bytes.HasPrefix(hash, s.ignore)
}

// settle skips rows to be ignored, and misplaced rows, telling about them, and returns the current row and its partition,
// nil at the end. The row is valid until advance.
func (s *stream) settle(ctx context.Context) (*scan.Row, int32, error) {
	for len(s.heap) > 0 {
		p := s.heap[0]
		row := p.row()
		if s.ignored(row.Key) {
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
		if pegkey.Partition(pegkey.HashRaw(row.Key), s.count) == p.index {
			return row, p.index, nil
		}
		s.misplaced(row, p.index)
		if err := s.advance(ctx); err != nil {
			return nil, 0, err
		}
	}
	return nil, 0, nil
}

// advance leaves the current row.
func (s *stream) advance(ctx context.Context) error {
	p := s.heap[0]
	more, err := p.advance(ctx)
	if err != nil {
		return &ReadError{s.side, p.index, err}
	}
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
