package main

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/actuate"
	"github.com/pegmigrate/pegmigrate/internal/pegasus"
	"github.com/pegmigrate/pegmigrate/internal/sandbox"
	"github.com/pegmigrate/pegmigrate/internal/sandboxtest"
	"github.com/pegmigrate/pegmigrate/internal/traffic"
)

// What the rounds of a lane move.
const (
	dupRows       = 300
	dupPartitions = 4
	dupRate       = 150 // operations per second of all clients together
	dupClients    = "writer/go,writer/java,reader/go"
	// dupBudget is the declared one, dupSlack what a machine that has other things to do may add to it.
	dupBudget = 10 * time.Second
	dupSlack  = 20 * time.Second
)

// lane is two clusters that duplicate to each other, a ZooKeeper and two proxies. Its rounds run one
// after the other: a cut-over holds the balancer of the whole cluster.
type lane struct {
	ctx    context.Context
	cancel context.CancelFunc
	a, b   *sandbox.Cluster
	routes *sandbox.Routing
	// eyes look at the fences of both clusters, by the labels of the configuration.
	eyes *actuate.Fences
	dir  string
	n    int
	// direct says that the migrations have no metaproxy block: the window ends when everything is proven to
	// be on the target, and the clients stay where they are, which rejects them.
	direct bool
	// closers end what was started.
	closers []func()
}

func newLane(ctx context.Context, dir string, id int, direct bool) (_ *lane, err error) {
	l := &lane{dir: filepath.Join(dir, strconv.Itoa(id)), direct: direct}
	l.ctx, l.cancel = context.WithCancel(ctx)
	defer func() {
		if err != nil {
			l.close()
		}
	}()
	open := map[string]*pegasus.Cluster{}
	for i, c := range []**sandbox.Cluster{&l.a, &l.b} {
		name := []string{"a", "b"}[i]
		started, err := sandbox.Start(l.ctx, sandbox.Config{Name: name, Metas: 2, Replicas: 3, TimeFactor: 200,
			Seed: uint64(10*id + i + 1), RemoteClusters: []string{"a", "b"}})
		if err != nil {
			return nil, err
		}
		l.closers = append(l.closers, func() { _ = started.Close() })
		*c = started
		if open[name], err = pegasus.Open(l.ctx, pegasus.Config{Name: name, MetaServers: started.MetaServers()}); err != nil {
			return nil, err
		}
		l.closers = append(l.closers, open[name].Close)
	}
	l.eyes = actuate.NewFences(actuate.NewClusters(open))
	if err := sandbox.Link(l.a, l.b); err != nil {
		return nil, err
	}
	if l.routes, err = sandbox.StartRouting(2, nil); err != nil {
		return nil, err
	}
	l.closers = append(l.closers, func() { _ = l.routes.Close() })
	for _, c := range []*sandbox.Cluster{l.a, l.b} {
		if err := l.routes.Adopt(c); err != nil {
			return nil, err
		}
	}
	return l, nil
}

func (l *lane) close() {
	l.cancel()
	for _, end := range slices.Backward(l.closers) {
		end()
	}
}

// dupRound is one migration of one table, with clients at work.
type dupRound struct {
	l       *lane
	table   string
	dir     string // with the state
	without string // the same configuration, no state
	clients clients
	slow    int // how many commands ended because the machine is slow
}

// last is the table of the last round that was begun.
func (l *lane) last() string { return fmt.Sprintf("t%03d", l.n) }

// begin makes a filled table with a route and clients, and declares its migration. end has to be called.
func (l *lane) begin() (*dupRound, error) {
	l.n++
	r := &dupRound{l: l, table: l.last()}
	r.dir, r.without = filepath.Join(l.dir, r.table), filepath.Join(l.dir, r.table+"-without")
	if _, err := l.a.CreateTable(sandbox.TableSpec{Name: r.table, Partitions: dupPartitions, Replicas: 3}); err != nil {
		return nil, err
	}
	if err := l.a.WaitHealthy(l.ctx, r.table); err != nil {
		return nil, err
	}
	if err := l.a.Load(r.table, r.rows()); err != nil {
		return nil, err
	}
	if err := l.a.SetEnvs(r.table, sourceEnvs()); err != nil {
		return nil, err
	}
	l.a.SyncEnvs()
	if err := l.routes.Lead(r.table, l.a); err != nil {
		return nil, err
	}
	for _, dir := range []string{r.dir, r.without} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, err
		}
		if err := os.WriteFile(filepath.Join(dir, "migration.hcl"), []byte(r.config()), 0o600); err != nil {
			return nil, err
		}
	}
	return r, r.startClients()
}

// defaultTTL is the default_ttl of every source table.
const defaultTTL = 8640000 * time.Second

// sourceEnvs are those of every source table: two that must not be copied to a follower of 2.5, and two
// that nothing may happen to.
func sourceEnvs() map[string]string {
	return map[string]string{"business.info": "owned by payments", "default_ttl": strconv.Itoa(int(defaultTTL.Seconds())),
		"manual_compact.once.trigger_time": "1700000000", "replica.slow_query_threshold": "77"}
}

// rowExpiry is of the rows of every round.
var rowExpiry = sync.OnceValue(sandboxtest.Later)

func (r *dupRound) rows() iter.Seq[sandbox.Row] { return sandboxtest.Rows(dupRows, rowExpiry()) }

func (r *dupRound) config() string {
	list := func(s []string) string { return `"` + strings.Join(s, `", "`) + `"` }
	cutover := ""
	if !r.l.direct {
		cutover = fmt.Sprintf(`cutover {
    traffic_proof = "50ms"
    metaproxy {
      zookeeper = [%q]
      root      = %q
      proxies   = [%s]
    }
  }`, r.l.routes.ZooKeeper().Addr(), sandbox.RouteRoot, list(r.l.routes.ProxyAddrs()))
	}
	return fmt.Sprintf(`
cluster "a" { meta_servers = [%s] }
cluster "b" { meta_servers = [%s] }
migration "m" {
  source {
    cluster = cluster.a
    table   = %q
  }
  target { cluster = cluster.b }
  method "duplication" { drop_follower = true }
  %s
  limits { write_reject = %q }
}
`, list(r.l.a.MetaServers()), list(r.l.b.MetaServers()), r.table, cutover, dupBudget)
}

// end stops the clients and takes the tables away, so that the next round finds the clusters empty.
func (r *dupRound) end() {
	r.stopClients()
	for _, c := range []*sandbox.Cluster{r.l.a, r.l.b} {
		if c.HasTable(r.table) {
			_ = c.DropTable(r.table)
		}
	}
	_ = r.l.routes.ZooKeeper().Remove(sandbox.RoutePath(r.table))
}

// clients are applications at work.
type clients struct {
	cancel context.CancelFunc
	ended  chan struct{} // closed when summary and err are there

	summary traffic.Summary
	err     error

	mu sync.Mutex
	at map[string]string // which cluster serves which client
}

// serving is told by the traffic.
func (c *clients) serving(client, cluster string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at[client] = cluster
}

// servedBy tells whether all clients are served by one cluster, or by which they are.
func (c *clients) servedBy(cluster string) (bool, string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := len(c.at) == strings.Count(dupClients, ",")+1
	for _, at := range c.at {
		all = all && at == cluster
	}
	return all, fmt.Sprint(c.at)
}

func (r *dupRound) journal() string { return filepath.Join(r.l.dir, r.table+".journal") }

func (r *dupRound) startClients() error {
	ctx, cancel := context.WithCancel(r.l.ctx)
	c := &r.clients
	c.cancel, c.ended, c.at = cancel, make(chan struct{}), map[string]string{}
	cfg := traffic.Config{Proxies: r.l.routes.ProxyAddrs(), Table: r.table, Clients: dupClients, Rate: dupRate,
		Timeout: time.Second, Workers: 4, Journal: r.journal(), Serving: c.serving,
		Clusters: map[string][]string{"a": r.l.a.ReplicaServers(), "b": r.l.b.ReplicaServers()}}
	go func() {
		defer close(c.ended)
		c.summary, c.err = traffic.Run(ctx, cfg)
	}()
	return r.awaitClients("a")
}

// awaitClients waits until every client is served by the cluster.
func (r *dupRound) awaitClients(cluster string) error {
	var at string
	return r.await(time.Minute, func() error {
		var all bool
		if all, at = r.clients.servedBy(cluster); all {
			return nil
		}
		select {
		case <-r.clients.ended:
			return fmt.Errorf("the clients have ended: %w; they were served by %s", r.clients.err, at)
		default:
			return fmt.Errorf("the clients are served by %s, not by %s", at, cluster)
		}
	})
}

// await looks until there is no error any more, and returns the last one when the time is over.
func (r *dupRound) await(limit time.Duration, look func() error) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	over := time.After(limit)
	for {
		err := look()
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-over:
			return fmt.Errorf("for %v: %w", limit, err)
		}
	}
}

func (r *dupRound) stopClients() {
	r.clients.cancel()
	<-r.clients.ended
}

// checkJournal compares what was acknowledged to the writers with the rows of a cluster.
func (r *dupRound) checkJournal(c *sandbox.Cluster) (*traffic.Report, error) {
	journal, err := os.ReadFile(r.journal())
	if err != nil {
		return nil, err
	}
	rows := func(yield func(traffic.Row, error) bool) {
		more := true
		err := c.Dump(r.table, func(row sandbox.Row) error {
			if more {
				more = yield(traffic.Row{Key: bytes.Clone(row.Key), Value: bytes.Clone(row.Value), Expire: row.Expire}, nil)
			}
			return nil
		})
		if err != nil && more {
			yield(traffic.Row{}, err)
		}
	}
	return traffic.Check(bytes.NewReader(journal), rows, time.Now())
}
