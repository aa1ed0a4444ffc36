package differ

import (
	"bytes"
	"context"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/pegkey"
	"github.com/pegmigrate/pegmigrate/internal/scan"
	"github.com/pegmigrate/pegmigrate/internal/scan/scantest"
)

// liveTable is a table that is written to while it is read. Requests take time.
type liveTable struct {
	count int32
	now   func() time.Time // hides rows that have expired
	page  time.Duration    // that a page may take

	mu        sync.Mutex
	rows      map[string]scan.Row
	misplaced []scan.Row // with misplacedIn
	lies      []int32
	reads     int // by key
}

func newLiveTable(partitions int32) *liveTable {
	return &liveTable{count: partitions, now: time.Now, page: 20 * time.Millisecond, rows: map[string]scan.Row{}}
}

// put stores a row, or deletes it when the value is nil.
func (t *liveTable) put(row scan.Row) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if row.Value == nil {
		delete(t.rows, string(row.Key))
		return
	}
	t.rows[string(row.Key)] = row
}

// putAt stores a row where it does not belong.
func (t *liveTable) putAt(partition int32, row scan.Row) {
	t.misplaced = append(t.misplaced, row)
	t.lies = append(t.lies, partition)
}

// PartitionCount implements scan.Source.
func (t *liveTable) PartitionCount() int32 { return t.count }

// Row implements LiveTable.
func (t *liveTable) Row(ctx context.Context, key []byte) (scan.Row, bool, error) {
	if err := scan.Sleep(ctx, rand.N(2*time.Millisecond)); err != nil {
		return scan.Row{}, false, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.reads++
	row, ok := t.rows[string(key)]
	return row, ok && !pegkey.Expired(row.Expire, t.now()), nil
}

// Open implements scan.Source with a snapshot of the partition, taken by the first Next.
func (t *liveTable) Open(spec scan.Spec) scan.Cursor { return &liveCursor{t: t, spec: spec} }

func (t *liveTable) snapshot(partition int32) *scantest.Table {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := scantest.New(t.count)
	for _, key := range slices.Sorted(maps.Keys(t.rows)) {
		row := t.rows[key]
		if pegkey.Partition(pegkey.HashRaw(row.Key), t.count) == partition && !pegkey.Expired(row.Expire, t.now()) {
			out.Put(row)
		}
	}
	for i, row := range t.misplaced {
		if t.lies[i] == partition {
			out.PutAt(partition, row)
		}
	}
	return out
}

type liveCursor struct {
	t    *liveTable
	spec scan.Spec
	scan scan.Cursor
}

// Next implements scan.Cursor.
func (c *liveCursor) Next(ctx context.Context) (scan.Page, error) {
	if err := scan.Sleep(ctx, rand.N(c.t.page)); err != nil {
		return scan.Page{}, err
	}
	if c.scan == nil {
		c.scan = c.t.snapshot(c.spec.Partition).Open(c.spec)
	}
	return c.scan.Next(ctx)
}

// Close implements scan.Cursor.
func (c *liveCursor) Close() {
	if c.scan != nil {
		c.scan.Close()
	}
}

// duplication carries writes from one table to another, in order and with a delay.
type duplication struct {
	src, dst *liveTable
	delay    func() time.Duration // from a write until it arrives
	lost     map[string]bool      // keys whose writes do not arrive
	queue    chan underWay
	done     sync.WaitGroup
}

// underWay is a write that has not arrived.
type underWay struct {
	row     scan.Row
	arrives time.Time
}

func duplicate(src, dst *liveTable, delay func() time.Duration, lost ...[]byte) *duplication {
	d := &duplication{src: src, dst: dst, delay: delay, lost: map[string]bool{}, queue: make(chan underWay, 1<<20)}
	for _, key := range lost {
		d.lost[string(key)] = true
	}
	d.done.Go(func() {
		for w := range d.queue {
			time.Sleep(time.Until(w.arrives))
			if !d.lost[string(w.row.Key)] {
				d.dst.put(w.row)
			}
		}
	})
	return d
}

// put writes to the source. A nil value deletes.
func (d *duplication) put(row scan.Row) {
	row.Key, row.Value = bytes.Clone(row.Key), bytes.Clone(row.Value)
	d.src.put(row)
	d.queue <- underWay{row, time.Now().Add(d.delay())}
}

// drain ends the duplication when everything has arrived.
func (d *duplication) drain() {
	close(d.queue)
	d.done.Wait()
}
