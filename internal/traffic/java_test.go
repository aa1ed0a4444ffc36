package traffic

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/idl"
	"github.com/pegmigrate/pegmigrate/internal/sandbox"
)

func (w *world) java(timeout time.Duration) *Java {
	w.t.Helper()
	j, err := OpenJava(deadline(w.t, 20*time.Second), w.routing.ProxyAddrs(), table, timeout)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = j.Close() })
	return j
}

func TestJavaOperations(t *testing.T) {
	w := newWorld(t)
	j, ctx, k := w.java(4*time.Second), deadline(t, 20*time.Second), Key{"h", "s"}
	if v, r := j.Get(ctx, k); v != nil || r.Err != nil {
		t.Errorf("%q, %+v", v, r)
	}
	if r := j.Put(ctx, k, []byte("v"), time.Hour); r.Err != nil || r.Expire == 0 || r.Attempts != 1 || r.Unsure || r.Server == "" {
		t.Errorf("%+v", r)
	}
	if v, r := j.Get(ctx, k); string(v) != "v" || r.Err != nil {
		t.Errorf("%q, %+v", v, r)
	}
	if r := j.Incr(ctx, k, 1); r.Err == nil || r.Unsure || r.Server != "" {
		t.Errorf("incr of a text: %+v", r)
	}
	if r := j.Incr(ctx, Key{"h", "n"}, 5); r.Err != nil {
		t.Errorf("%+v", r)
	}
	if r := j.Delete(ctx, k); r.Err != nil {
		t.Errorf("%+v", r)
	}
	if v, r := j.Get(ctx, k); v != nil || r.Err != nil {
		t.Errorf("%q, %+v", v, r)
	}
	if n, err := w.a.Count(table); err != nil || n != 1 {
		t.Errorf("%d rows, %v", n, err)
	}
	if _, err := OpenJava(ctx, w.routing.ProxyAddrs(), "none", time.Second); !errors.Is(err, idl.ErrObjectNotFound) {
		t.Errorf("a table without a record: %v", err)
	}
}

// TestJavaRejected: a refused write is repeated after a third of the timeout, the proxies are asked
// in between, and it ends before the timeout does.
func TestJavaRejected(t *testing.T) {
	w := newWorld(t)
	const timeout = 1500 * time.Millisecond
	j := w.java(timeout)
	w.deny("reconfig*write")
	opened, began := j.Stats().Queries, time.Now()
	r := j.Put(deadline(t, 20*time.Second), Key{"h", "s"}, nil, 0)
	took := time.Since(began)
	if r.Err == nil || r.Code != idl.ErrInvalidState || r.Unsure || !errors.Is(r.Err, idl.ErrInvalidState) {
		t.Errorf("%+v", r)
	}
	if r.Attempts < 2 || r.Attempts > 3 || took > timeout || took < timeout/2 {
		t.Errorf("%d attempts in %v", r.Attempts, took)
	}
	if n := j.Stats().Queries - opened; n < 1 || n > int64(r.Attempts) {
		t.Errorf("%d queries in %v", n, took)
	}
	if _, r := j.Get(deadline(t, 20*time.Second), Key{"h", "s"}); r.Err != nil {
		t.Errorf("reads go on: %+v", r)
	}
	w.deny("")
	if r := j.Put(deadline(t, 20*time.Second), Key{"h", "s"}, nil, 0); r.Err != nil {
		t.Errorf("%+v", r)
	}
}

// TestJavaQueriesAreLimited: however many operations fail, the proxies are asked at most once per
// third of the timeout.
func TestJavaQueriesAreLimited(t *testing.T) {
	w := newWorld(t)
	const timeout = 3 * time.Second
	j := w.java(timeout)
	w.deny("reconfig*all")
	opened, began := j.Stats().Queries, time.Now()
	ended := make(chan Result, 20)
	for i := range cap(ended) {
		go func() { ended <- j.Delete(context.Background(), Key{string(rune('a' + i)), "s"}) }()
	}
	attempts := 0
	for range cap(ended) {
		attempts += (<-ended).Attempts
	}
	most := int64(time.Since(began)/(timeout/3)) + 1
	if n := j.Stats().Queries - opened; n < 1 || n > most || attempts < 40 {
		t.Errorf("%d queries, at most %d, for %d attempts", n, most, attempts)
	}
}

// TestJavaSilence: nobody is asked when a request stays unanswered, and what became of it is open.
func TestJavaSilence(t *testing.T) {
	w := newWorld(t)
	j := w.java(300 * time.Millisecond)
	w.deny("timeout*write")
	opened := j.Stats().Queries
	r := j.Put(deadline(t, 20*time.Second), Key{"h", "s"}, nil, 0)
	if r.Code != idl.ErrTimeout || !r.Unsure || r.Attempts != 1 || j.Stats().Queries != opened {
		t.Errorf("%+v, %d queries", r, j.Stats().Queries-opened)
	}
}

// TestJavaRepeatsWithTheOldID shows a danger of every route switch: the id of the table is fixed when
// an operation begins. One that is repeated on the other cluster names whatever table has that id
// there, is executed on it, and is acknowledged.
func TestJavaRepeatsWithTheOldID(t *testing.T) {
	w := newWorld(t)
	b, err := sandbox.Start(t.Context(), sandbox.Config{Name: "b", Replicas: 1, TimeFactor: 1000})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	for _, name := range []string{"stranger", table} { // the stranger gets the id that the table has on a
		if _, err := b.CreateTable(sandbox.TableSpec{Name: name, Partitions: 4, Replicas: 1}); err != nil {
			t.Fatal(err)
		}
		if err := b.WaitHealthy(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	j := w.java(3 * time.Second)
	w.deny("reconfig*write")
	ended := make(chan Result, 1)
	go func() { ended <- j.Put(context.Background(), Key{"h", "s"}, []byte("v"), 0) }()
	until(t, "the first attempt", func() bool { return j.Stats().Queries > 1 })
	w.lead(b)
	r := <-ended
	if r.Err != nil || r.Server != b.ReplicaServers()[0] {
		t.Fatalf("%+v", r)
	}
	if n, err := b.Count("stranger"); err != nil || n != 1 {
		t.Errorf("%d rows in the stranger, %v", n, err)
	}
	if n, err := b.Count(table); err != nil || n != 0 {
		t.Errorf("%d rows in the table, %v", n, err)
	}
}

// TestJavaServerDies: a connection that is lost is a reason to ask, and the operation goes on at the
// new primary.
func TestJavaServerDies(t *testing.T) {
	w := newWorld(t)
	j, ctx := w.java(4*time.Second), deadline(t, 60*time.Second)
	if r := j.Put(ctx, Key{"h", "s"}, []byte("1"), 0); r.Err != nil {
		t.Fatal(r.Err)
	}
	for i := range w.a.ReplicaServers() {
		if err := w.a.KillReplica(i); err != nil {
			t.Fatal(err)
		}
		until(t, "a write", func() bool { return j.Put(ctx, Key{"h", "s"}, []byte("2"), 0).Err == nil })
		if err := w.a.RestartReplica(i); err != nil {
			t.Fatal(err)
		}
		if err := w.a.WaitHealthy(ctx, table); err != nil {
			t.Fatal(err)
		}
	}
}
