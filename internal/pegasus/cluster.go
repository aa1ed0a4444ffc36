package pegasus

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"

	"github.com/pegmigrate/pegmigrate/internal/wire"
)

// Cluster is an open cluster. It is safe for concurrent use.
type Cluster struct {
	cfg   Config
	http  *http.Client
	retry *retrier
	done  chan struct{} // closed by Close
	seek  chan struct{} // capacity 1: held by who looks for the leader
	wg    sync.WaitGroup

	mu     sync.Mutex
	closed bool
	metas  map[string]*wire.MetaConn
	order  []string          // the keys of metas, oldest first
	broken map[string]string // configured addresses that cannot be used, and why
	leader string            // the key of the leader, "" while unknown
	nodes  map[string]*wire.ReplicaConn
}

// Open finds the leader of the cluster. The error is a *NoLeaderError that says what
// each address answered; when every address gives a final answer (refused, no such
// host, another protocol) it comes after three rounds rather than after
// ClusterTimeout. The caller must Close the Cluster.
func Open(ctx context.Context, cfg Config) (*Cluster, error) {
	if len(cfg.MetaServers) == 0 {
		return nil, fmt.Errorf("cluster %q: no meta servers given", cfg.Name)
	}
	c := &Cluster{
		cfg:    cfg.withDefaults(),
		retry:  newRetrier(),
		done:   make(chan struct{}),
		seek:   make(chan struct{}, 1),
		metas:  make(map[string]*wire.MetaConn),
		broken: make(map[string]string),
		nodes:  make(map[string]*wire.ReplicaConn),
	}
	c.http = newHTTPClient(c.cfg.Wire)
	c.wg.Go(c.retry.run)
	ctx, cancel := context.WithTimeout(ctx, c.cfg.ClusterTimeout)
	defer cancel()
	for _, addr := range cfg.MetaServers {
		c.addConfigured(ctx, addr)
	}
	if _, err := c.findLeader(ctx, openRounds); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// Name is Config.Name.
func (c *Cluster) Name() string { return c.cfg.Name }

// Close fails everything in flight and ends all goroutines. Tables of the cluster
// cannot be used afterwards. It must not be called from a callback.
func (c *Cluster) Close() {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return
	}
	c.closed = true
	metas, nodes := c.metas, c.nodes
	c.mu.Unlock()
	close(c.done)
	// The queue goes first: connections that close hand their calls to it.
	c.retry.close()
	for _, m := range metas {
		m.Close()
	}
	for _, n := range nodes {
		n.Close()
	}
	c.wg.Wait()
}

// lifetime is a context that ends with parent and with the Cluster.
func (c *Cluster) lifetime(parent context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(parent)
	stopped := make(chan struct{})
	go func() {
		select {
		case <-c.done:
			cancel(ErrClosed)
		case <-stopped:
		}
	}()
	return ctx, func() {
		close(stopped)
		cancel(context.Canceled)
	}
}

// addConfigured resolves one configured address and adds what it stands for.
func (c *Cluster) addConfigured(ctx context.Context, addr string) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil || host == "" || port == "" {
		c.broken[addr] = "is not a host:port address"
		return
	}
	if net.ParseIP(host) != nil {
		c.addMeta(addr)
		return
	}
	hosts, err := c.cfg.LookupHost(ctx, host)
	if err != nil {
		c.broken[addr] = "cannot be resolved: " + err.Error()
		return
	}
	v4 := false
	for _, h := range hosts {
		// Pegasus knows only IPv4, but a name such as localhost may give both.
		if ip := net.ParseIP(h); ip != nil && ip.To4() != nil {
			v4 = true
			c.addMeta(net.JoinHostPort(h, port))
		}
	}
	if !v4 {
		c.broken[addr] = "has no IPv4 address"
	}
}

// addMeta makes addr a candidate; it is nil after Close.
func (c *Cluster) addMeta(addr string) *wire.MetaConn {
	c.mu.Lock()
	defer c.mu.Unlock()
	if m := c.metas[addr]; m != nil {
		return m
	}
	if c.closed {
		return nil
	}
	m := wire.NewMetaConn(addr, c.cfg.Wire)
	c.metas[addr] = m
	c.order = append(c.order, addr)
	return m
}

// candidates are the known meta addresses other than except.
func (c *Cluster) candidates(except string) []*wire.MetaConn {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []*wire.MetaConn
	for _, addr := range c.order {
		if addr != except {
			out = append(out, c.metas[addr])
		}
	}
	return out
}

// currentLeader is the leader as far as known, or nil.
func (c *Cluster) currentLeader() *wire.MetaConn {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.metas[c.leader]
}

// setLeader remembers addr as leader; forgetLeader forgets it if it still is.
func (c *Cluster) setLeader(addr string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.leader = addr
}

func (c *Cluster) forgetLeader(addr string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.leader == addr {
		c.leader = ""
	}
}

// node is the connection to a replica server. A known meta is refused, whatever a
// configuration says: a data request would kill it.
func (c *Cluster) node(addr string) (*wire.ReplicaConn, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, ErrClosed
	}
	if n := c.nodes[addr]; n != nil {
		return n, nil
	}
	if c.metas[addr] != nil {
		return nil, fmt.Errorf("%s is a meta server, not a replica server", addr)
	}
	n := wire.NewReplicaConn(addr, c.cfg.Wire)
	c.nodes[addr] = n
	return n, nil
}

// shut tells whether err is that somebody has closed the cluster.
func shut(err error) bool { return errors.Is(err, wire.ErrClosed) || errors.Is(err, ErrClosed) }
