package traffic

import (
	"errors"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

func (w *world) goClient(timeout time.Duration) *Go {
	w.t.Helper()
	g, err := OpenGo(deadline(w.t, 20*time.Second), w.routing.ProxyAddrs(), table, timeout)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		if err := g.Close(); err != nil {
			w.t.Error(err)
		}
	})
	return g
}

func TestGoOperations(t *testing.T) {
	w := newWorld(t)
	g, ctx, k := w.goClient(4*time.Second), deadline(t, 30*time.Second), Key{"h", "s"}
	if v, r := g.Get(ctx, k); v != nil || r.Err != nil {
		t.Errorf("%q, %+v", v, r)
	}
	if r := g.Put(ctx, k, []byte("v"), time.Hour); r.Err != nil || r.Expire == 0 || r.Attempts != 1 || r.Unsure || r.Server == "" {
		t.Errorf("%+v", r)
	}
	if v, r := g.Get(ctx, k); string(v) != "v" || r.Err != nil {
		t.Errorf("%q, %+v", v, r)
	}
	if r := g.Incr(ctx, Key{"h", "n"}, 5); r.Err != nil {
		t.Errorf("%+v", r)
	}
	if r := g.Delete(ctx, k); r.Err != nil {
		t.Errorf("%+v", r)
	}
	if n, err := w.a.Count(table); err != nil || n != 1 {
		t.Errorf("%d rows, %v", n, err)
	}
	if err := g.Close(); err != nil {
		t.Error(err)
	}
	if r := g.Put(ctx, k, nil, 0); !errors.Is(r.Err, errClosed) {
		t.Errorf("%+v", r)
	}
	for _, d := range []time.Duration{0, time.Minute} {
		if _, err := OpenGo(ctx, w.routing.ProxyAddrs(), table, d); err == nil {
			t.Errorf("a timeout of %v was taken", d)
		}
	}
}

// TestGoRejected: a refused write stays where it began until its deadline; one that began after the
// switch goes to the other cluster.
func TestGoRejected(t *testing.T) {
	w := newWorld(t)
	g, ctx := w.goClient(1500*time.Millisecond), deadline(t, 60*time.Second)
	w.deny("reconfig*write")
	r := g.Put(ctx, Key{"h", "s"}, []byte("1"), 0)
	if r.Err == nil || r.Code != idl.ErrInvalidState || r.Unsure || r.Attempts < 1 {
		t.Errorf("%+v", r)
	}
	w.lead(w.b)
	until(t, "a write on the other cluster", func() bool {
		r = g.Put(ctx, Key{"h", "s"}, []byte("2"), 0)
		return r.Err == nil
	})
	if n, err := w.b.Count(table); err != nil || n != 1 {
		t.Errorf("%d rows, %v", n, err)
	}
	if g.Stats().Queries < 2 {
		t.Errorf("%+v", g.Stats())
	}
}

func TestGoSilence(t *testing.T) {
	w := newWorld(t)
	g := w.goClient(300 * time.Millisecond)
	w.deny("timeout*write")
	opened := g.Stats().Queries
	r := g.Put(deadline(t, 20*time.Second), Key{"h", "s"}, []byte("v"), 0)
	if r.Code != idl.ErrTimeout || !r.Unsure || r.Attempts != 1 || g.Stats().Queries != opened {
		t.Errorf("%+v, %d queries", r, g.Stats().Queries-opened)
	}
}

// TestGoReopens: without the workaround a lost connection would be dialled again after a minute.
func TestGoReopens(t *testing.T) {
	w := newWorld(t)
	g, ctx := w.goClient(time.Second), deadline(t, 60*time.Second)
	if r := g.Put(ctx, Key{"h", "s"}, []byte("1"), 0); r.Err != nil {
		t.Fatal(r.Err)
	}
	w.a.CutConnections()
	began := time.Now()
	until(t, "a write", func() bool { return g.Put(ctx, Key{"h", "s"}, []byte("2"), 0).Err == nil })
	if d := time.Since(began); d > 20*time.Second || g.Stats().Reopened == 0 {
		t.Errorf("it took %v, %+v", d, g.Stats())
	}
}
