package differ

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/pegkey"
	"github.com/pegmigrate/pegmigrate/internal/scan"
)

// Rows expire all the time while slow tables are read: no difference is made of that, and those that are there are
// found, also among rows that expire.
func TestDigestsWhileRowsExpire(t *testing.T) {
	for _, method := range []Method{MethodMerge, MethodDigest} {
		for seed := range uint64(8) {
			synctest.Test(t, func(t *testing.T) {
				src, dst := newLiveTable(6), newLiveTable(4)
				src.page, dst.page = 3*time.Minute, 3*time.Minute
				random := rand.New(rand.NewPCG(seed, 7))
				for i := range 3000 {
					row := scan.Row{Key: liveKey(i), Value: fmt.Appendf(nil, "%d", i)}
					if i%3 != 0 {
						row.Expire = pegkey.ExpireTs(time.Now().Add(time.Duration(random.Int64N(int64(40 * time.Minute)))))
					}
					src.put(row)
					dst.put(row)
				}
				want := plant(src, dst, 5)
				late := pegkey.ExpireTs(time.Now().Add(20 * time.Hour))
				src.put(scan.Row{Key: key("expires", "late"), Value: []byte("v"), Expire: late})
				want[found{kind: Missing, key: string(key("expires", "late"))}]++
				got := map[found]int{}
				opts := Options{Method: method, Tolerance: 5 * time.Second, OnDifference: collect(got), ScanBatch: 100}
				result, err := Run(t.Context(), src, dst, nil, opts, nil, nil)
				if err != nil || !maps.Equal(got, want) {
					t.Errorf("%s, seed %d: %+v, %v\ngot  %v\nwant %v", method, seed, result.Counts, err, got, want)
				}
			})
		}
	}
}

// Clients write while tables are compared by digests: no false difference, and all planted ones, with ages.
func TestLiveByDigests(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const rows = 2000
		src, dst := fillLive(6, rows)
		dst.count = 4
		want := plant(src, dst, 5)
		d, stop := duplicate(src, dst, upTo(100*time.Millisecond)), make(chan struct{})
		wg := writers(t, d, rows, 20, 2, stop)
		time.Sleep(time.Second)
		got := map[found]int{}
		take := collect(got)
		opts := LiveOptions{Patience: 3 * time.Second, Options: Options{Method: MethodDigest, OnDifference: func(d Difference) {
			take(d)
			if d.Age < 3*time.Second || d.Age > time.Minute {
				t.Errorf("%q is %v old", d.Key, d.Age)
			}
		}}}
		result, err := RunLive(t.Context(), src, dst, nil, opts, nil, nil)
		if err != nil || result.Differences() != 20 || !maps.Equal(got, want) || len(result.First) != 20 || result.First[0].Age == 0 {
			t.Errorf("%+v, %v\ngot  %v\nwant %v", result.Counts, err, got, want)
		}
		close(stop)
		wg.Wait()
		d.drain()
	})
}

// Tables that have nothing in common end a live comparison by digests soon.
func TestLiveByDigestsGivesUp(t *testing.T) {
	bubble(t, func(t *testing.T) {
		src, dst := fillLive(5, 3000)
		dst.count, dst.rows = 8, map[string]scan.Row{}
		opts := LiveOptions{Patience: 5 * time.Second, MaxWatched: 100, MaxDifferences: 500, Options: Options{Method: MethodDigest}}
		result, err := RunLive(t.Context(), src, dst, nil, opts, nil, nil)
		if err != nil || !result.TooMany || result.Missing < 500 || result.Missing > 700 || len(result.First) != keepFirst {
			t.Errorf("%+v, %v", result.Counts, err)
		}
	})
}

// mender repairs a liveTable; writes arrive when they are flushed.
type mender struct {
	t       *liveTable
	waiting []scan.Row
	flushes int
	fail    error
}

func (m *mender) Copy(_ context.Context, row scan.Row) error {
	m.waiting = append(m.waiting, scan.Row{Key: []byte(string(row.Key)), Value: append([]byte{}, row.Value...), Expire: row.Expire})
	return m.fail
}

func (m *mender) Delete(_ context.Context, key []byte) error {
	m.waiting = append(m.waiting, scan.Row{Key: []byte(string(key))})
	return m.fail
}

func (m *mender) Flush(context.Context) error {
	m.flushes++
	for _, row := range m.waiting {
		m.t.put(row)
	}
	m.waiting = nil
	return nil
}

// Behind a fence, what differs is repaired and proven to be equal; nothing else is written.
func TestReconcile(t *testing.T) {
	bubble(t, func(t *testing.T) {
		for _, c := range [][2]int32{{6, 4}, {5, 8}, {32, 8}, {1, 1}} {
			src, dst := fillLive(c[0], 3000)
			dst.count = c[1]
			want := plant(src, dst, 5)
			got := map[found]int{}
			repairs := &mender{t: dst}
			opts := ReconcileOptions{Options: Options{OnDifference: collect(got)}}
			result, err := Reconcile(t.Context(), src, dst, repairs, nil, opts, nil, nil)
			if err != nil || result.Differences() != 0 || result.Equal != 3015 || !maps.Equal(got, want) {
				t.Errorf("%v: %+v, %v\ngot  %v\nwant %v", c, result.Counts, err, got, want)
			}
			if result.Copied != 15 || result.Deleted != 5 || result.Found.Differences() != 20 || len(result.First) != 0 {
				t.Errorf("%v: %d copied, %d deleted, %+v", c, result.Copied, result.Deleted, result.Found)
			}
			again, err := Run(t.Context(), src, dst, nil, Options{Method: MethodMerge}, nil, nil)
			if err != nil || again.Differences() != 0 || again.Equal != 3015 {
				t.Errorf("%v: afterwards %+v, %v", c, again.Counts, err)
			}
		}
	})
}

// What cannot be repaired stays a difference, and a repair that fails ends it.
func TestReconcileThatFails(t *testing.T) {
	bubble(t, func(t *testing.T) {
		src, dst := fillLive(6, 300)
		dst.count = 4
		plant(src, dst, 1)
		stray := scan.Row{Key: key("stray", "s"), Value: []byte("v")}
		dst.putAt((pegkey.Partition(pegkey.HashRaw(stray.Key), 4)+1)%4, stray)
		lost := &mender{t: newLiveTable(4)} // repairs go elsewhere
		result, err := Reconcile(t.Context(), src, dst, lost, nil, ReconcileOptions{Rounds: 2}, nil, nil)
		if err != nil || result.Differences() != 5 || result.MisplacedTarget != 1 || result.Copied != 6 || result.Deleted != 2 || result.Found.Differences() != 5 {
			t.Errorf("%+v, %d copied, %d deleted, %v", result.Counts, result.Copied, result.Deleted, err)
		}
		broken := errors.New("no primary")
		_, err = Reconcile(t.Context(), src, dst, &mender{t: dst, fail: broken}, nil, ReconcileOptions{}, nil, nil)
		if r := (*RepairError)(nil); !errors.As(err, &r) || r.Err != broken {
			t.Errorf("got %v", err)
		}
	})
}

// Drift is repaired when that is wished.
func TestReconcileDrift(t *testing.T) {
	bubble(t, func(t *testing.T) {
		for _, wished := range []bool{false, true} {
			src, dst := fillLive(2, 100)
			dst.count = 2
			row := dst.rows[string(liveKey(7))]
			row.Expire = pegkey.ExpireTs(time.Now().Add(100 * time.Second))
			dst.put(row)
			drifted := 0
			opts := ReconcileOptions{Drift: wished, Options: Options{Tolerance: time.Second, StampTTL: 1000, OnDrift: func(d Difference) {
				if drifted++; d.Kind != Drift || d.Source.Expire != 0 || d.Action() != CopyRow {
					t.Errorf("%+v", d)
				}
			}}}
			result, err := Reconcile(t.Context(), src, dst, &mender{t: dst}, nil, opts, nil, nil)
			left := uint64(1)
			if wished {
				left = 0
			}
			if err != nil || result.Stamped != left || result.Copied != 1-left || drifted != 1 || result.Differences() != 0 {
				t.Errorf("wished %v: %+v, %d copied, %d drifted, %v", wished, result.Counts, result.Copied, drifted, err)
			}
		}
	})
}
