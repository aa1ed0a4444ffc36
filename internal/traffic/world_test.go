package traffic

import (
	"context"
	"fmt"
	"iter"
	"os"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/sandbox"
)

// world is clusters a and b with a table "demo" each, and proxies that lead to a.
type world struct {
	t       *testing.T
	a, b    *sandbox.Cluster
	routing *sandbox.Routing
}

const table = "demo"

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t}
	r, err := sandbox.StartRouting(2, nil)
	if err != nil {
		t.Fatal(err)
	}
	w.routing = r
	t.Cleanup(func() { _ = r.Close() })
	for i, at := range []**sandbox.Cluster{&w.a, &w.b} {
		c, err := sandbox.Start(t.Context(), sandbox.Config{Name: string(rune('a' + i)), TimeFactor: 1000, Seed: uint64(i)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		*at = c
		// The ids of the table differ, and the other cluster does not serve the id of the first: see
		// TestJavaRepeatsWithTheOldID.
		for j := range i {
			name := fmt.Sprintf("other%d", j)
			w.create(c, name)
			if err := c.DropTable(name); err != nil {
				t.Fatal(err)
			}
		}
		w.create(c, table)
	}
	w.lead(w.a)
	return w
}

func (w *world) create(c *sandbox.Cluster, name string) {
	w.t.Helper()
	if _, err := c.CreateTable(sandbox.TableSpec{Name: name, Partitions: 4}); err != nil {
		w.t.Fatal(err)
	}
	if err := c.WaitHealthy(w.t.Context(), name); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) lead(c *sandbox.Cluster) {
	w.t.Helper()
	if err := w.routing.Lead(table, c); err != nil {
		w.t.Fatal(err)
	}
}

// deny puts a deny env on a table of a, on every replica at once; "" takes it off.
func (w *world) deny(value string) {
	w.t.Helper()
	const env = "replica.deny_client_request"
	err := w.a.SetEnvs(table, map[string]string{env: value})
	if value == "" {
		err = w.a.DeleteEnvs(table, env)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	w.a.SyncEnvs()
}

// move copies all rows from a to b.
func (w *world) move() {
	w.t.Helper()
	var rows []sandbox.Row
	if err := w.a.Dump(table, func(r sandbox.Row) error {
		rows = append(rows, sandbox.Row{Key: append([]byte{}, r.Key...), Value: append([]byte{}, r.Value...), Expire: r.Expire})
		return nil
	}); err != nil {
		w.t.Fatal(err)
	}
	if err := w.b.Load(table, func(yield func(sandbox.Row) bool) {
		for _, r := range rows {
			if !yield(r) {
				return
			}
		}
	}); err != nil {
		w.t.Fatal(err)
	}
}

// rows of a cluster's table.
func rows(c *sandbox.Cluster) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		more := true
		err := c.Dump(table, func(r sandbox.Row) error {
			if more {
				more = yield(Row{Key: append([]byte{}, r.Key...), Value: append([]byte{}, r.Value...), Expire: r.Expire}, nil)
			}
			return nil
		})
		if err != nil && more {
			yield(Row{}, err)
		}
	}
}

func (w *world) clusters() map[string][]string {
	return map[string][]string{"a": w.a.ReplicaServers(), "b": w.b.ReplicaServers()}
}

// check compares a journal with a cluster's table.
func (w *world) check(path string, c *sandbox.Cluster) *Report {
	w.t.Helper()
	f, err := os.Open(path)
	if err != nil {
		w.t.Fatal(err)
	}
	defer f.Close()
	r, err := Check(f, rows(c), time.Now())
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

// deadline ends with the test.
func deadline(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

// until polls with a deadline.
func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	for limit := time.Now().Add(30 * time.Second); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatalf("%s did not happen", what)
		}
	}
}
