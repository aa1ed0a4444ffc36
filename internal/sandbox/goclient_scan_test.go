package sandbox

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/apache/incubator-pegasus/go-client/pegasus"
)

// drain reads a scanner to its end.
func (g goTable) drain(s pegasus.Scanner) []string {
	g.t.Helper()
	var rows []string
	for {
		completed, hashKey, sortKey, value, err := s.Next(g.ctx())
		g.must(err)
		if completed {
			break
		}
		rows = append(rows, fmt.Sprintf("%q/%q=%q", hashKey, sortKey, value))
	}
	if err := s.Close(); err != nil {
		g.t.Errorf("closing a finished scanner: %v", err)
	}
	return rows
}

// fill stores rows with 1 to 12 sort keys per hash key, and some keys of odd bytes,
// and returns them as drain prints them, sorted.
func (g goTable) fill() []string {
	g.t.Helper()
	var want []string
	for i := range 60 {
		hashKey := fmt.Sprintf("user%02d", i)
		if i%7 == 0 {
			hashKey = fmt.Sprintf("\x00\xff%c", i)
		}
		var keys, values []string
		for j := range 1 + i%12 {
			keys = append(keys, fmt.Sprintf("s%02d\xfe", j))
			values = append(values, strings.Repeat("v", j))
			want = append(want, fmt.Sprintf("%q/%q=%q", hashKey, keys[j], values[j]))
		}
		g.must(g.MultiSet(g.ctx(), []byte(hashKey), texts(keys...), texts(values...)))
	}
	slices.Sort(want)
	return want
}

func TestGoClientUnorderedScanners(t *testing.T) {
	g := openGoTable(t, 8)
	want := g.fill()
	for _, c := range []struct{ split, batch, scanners int }{{1, 1000, 1}, {3, 7, 3}, {100, 3, 8}} {
		t.Run(fmt.Sprintf("split %d batch %d", c.split, c.batch), func(t *testing.T) {
			options := pegasus.NewScanOptions()
			options.BatchSize = c.batch
			scanners, err := g.GetUnorderedScanners(g.ctx(), c.split, options)
			if err != nil {
				t.Fatal(err)
			}
			if len(scanners) != c.scanners {
				t.Errorf("%d scanners, want %d", len(scanners), c.scanners)
			}
			var got []string
			for _, s := range scanners {
				got = append(got, g.drain(s)...)
			}
			slices.Sort(got)
			if !slices.Equal(got, want) {
				t.Errorf("%d rows, want %d", len(got), len(want))
			}
		})
	}
}

func TestGoClientUnorderedFilters(t *testing.T) {
	g := openGoTable(t, 4)
	g.fill()
	options := pegasus.NewScanOptions()
	options.BatchSize, options.NoValue = 5, true
	options.HashKeyFilter = pegasus.Filter{Type: pegasus.FilterTypeMatchPrefix, Pattern: []byte("user5")}
	options.SortKeyFilter = pegasus.Filter{Type: pegasus.FilterTypeMatchAnywhere, Pattern: []byte("04")}
	scanners, err := g.GetUnorderedScanners(g.ctx(), 4, options)
	g.must(err)
	var got []string
	for _, s := range scanners {
		got = append(got, g.drain(s)...)
	}
	slices.Sort(got)
	var want []string
	for i := 50; i < 60; i++ {
		if i%7 != 0 && i%12 >= 4 {
			want = append(want, fmt.Sprintf("%q/%q=%q", fmt.Sprintf("user%02d", i), "s04\xfe", ""))
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestGoClientOrderedScanner(t *testing.T) {
	g := openGoTable(t, 4)
	g.must(g.MultiSet(g.ctx(), []byte("h"), texts("", "a", "b", "c\x00", "d"), texts("0", "1", "2", "3", "4")))
	g.set("h2", "b", "of another hash key")
	g.set("g", "b", "of another hash key")
	row := func(sortKey, value string) string { return fmt.Sprintf("%q/%q=%q", "h", sortKey, value) }
	for _, c := range []struct {
		name        string
		start, stop string
		change      func(*pegasus.ScannerOptions)
		want        []string
	}{
		{"everything", "", "", func(*pegasus.ScannerOptions) {}, []string{row("", "0"), row("a", "1"), row("b", "2"), row("c\x00", "3"), row("d", "4")}},
		{"one row per batch", "a", "d", func(o *pegasus.ScannerOptions) { o.BatchSize = 1 }, []string{row("a", "1"), row("b", "2"), row("c\x00", "3")}},
		{"ends", "a", "d", func(o *pegasus.ScannerOptions) { o.StartInclusive, o.StopInclusive = false, true },
			[]string{row("b", "2"), row("c\x00", "3"), row("d", "4")}},
		{"nothing", "x", "y", func(*pegasus.ScannerOptions) {}, nil},
		{"prefix", "", "", func(o *pegasus.ScannerOptions) {
			o.SortKeyFilter = pegasus.Filter{Type: pegasus.FilterTypeMatchPrefix, Pattern: []byte("c")}
		}, []string{row("c\x00", "3")}},
	} {
		t.Run(c.name, func(t *testing.T) {
			options := pegasus.NewScanOptions()
			c.change(options)
			s, err := g.GetScanner(g.ctx(), []byte("h"), []byte(c.start), []byte(c.stop), options)
			if err != nil {
				t.Fatal(err)
			}
			if got := g.drain(s); !slices.Equal(got, c.want) {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

// TestGoClientLosesScan: when the server forgot a scan, the client opens another one
// behind the last row and misses nothing.
func TestGoClientLosesScan(t *testing.T) {
	g := openGoTable(t, 2)
	want := g.fill()
	options := pegasus.NewScanOptions()
	options.BatchSize = 4
	scanners, err := g.GetUnorderedScanners(g.ctx(), 1, options)
	g.must(err)
	var got []string
	for {
		completed, hashKey, sortKey, value, err := scanners[0].Next(g.ctx())
		g.must(err)
		if completed {
			break
		}
		if got = append(got, fmt.Sprintf("%q/%q=%q", hashKey, sortKey, value)); len(got)%30 == 0 {
			g.c.LoseScans()
		}
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("%d rows, want %d", len(got), len(want))
	}
}
