package backuprows

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/pegmigrate/pegmigrate/internal/pegkey"
	"github.com/pegmigrate/pegmigrate/internal/scan"
)

// Rows are the rows of one partition in key order; *sst.Rows is one. Key and Value are valid until Next.
type Rows interface {
	Next() bool
	Key() []byte
	Value() []byte
	Err() error
	Close() error
}

// Partition is one partition of a backup. Open begins to read it and tells its data version.
type Partition struct {
	Open func(ctx context.Context) (rows Rows, dataVersion int, err error)
}

// Options of New. The zero value is ready.
type Options struct {
	// Initial is how many partitions the table was created with, 0 when unknown.
	Initial int32
	// Clock tells whether a row has expired (default time.Now).
	Clock func() time.Time
	// Limiter, when not nil, is drawn one row at a time from what is read, hidden rows included. Its burst
	// is at least 1.
	Limiter *rate.Limiter
}

// Table is a backup as a scan.Source. Safe for concurrent use; a partition is read by one scan at a time.
type Table struct {
	partitions []Partition
	opts       Options
	read       []atomic.Uint64 // rows, by partition

	mu     sync.Mutex
	parked map[int32]*reading // scans that were given up and may be gone on with
	closed bool
}

var _ scan.Source = (*Table)(nil)

// New wraps partitions, one per index. The caller must Close the Table when its scans are closed.
func New(partitions []Partition, o Options) *Table {
	if o.Clock == nil {
		o.Clock = time.Now
	}
	return &Table{partitions: partitions, opts: o, read: make([]atomic.Uint64, len(partitions)), parked: map[int32]*reading{}}
}

// PartitionCount implements scan.Source.
func (t *Table) PartitionCount() int32 { return int32(len(t.partitions)) }

// Read is how many rows of a partition were read so far and shown, repeated ones included.
func (t *Table) Read(partition int32) uint64 { return t.read[partition].Load() }

// Close gives up what is still open.
func (t *Table) Close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	var errs []error
	for p, r := range t.parked {
		errs = append(errs, r.rows.Close())
		delete(t.parked, p)
	}
	return errors.Join(errs...)
}

// reading is an open partition.
type reading struct {
	rows    Rows
	version int
	// last is the key of the last row that was shown, what a scan behind it can go on from.
	last []byte
	err  error
}

// Open implements scan.Source. Files are read from their beginning; a scan that goes on where another one
// of the same partition was closed takes over its place.
func (t *Table) Open(spec scan.Spec) scan.Cursor { return &cursor{t: t, spec: spec} }

// take gives the parked reading of a partition when it stands behind after.
func (t *Table) take(partition int32, after []byte) *reading {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := t.parked[partition]
	if r == nil {
		return nil
	}
	delete(t.parked, partition)
	if !bytes.Equal(r.last, after) {
		_ = r.rows.Close() // it was only read
		return nil
	}
	return r
}

// park keeps a reading for the next scan of its partition.
func (t *Table) park(partition int32, r *reading) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed || r.err != nil {
		_ = r.rows.Close() // it was only read
		return
	}
	if old := t.parked[partition]; old != nil {
		_ = old.rows.Close() // as above
	}
	t.parked[partition] = r
}

// cursor is one scan.
type cursor struct {
	t    *Table
	spec scan.Spec
	at   *reading
	done bool
}

// pageBytes ends a page before its batch of rows is full.
const pageBytes = 1 << 20

// Next implements scan.Cursor.
func (c *cursor) Next(ctx context.Context) (scan.Page, error) {
	if c.done {
		return scan.Page{Last: true}, nil
	}
	if err := c.begin(ctx); err != nil {
		return scan.Page{}, err
	}
	page, err := c.fill(ctx)
	if err != nil {
		c.at.err = err // where it stands is not told: nothing goes on from here
		return scan.Page{}, err
	}
	return page, nil
}

// fill reads the rows of a page.
func (c *cursor) fill(ctx context.Context) (scan.Page, error) {
	var page scan.Page
	size, batch := 0, max(c.spec.Batch, 1)
	for looked := 0; len(page.Rows) < batch && size < pageBytes; looked++ {
		if looked%batch == 0 && ctx.Err() != nil {
			return scan.Page{}, context.Cause(ctx)
		}
		more, err := c.step(ctx)
		if err != nil {
			return scan.Page{}, fmt.Errorf("read the files of partition %d: %w", c.spec.Partition, err)
		}
		if !more {
			c.done, page.Last = true, true
			break
		}
		row, shown, err := c.row()
		if err != nil {
			return scan.Page{}, err
		}
		if !shown {
			continue
		}
		page.Rows = append(page.Rows, row)
		size += len(row.Key) + len(row.Value)
	}
	if n := len(page.Rows); n > 0 {
		c.at.last = append(c.at.last[:0], page.Rows[n-1].Key...)
		c.t.read[c.spec.Partition].Add(uint64(n))
	}
	return page, nil
}

// begin opens the partition, or takes over where it was left.
func (c *cursor) begin(ctx context.Context) error {
	if c.at != nil {
		return nil
	}
	if len(c.spec.After) > 0 {
		if c.at = c.t.take(c.spec.Partition, c.spec.After); c.at != nil {
			return nil
		}
	}
	rows, version, err := c.t.partitions[c.spec.Partition].Open(ctx)
	if err != nil {
		return fmt.Errorf("open the files of partition %d: %w", c.spec.Partition, err)
	}
	c.at = &reading{rows: rows, version: version, last: bytes.Clone(c.spec.After)}
	return nil
}

// step goes to the next row; false at the end.
func (c *cursor) step(ctx context.Context) (bool, error) {
	if l := c.t.opts.Limiter; l != nil {
		if err := scan.Draw(ctx, l, 1); err != nil {
			return false, err
		}
	}
	if c.at.rows.Next() {
		return true, nil
	}
	return false, c.at.rows.Err()
}

// row copies the current row out of the files; shown is false for one that a scan hides.
func (c *cursor) row() (row scan.Row, shown bool, err error) {
	key := c.at.rows.Key()
	if len(c.spec.After) > 0 && bytes.Compare(key, c.spec.After) <= 0 {
		return scan.Row{}, false, nil
	}
	v, err := pegkey.DecodeValue(c.at.version, c.at.rows.Value())
	if err != nil {
		return scan.Row{}, false, fmt.Errorf("a row of partition %d: %w", c.spec.Partition, err)
	}
	if pegkey.Expired(v.Expire, c.t.opts.Clock()) || c.leftBehind(key) {
		return scan.Row{}, false, nil
	}
	// One allocation for both; a page is given away, so that nothing can be used again.
	both := make([]byte, 0, len(key)+len(v.Data))
	both = append(append(both, key...), v.Data...)
	return scan.Row{Key: both[:len(key):len(key)], Value: both[len(key):], Expire: v.Expire}, true, nil
}

// leftBehind tells of a row that a partition split left in the old partition: its hash selected this one
// when the table had fewer. Servers hide such rows and drop them in a compaction
// (src/server/key_ttl_compaction_filter.h).
func (c *cursor) leftBehind(key []byte) bool {
	initial, count := c.t.opts.Initial, c.t.PartitionCount()
	if initial <= 0 || initial >= count {
		return false
	}
	hash := pegkey.HashRaw(key)
	return pegkey.Partition(hash, count) != c.spec.Partition &&
		pegkey.Partition(hash, initial) == c.spec.Partition%initial
}

// Close implements scan.Cursor.
func (c *cursor) Close() {
	if c.at == nil {
		return
	}
	if c.done {
		_ = c.at.rows.Close() // it was only read
	} else {
		c.t.park(c.spec.Partition, c.at)
	}
	c.at = nil
}
