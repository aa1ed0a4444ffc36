package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/pegasus"
	"github.com/pegmigrate/pegmigrate/internal/pegkey"
	"github.com/pegmigrate/pegmigrate/internal/sandbox"
)

// chroniclers write to the source for as long as it lets them, and remember everything.
type chroniclers struct {
	cluster *pegasus.Cluster
	table   *pegasus.Table
	cancel  context.CancelFunc
	done    sync.WaitGroup

	mu      sync.Mutex
	history map[string][]deed
}

// deed is one write of one key. The writes of a key follow each other.
type deed struct {
	value string // distinct, "" for a delete
	begun time.Time
	acked time.Time // zero when nobody knows what became of it
}

const chronicled = "chronicle"

func isChronicled(key string) bool { return strings.Contains(key, chronicled) }

func newChroniclers(ctx context.Context, c *sandbox.Cluster, n int) (*chroniclers, error) {
	cluster, err := pegasus.Open(ctx, pegasus.Config{Name: "writer", MetaServers: c.MetaServers(), RPCTimeout: time.Second})
	if err != nil {
		return nil, err
	}
	table, err := cluster.OpenTable(ctx, "t")
	if err != nil {
		cluster.Close()
		return nil, err
	}
	w := &chroniclers{cluster: cluster, table: table, history: map[string][]deed{}}
	ctx, w.cancel = context.WithCancel(ctx)
	for i := range n {
		w.done.Go(func() { w.write(ctx, i) })
	}
	return w, nil
}

func (w *chroniclers) stop() {
	w.cancel()
	w.done.Wait()
	w.cluster.Close()
}

// write puts and deletes rows of keys that belong to this writer alone, one after the other.
func (w *chroniclers) write(ctx context.Context, id int) {
	random := rand.New(rand.NewPCG(uint64(id), 3))
	pace := time.NewTicker(2 * time.Millisecond)
	defer pace.Stop()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-pace.C:
		}
		hash := fmt.Appendf(nil, "%s%d.%d", chronicled, id, random.IntN(60))
		if random.IntN(10) == 0 {
			hash = nil
		}
		key := pegkey.Encode(nil, hash, fmt.Appendf(nil, "%s%d.%d", chronicled, id, random.IntN(3)))
		row := pegasus.Row{Key: key, Value: fmt.Appendf(nil, "%d.%d", id, n)}
		if random.IntN(3) == 0 {
			row.Expire = pegkey.ExpireTs(time.Now().Add(time.Hour))
		}
		d := deed{value: string(row.Value)}
		gone := random.IntN(4) == 0
		if gone {
			d.value = ""
		}
		w.deed(ctx, row, gone, d)
	}
}

// deed does one write and notes it, before and after.
func (w *chroniclers) deed(ctx context.Context, row pegasus.Row, gone bool, d deed) {
	key := string(row.Key)
	d.begun = time.Now()
	w.mu.Lock()
	w.history[key] = append(w.history[key], d)
	at := len(w.history[key]) - 1
	w.mu.Unlock()
	one, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
	defer cancel()
	var err error
	if gone {
		err = w.table.Remove(one, row.Key)
	} else {
		done := make(chan error, 1)
		deadline, _ := one.Deadline()
		w.table.Put(row, pegasus.PutOptions{Deadline: deadline}, func(err error) { done <- err })
		err = <-done
	}
	if err == nil {
		w.mu.Lock()
		w.history[key][at].acked = time.Now()
		w.mu.Unlock()
	}
}

// judge complains of every key whose row on the target is not a possible outcome of what was
// acknowledged by then. Writes without an answer, and later ones, may be there or not.
func (w *chroniclers) judge(then time.Time, target map[string]string, complain func(key, format string, args ...any)) {
	for key, deeds := range w.history {
		possible := map[string]bool{"": true}
		for _, d := range deeds {
			if !d.acked.IsZero() && d.acked.Before(then) {
				maybe := map[string]bool{}
				for _, other := range deeds {
					if other.begun.Before(d.begun) && other.acked.IsZero() {
						maybe[other.value] = true // it may be carried out after this one
					}
				}
				possible = maybe
			}
			possible[d.value] = true
		}
		got := value(target[key])
		if !possible[got] {
			last := deeds[len(deeds)-1]
			complain(key, "is %q, which none of %d writes can have left; the last one, %q, was begun at %s and acknowledged at %s; %s counts",
				got, len(deeds), last.value, last.begun.Format(clock), last.acked.Format(clock), then.Format(clock))
		}
	}
}

const clock = "15:04:05.000"
