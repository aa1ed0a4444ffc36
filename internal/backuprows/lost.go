package backuprows

import (
	"bytes"
	"context"
	"sync"

	"github.com/pegmigrate/pegmigrate/internal/scan"
)

// Lost is a Source of the rows of one table that another one with as many partitions does not have, by key:
// what was deleted there, if the first is a backup of the second. Rows that are deleted while it is read may
// be shown or not. Safe for concurrent use; a partition is read by one scan at a time.
type Lost struct {
	of, against scan.Source
	sizer       *scan.Sizer

	mu     sync.Mutex
	parked map[int32]*lostScan // scans that were given up and may be gone on with
	closed bool
}

var _ scan.Source = (*Lost)(nil)

// NewLost wraps two tables. The sizer is for pages of the second. The caller must Close it before them, when
// its scans are closed.
func NewLost(of, against scan.Source, sizer *scan.Sizer) *Lost {
	return &Lost{of: of, against: against, sizer: sizer, parked: map[int32]*lostScan{}}
}

// PartitionCount implements scan.Source.
func (l *Lost) PartitionCount() int32 { return l.of.PartitionCount() }

// lostBatch is how many rows are compared at a time: few of them are left.
const lostBatch = 256

// Open implements scan.Source. A scan that goes on where another one of the same partition was closed takes
// over its place: what was read behind the last row that was shown need not be read again.
func (l *Lost) Open(spec scan.Spec) scan.Cursor {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s := l.parked[spec.Partition]; s != nil {
		delete(l.parked, spec.Partition)
		if bytes.Equal(s.last, spec.After) {
			return s
		}
		s.end()
	}
	spec.Batch = lostBatch
	return &lostScan{l: l, partition: spec.Partition, last: bytes.Clone(spec.After), of: l.of.Open(spec),
		against: scan.NewReader(l.against, l.sizer, scan.Spec{Partition: spec.Partition, After: spec.After,
			GiveUpAfter: spec.GiveUpAfter, OnRetry: spec.OnRetry})}
}

// Close gives up what is still open.
func (l *Lost) Close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	for p, s := range l.parked {
		s.end()
		delete(l.parked, p)
	}
}

// lostScan merges two scans of one partition.
type lostScan struct {
	l         *Lost
	partition int32
	of        scan.Cursor
	against   *scan.Reader
	page      scan.Page // of against
	at        int
	begun     bool
	// last is the key of the last row that was shown.
	last []byte
	over bool // at its end, or failed
}

// Next implements scan.Cursor: a page of rows, from which those that the other table has are taken out. An
// empty page that is not the last is normal.
func (s *lostScan) Next(ctx context.Context) (scan.Page, error) {
	page, err := s.of.Next(ctx)
	if err != nil {
		s.over = true
		return scan.Page{}, err
	}
	kept := page.Rows[:0]
	for i := range page.Rows {
		has, err := s.has(ctx, page.Rows[i].Key)
		if err != nil {
			s.over = true
			page.Release()
			return scan.Page{}, err
		}
		if !has {
			kept = append(kept, page.Rows[i])
		}
	}
	if n := len(kept); n > 0 {
		s.last = append(s.last[:0], kept[n-1].Key...)
	}
	page.Rows, s.over = kept, page.Last
	return page, nil
}

// has tells whether the other table has a key; keys are asked for in order.
func (s *lostScan) has(ctx context.Context, key []byte) (bool, error) {
	for {
		for ; s.at < len(s.page.Rows); s.at++ {
			switch bytes.Compare(s.page.Rows[s.at].Key, key) {
			case 0:
				return true, nil
			case 1:
				return false, nil
			}
		}
		if s.begun && s.page.Last {
			return false, nil
		}
		s.release()
		page, err := s.against.Next(ctx)
		if err != nil {
			return false, err
		}
		s.page, s.at, s.begun = page, 0, true
	}
}

// release gives the page back.
func (s *lostScan) release() {
	if s.begun {
		s.page.Release()
		s.page, s.at, s.begun = scan.Page{}, 0, false
	}
}

// Close implements scan.Cursor.
func (s *lostScan) Close() {
	s.l.mu.Lock()
	defer s.l.mu.Unlock()
	old := s.l.parked[s.partition]
	switch {
	case old == s:
	case s.over || s.l.closed || old != nil:
		s.end()
	default:
		s.l.parked[s.partition] = s
	}
}

// end gives up both scans.
func (s *lostScan) end() {
	s.release()
	s.of.Close()
	s.against.Close()
}
