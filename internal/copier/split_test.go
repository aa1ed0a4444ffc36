package copier

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/pegmigrate/pegmigrate/internal/pegkey"
	"github.com/pegmigrate/pegmigrate/internal/scan"
	"github.com/pegmigrate/pegmigrate/internal/scan/scantest"
)

// A table of one partition is read by several workers, once they have nothing else to do, and arrives as a
// whole; what it takes falls with their number.
func TestCopyDividesTheLastPartition(t *testing.T) {
	took := func(workers int) time.Duration {
		var took time.Duration
		synctest.Test(t, func(t *testing.T) {
			src := fill(1, 8000, 1, 10)
			// One scan gives 200 rows per second.
			slow := &slowSource{Table: src, pause: 100 * time.Millisecond}
			dst := newTarget(2, 1)
			j := newJournal(src, dst)
			began := time.Now()
			_, err := Run(t.Context(), slow, dst, nil, Options{Workers: workers, ScanBatch: 20, SaveEvery: 500 * time.Millisecond}, j.save, nil)
			took = time.Since(began)
			dst.close()
			if d := diff(dst.rows, wanted(src)); d != "" || len(j.errors) > 0 || err != nil {
				t.Fatal(d, j.errors, err)
			}
			if workers > 1 && j.ranges < 2 {
				t.Errorf("no more than %d ranges at once", j.ranges)
			}
			if !j.last[0].Done || len(j.last[0].Ranges) > 0 {
				t.Errorf("%+v", j.last[0])
			}
		})
		return took
	}
	alone, together := took(1), took(8)
	t.Logf("%v alone, %v with eight", alone, together)
	if together > alone/3 {
		t.Errorf("%v with eight workers, %v with one", together, alone)
	}
}

// slowSource takes its time for every page but those of one row.
type slowSource struct {
	*scantest.Table
	pause time.Duration
}

func (s *slowSource) Open(spec scan.Spec) scan.Cursor {
	c := s.Table.Open(spec)
	if spec.Batch == 1 {
		return c
	}
	return &slowCursor{c, s.pause}
}

type slowCursor struct {
	scan.Cursor
	pause time.Duration
}

func (c *slowCursor) Next(ctx context.Context) (scan.Page, error) {
	if err := scan.Sleep(ctx, c.pause); err != nil {
		return scan.Page{}, err
	}
	return c.Cursor.Next(ctx)
}

// Any table, any moments of division, kill and resumption: every row arrives, cursors are never ahead, and
// counts and digests are those of one undisturbed run.
func TestCopySplitProperty(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		src := scantest.New(rapid.SampledFrom([]int32{1, 1, 2}).Draw(rt, "partitions"))
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "rows"), 2))
		for range rng.IntN(1500) {
			hash := make([]byte, rng.IntN(4))
			for i := range hash {
				hash[i] = byte(rng.IntN(256))
			}
			src.Put(Row{Key: key(string(hash), fmt.Sprint(rng.IntN(50))), Value: []byte("value"), Expire: uint32(rng.IntN(2)) * 4_000_000_000})
		}
		src.Chaos(rapid.Uint64().Draw(rt, "chaos"))
		dst := newTarget(3, rapid.Uint64().Draw(rt, "order"))
		defer dst.close()
		j := newJournal(src, dst)
		opts := quick()
		opts.Workers = rapid.IntRange(2, 6).Draw(rt, "workers")
		opts.SplitAfter, opts.SaveEvery = time.Nanosecond, time.Microsecond
		opts.ScanBatch = rapid.IntRange(1, 30).Draw(rt, "batch")
		opts.Start = time.Unix(1_800_000_000, 0)
		var result Result
		err := errWrite
		for left := rapid.IntRange(0, 4).Draw(rt, "kills"); err != nil; left-- {
			ctx, cancel := context.WithCancel(context.Background())
			dst.mu.Lock()
			countdown := 1 + rng.IntN(600)
			dst.fail = nil
			if left > 0 {
				dst.fail = func(Row) error {
					if countdown--; countdown == 0 {
						cancel()
					}
					return nil
				}
			}
			dst.mu.Unlock()
			result, err = Run(ctx, src, dst, throughJSON(rt, j.cursors()), opts, j.save, nil)
			cancel()
			if left <= 0 && err != nil {
				rt.Fatal(err)
			}
		}
		if d := diff(dst.rows, wanted(src)); d != "" || len(j.errors) > 0 {
			rt.Fatal(d, j.errors)
		}
		if result.Rows != uint64(len(wanted(src))) {
			rt.Fatalf("%d rows of %d", result.Rows, len(wanted(src)))
		}
		for _, c := range result.Cursors {
			whole := Digests{Start: c.Digests.Start}
			for _, row := range src.Rows(c.Partition) {
				whole.Add(&row)
			}
			if c.Digests != whole || !c.Done {
				rt.Fatalf("cursor %+v", c)
			}
		}
	})
}

// throughJSON is what comes back from disk.
func throughJSON(t interface{ Fatal(...any) }, cursors []Cursor) (back []Cursor) {
	data, err := json.Marshal(cursors)
	if err == nil {
		err = json.Unmarshal(data, &back)
	}
	if err != nil {
		t.Fatal(err)
	}
	return back
}

// A cursor of the first version, which knew no ranges, goes on.
func TestCopyReadsCursorsOfVersion1(t *testing.T) {
	src := fill(1, 200, 1, 10)
	rows := src.Rows(0)
	dst := newTarget(2, 1)
	defer dst.close()
	var old Cursor
	text := fmt.Sprintf(`{"version":1,"partition":0,"after":%q,"rows":100,"bytes":7,"digests":{"start":5}}`, base64Of(rows[99].Key))
	if err := json.Unmarshal([]byte(text), &old); err != nil {
		t.Fatal(err)
	}
	result, err := Run(t.Context(), src, dst, []Cursor{old}, quick(), func([]Cursor) error { return nil }, nil)
	if err != nil || result.Rows != 200 || len(dst.rows) != 100 || dst.has(rows[99].Key) || !dst.has(rows[100].Key) {
		t.Errorf("%d rows, %d written, %v", result.Rows, len(dst.rows), err)
	}
	if c := result.Cursors[0]; c.Version != CursorVersion || c.Digests.Start != 5 {
		t.Errorf("%+v", c)
	}
}

func base64Of(b []byte) string {
	text, _ := json.Marshal(b)
	return string(bytes.Trim(text, `"`))
}

// The middle of a range has rows on both sides, and divides numbered keys about evenly.
func TestMiddle(t *testing.T) {
	for name, c := range map[string]struct {
		rows   func() []Row
		within float64 // share of rows that the smaller part has at least
	}{
		"numbers":         {within: 0.25, rows: func() []Row { return fill(1, 5000, 1, 1).Rows(0) }},
		"one hash key":    {within: 0.25, rows: func() []Row { return fill(1, 1, 5000, 1).Rows(0) }},
		"random bytes":    {within: 0.25, rows: func() []Row { return randomRows(5000, 16) }},
		"many lengths":    {within: 0, rows: func() []Row { return randomRows(5000, 0) }},
		"empty hash keys": {within: 0.2, rows: emptyHashKeys},
		"two rows":        {within: 0.5, rows: func() []Row { return fill(1, 2, 1, 1).Rows(0) }},
	} {
		t.Run(name, func(t *testing.T) {
			src := scantest.New(1)
			for _, row := range c.rows() {
				src.PutAt(0, row)
			}
			rows := src.Rows(0)
			var opens atomic.Int32
			r, err := newRun(&countedSource{src, &opens}, nil, nil, Options{})
			if err != nil {
				t.Fatal(err)
			}
			for from := 0; from < len(rows)-2; from += 1 + len(rows)/7 {
				var after []byte
				if from > 0 {
					after = rows[from].Key
				}
				key := r.middle(t.Context(), 0, Range{After: after})
				if _, _, err := pegkey.Decode(key); err != nil {
					t.Fatalf("from row %d: %x: %v", from, key, err)
				}
				if n := opens.Load(); n > 60 {
					t.Errorf("from row %d: %d probes", from, n)
				}
				opens.Store(0)
				low, high := 0, 0
				for _, row := range rows {
					switch {
					case bytes.Compare(row.Key, after) <= 0:
					case bytes.Compare(row.Key, key) <= 0:
						low++
					default:
						high++
					}
				}
				if min(low, high) == 0 || float64(min(low, high)) < c.within*float64(low+high) {
					t.Errorf("from row %d: %d and %d rows", from, low, high)
				}
			}
			if _, scans := src.Held(); scans != 0 {
				t.Errorf("%d scans are open", scans)
			}
		})
	}
	src := fill(1, 1, 1, 1)
	r, err := newRun(src, nil, nil, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if key := r.middle(t.Context(), 0, Range{}); key != nil {
		t.Errorf("one row was divided at %x", key)
	}
	if key := r.middle(t.Context(), 0, Range{After: src.Rows(0)[0].Key}); key != nil {
		t.Errorf("nothing was divided at %x", key)
	}
}

// countedSource counts scans.
type countedSource struct {
	*scantest.Table
	opens *atomic.Int32
}

func (s *countedSource) Open(spec scan.Spec) scan.Cursor {
	s.opens.Add(1)
	return s.Table.Open(spec)
}

func emptyHashKeys() (rows []Row) {
	for i := range 3000 {
		rows = append(rows, Row{Key: key("", fmt.Sprintf("%08d", i))})
	}
	return rows
}

// randomRows have hash keys of the given length, of 0 to 300 bytes for 0.
func randomRows(n, length int) (rows []Row) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range n {
		size := length
		if size == 0 {
			size = rng.IntN(300)
		}
		hash := make([]byte, size)
		for i := range hash {
			hash[i] = byte(rng.Uint32())
		}
		rows = append(rows, Row{Key: key(string(hash), "s")})
	}
	return rows
}

// A key between two is between them, and one that servers take.
func TestBetweenProperty(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		draw := func(name string) []byte {
			return pegkey.Encode(nil, rapid.SliceOfN(rapid.Byte(), 0, 12).Draw(rt, name+" hash"), rapid.SliceOfN(rapid.Byte(), 0, 12).Draw(rt, name+" sort"))
		}
		low, high := draw("low"), draw("high")
		if rapid.Bool().Draw(rt, "open") {
			high = nil
		} else if bytes.Compare(low, high) > 0 {
			low, high = high, low
		}
		key := between(low, high)
		if key == nil {
			return
		}
		if bytes.Compare(low, key) >= 0 || high != nil && bytes.Compare(key, high) >= 0 {
			rt.Fatalf("%x is not between %x and %x", key, low, high)
		}
		if _, _, err := pegkey.Decode(key); err != nil {
			rt.Fatalf("%x: %v", key, err)
		}
	})
}

// Whatever a cursor says that is accepted: rows that it does not cover are copied, each at least once, and no
// others.
func FuzzResume(f *testing.F) {
	f.Add([]byte(`[{"version":1,"partition":0,"after":"AAFh"}]`))
	f.Add([]byte(`[{"version":2,"partition":0,"ranges":[{"through":"AAFh"},{"after":"AAFj","through":"AAFo"},{"after":"AAFy"}]}]`))
	f.Add([]byte(`[{"version":2,"partition":0,"done":true}]`))
	f.Add([]byte(`[{"version":2,"partition":0,"ranges":[{"after":"AAFj","through":"AAFj"},{"after":"AAFy"}]}]`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var cursors []Cursor
		if json.Unmarshal(data, &cursors) != nil {
			return
		}
		src := scantest.New(1)
		for c := range 26 {
			src.Put(Row{Key: key(string(rune('a'+c)), ""), Value: []byte("v")})
		}
		dst := newTarget(1, 1)
		defer dst.close()
		result, err := Run(t.Context(), src, dst, cursors, quick(), func([]Cursor) error { return nil }, nil)
		if err != nil {
			return
		}
		for _, row := range src.Rows(0) {
			covered := len(cursors) > 0 && cursors[0].Covers(row.Key)
			if covered == dst.has(row.Key) {
				t.Errorf("%q: covered %v, copied %v", row.Key, covered, !covered)
			}
		}
		if !result.Cursors[0].Done {
			t.Error("not done")
		}
	})
}
