package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/pegmigrate/pegmigrate/internal/sandbox/metaproxy"
	"github.com/pegmigrate/pegmigrate/internal/sandbox/zookeeper"
)

// RouteRoot is the node above the route records of a sandbox, the one of MetaProxy's example.
const RouteRoot = "/pegasus-cluster"

// maxProxies bounds the proxies of a sandbox; it shares one process.
const maxProxies = 16

// Routing is what stands before the clusters of a sandbox: a ZooKeeper with route records and the
// proxies that read them. All methods are safe for concurrent use.
type Routing struct {
	zk  *zookeeper.Server
	log func(string)

	mu      sync.Mutex
	proxies []*metaproxy.Proxy
}

// StartRouting starts a ZooKeeper and n proxies, 0 to 16. What the proxies log goes to log, which
// may be nil.
func StartRouting(n int, log io.Writer) (*Routing, error) {
	r := &Routing{log: func(string) {}}
	if log != nil {
		var mu sync.Mutex
		r.log = func(line string) {
			mu.Lock()
			defer mu.Unlock()
			fmt.Fprintf(log, "metaproxy: %s\n", line)
		}
	}
	zk, err := zookeeper.Start(zookeeper.Config{})
	if err != nil {
		return nil, err
	}
	r.zk = zk
	err = zk.Put(RouteRoot, nil)
	for range n {
		if err == nil {
			_, err = r.AddProxy()
		}
	}
	if err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

// AddProxy starts one more proxy.
func (r *Routing) AddProxy() (*metaproxy.Proxy, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.proxies) == maxProxies {
		return nil, fmt.Errorf("sandbox: there are %d proxies, more are not started", maxProxies)
	}
	p, err := metaproxy.Start(metaproxy.Config{ZooKeeper: []string{r.zk.Addr()}, Root: RouteRoot, Log: r.log})
	if err != nil {
		return nil, err
	}
	r.proxies = append(r.proxies, p)
	return p, nil
}

// ZooKeeper is the server that holds the records.
func (r *Routing) ZooKeeper() *zookeeper.Server { return r.zk }

// Proxies are all proxies, dead ones included.
func (r *Routing) Proxies() []*metaproxy.Proxy {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.proxies)
}

// ProxyAddrs are the addresses of all proxies, dead ones included.
func (r *Routing) ProxyAddrs() []string {
	addrs := []string{}
	for _, p := range r.Proxies() {
		addrs = append(addrs, p.Addr())
	}
	return addrs
}

// Close ends the proxies and ZooKeeper.
func (r *Routing) Close() error {
	var errs []error
	for _, p := range r.Proxies() {
		errs = append(errs, p.Close())
	}
	return errors.Join(append(errs, r.zk.Close())...)
}

// RoutePath is where the record of a table is.
func RoutePath(table string) string { return RouteRoot + "/" + table }

// Lead writes the record of a table: it leads to c. It does not ask whether c has the table.
func (r *Routing) Lead(table string, c *Cluster) error {
	record, err := json.Marshal(struct {
		Cluster string `json:"cluster_name"`
		Metas   string `json:"meta_addrs"`
	}{c.Name(), metaList(c)})
	if err != nil {
		return fmt.Errorf("sandbox: record: %w", err)
	}
	return r.SetRecord(table, string(record))
}

// metaList names the metas of a cluster as records do: a single one twice.
func metaList(c *Cluster) string {
	metas := c.MetaServers()
	if len(metas) == 1 {
		metas = append(metas, metas[0])
	}
	return strings.Join(metas, ",")
}

// SetRecord writes any text as the record of a table.
func (r *Routing) SetRecord(table, record string) error {
	if table == "" || strings.Contains(table, "/") {
		return fmt.Errorf("sandbox: %q is no name of a table", table)
	}
	return r.zk.Put(RoutePath(table), []byte(record))
}

// Record reads the record of a table; ok is false when there is none.
func (r *Routing) Record(table string) (record string, version int32, ok bool) {
	raw, stat, ok := r.zk.Get(RoutePath(table))
	return string(raw), stat.Version, ok
}

// LeadsTo is the cluster name in the record of a table, "" without a readable record.
func (r *Routing) LeadsTo(table string) string {
	record, _, _ := r.Record(table)
	var names struct {
		Cluster string `json:"cluster_name"`
	}
	if json.Unmarshal([]byte(record), &names) != nil {
		return ""
	}
	return names.Cluster
}

// routeShown is what `route show` prints as a line of JSON.
type routeShown struct {
	Table   string `json:"table"`
	Path    string `json:"path"`
	Record  string `json:"record"`
	Version int32  `json:"version"`
}

// routingShown describes the servers.
type routingShown struct {
	ZooKeeper string       `json:"zookeeper"`
	Up        bool         `json:"up"`
	Root      string       `json:"root"`
	Sessions  int          `json:"sessions"`
	Proxies   []proxyShown `json:"proxies"`
}

type proxyShown struct {
	Addr string `json:"addr"`
	Up   bool   `json:"up"`
	Died string `json:"died,omitempty"`
}

// Show writes the servers and then the record of each table, or of one, as lines of JSON.
func (r *Routing) Show(table string, out io.Writer) error {
	enc := json.NewEncoder(out)
	shown := routingShown{ZooKeeper: r.zk.Addr(), Up: r.zk.Up(), Root: RouteRoot, Sessions: r.zk.Sessions(), Proxies: []proxyShown{}}
	for _, p := range r.Proxies() {
		shown.Proxies = append(shown.Proxies, proxyShown{p.Addr(), p.Up(), p.Died()})
	}
	if err := enc.Encode(shown); err != nil {
		return err
	}
	tables := r.zk.Children(RouteRoot)
	if table != "" {
		tables = []string{table}
	}
	for _, name := range tables {
		record, version, ok := r.Record(name)
		if !ok {
			return fmt.Errorf("sandbox: table %s has no route record", name)
		}
		if err := enc.Encode(routeShown{name, RoutePath(name), record, version}); err != nil {
			return err
		}
	}
	return nil
}

// Adopt makes a cluster report the ZooKeeper as its own, in which it gets the node where its state
// would be.
func (r *Routing) Adopt(c *Cluster) error {
	if err := r.zk.Put(zooKeeperRoot(c.Name()), nil); err != nil {
		return err
	}
	c.SetZooKeeper(r.zk.Addr())
	return nil
}

// SetZooKeeper changes Config.ZooKeeper.
func (c *Cluster) SetZooKeeper(hosts string) { c.zooKeeper.Store(&hosts) }

// zooKeeperHosts is where the cluster says that its ZooKeeper is.
func (c *Cluster) zooKeeperHosts() string {
	if hosts := c.zooKeeper.Load(); hosts != nil {
		return *hosts
	}
	return c.cfg.ZooKeeper
}
