package backuprows

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/pegkey"
	"github.com/pegmigrate/pegmigrate/internal/scan"
	"github.com/pegmigrate/pegmigrate/internal/scan/scantest"
)

// stored is a row as a file has it.
type stored struct{ key, value []byte }

// files is one partition in memory.
type files struct {
	rows    []stored
	version int
	opened  int
	closed  int
	fail    error // after the last row
}

func (f *files) open(context.Context) (Rows, int, error) {
	f.opened++
	return &walk{f: f, at: -1}, f.version, nil
}

type walk struct {
	f  *files
	at int
}

func (w *walk) Next() bool    { w.at++; return w.at < len(w.f.rows) }
func (w *walk) Key() []byte   { return w.f.rows[w.at].key }
func (w *walk) Value() []byte { return w.f.rows[w.at].value }
func (w *walk) Close() error  { w.f.closed++; return nil }
func (w *walk) Err() error {
	if w.at < len(w.f.rows) {
		return nil
	}
	return w.f.fail
}

// partitionsOf makes files of rows: n hash keys over count partitions.
func partitionsOf(t *testing.T, n, count, version int, expire func(i int) uint32) ([]*files, []Partition) {
	t.Helper()
	all := make([]*files, count)
	for i := range all {
		all[i] = &files{version: version}
	}
	for i := range n {
		key := pegkey.Encode(nil, []byte(fmt.Sprintf("h%05d", i)), []byte("s"))
		value, err := pegkey.EncodeValue(nil, version, pegkey.Value{Expire: expire(i), Timetag: uint64(i) << 8, Data: []byte(fmt.Sprint("v", i))})
		if err != nil {
			t.Fatal(err)
		}
		p := pegkey.Partition(pegkey.HashRaw(key), int32(count))
		all[p].rows = append(all[p].rows, stored{key, value})
	}
	partitions := make([]Partition, count)
	for i, f := range all {
		slices.SortFunc(f.rows, func(a, b stored) int { return bytes.Compare(a.key, b.key) })
		partitions[i].Open = f.open
	}
	return all, partitions
}

func never(int) uint32 { return 0 }

// drain reads a partition through a scan.Reader, which closes and opens scans as it learns sizes.
func drain(t *testing.T, src scan.Source, partition int32) []scan.Row {
	t.Helper()
	r := scan.NewReader(src, scan.NewSizer(1<<12, 0), scan.Spec{Partition: partition})
	defer r.Close()
	var out []scan.Row
	for {
		page, err := r.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, page.Rows...)
		if page.Last {
			return out
		}
	}
}

func TestEveryRowOnce(t *testing.T) {
	for _, version := range []int{0, 1} {
		const n, count = 3000, 4
		all, partitions := partitionsOf(t, n, count, version, never)
		table := New(partitions, Options{})
		total := 0
		for p := range int32(count) {
			rows := drain(t, table, p)
			for i, r := range rows {
				v, err := pegkey.DecodeValue(version, all[p].rows[i].value)
				if err != nil || !bytes.Equal(r.Key, all[p].rows[i].key) || !bytes.Equal(r.Value, v.Data) {
					t.Fatalf("version %d, partition %d, row %d: %q %q", version, p, i, r.Key, r.Value)
				}
			}
			if len(rows) != len(all[p].rows) || table.Read(p) != uint64(len(rows)) {
				t.Errorf("partition %d: %d rows of %d, %d counted", p, len(rows), len(all[p].rows), table.Read(p))
			}
			// A page whose size was misjudged makes the reader open anew: the files must not be read from their
			// beginning for that.
			if all[p].opened != 1 || all[p].closed != 1 {
				t.Errorf("partition %d was opened %d times and closed %d times", p, all[p].opened, all[p].closed)
			}
			total += len(rows)
		}
		if total != n {
			t.Errorf("%d rows", total)
		}
	}
}

func TestWhatScansHide(t *testing.T) {
	now := time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)
	ts := pegkey.ExpireTs(now)
	_, partitions := partitionsOf(t, 300, 1, 1, func(i int) uint32 { return []uint32{0, ts - 1, ts + 100}[i%3] })
	table := New(partitions, Options{Clock: func() time.Time { return now }})
	rows := drain(t, table, 0)
	if len(rows) != 200 {
		t.Fatalf("%d rows", len(rows))
	}
	for _, r := range rows {
		if r.Expire != 0 && r.Expire != ts+100 {
			t.Errorf("%q expires at %d", r.Key, r.Expire)
		}
	}
}

// TestSplitLeftovers: a table of 2 partitions was split to 4, and its files still have everything twice.
func TestSplitLeftovers(t *testing.T) {
	two, _ := partitionsOf(t, 400, 2, 1, never)
	partitions := make([]Partition, 4)
	for p := range partitions {
		partitions[p].Open = two[p%2].open
	}
	hidden, shown := New(partitions, Options{Initial: 2}), New(partitions, Options{})
	all, astray := 0, 0
	for p := range int32(4) {
		for _, r := range drain(t, hidden, p) {
			if pegkey.Partition(pegkey.HashRaw(r.Key), 4) != p {
				t.Errorf("%q is shown in partition %d", r.Key, p)
			}
			all++
		}
		astray += len(drain(t, shown, p))
	}
	if all != 400 || astray != 800 {
		t.Errorf("%d rows, %d without knowing of the split", all, astray)
	}
}

func TestDamageIsTold(t *testing.T) {
	all, partitions := partitionsOf(t, 100, 1, 1, never)
	all[0].fail = errors.New("block is damaged")
	table := New(partitions, Options{})
	c := table.Open(scan.Spec{Batch: 1000})
	if _, err := c.Next(t.Context()); !errors.Is(err, all[0].fail) {
		t.Error(err)
	}
	c.Close()
	if all[0].closed != 1 {
		t.Error("the files stay open behind an error")
	}
	all[0].rows[3].value = []byte{1}
	all[0].fail = nil
	c = table.Open(scan.Spec{Batch: 1000})
	defer c.Close()
	if _, err := c.Next(t.Context()); !errors.Is(err, pegkey.ErrMalformedValue) {
		t.Error(err)
	}
}

func TestContextEndsReading(t *testing.T) {
	all, partitions := partitionsOf(t, 100, 1, 1, never)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	table := New(partitions, Options{})
	c := table.Open(scan.Spec{Batch: 10})
	if _, err := c.Next(ctx); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	c.Close()
	if err := table.Close(); err != nil || all[0].opened != all[0].closed {
		t.Error(err, all[0].opened, all[0].closed)
	}
}

func TestCloseGivesUpWhatIsParked(t *testing.T) {
	all, partitions := partitionsOf(t, 100, 1, 1, never)
	table := New(partitions, Options{})
	c := table.Open(scan.Spec{Batch: 10})
	if page, err := c.Next(t.Context()); err != nil || len(page.Rows) != 10 {
		t.Fatal(page, err)
	}
	c.Close()
	if all[0].closed != 0 {
		t.Error("a scan that is closed is not gone on with")
	}
	if err := table.Close(); err != nil || all[0].closed != 1 {
		t.Error(err, all[0].closed)
	}
	if _, ok := any(table).(io.Closer); !ok {
		t.Error("not a Closer")
	}
}

func TestLost(t *testing.T) {
	for seed := range uint64(5) {
		const n, count = 2000, 4
		all, partitions := partitionsOf(t, n, count, 1, never)
		table := New(partitions, Options{})
		against := scantest.New(count)
		against.Chaos(seed)
		want := map[string]bool{}
		for i := range n {
			key := pegkey.Encode(nil, []byte(fmt.Sprintf("h%05d", i)), []byte("s"))
			if i%7 == 3 || i < 20 || i > n-20 || i%400 < 30 {
				want[string(key)] = true
				continue
			}
			against.Put(scan.Row{Key: key, Value: []byte("another value")})
			against.Put(scan.Row{Key: pegkey.Encode(nil, []byte(fmt.Sprintf("h%05dx", i)), nil), Value: []byte("new")})
		}
		lost := NewLost(table, against, scan.NewSizer(1<<12, 0))
		got := 0
		for p := range int32(count) {
			for _, r := range drain(t, lost, p) {
				if !want[string(r.Key)] {
					t.Fatalf("seed %d: %q is not lost", seed, r.Key)
				}
				got++
			}
			if table.Read(p) != uint64(len(all[p].rows)) || all[p].opened != 1 {
				t.Errorf("seed %d: %d rows of %d were read, the files opened %d times", seed, table.Read(p), len(all[p].rows), all[p].opened)
			}
		}
		lost.Close()
		if got != len(want) {
			t.Errorf("seed %d: %d of %d lost rows", seed, got, len(want))
		}
		if pages, scans := against.Held(); pages != 0 || scans != 0 {
			t.Errorf("seed %d: %d pages and %d scans are held", seed, pages, scans)
		}
		if err := table.Close(); err != nil {
			t.Error(err)
		}
	}
}
