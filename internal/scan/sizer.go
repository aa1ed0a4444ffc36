package scan

import (
	"context"
	"sync/atomic"
	"time"
)

// Bounds of a page in rows. The server cuts batches at rocksdb_max_iteration_count (1000).
const (
	maxBatch = 1000
	// probeBatch is asked for while nothing is known about the size of rows: with values at
	// the server's write limit of 1 MiB a first page is then 8 MiB at most.
	probeBatch = 8
	// probeWait is how long a reader waits for another one to learn the size of rows.
	probeWait = 2 * time.Second
	// rowCost is the memory of a row in a page besides its key and value: slice headers in
	// the reply and in the page, and what thrift puts around the fields.
	rowCost = 128
)

// Sizer turns a number of bytes per page into a number of rows, from the sizes of the rows that
// were read so far. One Sizer serves all readers of a table. Safe for concurrent use.
type Sizer struct {
	pageBytes int
	batch     int          // the largest batch allowed
	average   atomic.Int64 // bytes per row, moving; 0 while unknown
	probing   chan struct{}
}

// NewSizer returns a Sizer for pages of about pageBytes bytes of memory and at most batch rows;
// batch is cut to 1..1000, and 0 means 1000.
func NewSizer(pageBytes, batch int) *Sizer {
	if batch <= 0 {
		batch = maxBatch
	}
	return &Sizer{pageBytes: max(pageBytes, 1), batch: min(batch, maxBatch), probing: make(chan struct{}, 1)}
}

// rows is the batch for rows like those of a page; a table-wide average that is larger counts.
func (s *Sizer) rows(rows int, bytes int64) int {
	size := max(s.average.Load(), cost(rows, bytes))
	return int(min(max(int64(s.pageBytes)/size, 1), int64(s.batch)))
}

// cost is the memory of one row of a page with so many rows and bytes of keys and values.
func cost(rows int, bytes int64) int64 { return bytes/int64(max(rows, 1)) + rowCost }

// learn takes a page into account. A single huge page moves the average at once, small ones
// slowly: asking for too little costs a round trip, asking for too much costs memory.
func (s *Sizer) learn(rows int, bytes int64) {
	if rows == 0 {
		return
	}
	size := cost(rows, bytes)
	old := s.average.Load()
	if old != 0 && size < 2*old {
		size = (7*old + size) / 8
	}
	s.average.Store(size)
}

// first is the batch of a reader's first page. While nothing is known one reader gets a small one,
// and must call the returned function after it; the others wait for what it learns, but not long,
// because the partition that it reads may be without a primary.
func (s *Sizer) first(ctx context.Context) (batch int, learned func(), err error) {
	if s.average.Load() != 0 {
		return s.rows(0, 0), func() {}, nil
	}
	timer := time.NewTimer(probeWait)
	defer timer.Stop()
	select {
	case s.probing <- struct{}{}:
	case <-timer.C:
		return min(probeBatch, s.batch), func() {}, nil
	case <-ctx.Done():
		return 0, nil, ctx.Err()
	}
	if s.average.Load() != 0 {
		<-s.probing
		return s.rows(0, 0), func() {}, nil
	}
	return min(probeBatch, s.batch), func() { <-s.probing }, nil
}
