package actuate

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/apply"
	"github.com/pegmigrate/pegmigrate/internal/event"
	"github.com/pegmigrate/pegmigrate/internal/pegasus"
	"github.com/pegmigrate/pegmigrate/internal/sandbox"
	"github.com/pegmigrate/pegmigrate/plan"
)

// dualWriter writes rows to the source, and those that on is true for to the target, until stop is closed.
func (w *liveWorld) dualWriter(stop <-chan struct{}, delay time.Duration, on func(i int) bool) {
	w.arrived.Go(func() {
		for n := 0; ; n++ {
			select {
			case <-stop:
				return
			case <-time.After(time.Millisecond):
			}
			row := pegasus.Row{Key: rowKey(n % 500), Value: fmt.Appendf(nil, "both %d", n)}
			if err := w.write(w.src, row); err != nil {
				w.t.Error(err)
				return
			}
			if !on(n % 500) {
				continue
			}
			<-time.After(delay)
			if err := w.write(w.dst, row); err != nil {
				w.t.Error(err)
				return
			}
		}
	})
}

func TestProveDualWrite(t *testing.T) {
	for name, c := range map[string]struct {
		writes  bool
		delay   time.Duration
		on      func(i int) bool
		missing bool
	}{
		"both":         {true, 0, func(int) bool { return true }, false},
		"slow":         {true, 20 * time.Millisecond, func(int) bool { return true }, false},
		"some miss":    {true, 0, func(i int) bool { return i%5 != 0 }, true},
		"none":         {true, 0, func(int) bool { return false }, true},
		"nobody wrote": {false, 0, nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newLiveWorld(t, sandbox.Config{}, 8)
			d := NewDualWrites(w.live.engine.clusters, time.Now)
			d.pace = dualPace{firstRows: 1000, mostRows: 4000, bytes: 1 << 20, gap: 100 * time.Millisecond, patience: time.Second, again: 20 * time.Millisecond}
			stop := make(chan struct{})
			if c.writes {
				w.dualWriter(stop, c.delay, c.on)
			}
			var mu sync.Mutex
			var last event.MoveProgress
			job := apply.DualWriteJob{ProveDualWrite: plan.ProveDualWrite{Source: ref(), Target: west(), Rows: 40, For: 2 * time.Second},
				Report: func(p event.MoveProgress) { mu.Lock(); last = p; mu.Unlock() }}
			if c.writes {
				job.For = testTimeout
			}
			out, err := d.ProveDualWrite(t.Context(), job)
			close(stop)
			w.arrived.Wait()
			if err != nil {
				t.Fatal(err)
			}
			seen := out.Both + out.Lagging
			if out.Written != seen+out.Missing || last.Rows != uint64(out.Written) {
				t.Errorf("%+v, last report %+v", out, last)
			}
			switch {
			case !c.writes:
				if out.Written != 0 {
					t.Errorf("%+v", out)
				}
			case c.missing:
				if out.Missing == 0 || len(out.Examples) == 0 {
					t.Errorf("%+v", out)
				}
			default:
				if seen < 40 || out.Missing != 0 {
					t.Errorf("%+v", out)
				}
			}
		})
	}
}

func TestSameWrite(t *testing.T) {
	row := func(v string, e uint32) *pegasus.Row { return &pegasus.Row{Value: []byte(v), Expire: e} }
	for _, c := range []struct {
		s, t *pegasus.Row
		want bool
	}{
		{row("a", 0), row("a", 0), true}, {row("a", 0), row("b", 0), false}, {row("a", 0), row("a", 9), false},
		{row("a", 9), row("a", 0), false}, {row("a", 100), row("a", 105), true}, {row("a", 161), row("a", 100), false},
	} {
		if got := sameWrite(c.s, c.t); got != c.want {
			t.Errorf("%+v %+v: %v", c.s, c.t, got)
		}
	}
}

func TestConditionalWrites(t *testing.T) {
	w := newLiveWorld(t, sandbox.Config{}, 4)
	key := rowKey(1)
	if ok, err := w.src.RemoveIf(t.Context(), key, []byte("another")); ok || err != nil {
		t.Error(ok, err)
	}
	if ok, err := w.src.PutIfAbsent(t.Context(), pegasus.Row{Key: key, Value: []byte("new")}); ok || err != nil {
		t.Error(ok, err)
	}
	if ok, err := w.src.RemoveIf(t.Context(), key, []byte("loaded 1")); !ok || err != nil {
		t.Error(ok, err)
	}
	if _, found, err := w.src.Row(t.Context(), key); found || err != nil {
		t.Error(found, err)
	}
	if ok, err := w.src.RemoveIf(t.Context(), key, []byte("loaded 1")); ok || err != nil {
		t.Error("a row that is not there:", ok, err)
	}
	if ok, err := w.src.PutIfAbsent(t.Context(), pegasus.Row{Key: key, Value: []byte("new"), Expire: 1 << 30}); !ok || err != nil {
		t.Error(ok, err)
	}
	if row, found, err := w.src.Row(t.Context(), key); !found || err != nil || string(row.Value) != "new" || row.Expire != 1<<30 {
		t.Errorf("%+v, %v", row, err)
	}
	if _, err := w.src.RemoveIf(t.Context(), []byte{0, 0, 'x'}, nil); err == nil {
		t.Error("a row without a hash key")
	}
}
