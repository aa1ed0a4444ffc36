package copier

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/pegasus"
	"github.com/pegmigrate/pegmigrate/internal/pegkey"
	"github.com/pegmigrate/pegmigrate/internal/rowfilter"
	"github.com/pegmigrate/pegmigrate/internal/scan/scantest"
)

var errWrite = errors.New("disk on fire")

// fakeTarget keeps rows in a map. Acknowledgements come from goroutines of its own and out of
// order: a write is picked at random from those that wait.
type fakeTarget struct {
	mu       sync.Mutex
	rows     map[string]Row // acknowledged
	waiting  []write
	singles  int
	multi    int
	inflight int
	peak     int
	bytes    int64
	maxBytes int64
	stopped  bool
	wake     chan struct{}
	ended    sync.WaitGroup

	fail func(row Row) error // called for every row before it is stored
	hold func() bool         // while true nothing is acknowledged
	busy func() bool         // true reports push-back before the acknowledgement
}

type write struct {
	rows []Row
	opts *PutOptions
	to   Acker
	tag  uint64
}

// newTarget starts workers that acknowledge; call close.
func newTarget(workers int, seed uint64) *fakeTarget {
	t := &fakeTarget{rows: map[string]Row{}, wake: make(chan struct{}, 1)}
	for i := range workers {
		rng := rand.New(rand.NewPCG(seed, uint64(i)))
		t.ended.Go(func() { t.serve(rng) })
	}
	return t
}

// close acknowledges nothing any more.
func (t *fakeTarget) close() {
	t.mu.Lock()
	t.stopped = true
	t.mu.Unlock()
	t.signal()
	t.ended.Wait()
}

func (t *fakeTarget) signal() {
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

// serve acknowledges one waiting write after the other.
func (t *fakeTarget) serve(rng *rand.Rand) {
	for {
		t.mu.Lock()
		if t.stopped {
			t.mu.Unlock()
			t.signal()
			return
		}
		var w write
		held := t.hold != nil && t.hold()
		if n := len(t.waiting); n > 0 && !held {
			i := rng.IntN(n)
			w = t.waiting[i]
			t.waiting[i] = t.waiting[n-1]
			t.waiting = t.waiting[:n-1]
		}
		more := len(t.waiting) > 0 && !held
		t.mu.Unlock()
		if more {
			t.signal()
		}
		if w.to == nil {
			<-t.wake
			continue
		}
		t.ack(w)
	}
}

// ack stores a write and says so.
func (t *fakeTarget) ack(w write) {
	if t.busy != nil && t.busy() {
		w.opts.OnRetry(Retry{Addr: "10.0.0.1:34801", Reason: "ERR_BUSY", Err: errBusy})
	}
	var err error
	t.mu.Lock()
	for _, row := range w.rows {
		if t.fail != nil && err == nil {
			err = t.fail(row)
		}
		if _, there := t.rows[string(row.Key)]; there && err == nil && w.opts.Overwrite != OverwriteAlways {
			err = pegasus.ErrKept
		}
		if err == nil {
			t.rows[string(row.Key)] = Row{Key: bytes.Clone(row.Key), Value: bytes.Clone(row.Value), Expire: row.Expire}
		}
		t.bytes -= int64(len(row.Key) + len(row.Value))
	}
	t.inflight--
	t.mu.Unlock()
	w.to.Acked(w.tag, err)
}

func (t *fakeTarget) add(w write) {
	t.mu.Lock()
	t.waiting = append(t.waiting, w)
	t.inflight++
	t.peak = max(t.peak, t.inflight)
	for _, row := range w.rows {
		t.bytes += int64(len(row.Key) + len(row.Value))
	}
	t.maxBytes = max(t.maxBytes, t.bytes)
	t.mu.Unlock()
	t.signal()
}

// Send implements Target.
func (t *fakeTarget) Send(ctx context.Context, row Row, opts *PutOptions, to Acker, tag uint64) {
	t.mu.Lock()
	t.singles++
	t.mu.Unlock()
	t.add(write{[]Row{row}, opts, to, tag})
}

// SendMulti implements Target.
func (t *fakeTarget) SendMulti(ctx context.Context, hashKey []byte, kvs []KV, expire uint32, opts *PutOptions, to Acker, tag uint64) {
	w := write{opts: opts, to: to, tag: tag}
	for _, kv := range kvs {
		w.rows = append(w.rows, Row{Key: pegkey.Encode(nil, hashKey, kv.SortKey), Value: kv.Value, Expire: expire})
	}
	t.mu.Lock()
	t.multi++
	t.mu.Unlock()
	t.add(w)
}

// has tells whether a row is acknowledged.
func (t *fakeTarget) has(key []byte) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, ok := t.rows[string(key)]
	return ok
}

// key is a raw key.
func key(hash, sort string) []byte { return pegkey.Encode(nil, []byte(hash), []byte(sort)) }

// fill puts hashKeys x sortKeys rows into a new table.
func fill(partitions int32, hashKeys, sortKeys, size int) *scantest.Table {
	t := scantest.New(partitions)
	for h := range hashKeys {
		for s := range sortKeys {
			t.Put(Row{Key: key(fmt.Sprintf("h%06d", h), fmt.Sprintf("s%06d", s)), Value: bytes.Repeat([]byte{byte(h + s)}, size)})
		}
	}
	return t
}

// wanted are the rows that a copy must carry over.
func wanted(src *scantest.Table) map[string]Row {
	rows := map[string]Row{}
	for p := range src.PartitionCount() {
		for _, row := range src.Rows(p) {
			if pegkey.Partition(pegkey.HashRaw(row.Key), src.PartitionCount()) == p {
				rows[string(row.Key)] = row
			}
		}
	}
	return rows
}

// diff says in which way two sets of rows differ, "" for not at all.
func diff(got, want map[string]Row) string {
	for k, w := range want {
		g, ok := got[k]
		if !ok {
			return fmt.Sprintf("row %q is missing (%d of %d)", k, len(got), len(want))
		}
		if !bytes.Equal(g.Value, w.Value) || g.Expire != w.Expire {
			return fmt.Sprintf("row %q is %d bytes, expiry %d; want %d, %d", k, len(g.Value), g.Expire, len(w.Value), w.Expire)
		}
	}
	if len(got) != len(want) {
		return fmt.Sprintf("%d rows, want %d", len(got), len(want))
	}
	return ""
}

// journal keeps what was saved, and checks that no cursor is ahead of the target.
type journal struct {
	src    *scantest.Table
	dst    *fakeTarget
	now    time.Time
	mu     sync.Mutex
	last   map[int32]Cursor
	errors []string
	calls  int
	ranges int // the most that one cursor had
	filter rowfilter.Filter
}

func newJournal(src *scantest.Table, dst *fakeTarget) *journal {
	return &journal{src: src, dst: dst, now: time.Now(), last: map[int32]Cursor{}}
}

func (j *journal) save(cursors []Cursor) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.calls++
	for _, c := range cursors {
		if old, ok := j.last[c.Partition]; ok {
			for _, row := range j.src.Rows(c.Partition) {
				if old.Covers(row.Key) && !c.Covers(row.Key) {
					j.errors = append(j.errors, fmt.Sprintf("cursor of partition %d went back over %q", c.Partition, row.Key))
				}
			}
		}
		if err := checkRanges(&c); err != nil {
			j.errors = append(j.errors, fmt.Sprintf("cursor of partition %d: %v", c.Partition, err))
		}
		j.ranges = max(j.ranges, len(c.Ranges))
		j.last[c.Partition] = c
		j.check(c)
	}
	return nil
}

// check compares a cursor with what the target has acknowledged.
func (j *journal) check(c Cursor) {
	var rows uint64
	digests := Digests{Start: c.Digests.Start}
	for _, row := range j.src.Rows(c.Partition) {
		hashKey, sortKey, _ := pegkey.Decode(row.Key)
		if !c.Covers(row.Key) || !j.filter.Takes(hashKey, sortKey, row.Value) || pegkey.Partition(pegkey.HashRaw(row.Key), j.src.PartitionCount()) != c.Partition {
			continue
		}
		digests.Add(&row)
		rows++
		if !j.dst.has(row.Key) {
			j.errors = append(j.errors, fmt.Sprintf("cursor of partition %d covers %q, which is not acknowledged", c.Partition, row.Key))
		}
	}
	if rows != c.Rows || digests != c.Digests {
		j.errors = append(j.errors, fmt.Sprintf("cursor of partition %d counts %d rows, covers %d; digests equal: %v", c.Partition, c.Rows, rows, digests == c.Digests))
	}
}

// cursors are what a resumed run would get.
func (j *journal) cursors() []Cursor {
	j.mu.Lock()
	defer j.mu.Unlock()
	var all []Cursor
	for _, c := range j.last {
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b Cursor) int { return int(a.Partition - b.Partition) })
	return all
}
