package differ

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/pegmigrate/pegmigrate/internal/pegkey"
	"github.com/pegmigrate/pegmigrate/internal/scan"
	"github.com/pegmigrate/pegmigrate/internal/scan/scantest"
)

func key(hash, sort string) []byte { return pegkey.Encode(nil, []byte(hash), []byte(sort)) }

// fill puts rows into a new table.
func fill(partitions int32, rows int) *scantest.Table {
	t := scantest.New(partitions)
	for i := range rows {
		t.Put(scan.Row{Key: key(fmt.Sprintf("h%06d", i), "s"), Value: fmt.Appendf(nil, "value %d", i)})
	}
	return t
}

func TestEqualTablesOfAnyPartitionCounts(t *testing.T) {
	for i, c := range []struct{ n, m int32 }{{1, 1}, {4, 4}, {4, 8}, {8, 4}, {3, 4}, {6, 4}, {7, 64}, {64, 63}, {128, 96}, {511, 512},
		{1, 1}, {4, 4}, {4, 8}, {8, 4}, {3, 4}, {6, 4}, {7, 64}, {64, 63}, {128, 96}, {511, 512}} {
		src, dst := fill(c.n, 3000), fill(c.m, 3000)
		method := []Method{MethodMerge, MethodDigest}[i/10]
		result, err := Run(t.Context(), src, dst, nil, Options{Method: method}, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		if result.Differences() != 0 || result.Equal != 3000 || result.SourceRows != 3000 || result.TargetRows != 3000 {
			t.Errorf("%d and %d partitions: %+v", c.n, c.m, result.Counts)
		}
		if int32(len(result.Cursors)) != gcd(c.n, c.m) {
			t.Errorf("%d and %d partitions: %d units", c.n, c.m, len(result.Cursors))
		}
		for p, d := range result.Digests {
			want := scan.Digests{Start: d.Start}
			for _, row := range src.Rows(int32(p)) {
				want.Add(&row)
			}
			if d != want {
				t.Errorf("%d and %d partitions: digest of partition %d", c.n, c.m, p)
			}
		}
	}
}

func TestEveryClassOfDifference(t *testing.T) {
	for _, method := range []Method{MethodMerge, MethodDigest} {
		t.Run(string(method), func(t *testing.T) { everyClass(t, method) })
	}
}

func everyClass(t *testing.T, method Method) {
	now := time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)
	at := func(d time.Duration) uint32 { return pegkey.ExpireTs(now.Add(d)) }
	src, dst := fill(4, 50), fill(8, 50)
	put := func(t *scantest.Table, hash, value string, expire uint32) {
		t.Put(scan.Row{Key: key(hash, "s"), Value: []byte(value), Expire: expire})
	}
	put(src, "missing", "v", 0)
	put(dst, "extra", "v", at(time.Hour))
	put(src, "value", "a", 0)
	put(dst, "value", "b", 7)
	put(src, "expiry", "v", 0)
	put(dst, "expiry", "v", at(time.Hour))
	put(src, "one second", "v", at(time.Hour))
	put(dst, "one second", "v", at(time.Hour+time.Second))
	put(src, "expired on the target", "v", at(3*time.Second))
	put(dst, "expired on the source", "v", at(-time.Second))
	put(src, "both about to", "v", at(2*time.Second))
	put(dst, "both about to", "w", at(time.Second))
	put(src, "not yet", "v", at(6*time.Second))
	home := pegkey.Partition(pegkey.HashRaw(key("h000007", "s")), 8)
	dst.PutAt((home+4)%8, scan.Row{Key: key("h000007", "s"), Value: []byte("twice")})
	lost := scan.Row{Key: key("lost", "s"), Value: []byte("v")}
	src.Put(lost)
	dst.PutAt((pegkey.Partition(pegkey.HashRaw(lost.Key), 8)+1)%8, lost)

	got := map[found]int{}
	opts := Options{Method: method, Clock: func() time.Time { return now }, Tolerance: 5 * time.Second, OnDifference: func(d Difference) {
		f := found{kind: d.Kind, side: d.Side, key: string(d.Key)}
		if d.Side == TargetSide {
			f.partition = d.TargetPartition
		}
		got[f]++
		if want := pegkey.Partition(pegkey.HashRaw(d.Key), 4); d.SourcePartition != want && d.Side != SourceSide {
			t.Errorf("%+v: source partition, want %d", f, want)
		}
	}}
	result, err := Run(t.Context(), src, dst, nil, opts, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := naive(src, dst, now.Add(5*time.Second), false)
	if !maps.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	w := Counts{SourceRows: 58, TargetRows: 58, Equal: 50, Missing: 3, Extra: 1, Value: 1, Expiry: 2, MisplacedTarget: 2, Expired: 3, Duplicates: 1}
	w.SourceBytes = result.SourceBytes
	if method == MethodDigest {
		w.Duplicates = 0
	}
	if result.Counts != w {
		t.Errorf("got  %+v\nwant %+v", result.Counts, w)
	}
	if len(result.First) != len(want) {
		t.Errorf("%d of %d are shown", len(result.First), len(want))
	}
}

func TestAllowExtra(t *testing.T) {
	src, dst := fill(2, 10), fill(2, 30)
	result, err := Run(t.Context(), src, dst, nil, Options{AllowExtra: true, OnDifference: func(d Difference) { t.Errorf("%+v", d) }}, nil, nil)
	if err != nil || result.Differences() != 0 || result.AllowedExtra != 20 {
		t.Errorf("%+v, %v", result.Counts, err)
	}
}

func TestFirstDifferencesArePrintable(t *testing.T) {
	src, dst := fill(4, 100), scantest.New(4)
	dst.Put(scan.Row{Key: key("\x00\xff", ""), Value: []byte("abc"), Expire: 4_000_000_000})
	result, err := Run(t.Context(), src, dst, nil, Options{}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(result.First) != keepFirst || result.Missing != 100 || result.Extra != 1 {
		t.Errorf("%d shown, %+v", len(result.First), result.Counts)
	}
	result, err = Run(t.Context(), scantest.New(4), dst, nil, Options{}, nil, nil)
	if err != nil || len(result.First) != 1 {
		t.Fatal(result.First, err)
	}
	p := pegkey.Partition(pegkey.Hash([]byte("\x00\xff"), nil), 4)
	want := Shown{Kind: Extra, SourcePartition: p, TargetPartition: p, HashKey: "0x00ff", SortKey: `""`,
		RawKey: key("\x00\xff", ""), TargetBytes: 3, TargetExpire: 4_000_000_000}
	if a, b := fmt.Sprintf("%+v", result.First[0]), fmt.Sprintf("%+v", want); a != b {
		t.Errorf("got  %s\nwant %s", a, b)
	}
}

// Any two tables: the comparison finds what a naive one finds, each difference once.
func TestDifferProperty(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		now := time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)
		count := rapid.Int32Range(1, 13)
		src, dst := scantest.New(count.Draw(rt, "n")), scantest.New(count.Draw(rt, "m"))
		hash := rapid.SampledFrom([]string{"", "a", "b", "ab", "\x00", "h1", "h2", "h3"})
		expire := rapid.SampledFrom([]uint32{0, 0, 0, 1, pegkey.ExpireTs(now.Add(3 * time.Second)), pegkey.ExpireTs(now.Add(time.Hour))})
		put := func(table *scantest.Table, row scan.Row) {
			if rapid.IntRange(0, 15).Draw(rt, "place") == 0 {
				table.PutAt(rapid.Int32Range(0, table.PartitionCount()-1).Draw(rt, "where"), row)
			} else {
				table.Put(row)
			}
		}
		for range rapid.IntRange(0, 200).Draw(rt, "rows") {
			row := scan.Row{Key: key(hash.Draw(rt, "hash"), rapid.StringN(0, 3, 6).Draw(rt, "sort")),
				Value: rapid.SliceOfN(rapid.Byte(), 0, 5).Draw(rt, "value"), Expire: expire.Draw(rt, "expire")}
			switch rapid.IntRange(0, 6).Draw(rt, "what") {
			case 0:
				put(src, row)
			case 1:
				put(dst, row)
			case 2:
				put(src, row)
				row.Expire = expire.Draw(rt, "other expiry")
				put(dst, row)
			case 3:
				put(src, row)
				row.Value = append(bytes.Clone(row.Value), 'x')
				put(dst, row)
			default:
				put(src, row)
				put(dst, row)
			}
		}
		src.Chaos(rapid.Uint64().Draw(rt, "chaos"))
		dst.Chaos(rapid.Uint64().Draw(rt, "more chaos"))
		got := map[found]int{}
		opts := Options{Clock: func() time.Time { return now }, AllowExtra: rapid.Bool().Draw(rt, "allow extra")}
		opts.Method = rapid.SampledFrom([]Method{MethodAuto, MethodMerge, MethodDigest}).Draw(rt, "method")
		opts.OnDifference = func(d Difference) {
			f := found{kind: d.Kind, side: d.Side, key: string(d.Key)}
			switch d.Side {
			case SourceSide:
				f.partition = d.SourcePartition
			case TargetSide:
				f.partition = d.TargetPartition
			}
			got[f]++
		}
		result, err := Run(context.Background(), src, dst, nil, opts, nil, nil)
		if err != nil {
			rt.Fatal(err)
		}
		if want := naive(src, dst, now.Add(5*time.Second), opts.AllowExtra); !maps.Equal(got, want) {
			rt.Fatalf("got  %v\nwant %v", got, want)
		}
		if int(result.Differences()) != len(got) {
			rt.Fatalf("%d differences told, %+v", len(got), result.Counts)
		}
		for _, table := range []*scantest.Table{src, dst} {
			if pages, scans := table.Held(); pages != 0 || scans != 0 {
				rt.Fatalf("left: %d bytes of pages, %d scans", pages, scans)
			}
		}
	})
}

// A resumed comparison reads only what is not finished, and ends with the same result.
func TestResumeFromEveryCursor(t *testing.T) {
	src, dst := fill(12, 2000), fill(8, 2000)
	dst.Put(scan.Row{Key: key("h000003", "s"), Value: []byte("other")})
	src.Put(scan.Row{Key: key("new", "s"), Expire: 4_000_000_000})
	start := time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)
	var saved []Cursor
	whole, err := Run(t.Context(), src, dst, nil, Options{Method: MethodMerge, Start: start}, func(c []Cursor) error {
		saved = append(saved, c...)
		return nil
	}, nil)
	if err != nil || len(saved) != 4 {
		t.Fatal(err, len(saved))
	}
	for n := range saved {
		text, err := json.Marshal(saved[:n])
		if err != nil {
			t.Fatal(err)
		}
		var cursors []Cursor
		if err := json.Unmarshal(text, &cursors); err != nil {
			t.Fatal(err)
		}
		var mu sync.Mutex
		read := map[int32]bool{}
		src.Visit = func(partition int32, _ int) error {
			mu.Lock()
			defer mu.Unlock()
			read[partition] = true
			return nil
		}
		again, err := Run(t.Context(), src, dst, cursors, Options{Workers: 1, Start: start.Add(time.Duration(n) * time.Hour)}, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		if again.Counts != whole.Counts || len(again.First) != len(whole.First) || len(read) != 12-3*n {
			t.Errorf("from %d units: %+v, %d partitions read", n, again.Counts, len(read))
		}
		for p := range again.Digests {
			if n > 0 && again.Digests[p] != whole.Digests[p] {
				t.Errorf("from %d units: digest of partition %d", n, p)
			}
		}
	}
	for name, c := range map[string]Cursor{
		"version": {Version: 2, Units: 4, Source: 12, Target: 8}, "unit": {Version: 1, Unit: 4, Units: 4, Source: 12, Target: 8},
		"tables": {Version: 1, Units: 4, Source: 8, Target: 12},
	} {
		if _, err := Run(t.Context(), src, dst, []Cursor{c}, Options{}, nil, nil); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// Counts without a common divisor make one unit of all partitions: pages shrink instead.
func TestMemoryIsBoundedByShrinkingPages(t *testing.T) {
	src, dst := scantest.New(512), scantest.New(511)
	for i := range 30_000 {
		row := scan.Row{Key: key(fmt.Sprintf("h%06d", i), "s"), Value: make([]byte, 1000)}
		src.Put(row)
		dst.Put(row)
	}
	result, err := Run(t.Context(), src, dst, nil, Options{PageMemory: 20 << 20}, nil, nil)
	if err != nil || result.Equal != 30_000 {
		t.Fatalf("%+v, %v", result.Counts, err)
	}
	if most := src.PeakBytes() + dst.PeakBytes(); most > 20<<20 {
		t.Errorf("%d bytes of pages", most)
	}
	// With a common divisor the number of units at a time is bounded by their scans.
	src, dst = fill(1024, 3000), fill(512, 3000)
	if _, err := Run(t.Context(), src, dst, nil, Options{Workers: 64}, nil, nil); err != nil {
		t.Fatal(err)
	}
	if src.PeakOpen()+dst.PeakOpen() > maxScans {
		t.Errorf("%d + %d scans", src.PeakOpen(), dst.PeakOpen())
	}
}

func TestErrorsNameSideAndPartition(t *testing.T) {
	src, dst := fill(4, 100), fill(4, 100)
	broken := errors.New("replica is gone")
	dst.Visit = func(partition int32, _ int) error {
		if partition == 2 {
			return broken
		}
		return nil
	}
	_, err := Run(t.Context(), src, dst, nil, Options{}, nil, nil)
	var read *ReadError
	if !errors.As(err, &read) || !errors.Is(err, broken) || read.Side != TargetSide || read.Partition != 2 {
		t.Errorf("got %v", err)
	}
	_, err = Run(t.Context(), src, src, nil, Options{}, func([]Cursor) error { return broken }, nil)
	var save *SaveError
	if !errors.As(err, &save) || !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}

func TestRunHoldsCapsAndStops(t *testing.T) {
	for _, c := range []struct {
		name string
		opts Options
		want time.Duration
	}{
		{"rows", Options{RowsPerSecond: 1000}, 10 * time.Second},
		{"bytes", Options{BytesPerSecond: 20_000}, 10 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				src, dst := scantest.New(4), scantest.New(4)
				for i := range 10_000 {
					row := scan.Row{Key: key(fmt.Sprintf("h%06d", i), "s"), Value: make([]byte, 10)}
					src.Put(row)
					dst.Put(row)
				}
				began, reports := time.Now(), 0
				report := ReporterFunc(func(Progress) { reports++ })
				if _, err := Run(t.Context(), src, dst, nil, c.opts, nil, report); err != nil {
					t.Fatal(err)
				}
				if took := time.Since(began); took < c.want*95/100 || took > c.want*105/100 {
					t.Errorf("took %v, want %v", took, c.want)
				}
				if reports < 10 || reports > 30 {
					t.Errorf("%d reports", reports)
				}
				ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
				defer cancel()
				began = time.Now()
				if _, err := Run(ctx, src, dst, nil, c.opts, nil, nil); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) > 4*time.Second {
					t.Errorf("%v after %v", err, time.Since(began))
				}
			})
		})
	}
}

// A source with default_ttl stamps old rows when it compacts, also after they were copied.
func TestStampedBySourceCompaction(t *testing.T) {
	now := time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)
	src, dst := scantest.New(4), scantest.New(4)
	const ttl = 1000
	for i, source := range []uint32{0, pegkey.ExpireTs(now) + ttl - 5, pegkey.ExpireTs(now) + ttl + 3600} {
		row := scan.Row{Key: key("h", string(rune('a'+i))), Value: []byte("v")}
		dst.Put(row)
		row.Expire = source
		src.Put(row)
	}
	for _, tt := range []struct {
		ttl             uint32
		stamped, expiry uint64
	}{{0, 0, 2}, {ttl, 1, 1}} {
		opts := Options{Clock: func() time.Time { return now }, SourceTTL: tt.ttl}
		result, err := Run(t.Context(), src, dst, nil, opts, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		if result.Stamped != tt.stamped || result.Expiry != tt.expiry {
			t.Errorf("default_ttl %d: %d stamped, %d differ in expiry; want %d and %d", tt.ttl, result.Stamped, result.Expiry, tt.stamped, tt.expiry)
		}
	}
}

// TestStampedByTargetCompaction: the target has a default_ttl while rows come in, the source has none.
func TestStampedByTargetCompaction(t *testing.T) {
	now := time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)
	src, dst := scantest.New(4), scantest.New(8)
	const ttl = 1000
	for i, target := range []uint32{0, pegkey.ExpireTs(now) + ttl - 5, pegkey.ExpireTs(now) + ttl + 3600} {
		row := scan.Row{Key: key("h", string(rune('a'+i))), Value: []byte("v")}
		src.Put(row)
		row.Expire = target
		dst.Put(row)
	}
	for _, tt := range []struct {
		ttl             uint32
		stamped, expiry uint64
	}{{0, 0, 2}, {ttl, 1, 1}} {
		var equal [][]byte
		opts := Options{Clock: func() time.Time { return now }, StampTTL: tt.ttl, OnEqual: func(r *scan.Row) { equal = append(equal, r.Key) }}
		result, err := Run(t.Context(), src, dst, nil, opts, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		if result.Stamped != tt.stamped || result.Expiry != tt.expiry {
			t.Errorf("default_ttl %d: %d stamped, %d differ in expiry; want %d and %d", tt.ttl, result.Stamped, result.Expiry, tt.stamped, tt.expiry)
		}
		if len(equal) != 1 || result.Equal != 1 {
			t.Errorf("default_ttl %d: %d equal rows were told of, %d counted", tt.ttl, len(equal), result.Equal)
		}
	}
}
