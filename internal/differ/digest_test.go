package differ

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/pegmigrate/pegmigrate/internal/pegkey"
	"github.com/pegmigrate/pegmigrate/internal/scan"
	"github.com/pegmigrate/pegmigrate/internal/scan/scantest"
)

// collect counts differences as the naive comparison does.
func collect(into map[found]int) func(Difference) {
	return func(d Difference) {
		f := found{kind: d.Kind, side: d.Side, key: string(d.Key)}
		switch d.Side {
		case SourceSide:
			f.partition = d.SourcePartition
		case TargetSide:
			f.partition = d.TargetPartition
		}
		into[f]++
	}
}

// plant makes n differences of each of four kinds, and says which.
func plant(src, dst interface{ put(scan.Row) }, n int) map[found]int {
	want := map[found]int{}
	for i := range n {
		name := fmt.Sprintf("%d", i)
		row := func(what, value string, expire uint32) scan.Row {
			return scan.Row{Key: key(what+name, "planted"), Value: []byte(value), Expire: expire}
		}
		src.put(row("missing", "v", 0))
		dst.put(row("extra", "v", 0))
		src.put(row("value", "v", 0))
		dst.put(row("value", "w", 0))
		src.put(row("expiry", "v", 0))
		dst.put(row("expiry", "v", 4_000_000_000))
		for what, kind := range map[string]Kind{"missing": Missing, "extra": Extra, "value": Changed, "expiry": Expiry} {
			want[found{kind: kind, key: string(key(what+name, "planted"))}]++
		}
	}
	return want
}

// putter makes a scantest.Table something to plant in.
type putter struct{ *scantest.Table }

func (p putter) put(row scan.Row) { p.Put(row) }

// Twenty planted differences are all found, and nothing else, by any counts of partitions; rows are compared only
// in the few partitions that they lie in.
func TestDigestsFindPlantedDifferences(t *testing.T) {
	for _, c := range []struct{ n, m int32 }{{6, 4}, {5, 8}, {1024, 256}, {8, 8}, {511, 512}, {1, 1}} {
		src, dst := fill(c.n, 5000), fill(c.m, 5000)
		want := plant(putter{src}, putter{dst}, 5)
		got := map[found]int{}
		var mu sync.Mutex
		pages := 0
		src.Visit = func(int32, int) error {
			mu.Lock()
			defer mu.Unlock()
			pages++
			return nil
		}
		result, err := Run(t.Context(), src, dst, nil, Options{Method: MethodDigest, OnDifference: collect(got)}, nil, nil)
		if err != nil || !maps.Equal(got, want) || result.Differences() != 20 || result.Equal != 5000 || len(result.First) != 20 {
			t.Errorf("%d and %d partitions: %+v, %v\ngot  %v\nwant %v", c.n, c.m, result.Counts, err, got, want)
		}
		if result.Missing != 5 || result.Extra != 5 || result.Value != 5 || result.Expiry != 5 {
			t.Errorf("%d and %d partitions: %+v", c.n, c.m, result.Counts)
		}
		if c.n == 1024 && pages > 2*(1024+20) {
			t.Errorf("%d pages of the source were read", pages)
		}
	}
}

// Tables of coprime counts are read by several workers.
func TestDigestsReadPartitionsInParallel(t *testing.T) {
	src, dst := fill(5, 3000), fill(8, 3000)
	if _, err := Run(t.Context(), src, dst, nil, Options{}, nil, nil); err != nil {
		t.Fatal(err)
	}
	if src.PeakOpen()+dst.PeakOpen() > 8 {
		t.Errorf("%d and %d scans at once with 8 workers", src.PeakOpen(), dst.PeakOpen())
	}
	var mu sync.Mutex
	reading, most := 0, 0
	both := make(chan struct{})
	var once sync.Once
	src.Visit = func(int32, int) error {
		mu.Lock()
		reading++
		most = max(most, reading)
		if most >= 2 {
			once.Do(func() { close(both) })
		}
		mu.Unlock()
		select {
		case <-both:
		case <-time.After(10 * time.Second):
		}
		mu.Lock()
		reading--
		mu.Unlock()
		return nil
	}
	if _, err := Run(t.Context(), src, dst, nil, Options{Workers: 16}, nil, nil); err != nil || most < 2 {
		t.Errorf("%d partitions of the source at a time, %v", most, err)
	}
}

// A comparison that breaks off again and again, at any page, ends with the result of one that does not.
func TestDigestsResumeAfterRandomKills(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		counts := rapid.SampledFrom([][2]int32{{6, 4}, {5, 8}, {32, 8}, {3, 3}}).Draw(rt, "counts")
		src, dst := fill(counts[0], 400), fill(counts[1], 400)
		want := plant(putter{src}, putter{dst}, rapid.IntRange(0, 5).Draw(rt, "planted"))
		stray := scan.Row{Key: key("stray", "s"), Value: []byte("v")}
		lie := (pegkey.Partition(pegkey.HashRaw(stray.Key), counts[1]) + 1) % counts[1]
		dst.PutAt(lie, stray)
		want[found{Misplaced, TargetSide, string(stray.Key), lie}]++
		start := time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)
		whole, err := Run(context.Background(), src, dst, nil, Options{Method: MethodDigest, Start: start}, nil, nil)
		if err != nil {
			rt.Fatal(err)
		}
		killed := errors.New("killed")
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 1))
		var mu sync.Mutex
		visit := func(int32, int) error {
			mu.Lock()
			defer mu.Unlock()
			if random.IntN(40) == 0 {
				return killed
			}
			return nil
		}
		src.Visit, dst.Visit = visit, visit
		saved := map[string][]byte{}
		save := func(cursors []Cursor) error {
			for i := range cursors {
				data, err := json.Marshal(cursors[i])
				if err != nil {
					return err
				}
				saved[cursors[i].Name()] = data
			}
			return nil
		}
		opts := Options{ScanBatch: 50, Workers: 3, Start: start}
		for range 500 {
			var resume []Cursor
			for _, data := range saved {
				var c Cursor
				if err := json.Unmarshal(data, &c); err != nil {
					rt.Fatal(err)
				}
				resume = append(resume, c)
			}
			got := map[found]int{}
			opts.OnDifference = collect(got)
			result, err := Run(context.Background(), src, dst, resume, opts, save, nil)
			if errors.Is(err, killed) {
				opts.Method = MethodAuto // what was saved decides
				continue
			}
			if err != nil || result.Counts != whole.Counts || int(result.Differences()) != len(want) {
				rt.Fatalf("%v\ngot  %+v\nwant %+v", err, result.Counts, whole.Counts)
			}
			if !slices.Equal(result.Digests, whole.Digests) {
				rt.Fatal("digests differ")
			}
			return
		}
		rt.Fatal("it never ends")
	})
}

// Cursors of other tables, rows or sorts are refused; damaged sums are, too.
func TestDigestsRefuseForeignCursors(t *testing.T) {
	src, dst := fill(6, 100), fill(4, 100)
	cursors, err := DigestSide(t.Context(), TargetSide, src, dst, nil, Options{}, nil, nil)
	if err != nil || len(cursors) != 4 {
		t.Fatal(err, len(cursors))
	}
	for name, change := range map[string]func(*Cursor){
		"sums":      func(c *Cursor) { c.Sums = c.Sums[:len(c.Sums)-1] },
		"no sums":   func(c *Cursor) { c.Sums = nil },
		"rows":      func(c *Cursor) { c.Rows = "other" },
		"partition": func(c *Cursor) { c.Partition = 4 },
		"tables":    func(c *Cursor) { c.Target = 8 },
		"live":      func(c *Cursor) { c.Live = true },
		"start":     func(c *Cursor) { c.Start++ },
	} {
		changed := slices.Clone(cursors)
		change(&changed[2])
		if _, err := Run(t.Context(), src, dst, changed, Options{}, nil, nil); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// The target can be summed up beforehand; then only the source is read, but for buckets that differ.
func TestDigestSideBeforehand(t *testing.T) {
	src, dst := fill(6, 2000), fill(4, 2000)
	cursors, err := DigestSide(t.Context(), TargetSide, src, dst, nil, Options{}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	pages := 0
	dst.Visit = func(int32, int) error {
		mu.Lock()
		defer mu.Unlock()
		pages++
		return nil
	}
	result, err := Run(t.Context(), src, dst, cursors, Options{}, nil, nil)
	if err != nil || result.Equal != 2000 || result.TargetRows != 2000 || result.Differences() != 0 || pages != 0 {
		t.Errorf("%+v, %v, %d pages of the target", result.Counts, err, pages)
	}
	src.Put(scan.Row{Key: key("late", "s"), Value: []byte("v")})
	result, err = Run(t.Context(), src, dst, cursors, Options{}, nil, nil)
	if err != nil || result.Missing != 1 || result.Equal != 2000 || pages == 0 {
		t.Errorf("%+v, %v, %d pages of the target", result.Counts, err, pages)
	}
}

// The encoded form gives back what was encoded.
func TestSketchRoundTrip(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		counts := rapid.SampledFrom([][2]int32{{6, 4}, {5, 8}, {1024, 1023}, {1, 1}, {70_000, 3}}).Draw(rt, "counts")
		l := newLayout(counts[0], counts[1], 1000)
		p := rapid.Int32Range(0, counts[0]-1).Draw(rt, "partition")
		s, again := newSketch(l, p, counts[0]), newSketch(l, p, counts[0])
		for range rapid.IntRange(0, 50).Draw(rt, "rows") {
			hash := rapid.Uint64().Draw(rt, "hash")
			hash -= hash % uint64(counts[0])
			s.add(hash+uint64(p), rapid.Uint32().Draw(rt, "expire"), rapid.Uint64().Draw(rt, "sum"))
		}
		if err := again.decode(s.encode()); err != nil {
			rt.Fatal(err)
		}
		for band := range s.bands {
			if !slices.Equal(s.bands[band], again.bands[band]) {
				rt.Fatalf("band %d: %v, %v", band, s.bands[band], again.bands[band])
			}
		}
	})
}

// Damaged sums are an error, never a panic.
func FuzzSketch(f *testing.F) {
	l := newLayout(6, 4, 0)
	s := newSketch(l, 2, 6)
	s.add(2, 0, 77)
	s.add(8, 100, 5)
	f.Add(s.encode())
	f.Add([]byte{1, 14, 200, 1})
	f.Fuzz(func(_ *testing.T, data []byte) { _ = newSketch(l, 2, 6).decode(data) })
}

// What cursors keep is bounded whatever the counts are, and buckets lie in single partitions where they can.
func TestLayoutOfAnyCounts(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		n, m := rapid.Int32Range(1, 3000).Draw(rt, "n"), rapid.Int32Range(1, 3000).Draw(rt, "m")
		l := newLayout(n, m, 0)
		if l.buckets < minBuckets || l.buckets > maxBuckets {
			rt.Fatalf("%d buckets", l.buckets)
		}
		if all := cells(l.buckets, n) + cells(l.buckets, m); all > maxCells && l.buckets > minBuckets {
			rt.Fatalf("%d sums in %d buckets", all, l.buckets)
		}
		if unit := n / gcd(n, m) * m; unit <= maxBuckets && (l.buckets%uint32(n) != 0 || l.buckets%uint32(m) != 0) {
			rt.Fatalf("%d buckets", l.buckets)
		}
	})
}

// Progress shows partitions of the source, and ends with all of them.
func TestDigestsReportProgress(t *testing.T) {
	src, dst := fill(6, 1000), fill(4, 1000)
	dst.Put(scan.Row{Key: key("h000003", "s"), Value: []byte("other")})
	var last Progress
	report := ReporterFunc(func(p Progress) { last = p })
	if _, err := Run(t.Context(), src, dst, nil, Options{Method: MethodDigest}, nil, report); err != nil {
		t.Fatal(err)
	}
	if len(last.Units) != 6 || last.UnitsDone != 6 || last.Rows != 1000 || last.Differences != 1 || last.Suspects != 0 {
		t.Errorf("%+v", last)
	}
}

// Bands end where their rows have all expired.
func TestBandsOfExpiry(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		l := newLayout(8, 8, rapid.Uint32Range(1, 1<<31).Draw(rt, "start"))
		expire := l.start + rapid.Uint32Range(0, 400_000).Draw(rt, "after")
		horizon := l.start + rapid.Uint32Range(0, 400_000).Draw(rt, "horizon")
		band := l.band(expire)
		if l.passed(band, horizon) && expire > horizon {
			rt.Fatalf("band %d has passed at %d after %d, with a row that expires at %d", band, horizon, l.start, expire)
		}
		if band < expiryBands-1 && !l.passed(band, l.start+2*(expire-l.start)+60) {
			rt.Fatalf("band %d of %d has not passed", band, expire)
		}
	})
	l := newLayout(8, 8, 5000)
	if l.band(0) != 0 || l.band(1) != 1 || l.passed(0, 1<<31) {
		t.Error("rows without expiry, and expired ones")
	}
}
