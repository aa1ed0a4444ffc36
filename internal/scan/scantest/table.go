package scantest

import (
	"bytes"
	"context"
	"math/rand/v2"
	"slices"
	"sync"

	"github.com/pegmigrate/pegmigrate/internal/pegkey"
	"github.com/pegmigrate/pegmigrate/internal/scan"
)

// Table is a table in memory that can be scanned. Rows are put before it is scanned. Safe for
// concurrent scans.
type Table struct {
	parts [][]scan.Row
	// Visit, when set, is called for every page before it is delivered; an error fails Next.
	Visit func(partition int32, rows int) error
	// Deaf makes scans ignore filters and NoValue, as servers may.
	Deaf bool

	mu    sync.Mutex
	chaos *rand.Rand
	open  int
	peak  int
	held  int64
	most  int64
}

// New returns an empty table of count partitions.
func New(count int32) *Table { return &Table{parts: make([][]scan.Row, count)} }

// Chaos makes scans deliver short pages, empty pages and rows for a second time.
func (t *Table) Chaos(seed uint64) { t.chaos = rand.New(rand.NewPCG(seed, 1)) }

// Put stores a row where its hash puts it.
func (t *Table) Put(row scan.Row) {
	t.PutAt(pegkey.Partition(pegkey.HashRaw(row.Key), t.PartitionCount()), row)
}

// PutAt stores a row in a partition of the caller's choice.
func (t *Table) PutAt(partition int32, row scan.Row) {
	rows := t.parts[partition]
	i, found := slices.BinarySearchFunc(rows, row.Key, func(r scan.Row, key []byte) int { return bytes.Compare(r.Key, key) })
	if found {
		rows[i] = row
		return
	}
	t.parts[partition] = slices.Insert(rows, i, row)
}

// Rows are the rows of one partition in order.
func (t *Table) Rows(partition int32) []scan.Row { return t.parts[partition] }

// PeakOpen is the largest number of scans that were open at once.
func (t *Table) PeakOpen() int { t.mu.Lock(); defer t.mu.Unlock(); return t.peak }

// PeakBytes is the largest number of bytes of pages that were delivered and not released.
func (t *Table) PeakBytes() int64 { t.mu.Lock(); defer t.mu.Unlock(); return t.most }

// Held is the number of bytes of pages that are not released, and of open scans.
func (t *Table) Held() (pages int64, scans int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.held, t.open
}

// PartitionCount implements scan.Source.
func (t *Table) PartitionCount() int32 { return int32(len(t.parts)) }

// Open implements scan.Source.
func (t *Table) Open(spec scan.Spec) scan.Cursor {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.open++
	t.peak = max(t.peak, t.open)
	rows := t.parts[spec.Partition]
	at, found := slices.BinarySearchFunc(rows, spec.After, func(r scan.Row, key []byte) int { return bytes.Compare(r.Key, key) })
	if found {
		at++
	}
	return &cursor{t: t, spec: spec, at: at, from: at}
}

// cursor is an open scan of a Table.
type cursor struct {
	t        *Table
	spec     scan.Spec
	at, from int
	closed   bool
}

// Next implements scan.Cursor. A page is a copy that is overwritten when it is released, so that
// whoever uses it afterwards is found out.
func (c *cursor) Next(ctx context.Context) (scan.Page, error) {
	if err := ctx.Err(); err != nil {
		return scan.Page{}, err
	}
	rows := c.t.parts[c.spec.Partition]
	batch, back := c.spec.Batch, 0
	c.t.mu.Lock()
	if chaos := c.t.chaos; chaos != nil {
		batch = min(batch, chaos.IntN(20))
		back = min(chaos.IntN(6)/5*chaos.IntN(10), c.at-c.from)
	}
	c.t.mu.Unlock()
	start := c.at - back
	if c.spec.CountOnly {
		c.at = len(rows)
		return scan.Page{Count: int64(len(rows)), Last: true}, nil
	}
	stop := len(rows)
	if len(c.spec.Through) > 0 {
		at, found := slices.BinarySearchFunc(rows, c.spec.Through, func(r scan.Row, key []byte) int { return bytes.Compare(r.Key, key) })
		if stop = at; found {
			stop++
		}
	}
	start = min(start, stop)
	end := min(start+batch, stop)
	c.at = max(c.at, end)
	if c.t.Visit != nil {
		if err := c.t.Visit(c.spec.Partition, end-start); err != nil {
			return scan.Page{}, err
		}
	}
	return c.t.page(c.filtered(rows[start:end]), c.at >= stop), nil
}

// filtered leaves out what the scan does not ask for.
func (c *cursor) filtered(rows []scan.Row) []scan.Row {
	if c.t.Deaf {
		return rows
	}
	taken := make([]scan.Row, 0, len(rows))
	for _, row := range rows {
		hashKey, sortKey, err := pegkey.Decode(row.Key)
		if err == nil && (!c.spec.HashKey.Takes(hashKey) || !c.spec.SortKey.Takes(sortKey)) {
			continue
		}
		if c.spec.NoValue {
			row.Value = nil
		}
		taken = append(taken, row)
	}
	return taken
}

// page copies rows.
func (t *Table) page(rows []scan.Row, last bool) scan.Page {
	size := 0
	for _, row := range rows {
		size += len(row.Key) + len(row.Value)
	}
	buffer := make([]byte, 0, size)
	p := scan.Page{Rows: make([]scan.Row, len(rows)), Last: last}
	for i, row := range rows {
		n := len(buffer)
		buffer = append(buffer, row.Key...)
		m := len(buffer)
		buffer = append(buffer, row.Value...)
		p.Rows[i] = scan.Row{Key: buffer[n:m:m], Value: buffer[m:len(buffer):len(buffer)], Expire: row.Expire}
	}
	t.account(int64(size))
	p.Free = func() {
		for i := range buffer {
			buffer[i] = 0xee
		}
		t.account(-int64(size))
	}
	return p
}

// account follows the bytes of pages that are out.
func (t *Table) account(bytes int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.held += bytes
	t.most = max(t.most, t.held)
}

// Close implements scan.Cursor.
func (c *cursor) Close() {
	c.t.mu.Lock()
	defer c.t.mu.Unlock()
	if !c.closed {
		c.closed = true
		c.t.open--
	}
}
