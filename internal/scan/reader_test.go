package scan_test

import (
	"bytes"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/pegkey"
	"github.com/pegmigrate/pegmigrate/internal/scan"
	"github.com/pegmigrate/pegmigrate/internal/scan/scantest"
)

func row(i, value int) scan.Row {
	return scan.Row{Key: pegkey.Encode(nil, fmt.Appendf(nil, "h%06d", i), []byte("s")), Value: bytes.Repeat([]byte{byte(i)}, value)}
}

// read reads a whole partition and the largest page in bytes.
func read(t *testing.T, r *scan.Reader) (keys [][]byte, largest int64) {
	t.Helper()
	defer r.Close()
	for {
		page, err := r.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range page.Rows {
			keys = append(keys, bytes.Clone(row.Key))
		}
		largest = max(largest, page.Bytes)
		page.Release()
		if page.Last {
			return keys, largest
		}
	}
}

func TestReaderDeliversEveryRowOnce(t *testing.T) {
	for seed := range uint64(50) {
		table := scantest.New(1)
		for i := range 300 {
			table.Put(row(i, 10))
		}
		table.Chaos(seed)
		keys, _ := read(t, scan.NewReader(table, scan.NewSizer(1<<20, 0), scan.Spec{}))
		if len(keys) != 300 {
			t.Fatalf("seed %d: %d rows", seed, len(keys))
		}
		for i := range keys {
			if !bytes.Equal(keys[i], row(i, 0).Key) {
				t.Fatalf("seed %d: row %d is %q", seed, i, keys[i])
			}
		}
	}
}

func TestReaderBeginsBehindAfter(t *testing.T) {
	table := scantest.New(1)
	for i := range 10 {
		table.Put(row(i, 10))
	}
	keys, _ := read(t, scan.NewReader(table, scan.NewSizer(1<<20, 0), scan.Spec{After: row(6, 0).Key}))
	if len(keys) != 3 || !bytes.Equal(keys[0], row(7, 0).Key) {
		t.Fatalf("got %q", keys)
	}
}

// A server bounds pages by rows only: what keeps memory bounded is what the reader asks for.
func TestReaderBoundsPagesByBytes(t *testing.T) {
	for _, size := range []int{10, 1000, 100_000} {
		table := scantest.New(1)
		for i := range 2000 {
			if size == 100_000 && i >= 100 {
				break
			}
			table.Put(row(i, size))
		}
		_, largest := read(t, scan.NewReader(table, scan.NewSizer(256<<10, 0), scan.Spec{}))
		if largest > 8*100_010 && size == 100_000 || size < 100_000 && largest > 512<<10 {
			t.Errorf("rows of %d bytes: a page of %d", size, largest)
		}
	}
}

// Small rows first, large ones behind: one page may be too large, not more.
func TestReaderShrinksPages(t *testing.T) {
	table := scantest.New(1)
	for i := range 1000 {
		table.Put(row(i, 10))
	}
	for i := range 1000 {
		table.Put(row(1000+i, 10_000))
	}
	var large int
	r := scan.NewReader(table, scan.NewSizer(100_000, 100), scan.Spec{})
	defer r.Close()
	for last := false; !last; {
		page, err := r.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if page.Bytes > 250_000 {
			large++
		}
		last = page.Last
	}
	if large > 1 {
		t.Errorf("%d pages were too large", large)
	}
}

// While the size of rows is unknown, one reader at a time finds out.
func TestSizerProbesOnce(t *testing.T) {
	table := scantest.New(8)
	for i := range 160 {
		table.Put(row(i, 100_000))
	}
	sizer := scan.NewSizer(200_000, 0)
	var wg sync.WaitGroup
	for p := range int32(8) {
		wg.Go(func() {
			r := scan.NewReader(table, sizer, scan.Spec{Partition: p})
			defer r.Close()
			page, err := r.Next(t.Context())
			if err != nil {
				t.Error(err)
			}
			page.Release()
		})
	}
	wg.Wait()
	if most := table.PeakBytes(); most > 8*100_010+7*200_020 {
		t.Errorf("%d bytes at once", most)
	}
}

func TestDigestsFindChangesAndForgiveExpiry(t *testing.T) {
	start := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	soon, later := pegkey.ExpireTs(start.Add(30*time.Minute)), pegkey.ExpireTs(start.Add(5*time.Hour))
	rows := []scan.Row{{Key: row(1, 0).Key}, {Key: row(2, 0).Key, Expire: soon}, {Key: row(3, 0).Key, Expire: later}}
	digest := func(rows ...scan.Row) scan.Digests {
		d := scan.NewDigests(start)
		for i := range rows {
			d.Add(&rows[i])
		}
		return d
	}
	all := digest(rows...)
	for _, c := range []struct {
		name    string
		second  scan.Digests
		after   time.Duration
		changed bool
	}{
		{"same", all, time.Minute, false},
		{"a row expired", digest(rows[0], rows[2]), 40 * time.Minute, false},
		{"a permanent row is gone", digest(rows[1], rows[2]), time.Minute, true},
		{"a row of a later band is gone", digest(rows[0], rows[1]), time.Hour, true},
		{"a row of a later band has expired", digest(rows[0]), 6 * time.Hour, false},
		{"a row is new", digest(append([]scan.Row{row(9, 1)}, rows...)...), time.Minute, true},
		{"another start", scan.NewDigests(start.Add(time.Second)), time.Minute, true},
	} {
		if got := scan.Changed(all, c.second, start.Add(c.after)); got != c.changed {
			t.Errorf("%s: changed %v", c.name, got)
		}
	}
	merged := digest(rows[0])
	rest := digest(rows[1:]...)
	merged.Merge(&rest)
	if merged != all || all.Rows() != 3 {
		t.Errorf("merging parts: %+v", merged)
	}
}

func TestPrintable(t *testing.T) {
	for in, want := range map[string]string{
		"abc": `"abc"`, "": `""`, "\x00\x01": "0x0001", "ü": `"ü"`, "\xff": "0xff", `a"b`: `"a\"b"`,
	} {
		if got := scan.Printable([]byte(in)); got != want {
			t.Errorf("%q: %s", in, got)
		}
	}
	if got := scan.Printable(bytes.Repeat([]byte("x"), 1000)); len(got) > 160 {
		t.Errorf("a long key is printed in full: %d", len(got))
	}
	if h, s := scan.PrintableKey([]byte{9}); h != "0x09" || s != `""` {
		t.Errorf("malformed key: %s %s", h, s)
	}
}
