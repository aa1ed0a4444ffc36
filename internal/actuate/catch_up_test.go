package actuate

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pegmigrate/pegmigrate/apply"
	"github.com/pegmigrate/pegmigrate/internal/differ"
	"github.com/pegmigrate/pegmigrate/internal/event"
	"github.com/pegmigrate/pegmigrate/internal/idl"
	"github.com/pegmigrate/pegmigrate/internal/pegasus"
	"github.com/pegmigrate/pegmigrate/internal/pegkey"
	"github.com/pegmigrate/pegmigrate/internal/sandbox"
)

// planted makes the source what clients made of it since it was copied: rows that the target lacks, rows that it
// should not have any more, other values and other expiries, n of each.
func (w *liveWorld) planted(n int) {
	w.t.Helper()
	for i := range n {
		for _, row := range []pegasus.Row{
			{Key: rowKey(10_000 + i), Value: []byte("new"), Expire: 700_000_000},
			{Key: rowKey(i)},
			{Key: rowKey(1000 + i), Value: []byte("changed")},
			{Key: rowKey(2000 + i), Value: fmt.Appendf(nil, "loaded %d", 2000+i), Expire: 800_000_000},
		} {
			if err := w.write(w.src, row); err != nil {
				w.t.Fatal(err)
			}
		}
	}
}

// expiringSoon writes rows that expire 30 s later by the engine's clock, and in an hour by the clusters': n that the target
// lacks, n that only the target has, and n with different values.
func (w *liveWorld) expiringSoon(n int) {
	w.t.Helper()
	end := time.Now().Add(time.Hour)
	w.live = NewLive(w.live.engine.clusters, func() time.Time { return end.Add(-30 * time.Second) })
	soon := pegkey.ExpireTs(end)
	for i := range n {
		changed := pegasus.Row{Key: rowKey(20_000 + i), Value: []byte("before"), Expire: soon}
		for table, rows := range map[*pegasus.Table][]pegasus.Row{
			w.src: {{Key: rowKey(10_000 + i), Value: []byte("new"), Expire: soon}, {Key: changed.Key, Value: []byte("after"), Expire: soon}},
			w.dst: {{Key: rowKey(30_000 + i), Value: []byte("taken back"), Expire: soon}, changed},
		} {
			for _, row := range rows {
				if err := w.write(table, row); err != nil {
					w.t.Fatal(err)
				}
			}
		}
	}
}

// A row that has expired by the engine's clock is written all the same, for that clock may be ahead; but a table that
// loses many rows while it is read must not need one pass after the other.
func TestCatchUpForgetsWhatHasExpired(t *testing.T) {
	w := newLiveWorld(t, sandbox.Config{}, 4)
	end := time.Now().Add(time.Hour)
	for name, tc := range map[string]struct {
		now        time.Time
		remembered int
	}{"about to expire": {end.Add(-time.Second), 1}, "expired": {end, 0}} {
		m := newMender(func() {}, w.dst, differ.Selection{}, true, func() time.Time { return tc.now })
		row := pegasus.Row{Key: rowKey(1), Value: []byte(name), Expire: pegkey.ExpireTs(end)}
		m.mend(t.Context(), differ.Difference{Kind: differ.Missing, Key: row.Key, Source: &row})
		if err := m.wait(); err != nil || m.written != 1 || len(m.keys) != tc.remembered {
			t.Errorf("%s: %d written, %d remembered, %v", name, m.written, len(m.keys), err)
		}
		if got, found, err := w.dst.Row(t.Context(), row.Key); err != nil || !found || string(got.Value) != name {
			t.Errorf("%s: %+v, %v, %v", name, got, found, err)
		}
	}
}

func sourcePartition(key []byte) int32 { return pegkey.Partition(pegkey.HashRaw(key), 4) }

func (w *liveWorld) catchUp(job apply.CatchUpJob) (apply.CatchUpOutcome, error) {
	job.Source, job.Target, job.Report = ref(), west(), func(event.MoveProgress) {}
	return (&CatchUps{w.live}).CatchUp(w.t.Context(), job)
}

func dumped(t *testing.T, c *sandbox.Cluster) map[string]string {
	t.Helper()
	out := map[string]string{}
	if err := c.Dump(ref().Table, func(row sandbox.Row) error {
		out[string(row.Key)] = fmt.Sprintf("%s@%d", row.Value, row.Expire)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return out
}

// Partition counts that are compared in the order of keys, and ones that are compared by digests.
func TestCatchUpBringsOverWhatDiffers(t *testing.T) {
	for _, partitions := range []int32{4, 16, 5} {
		for _, live := range []bool{false, true} {
			t.Run(fmt.Sprintf("4 to %d, live %v", partitions, live), func(t *testing.T) {
				w := newLiveWorld(t, sandbox.Config{}, partitions)
				w.planted(25)
				var kept json.RawMessage
				out, err := w.catchUp(apply.CatchUpJob{Live: live, Keep: func(k json.RawMessage) { kept = k }})
				if err != nil {
					t.Fatal(err)
				}
				found := out.Found
				if found.Missing != 25 || found.Extra != 25 || found.Changed != 25 || found.ExpiryDiffers != 25 || out.Written != 75 || out.Deleted != 25 || !out.Equal() {
					t.Errorf("%+v", out)
				}
				if diff := cmp.Diff(dumped(t, w.east), dumped(t, w.west)); diff != "" {
					t.Errorf("rows (-source +target)\n%s", diff)
				}
				if (kept == nil) != live {
					t.Errorf("kept: %s", kept)
				}
				if live {
					return
				}
				// Into partition 1 a write leaks; what was compared of the others counts.
				leaked := pegasus.Row{Value: []byte("leaked")}
				for i := 500; ; i++ {
					if leaked.Key = rowKey(i); sourcePartition(leaked.Key) == 1 {
						break
					}
				}
				if err := w.write(w.src, leaked); err != nil {
					t.Fatal(err)
				}
				again, err := w.catchUp(apply.CatchUpJob{Before: kept, Recheck: []int32{1}})
				if err != nil || again.Written != 1 || again.Deleted != 0 || !again.Equal() || again.Found.SourceRows != liveRows {
					t.Errorf("%+v, %v", again, err)
				}
				if diff := cmp.Diff(dumped(t, w.east), dumped(t, w.west)); diff != "" {
					t.Errorf("rows (-source +target)\n%s", diff)
				}
			})
		}
	}
}

// Rows that are about to expire are part of the table: what clients wrote with a short time to live would be missing
// altogether behind a cut-over otherwise, and what they took back be there again.
func TestCatchUpBringsOverWhatExpiresSoon(t *testing.T) {
	for _, partitions := range []int32{4, 5} {
		for _, live := range []bool{false, true} {
			t.Run(fmt.Sprintf("4 to %d, live %v", partitions, live), func(t *testing.T) {
				w := newLiveWorld(t, sandbox.Config{}, partitions)
				w.expiringSoon(20)
				out, err := w.catchUp(apply.CatchUpJob{Live: live})
				if err != nil || out.Written != 40 || out.Deleted != 20 || !out.Equal() {
					t.Errorf("%+v, %v", out, err)
				}
				if diff := cmp.Diff(dumped(t, w.east), dumped(t, w.west)); diff != "" {
					t.Errorf("rows (-source +target)\n%s", diff)
				}
			})
		}
	}
}

// The source's default_ttl gives each write without expiry one of its own. A row that a client wrote again, with the same
// value, lives longer than the copy of it, and one that a compaction stamped ends sooner: both are brought over.
func TestCatchUpBringsOverWhatDefaultTTLGave(t *testing.T) {
	for _, live := range []bool{false, true} {
		t.Run(fmt.Sprintf("live %v", live), func(t *testing.T) {
			w := newLiveWorld(t, sandbox.Config{}, 5)
			again, stamped := pegasus.Row{Key: rowKey(20_000), Value: []byte("again")}, pegasus.Row{Key: rowKey(20_001), Value: []byte("stamped")}
			now := pegkey.ExpireTs(time.Now())
			for _, step := range []struct {
				table *pegasus.Table
				row   pegasus.Row
				life  uint32
			}{{w.src, again, 86_000}, {w.dst, again, 80_000}, {w.src, stamped, 86_000}, {w.dst, stamped, 0}} {
				if step.life > 0 {
					step.row.Expire = now + step.life
				}
				if err := w.write(step.table, step.row); err != nil {
					t.Fatal(err)
				}
			}
			if err := w.east.SetEnvs(ref().Table, map[string]string{"default_ttl": "86400"}); err != nil {
				t.Fatal(err)
			}
			out, err := w.catchUp(apply.CatchUpJob{Live: live})
			if err != nil || out.Written != 2 || !out.Equal() {
				t.Errorf("%+v, %v", out, err)
			}
			if diff := cmp.Diff(dumped(t, w.east), dumped(t, w.west)); diff != "" {
				t.Errorf("rows (-source +target)\n%s", diff)
			}
		})
	}
}

// A row that cannot be written ends the pass with that error.
func TestCatchUpThatCannotWrite(t *testing.T) {
	w := newLiveWorld(t, sandbox.Config{}, 8)
	w.planted(5)
	if _, err := w.west.Inject(sandbox.Fault{Kind: sandbox.FaultFail, RPC: "put", Code: idl.ErrInvalidData}); err != nil {
		t.Fatal(err)
	}
	_, err := w.catchUp(apply.CatchUpJob{})
	var op *pegasus.OpError
	if !errors.As(err, &op) {
		t.Fatalf("got %v", err)
	}
}

// A misplaced row cannot be mended by a write: it stays a difference.
func TestCatchUpLeavesMisplacedRows(t *testing.T) {
	w := newLiveWorld(t, sandbox.Config{}, 8)
	key := rowKey(7)
	wrong := (sourcePartition(key) + 1) % 4
	if err := w.east.PutAt(ref().Table, sandbox.Row{Key: key, Value: []byte("lost"), Partition: wrong}); err != nil {
		t.Fatal(err)
	}
	out, err := w.catchUp(apply.CatchUpJob{})
	if err != nil || out.Equal() || out.Left != 1 || out.Written != 0 {
		t.Errorf("%+v, %v", out, err)
	}
}
