package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/pegasus"
	"github.com/pegmigrate/pegmigrate/internal/pegkey"
	"github.com/pegmigrate/pegmigrate/internal/sandbox"
)

// TestNoAcknowledgedWriteIsLost writes and deletes on the source for as long as it lets anybody,
// while a fenced copy that keeps the fence runs and primaries move, so that the fence leaks. Every
// write that a client was told is stored, whenever that was, must be on the target.
func TestNoAcknowledgedWriteIsLost(t *testing.T) {
	for _, moves := range []time.Duration{0, 150 * time.Millisecond} {
		t.Run(fmt.Sprintf("moves every %v", moves), func(t *testing.T) {
			t.Parallel()
			p := newPair(t, faultRows)
			w := newWriters(t, p.a, "t", 4)
			if moves > 0 {
				if _, err := p.a.Inject(sandbox.Fault{Kind: sandbox.FaultMovePrimary, Every: moves}); err != nil {
					t.Fatal(err)
				}
			}
			w.awaitAcks(t, 200)
			p.after = `after { source = "keep_fenced" }`
			out := p.apply(t, "fenced")
			if err := p.a.Clear(0); err != nil {
				t.Fatal(err)
			}
			acked, lost := w.stop(t, p.b)
			if lost > 0 {
				t.Errorf("%d of %d acknowledged writes are not on the target\n%s", lost, acked, out)
			}
			t.Logf("%d acknowledged writes, all on the target", acked)
			p.compare(t, out)
		})
	}
}

// writers write to a table and remember what was acknowledged.
type writers struct {
	table  *pegasus.Table
	cancel context.CancelFunc
	done   sync.WaitGroup

	mu    sync.Mutex
	known map[string]fate
	acks  int
}

// fate is what must be true of a key: the outcome of the last acknowledged write. While a write is
// under way, or when its answer never came, several outcomes are right.
type fate struct {
	value           string
	gone, uncertain bool
}

func newWriters(t *testing.T, c *sandbox.Cluster, table string, n int) *writers {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	cluster, err := pegasus.Open(ctx, pegasus.Config{Name: "writer", MetaServers: c.MetaServers(), RPCTimeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	tab, err := cluster.OpenTable(ctx, table)
	if err != nil {
		t.Fatal(err)
	}
	w := &writers{table: tab, cancel: cancel, known: map[string]fate{}}
	for i := range n {
		w.done.Go(func() { w.write(ctx, i) })
	}
	t.Cleanup(func() { cancel(); w.done.Wait() })
	return w
}

// write puts and deletes rows of keys that belong to this writer alone, one after the other.
func (w *writers) write(ctx context.Context, id int) {
	random := rand.New(rand.NewPCG(uint64(id), 1))
	for n := 0; ctx.Err() == nil; n++ {
		key := pegkey.Encode(nil, fmt.Appendf(nil, "writer%d.%03d", id, random.IntN(300)), []byte("s"))
		value := fmt.Sprintf("%d.%d", id, n)
		gone := n%5 == 4
		w.begin(string(key))
		one, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
		var err error
		if gone {
			err = w.table.Remove(one, key)
		} else {
			err = w.put(one, key, value)
		}
		cancel()
		if err == nil {
			w.acked(string(key), value, gone)
		}
	}
}

func (w *writers) put(ctx context.Context, key []byte, value string) error {
	deadline, _ := ctx.Deadline()
	done := make(chan error, 1)
	w.table.Put(pegasus.Row{Key: key, Value: []byte(value)}, pegasus.PutOptions{Deadline: deadline}, func(err error) { done <- err })
	return <-done
}

// begin makes a key's fate uncertain until the write is acknowledged.
func (w *writers) begin(key string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f := w.known[key]
	f.uncertain = true
	w.known[key] = f
}

func (w *writers) acked(key, value string, gone bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.known[key] = fate{value: value, gone: gone}
	w.acks++
}

func (w *writers) awaitAcks(t *testing.T, n int) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(time.Minute)
	for {
		w.mu.Lock()
		acks := w.acks
		w.mu.Unlock()
		if acks >= n {
			return
		}
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("%d writes were acknowledged within a minute, want %d", acks, n)
		}
	}
}

// stop ends the writers and counts the acknowledged writes that the target does not show.
func (w *writers) stop(t *testing.T, target *sandbox.Cluster) (acked, lost int) {
	t.Helper()
	w.cancel()
	w.done.Wait()
	got := map[string]string{}
	if err := target.Dump(w.table.Name(), func(r sandbox.Row) error {
		got[string(r.Key)] = string(r.Value)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	for key, f := range w.known {
		value, there := got[key]
		switch {
		case f.uncertain:
		case f.gone == there, there && value != f.value:
			lost++
			t.Logf("key %q: target has %q (%t), acknowledged was %q, deleted %t", key, value, there, f.value, f.gone)
		}
	}
	return w.acks, lost
}
