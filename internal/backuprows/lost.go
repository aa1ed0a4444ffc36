package backuprows

import (
	"bytes"
	"context"

	"github.com/pegmigrate/pegmigrate/internal/scan"
)

// Lost makes a Source of the rows of one table that another one with as many partitions does not have, by
// key: what was deleted there, if the first is a backup of the second. Rows that were deleted while it is
// read may be shown or not.
func Lost(of, against scan.Source, sizer *scan.Sizer) scan.Source {
	return &lost{of: of, against: against, sizer: sizer}
}

// lostBatch is how many rows are compared at a time at least.
const lostBatch = 256

type lost struct {
	of, against scan.Source
	sizer       *scan.Sizer
}

// PartitionCount implements scan.Source.
func (l *lost) PartitionCount() int32 { return l.of.PartitionCount() }

// Open implements scan.Source.
func (l *lost) Open(spec scan.Spec) scan.Cursor {
	spec.Batch = max(spec.Batch, lostBatch) // few of them are left
	return &lostScan{of: l.of.Open(spec), against: scan.NewReader(l.against, l.sizer, scan.Spec{Partition: spec.Partition,
		After: spec.After, GiveUpAfter: spec.GiveUpAfter, OnRetry: spec.OnRetry})}
}

// lostScan merges two scans of one partition.
type lostScan struct {
	of      scan.Cursor
	against *scan.Reader
	page    scan.Page // of against
	at      int
	begun   bool
}

// Next implements scan.Cursor: a page of rows, from which those that the other table has are taken out. An
// empty page that is not the last is normal.
func (l *lostScan) Next(ctx context.Context) (scan.Page, error) {
	page, err := l.of.Next(ctx)
	if err != nil {
		return scan.Page{}, err
	}
	kept := page.Rows[:0]
	for i := range page.Rows {
		has, err := l.has(ctx, page.Rows[i].Key)
		if err != nil {
			page.Release()
			return scan.Page{}, err
		}
		if !has {
			kept = append(kept, page.Rows[i])
		}
	}
	page.Rows = kept
	return page, nil
}

// has tells whether the other table has a key; keys are asked for in order.
func (l *lostScan) has(ctx context.Context, key []byte) (bool, error) {
	for {
		for ; l.at < len(l.page.Rows); l.at++ {
			switch bytes.Compare(l.page.Rows[l.at].Key, key) {
			case 0:
				return true, nil
			case 1:
				return false, nil
			}
		}
		if l.begun && l.page.Last {
			return false, nil
		}
		if l.begun {
			l.page.Release()
			l.page = scan.Page{}
		}
		page, err := l.against.Next(ctx)
		if err != nil {
			return false, err
		}
		l.page, l.at, l.begun = page, 0, true
	}
}

// Close implements scan.Cursor.
func (l *lostScan) Close() {
	l.of.Close()
	if l.begun {
		l.page.Release()
		l.page = scan.Page{Last: true}
	}
	l.against.Close()
}
