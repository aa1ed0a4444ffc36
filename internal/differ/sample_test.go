package differ

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/pegkey"
	"github.com/pegmigrate/pegmigrate/internal/rowfilter"
	"github.com/pegmigrate/pegmigrate/internal/scan"
)

// A sample of everything finds what a comparison finds.
func TestSampleOfEverything(t *testing.T) {
	for _, still := range []bool{true, false} {
		bubble(t, func(t *testing.T) {
			src, dst := fillLive(6, 500)
			dst.count = 4
			want := plant(src, dst, 5)
			stray := scan.Row{Key: key("stray", "s"), Value: []byte("v")}
			lie := (pegkey.Partition(pegkey.HashRaw(stray.Key), 4) + 1) % 4
			dst.putAt(lie, stray)
			want[found{Misplaced, TargetSide, string(stray.Key), lie}]++
			got := map[found]int{}
			opts := SampleOptions{Share: 1, LiveOptions: LiveOptions{Still: still, Patience: time.Second, Options: Options{OnDifference: collect(got)}}}
			result, err := RunSample(t.Context(), src, dst, opts, nil)
			if err != nil || !maps.Equal(got, want) || result.Found != 20 || result.Differences() != 21 || result.Sampled != 520 || result.Equal != 500 {
				t.Errorf("%+v, %v\ngot  %v\nwant %v", result, err, got, want)
			}
			// At rest every row is read once per scan that chose it, equal or not.
			if still && (uint64(src.reads) != result.SourceRows+result.TargetRows-1 || uint64(dst.reads) != result.Sampled) {
				t.Errorf("%d reads of the source, %d of the target", src.reads, dst.reads)
			}
			if result.SourceRows != 515 || result.TargetRows != 516 || result.MaxShare <= 20./520 || result.MaxRows < 20 || len(result.First) != 20 {
				t.Errorf("%+v", result)
			}
		})
	}
}

// Rows are chosen with the probability that was asked for, whatever their keys are, and the same ones by the same
// seed.
func TestSampleChooses(t *testing.T) {
	bubble(t, func(t *testing.T) {
		src, dst := fillLive(4, 4000)
		opts := SampleOptions{Share: 0.1, LiveOptions: LiveOptions{Still: true}}
		first, err := RunSample(t.Context(), src, dst, opts, nil)
		// Six standard deviations are 114 rows.
		if err != nil || first.Sampled < 286 || first.Sampled > 514 || first.Found != 0 || first.Equal != first.Sampled || first.Seed == 0 {
			t.Fatalf("%+v, %v", first, err)
		}
		if n := float64(first.Sampled); first.MaxShare < 2.9/n || first.MaxShare > 3/n || first.MaxRows < 23 || first.MaxRows > 42 {
			t.Errorf("%+v", first)
		}
		reads := src.reads
		if uint64(reads) != 2*first.Sampled { // by the scans of both sides
			t.Errorf("%d reads of the source for %d rows", reads, first.Sampled)
		}
		opts.Seed = first.Seed
		if again, err := RunSample(t.Context(), src, dst, opts, nil); err != nil || again.Sampled != first.Sampled {
			t.Errorf("%+v, %v", again, err)
		}
		opts.Share = 1.5
		if _, err := RunSample(t.Context(), src, dst, opts, nil); err == nil {
			t.Error("more than everything is chosen")
		}
	})
}

// Rows are drawn and not hash keys: the bound holds as often as it says where all rows of few large hash keys differ,
// and others of which many are alone with theirs do not.
func TestSampleBoundsRows(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const large, each, alone, seeds = 4, 50, 1800, 60
		src, dst := newLiveTable(1), newLiveTable(1)
		row := func(hash, sort int, value string) scan.Row {
			return scan.Row{Key: key(fmt.Sprintf("h%06d", hash), fmt.Sprintf("s%04d", sort)), Value: []byte(value)}
		}
		for i := range alone {
			src.put(row(i, 0, "same"))
			dst.put(row(i, 0, "same"))
		}
		for i := range large * each {
			src.put(row(-1-i/each, i%each, "right"))
			dst.put(row(-1-i/each, i%each, "wrong"))
		}
		missed := 0
		for seed := range uint64(seeds) {
			opts := SampleOptions{Share: 0.1, Seed: seed + 1, LiveOptions: LiveOptions{Still: true}}
			result, err := RunSample(t.Context(), src, dst, opts, nil)
			if err != nil || result.Found == 0 || result.MaxShare > 0.25 || result.Sampled < 100 || result.Sampled > 300 {
				t.Fatalf("seed %d: %+v, %v", seed, result, err)
			}
			if result.MaxShare < 0.1 || result.MaxRows < large*each {
				missed++
			}
		}
		// The seeds are fixed, so that this does not change from run to run; one in twenty is what is allowed.
		if missed > seeds/20 {
			t.Errorf("%d of %d bounds are too low", missed, seeds)
		}
	})
}

// Writers do not make a sample find differences that there are not.
func TestSampleWhileClientsWrite(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const rows = 2000
		src, dst := fillLive(4, rows)
		d, stop := duplicate(src, dst, upTo(100*time.Millisecond)), make(chan struct{})
		wg := writers(t, d, rows, 20, 2, stop)
		time.Sleep(time.Second)
		opts := SampleOptions{Share: 0.5, LiveOptions: LiveOptions{Patience: 3 * time.Second}}
		result, err := RunSample(t.Context(), src, dst, opts, nil)
		if err != nil || result.Found != 0 || result.Differences() != 0 {
			t.Errorf("%+v, %v", result, err)
		}
		close(stop)
		wg.Wait()
		d.drain()
	})
}

// What cannot be read ends a sample and a count.
func TestSampleAndCountFail(t *testing.T) {
	src, dst := fillLive(2, 10)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := RunSample(ctx, src, dst, SampleOptions{}, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	broken := errors.New("no primary")
	table := fill(4, 100)
	table.Visit = func(int32, int) error { return broken }
	_, err := RunCount(t.Context(), table, fill(4, 100), LiveOptions{Ignore: []byte("x")}, nil)
	var read *ReadError
	if !errors.As(err, &read) || !errors.Is(err, broken) || read.Side != SourceSide {
		t.Errorf("got %v", err)
	}
}

// Counts by servers and by keys agree, but for misplaced rows.
func TestCount(t *testing.T) {
	src, dst := fill(6, 3000), fill(4, 3000)
	for _, prefix := range []string{"", "nothing."} {
		opts := LiveOptions{Ignore: []byte(prefix)}
		result, err := RunCount(t.Context(), src, dst, opts, nil)
		if err != nil || !result.Equal() || result.SourceRows != 3000 || result.TargetRows != 3000 || result.Units != 2 || result.ByServers != (prefix == "") {
			t.Errorf("%+v, %v", result, err)
		}
	}
	lost, stray := key("lost", "s"), key("stray", "s")
	src.Put(scan.Row{Key: lost})
	dst.PutAt((pegkey.Partition(pegkey.HashRaw(stray), 4)+1)%4, scan.Row{Key: stray})
	unit := pegkey.Partition(pegkey.HashRaw(lost), 2)
	result, err := RunCount(t.Context(), src, dst, LiveOptions{Ignore: []byte("nothing.")}, nil)
	if err != nil || len(result.Unequal) != 1 || result.Unequal[0].Unit != unit || result.Unequal[0].Source != result.Unequal[0].Target+1 || result.MisplacedTarget != 1 {
		t.Errorf("%+v, %v", result, err)
	}
	if dst.Put(scan.Row{Key: key("own", "s")}); pegkey.Partition(pegkey.HashRaw(key("own", "s")), 2) == unit {
		dst.Put(scan.Row{Key: key("own2", "s")})
	}
	allowed, err := RunCount(t.Context(), fill(6, 3000), dst, LiveOptions{Options: Options{AllowExtra: true}}, nil)
	if err != nil || !allowed.Equal() || allowed.TargetRows <= allowed.SourceRows {
		t.Errorf("%+v, %v", allowed, err)
	}
	part := LiveOptions{Options: Options{AllowExtra: true, Selection: Selection{
		Partitions: []int32{0, 3}, Filter: rowfilter.Filter{HashKey: rowfilter.Match{Kind: rowfilter.Prefix, Pattern: []byte("h0000")}},
	}}}
	some, err := RunCount(t.Context(), fill(6, 3000), dst, part, nil)
	if err != nil || !some.Equal() || some.SourceRows == 0 || some.SourceRows > 60 || some.SourceRows != some.TargetRows || some.ByServers {
		t.Errorf("%+v, %v", some, err)
	}
}
