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
	"testing/synctest"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/pegkey"
	"github.com/pegmigrate/pegmigrate/internal/scan"
)

// writers write to the source until stop is closed: most of the time to a few hot keys, which also
// go back and forth between two values, come and go, and change their expiry only.
func writers(t *testing.T, d *duplication, rows, hot, count int, stop <-chan struct{}) *sync.WaitGroup {
	t.Helper()
	var wg sync.WaitGroup
	for w := range count {
		random := rand.New(rand.NewPCG(uint64(w), 7))
		wg.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				i := random.IntN(hot)
				if random.IntN(3) == 0 {
					i = random.IntN(rows)
				}
				d.put(nextWrite(random, i, n))
				time.Sleep(time.Duration(random.IntN(1000)) * time.Microsecond)
			}
		})
	}
	return &wg
}

// nextWrite is a write to key i.
func nextWrite(random *rand.Rand, i, n int) scan.Row {
	row := scan.Row{Key: liveKey(i), Value: fmt.Appendf(nil, "written %d", n)}
	switch i % 5 {
	case 1:
		row.Value = []byte{byte(random.IntN(2))}
	case 2:
		if random.IntN(2) == 0 {
			row.Value = nil
		}
	case 3:
		row.Value, row.Expire = []byte("same"), pegkey.ExpireTs(time.Now().Add(time.Hour))+uint32(random.IntN(2))
	case 4:
		row.Expire = pegkey.ExpireTs(time.Now().Add(time.Duration(random.IntN(10)) * time.Second))
	}
	return row
}

func liveKey(i int) []byte { return key(fmt.Sprintf("h%06d", i), "s") }

// fillLive loads the same rows into both tables.
func fillLive(partitions int32, rows int) (src, dst *liveTable) {
	src, dst = newLiveTable(partitions), newLiveTable(partitions)
	for i := range rows {
		row := scan.Row{Key: liveKey(i), Value: fmt.Appendf(nil, "value %d", i)}
		src.put(row)
		dst.put(row)
	}
	return src, dst
}

func upTo(d time.Duration) func() time.Duration {
	return func() time.Duration { return rand.N(d) }
}

// bubble runs a test in synthetic time, which begins before anything in Pegasus can expire.
func bubble(t *testing.T, f func(*testing.T)) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)))
		f(t)
	})
}

// Whatever writers do, tables that follow each other are found equal, and keys that were too hot to
// say are equal when nothing changes any more.
func TestLiveNoFalseDifference(t *testing.T) {
	for _, c := range []struct {
		name  string
		delay time.Duration
		skew  time.Duration
	}{
		{"quick", 10 * time.Millisecond, 0},
		{"slow", 3 * time.Second, 0},
		{"clocks apart", 100 * time.Millisecond, 3 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				const rows = 3000
				src, dst := fillLive(8, rows)
				dst.now = func() time.Time { return time.Now().Add(c.skew) }
				d, stop := duplicate(src, dst, upTo(c.delay)), make(chan struct{})
				wg := writers(t, d, rows, 50, 4, stop)
				opts := LiveOptions{Patience: 5 * time.Second, Options: Options{ScanBatch: 50, Workers: 2,
					OnDifference: func(d Difference) { t.Errorf("%s: %+v, %+v", d.Kind, d.Source, d.Target) }}}
				result, err := RunLive(t.Context(), src, dst, nil, opts, nil, nil)
				if err != nil || result.Differences() != 0 || result.TooMany {
					t.Errorf("%+v, %v", result.Counts, err)
				}
				t.Logf("%d keys read again, %d open", src.reads, len(result.Open))
				if src.reads == 0 {
					t.Error("nothing was unequal at first: this test proves nothing")
				}
				close(stop)
				wg.Wait()
				d.drain()
				again, err := Recheck(t.Context(), src, dst, result.Open, LiveOptions{})
				if err != nil || again.Differences() != 0 {
					t.Errorf("%+v, %v", again.Counts, err)
				}
			})
		})
	}
}

// Differences of every kind are found between keys that are written to, each once and nothing else.
func TestLiveFindsEveryPlantedDifference(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const rows = 2000
		src, dst := fillLive(4, rows)
		hour := pegkey.ExpireTs(time.Now().Add(time.Hour))
		want := map[found]int{}
		plant := func(kind Kind, name string, s, d *scan.Row) {
			k := key(name, "planted")
			for side, row := range map[*liveTable]*scan.Row{src: s, dst: d} {
				if row != nil {
					side.put(scan.Row{Key: k, Value: row.Value, Expire: row.Expire})
				}
			}
			if kind != "" {
				want[found{kind: kind, key: string(k)}]++
			}
		}
		one, other := &scan.Row{Value: []byte("one")}, &scan.Row{Value: []byte("other")}
		soon := &scan.Row{Value: []byte("one"), Expire: pegkey.ExpireTs(time.Now().Add(8 * time.Second))}
		for i := range 30 {
			n := fmt.Sprint(i)
			plant(Missing, "missing"+n, one, nil)
			plant(Extra, "extra"+n, nil, one)
			plant(Changed, "value"+n, one, other)
			plant(Expiry, "expiry"+n, one, &scan.Row{Value: one.Value, Expire: hour})
			plant("", "expires soon"+n, soon, nil)
			plant("", "pegmigrate.probe."+n, one, nil)
		}
		stray := scan.Row{Key: key("stray", "s"), Value: []byte("v")}
		lie := (pegkey.Partition(pegkey.HashRaw(stray.Key), 4) + 1) % 4
		src.putAt(lie, stray)
		dst.putAt(lie, stray)
		want[found{Misplaced, SourceSide, string(stray.Key), lie}]++
		want[found{Misplaced, TargetSide, string(stray.Key), lie}]++

		// Writes of one key get lost that is written now and then, and of one that is hot.
		cold, hot := liveKey(rows+1), liveKey(0)
		d, stop := duplicate(src, dst, upTo(100*time.Millisecond), cold, hot), make(chan struct{})
		d.put(scan.Row{Key: cold, Value: []byte("lost")})
		want[found{kind: Missing, key: string(cold)}]++
		wg := writers(t, d, rows, 20, 2, stop)
		time.Sleep(time.Second)
		got := map[found]int{}
		opts := LiveOptions{Patience: 3 * time.Second, Ignore: []byte("pegmigrate.probe."), Options: Options{OnDifference: func(d Difference) {
			f := found{kind: d.Kind, side: d.Side, key: string(d.Key)}
			if d.Side != "" {
				f.partition = d.TargetPartition
				if d.Side == SourceSide {
					f.partition = d.SourcePartition
				}
			}
			got[f]++
		}}}
		result, err := RunLive(t.Context(), src, dst, nil, opts, nil, nil)
		if err != nil || int(result.Differences()) != len(want) || !maps.Equal(got, want) {
			t.Errorf("%+v, %v\ngot  %v\nwant %v", result.Counts, err, got, want)
		}
		if !slices.ContainsFunc(result.Open, func(k []byte) bool { return string(k) == string(hot) }) {
			t.Errorf("the hot key whose writes get lost is not among %d open ones", len(result.Open))
		}
		close(stop)
		wg.Wait()
		d.drain()
		again, err := Recheck(t.Context(), src, dst, result.Open, LiveOptions{})
		if err != nil || again.Differences() != 1 || len(again.First) != 1 || string(again.First[0].RawKey) != string(hot) {
			t.Errorf("%+v, %v", again.Counts, err)
		}
	})
}

// Without second looks what is unequal at first is a difference.
func TestLiveStill(t *testing.T) {
	src, dst := fillLive(4, 300)
	src.put(scan.Row{Key: key("only", "here"), Value: []byte("v")})
	src.put(scan.Row{Key: key("dying", "here"), Value: []byte("v"), Expire: pegkey.ExpireTs(time.Now().Add(20 * time.Second))})
	dst.put(scan.Row{Key: key("pegmigrate.", "probe.7"), Value: []byte("no probe, by its hash key")})
	dst.put(scan.Row{Key: key("pegmigrate.probe.7", ""), Value: []byte("v")})
	result, err := RunLive(t.Context(), src, dst, nil, LiveOptions{Still: true, Ignore: []byte("pegmigrate.probe.")}, nil, nil)
	if err != nil || result.Differences() != 2 || result.Missing != 1 || result.Extra != 1 || result.Expired != 1 || src.reads != 0 {
		t.Errorf("%+v, %v, %d reads", result.Counts, err, src.reads)
	}
	for _, c := range result.Cursors {
		if c.Live || c.Digests != nil {
			t.Errorf("%+v", c)
		}
	}
	if _, err := RunLive(t.Context(), src, dst, result.Cursors, LiveOptions{}, nil, nil); err == nil {
		t.Error("cursors of tables at rest were taken for those of live ones")
	}
}

// What default_ttl may do to expiries is told apart from what it cannot.
func TestLiveDrift(t *testing.T) {
	const ttl = 3600
	now := time.Now()
	in := func(seconds int) uint32 { return pegkey.ExpireTs(now) + uint32(seconds) }
	for _, c := range []struct {
		name                 string
		source, target       uint32
		sourceTTL, targetTTL uint32
		skew                 uint32
		drifted              bool
	}{
		{"both stamped, the target later", in(3000), in(3002), ttl, ttl, 0, true},
		{"written before the target had a ttl", in(3000), 0, ttl, ttl, 0, true},
		{"compacted by the target", 0, in(3590), ttl, ttl, 0, true},
		{"only the source has a ttl", in(3000), 0, ttl, 0, 0, true},
		{"only the target has one", 0, in(3000), 0, ttl, 0, true},
		{"nobody has one", in(3000), in(3002), 0, 0, 0, false},
		{"the client chose more", in(3 * ttl), 0, ttl, ttl, 0, false},
		{"the target cannot have stamped", in(3000), in(3002), ttl, 0, 0, false},
		{"a client that writes both", in(3000), in(3007), 0, 0, 7, true},
		{"and one that says something else to each", in(3000), in(3008), 0, 0, 7, false},
		{"and one that gives one of them no expiry", in(3000), 0, 0, 0, 7, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			src, dst := newLiveTable(1), newLiveTable(1)
			src.put(scan.Row{Key: key("h", "s"), Value: []byte("v"), Expire: c.source})
			dst.put(scan.Row{Key: key("h", "s"), Value: []byte("v"), Expire: c.target})
			opts := LiveOptions{Still: true, TargetTTL: c.targetTTL, Options: Options{SourceTTL: c.sourceTTL, ExpirySkew: c.skew}}
			result, err := RunLive(t.Context(), src, dst, nil, opts, nil, nil)
			if err != nil || (result.Drifted == 1) != c.drifted || (result.Expiry == 1) == c.drifted {
				t.Errorf("%+v, %v", result.Counts, err)
			}
			again, err := Recheck(t.Context(), src, dst, [][]byte{key("h", "s")}, opts)
			if err != nil || (again.Drifted == 1) != c.drifted || (again.Expiry == 1) == c.drifted {
				t.Errorf("recheck: %+v, %v", again.Counts, err)
			}
		})
	}
}

// A comparison of tables that have nothing in common ends soon, and memory stays bounded.
func TestLiveGivesUpOnTablesThatDiffer(t *testing.T) {
	bubble(t, func(t *testing.T) {
		src, dst := fillLive(4, 3000)
		dst.rows = map[string]scan.Row{}
		var most int64
		report := ReporterFunc(func(p Progress) { most = max(most, p.Watched) })
		opts := LiveOptions{Patience: 5 * time.Second, MaxWatched: 100, MaxDifferences: 500, Options: Options{ReportEvery: 10 * time.Millisecond}}
		began := time.Now()
		result, err := RunLive(t.Context(), src, dst, nil, opts, nil, report)
		if err != nil || !result.TooMany || result.Missing < 500 || result.Missing > 700 || len(result.First) != keepFirst {
			t.Errorf("%+v, %v", result.Counts, err)
		}
		if took := time.Since(began); took > time.Minute || most == 0 || most > 100 {
			t.Errorf("took %v, %d watched", took, most)
		}
	})
}

// Keys that never rest are kept up to a limit.
func TestLiveKeepsFewOpenKeys(t *testing.T) {
	bubble(t, func(t *testing.T) {
		src, dst := fillLive(2, 50)
		stop := make(chan struct{})
		var wg sync.WaitGroup
		wg.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				case <-time.After(50 * time.Millisecond):
				}
				for i := range 50 {
					src.put(scan.Row{Key: liveKey(i), Value: fmt.Appendf(nil, "%d", n)})
				}
			}
		})
		opts := LiveOptions{Patience: 2 * time.Second, MaxOpen: 20}
		time.Sleep(time.Second)
		result, err := RunLive(t.Context(), src, dst, nil, opts, nil, nil)
		if err != nil || result.Differences() != 0 || !result.TooMany || len(result.Open) != 20 {
			t.Errorf("%+v, %d open, %v", result.Counts, len(result.Open), err)
		}
		close(stop)
		wg.Wait()
	})
}

// A comparison that is stopped while keys are unsettled saves only units that are settled, and goes
// on with the others.
func TestLiveResume(t *testing.T) {
	bubble(t, func(t *testing.T) {
		src, dst := fillLive(8, 800)
		lost := liveKey(3)
		dst.put(scan.Row{Key: lost})
		unit := pegkey.Partition(pegkey.HashRaw(lost), 8)
		saved := map[int32]Cursor{}
		save := func(cursors []Cursor) error {
			for _, c := range cursors {
				saved[c.Unit] = c
			}
			return nil
		}
		opts := LiveOptions{Patience: time.Minute}
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		if _, err := RunLive(ctx, src, dst, nil, opts, save, nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		if _, there := saved[unit]; there || len(saved) != 7 {
			t.Fatalf("%d units are saved", len(saved))
		}
		text, err := json.Marshal(slices.Collect(maps.Values(saved)))
		if err != nil {
			t.Fatal(err)
		}
		var cursors []Cursor
		if err := json.Unmarshal(text, &cursors); err != nil {
			t.Fatal(err)
		}
		result, err := RunLive(t.Context(), src, dst, cursors, opts, save, nil)
		if err != nil || result.Missing != 1 || result.SourceRows != 800 || result.Equal != 799 || len(saved) != 8 {
			t.Errorf("%+v, %v", result.Counts, err)
		}
	})
}
