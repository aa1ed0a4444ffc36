package copier

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/pegmigrate/pegmigrate/internal/idl"
	"github.com/pegmigrate/pegmigrate/internal/pegkey"
	"github.com/pegmigrate/pegmigrate/internal/scan/scantest"
)

var errBusy = idl.ErrBusy

// quick are options with intervals for tests.
func quick() Options {
	return Options{SaveEvery: time.Millisecond, ReportEvery: 5 * time.Millisecond, GiveUpAfter: 10 * time.Second}
}

func TestCopyGroupsNeighboursOnly(t *testing.T) {
	src := scantest.New(1)
	later, latest := uint32(4_000_000_000), uint32(4_000_000_001)
	put := func(hash, sort string, expire uint32) {
		src.Put(Row{Key: key(hash, sort), Value: []byte(hash + sort), Expire: expire})
	}
	put("", "a", 0) // empty hash keys never share a request
	put("", "b", 0)
	put("one", "a", 0)
	put("two", "a", 0) // a, b together; c apart; d, e together
	put("two", "b", 0)
	put("two", "c", later)
	put("two", "d", latest)
	put("two", "e", latest)
	put("two\x00", "a", latest) // a prefix of its neighbour is another hash key
	dst := newTarget(1, 1)
	defer dst.close()
	j := newJournal(src, dst)
	opts := quick()
	opts.MultiSet = MultiSetOn
	result, err := Run(t.Context(), src, dst, nil, opts, j.save, nil)
	if err != nil {
		t.Fatal(err)
	}
	if d := diff(dst.rows, wanted(src)); d != "" {
		t.Error(d)
	}
	if dst.singles != 5 || dst.multi != 2 {
		t.Errorf("%d puts, %d multi_puts", dst.singles, dst.multi)
	}
	if result.Rows != 9 || len(j.errors) > 0 {
		t.Errorf("%d rows, %v", result.Rows, j.errors)
	}
}

func TestCopyBoundsMultiPuts(t *testing.T) {
	src := fill(1, 1, 100, 1000)
	for _, c := range []struct{ rows, bytes, multi, singles int }{
		{rows: 10, multi: 10}, {rows: 1, singles: 100}, {bytes: 10_500, multi: 10}, {bytes: 100, singles: 100}, {multi: 1},
	} {
		opts := quick()
		opts.MultiPutRows, opts.MultiPutBytes = c.rows, c.bytes
		opts.ScanBatch = 1000
		dst := newTarget(1, 1)
		// The size of rows is unknown at first: rows arrive in a page of 8, then the rest.
		if _, err := Run(t.Context(), src, dst, nil, opts, newJournal(src, dst).save, nil); err != nil {
			t.Fatal(err)
		}
		dst.close()
		if len(dst.rows) != 100 || dst.multi < c.multi || dst.multi > c.multi+2 || dst.singles < c.singles || dst.singles > c.singles+2 {
			t.Errorf("%+v: %d puts, %d multi_puts, %d rows", c, dst.singles, dst.multi, len(dst.rows))
		}
	}
}

func TestCopyWritesExpiredAndSkipsMisplaced(t *testing.T) {
	now := time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)
	src := scantest.New(4)
	for i, expire := range []uint32{0, pegkey.ExpireTs(now) - 1, pegkey.ExpireTs(now), pegkey.ExpireTs(now) + 1} {
		src.Put(Row{Key: key("h", string(rune('a'+i))), Value: []byte("v"), Expire: expire})
	}
	home := pegkey.Partition(pegkey.Hash([]byte("h"), nil), 4)
	src.PutAt((home+1)%4, Row{Key: key("h", "a"), Value: []byte("outdated")})
	dst := newTarget(1, 1)
	defer dst.close()
	opts := quick()
	result, err := Run(t.Context(), src, dst, nil, opts, func([]Cursor) error { return nil }, nil)
	if err != nil {
		t.Fatal(err)
	}
	if d := diff(dst.rows, wanted(src)); d != "" {
		t.Error(d)
	}
	if result.Rows != 4 || result.Misplaced != 1 {
		t.Errorf("%+v", result)
	}
	if row := dst.rows[string(key("h", "d"))]; row.Expire != pegkey.ExpireTs(now)+1 {
		t.Errorf("expiry %d", row.Expire)
	}
}

func TestCopyRefusesRowsAboveTheLimit(t *testing.T) {
	src := fill(1, 200, 1, 100)
	large := Row{Key: key("large!!", "s"), Value: make([]byte, 1<<20)}
	src.Put(large)
	dst := newTarget(2, 1)
	defer dst.close()
	j := newJournal(src, dst)
	_, err := Run(t.Context(), src, dst, nil, quick(), j.save, nil)
	var write *WriteError
	var size *TooLargeError
	if !errors.As(err, &write) || !errors.As(err, &size) {
		t.Fatalf("got %v", err)
	}
	if !bytes.Equal(write.Key, large.Key) || write.Size != len(large.Key)+len(large.Value) || write.Partition != 0 {
		t.Errorf("%+v", write)
	}
	if dst.has(large.Key) || len(j.errors) > 0 {
		t.Errorf("%v", j.errors)
	}
	// The exact limit is left to the server.
	exact := scantest.New(1)
	exact.Put(Row{Key: key("h", "s"), Value: make([]byte, 1<<20-putOverhead-4)})
	if _, err := Run(t.Context(), exact, dst, nil, quick(), newJournal(exact, dst).save, nil); err != nil {
		t.Error(err)
	}
}

func TestCopyFailsWithTheRowThatFailed(t *testing.T) {
	src := fill(4, 2000, 1, 20)
	bad := key("h000777", "s000000")
	dst := newTarget(4, 1)
	defer dst.close()
	dst.fail = func(row Row) error {
		if bytes.Equal(row.Key, bad) {
			return errWrite
		}
		return nil
	}
	j := newJournal(src, dst)
	_, err := Run(t.Context(), src, dst, nil, quick(), j.save, nil)
	var write *WriteError
	if !errors.Is(err, errWrite) || !errors.As(err, &write) || !bytes.Equal(write.Key, bad) {
		t.Fatalf("got %v", err)
	}
	if len(j.errors) > 0 {
		t.Error(j.errors)
	}
	dst.mu.Lock()
	dst.fail = nil
	dst.mu.Unlock()
	if _, err := Run(t.Context(), src, dst, j.cursors(), quick(), j.save, nil); err != nil {
		t.Fatal(err)
	}
	if d := diff(dst.rows, wanted(src)); d != "" || len(j.errors) > 0 {
		t.Error(d, j.errors)
	}
}

func TestCopyStopsWhenCursorsCannotBeSaved(t *testing.T) {
	src := fill(4, 5000, 1, 20)
	dst := newTarget(2, 1)
	defer dst.close()
	full := errors.New("no space left on device")
	_, err := Run(t.Context(), src, dst, nil, quick(), func([]Cursor) error { return full }, nil)
	var save *SaveError
	if !errors.As(err, &save) || !errors.Is(err, full) {
		t.Fatalf("got %v", err)
	}
}

func TestCopyReportsWhereReadingFailed(t *testing.T) {
	src := fill(2, 1000, 1, 20)
	broken := errors.New("replica is gone")
	src.Visit = func(partition int32, rows int) error {
		if partition == 1 && rows > 8 {
			return broken
		}
		return nil
	}
	dst := newTarget(2, 1)
	defer dst.close()
	j := newJournal(src, dst)
	_, err := Run(t.Context(), src, dst, nil, quick(), j.save, nil)
	var read *ReadError
	if !errors.Is(err, broken) || !errors.As(err, &read) || read.Partition != 1 || len(j.errors) > 0 {
		t.Fatalf("got %v, %v", err, j.errors)
	}
}

func TestCopyRefusesForeignCursors(t *testing.T) {
	src := fill(2, 1, 1, 1)
	for name, cursors := range map[string][]Cursor{
		"version":   {{Version: 3}},
		"no":        {{}},
		"options":   {{Version: 2, Options: "keep_ttl=false"}},
		"both":      {{Version: 2, After: []byte("\x00\x01a"), Ranges: []Range{{}}}},
		"open":      {{Version: 2, Ranges: []Range{{}, {After: []byte("\x00\x01a")}}}},
		"overlap":   {{Version: 2, Ranges: []Range{{Through: []byte("\x00\x01b")}, {After: []byte("\x00\x01a")}}}},
		"backwards": {{Version: 2, Ranges: []Range{{After: []byte("\x00\x01b"), Through: []byte("\x00\x01a")}}}},
		"partition": {{Version: 1, Partition: 2}},
		"negative":  {{Version: 1, Partition: -1}},
		"twice":     {{Version: 1}, {Version: 1}},
		"starts":    {{Version: 1}, {Version: 1, Partition: 1, Digests: Digests{Start: 5}}},
	} {
		if _, err := Run(t.Context(), src, nil, cursors, Options{}, nil, nil); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// Any table, any order of acknowledgements, any interruption: cursors are never ahead of the
// target, and resumed runs end with the same rows and digests as an undisturbed one.
func TestCopyProperty(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		partitions := rapid.Int32Range(1, 9).Draw(rt, "partitions")
		src := scantest.New(partitions)
		now := time.Now()
		hash := rapid.SampledFrom([]string{"", "a", "b", "ab", "\x00", "h1", "h2", "h3"})
		expire := rapid.SampledFrom([]uint32{0, 0, 0, 1, pegkey.ExpireTs(now.Add(2 * time.Hour)), 4_000_000_000})
		for range rapid.IntRange(0, 400).Draw(rt, "rows") {
			row := Row{Key: key(hash.Draw(rt, "hash"), rapid.StringN(0, 3, 6).Draw(rt, "sort")),
				Value: rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(rt, "value"), Expire: expire.Draw(rt, "expire")}
			if rapid.IntRange(0, 50).Draw(rt, "place") == 0 {
				src.PutAt(rapid.Int32Range(0, partitions-1).Draw(rt, "where"), row)
			} else {
				src.Put(row)
			}
		}
		src.Chaos(rapid.Uint64().Draw(rt, "chaos"))
		dst := newTarget(3, rapid.Uint64().Draw(rt, "order"))
		defer dst.close()
		j := newJournal(src, dst)
		opts := quick()
		opts.Workers = rapid.IntRange(1, 4).Draw(rt, "workers")
		opts.InFlight = rapid.IntRange(1, 50).Draw(rt, "in flight")
		opts.MultiPutRows = rapid.IntRange(1, 20).Draw(rt, "multi")
		opts.MultiSet = MultiSet(rapid.IntRange(0, 2).Draw(rt, "multi set"))
		opts.MultiSetConcurrency = rapid.IntRange(0, 2).Draw(rt, "multi concurrency")
		opts.SplitAfter = time.Microsecond
		opts.SaveEvery = time.Microsecond
		var result Result
		err := errWrite
		for left := rapid.IntRange(0, 4).Draw(rt, "interruptions"); err != nil; left-- {
			ctx, cancel := context.WithCancel(context.Background())
			dst.mu.Lock()
			countdown := 1 + rapid.IntRange(0, 300).Draw(rt, "after")
			fails := rapid.Bool().Draw(rt, "fails")
			dst.fail = nil
			if left > 0 {
				dst.fail = func(Row) error {
					if countdown--; countdown == 0 && fails {
						return errWrite
					} else if countdown == 0 {
						cancel()
					}
					return nil
				}
			}
			dst.mu.Unlock()
			result, err = Run(ctx, src, dst, j.cursors(), opts, j.save, nil)
			cancel()
			if left <= 0 && err != nil {
				rt.Fatal(err)
			}
		}
		if d := diff(dst.rows, wanted(src)); d != "" || len(j.errors) > 0 {
			rt.Fatal(d, j.errors)
		}
		if pages, scans := src.Held(); pages != 0 || scans != 0 {
			// A failed write keeps its page; only that run's are missing.
			if scans != 0 {
				rt.Fatalf("%d bytes of pages and %d scans are left", pages, scans)
			}
		}
		if n := len(wanted(src)); result.Rows != uint64(n) {
			rt.Fatalf("result counts %d rows of %d", result.Rows, n)
		}
	})
}
