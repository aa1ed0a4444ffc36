package sandbox

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/idl"
	"github.com/pegmigrate/pegmigrate/internal/pegkey"
)

// Cluster is a running cluster of metas and replica servers. All methods are safe
// for concurrent use.
//
// Two kinds of lock guard it: mu for everything that a meta knows, and one per
// partition for rows, decrees and roles of replicas. mu is taken first. Requests
// for data take only the partition's.
type Cluster struct {
	cfg Config
	// release is Config.Version.
	release release
	timing  Timing
	ops     int
	metas   []*metaServer
	nodes   []*replicaNode
	flags   []flag // as recorded, see flagValues

	done chan struct{} // closed by Close
	wg   sync.WaitGroup

	// hooks is what requests ask: the configured hook and the injected faults.
	hooks  atomic.Pointer[Hook]
	faults faultSet
	// zooKeeper is what SetZooKeeper said, nil before.
	zooKeeper atomic.Pointer[string]

	mu     sync.Mutex
	closed bool
	random *rand.Rand
	tables []*table // by id, ascending; dropped ones included
	lastID int32
	level  idl.MetaLevel
	leader *metaServer // nil while none is elected
	active bool        // the leader has read its state
	peers  []*Cluster  // linked ones, this one included
	// backups is in the memory of the leading meta, bulkLoads by table is not. bulkLock lets
	// one load at a time run.
	backups   []*coldBackup
	bulkLoads map[int32]*bulkLoad
	bulkLock  bool

	// files guards scratchDir, "" until a replica keeps files.
	files      sync.Mutex
	scratchDir string
}

// Start starts a cluster and returns when all its servers listen. Cancelling ctx
// later has no effect; Close ends the cluster.
func Start(ctx context.Context, cfg Config) (*Cluster, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	c := &Cluster{
		cfg:    cfg,
		timing: newTiming(cfg.TimeFactor),
		ops:    opCount(),
		done:   make(chan struct{}),
		random: rand.New(rand.NewPCG(cfg.Seed, 0x70656761737573)),
		level:  idl.MetaLively,

		bulkLoads: make(map[int32]*bulkLoad),
	}
	if c.release, err = releaseOf(cfg.Version); err != nil {
		return nil, err
	}
	if c.flags, err = parseFlags(flagList); err != nil {
		return nil, err
	}
	c.resetHook()
	if late := cfg.LateCommit; late.Delay != 0 {
		if _, err := c.Inject(Fault{Kind: FaultLateCommit, Delay: late.Delay, Share: late.Share, Times: late.Times}); err != nil {
			return nil, err
		}
	}
	if err := c.listen(); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	if limit := cfg.Capacity; limit.Rows != 0 || limit.Bytes != 0 {
		if _, err := c.Inject(Fault{Kind: FaultCapacity, RPC: limit.RPC, Delay: limit.Delay, Code: limit.Code, Rows: limit.Rows, Bytes: limit.Bytes}); err != nil {
			return nil, errors.Join(err, c.Close())
		}
	}
	for _, s := range c.servers() {
		s.peers.cfg = c.firstPeers()
	}
	c.leader, c.active = c.metas[0], true
	c.startTimers()
	return c, nil
}

// listen creates all servers and starts them.
func (c *Cluster) listen() error {
	metaTable, replicaTable := tableFor(onMeta, c.release), tableFor(onReplica, c.release)
	for range c.cfg.Metas {
		srv, err := newServer(c, c.cfg.Listen, metaTable)
		if err != nil {
			return err
		}
		m := &metaServer{srv: srv}
		srv.meta = m
		c.metas = append(c.metas, m)
		if err := srv.start(); err != nil {
			return err
		}
	}
	for i := range c.cfg.Replicas {
		srv, err := newServer(c, c.cfg.Listen, replicaTable)
		if err != nil {
			return err
		}
		n := newReplicaNode(c, srv, i)
		srv.node = n
		c.nodes = append(c.nodes, n)
		if err := srv.start(); err != nil {
			return err
		}
	}
	slices.SortFunc(c.nodes, func(a, b *replicaNode) int { return int(int64(a.srv.wire>>16) - int64(b.srv.wire>>16)) })
	for i, n := range c.nodes {
		n.index = i
	}
	return nil
}

// Close ends all servers and waits until nothing of the cluster runs any more. It
// may be called more than once.
func (c *Cluster) Close() error {
	c.mu.Lock()
	first := !c.closed
	c.closed = true
	c.mu.Unlock()
	if first {
		close(c.done)
		for _, m := range c.metas {
			m.srv.stop()
		}
		for _, n := range c.nodes {
			n.srv.stop()
		}
	}
	c.wg.Wait()
	return c.removeScratch()
}

// begin counts one more goroutine or callback, unless the cluster is closed; the
// caller then owes a wg.Done.
func (c *Cluster) begin() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return false
	}
	c.wg.Add(1)
	return true
}

// Name is the cluster's own name.
func (c *Cluster) Name() string { return c.cfg.Name }

// Timing is the intervals that the cluster works with.
func (c *Cluster) Timing() Timing { return c.timing }

// MetaServers are the addresses of all metas, dead ones included.
func (c *Cluster) MetaServers() []string {
	list := make([]string, 0, len(c.metas))
	for _, m := range c.metas {
		list = append(list, m.srv.addr)
	}
	return list
}

// ReplicaServers are the addresses of all replica servers, dead ones included, in
// the order that indices of other methods refer to.
func (c *Cluster) ReplicaServers() []string {
	list := make([]string, 0, len(c.nodes))
	for _, n := range c.nodes {
		list = append(list, n.srv.addr)
	}
	return list
}

// rand64 is a random number; c.mu must be held.
func (c *Cluster) rand64() uint64 { return c.random.Uint64() }

// spread is a random share of d; c.mu must be held.
func (c *Cluster) spread(d time.Duration) time.Duration {
	return time.Duration(c.random.Float64() * float64(d))
}

// hook is what calls are shown to, nil for nothing.
func (c *Cluster) hook() Hook {
	if h := c.hooks.Load(); h != nil {
		return *h
	}
	return nil
}

// rowTime is what the clocks of the servers show, in seconds since 2016: the time by
// which rows expire.
func (c *Cluster) rowTime() uint32 { return pegkey.ExpireTs(c.now().Add(c.cfg.ClockSkew)) }

// now is the cluster's time.
func (c *Cluster) now() time.Time { return c.cfg.Clock.Now() }
