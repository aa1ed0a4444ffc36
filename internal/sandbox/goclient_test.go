package sandbox

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/apache/incubator-pegasus/go-client/pegalog"
	"github.com/apache/incubator-pegasus/go-client/pegasus"
)

// The tests in goclient_*_test.go drive the sandbox through the public API of
// Apache's own Go client, which knows nothing of this project: what it believes of
// Pegasus, the sandbox has to fulfil. Partition counts are powers of two and
// timeouts below 4.3 s, since the client cannot do more.

// goClientTimeout is the deadline of one call.
const goClientTimeout = 4 * time.Second

// silentLogger keeps the client from writing ./pegasus.log.
type silentLogger struct{ t testing.TB }

func (l silentLogger) Fatal(args ...any)                 { l.t.Fatal(args...) }
func (l silentLogger) Fatalf(format string, args ...any) { l.t.Fatalf(format, args...) }
func (silentLogger) Print(...any)                        {}
func (silentLogger) Printf(string, ...any)               {}

// shiftedClock is the machine's clock, which can be put forward: rows expire at once
// that way, and nothing else has to wait.
type shiftedClock struct {
	systemClock
	shift atomic.Int64
}

func (c *shiftedClock) Now() time.Time { return time.Now().Add(time.Duration(c.shift.Load())) }

func (c *shiftedClock) forward(d time.Duration) { c.shift.Add(int64(d)) }

// goTable is a table opened by the Go client on a cluster of two metas, of which the
// one named first does not lead.
type goTable struct {
	pegasus.TableConnector
	t     *testing.T
	c     *Cluster
	clock *shiftedClock
}

func openGoTable(t *testing.T, partitions int32) goTable {
	t.Helper()
	clock := &shiftedClock{}
	cfg := fast()
	cfg.Metas, cfg.Clock = 2, clock
	c := start(t, cfg)
	newTable(t, c, TableSpec{Name: "apache", Partitions: partitions})
	pegalog.SetLogger(silentLogger{t})
	metas := c.MetaServers()
	if metas[0] == c.Leader() {
		metas[0], metas[1] = metas[1], metas[0]
	}
	client := pegasus.NewClient(pegasus.Config{MetaServers: metas})
	t.Cleanup(func() {
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	})
	table, err := client.OpenTable(deadline(t, goClientTimeout), "apache")
	if err != nil {
		t.Fatal(err)
	}
	return goTable{TableConnector: table, t: t, c: c, clock: clock}
}

// deadline is a context that ends after d, or with the test.
func deadline(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

func (g goTable) ctx() context.Context { return deadline(g.t, goClientTimeout) }

// must fails the test on an error.
func (g goTable) must(err error) {
	g.t.Helper()
	if err != nil {
		g.t.Fatal(err)
	}
}

// set stores a row.
func (g goTable) set(hashKey, sortKey, value string) {
	g.t.Helper()
	g.must(g.Set(g.ctx(), []byte(hashKey), []byte(sortKey), []byte(value)))
}

// wants checks a value; "-" stands for no row.
func (g goTable) wants(hashKey, sortKey, want string) {
	g.t.Helper()
	value, err := g.Get(g.ctx(), []byte(hashKey), []byte(sortKey))
	g.must(err)
	got := string(value)
	if value == nil {
		got = "-"
	}
	if got != want {
		g.t.Errorf("%q/%q holds %q, want %q", hashKey, sortKey, got, want)
	}
}
