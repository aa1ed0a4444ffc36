package sandbox

import (
	"fmt"
	"maps"
	"sync/atomic"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// replicaNode is one replica server: a process that can die and come back, with the
// replicas on its disk.
type replicaNode struct {
	c     *Cluster
	srv   *server
	index int

	// deaf is the remote command replica.deny-client: data requests get no answer.
	deaf atomic.Bool
	// replicas is read by every data request; it is replaced, never changed.
	replicas atomic.Pointer[map[int32]*tableReplicas]
	// checkpoints counts those that are being made for duplications.
	checkpoints atomic.Int64
	// load are the queues of a limited capacity, nil for none; replaced, never changed.
	load atomic.Pointer[[]*workQueue]
	// downloads counts replicas that download for a bulk load, compactions those that compact.
	downloads, compactions atomic.Int64
	moves                  transfers

	// Guarded by Cluster.mu.
	alive     bool // as the meta sees it
	diedAt    time.Time
	startedAt time.Time
}

// tableReplicas are the replicas of one table on one server, by partition.
type tableReplicas struct{ parts []atomic.Pointer[replica] }

func newReplicaNode(c *Cluster, srv *server, index int) *replicaNode {
	n := &replicaNode{c: c, srv: srv, index: index, alive: true, startedAt: c.now()}
	n.replicas.Store(&map[int32]*tableReplicas{})
	return n
}

// replica finds a replica on this server, nil for none.
func (n *replicaNode) replica(gpid idl.Gpid) *replica {
	t := (*n.replicas.Load())[gpid.AppID]
	if t == nil || gpid.Partition < 0 || int(gpid.Partition) >= len(t.parts) {
		return nil
	}
	return t.parts[gpid.Partition].Load()
}

// open gives the server a replica of a partition, the one that it has or a new one.
// Cluster.mu must be held.
func (n *replicaNode) open(p *partitionState) *replica {
	old := *n.replicas.Load()
	t := old[p.table.info.AppID]
	if t == nil {
		t = &tableReplicas{parts: make([]atomic.Pointer[replica], len(p.table.partitions))}
		next := maps.Clone(old)
		next[p.table.info.AppID] = t
		n.replicas.Store(&next)
	}
	if r := t.parts[p.index].Load(); r != nil {
		return r
	}
	r := newReplica(n, p.table, p.index)
	t.parts[p.index].Store(r)
	return r
}

// dropTable removes the replicas of a table from the server. Cluster.mu must be held.
func (n *replicaNode) dropTable(appID int32) {
	next := maps.Clone(*n.replicas.Load())
	if t := next[appID]; t != nil {
		for i := range t.parts {
			if r := t.parts[i].Load(); r != nil {
				r.part.mu.Lock()
				r.dropDups()
				r.part.mu.Unlock()
			}
		}
	}
	delete(next, appID)
	n.replicas.Store(&next)
}

// each calls f for every replica on the server, in no particular order.
func (n *replicaNode) each(f func(*replica)) {
	for _, t := range *n.replicas.Load() {
		for i := range t.parts {
			if r := t.parts[i].Load(); r != nil {
				f(r)
			}
		}
	}
}

// killNode ends a replica server. The meta notices after Timing.NodeGrace.
func (c *Cluster) killNode(n *replicaNode) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.killNodeLocked(n)
}

func (c *Cluster) killNodeLocked(n *replicaNode) {
	if !n.srv.up() {
		return
	}
	n.srv.stop()
	n.diedAt = c.now()
	n.each(func(r *replica) {
		r.become(idl.ReplicaInactive, r.ballot)
		r.part.mu.Lock()
		clear(r.ops)
		clear(r.latencies)
		// Memory is gone: envs come back with config sync, a default TTL whose env was
		// deleted does not.
		r.env = newReplicaEnv()
		r.dropDups()
		r.duplicating, r.rejected = false, 0
		r.shipper, r.shippedOps, r.failedShips = false, 0, 0
		clear(r.cold)
		r.clearBulk()
		r.manual.restart()
		r.counts = replicaCounts{}
		r.part.mu.Unlock()
	})
}

// startNode runs a dead replica server again. Its replicas serve when the meta has
// given them a role.
func (c *Cluster) startNode(n *replicaNode) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return errClosed
	}
	if n.srv.up() {
		return nil
	}
	if err := n.srv.start(); err != nil {
		return err
	}
	n.startedAt = c.now()
	if !n.alive {
		n.alive = true
		return nil
	}
	return c.reopen(n)
}

// reopen gives a server that came back before the meta missed it the roles that it
// still has; each primary gets a new ballot.
func (c *Cluster) reopen(n *replicaNode) error {
	for _, p := range c.partitionsOn(n) {
		if p.primary == n {
			p.ballot++
		}
		if !c.apply(p) {
			return nil // it crashed again
		}
	}
	return nil
}

// nodeAt is the server with an index.
func (c *Cluster) nodeAt(i int) (*replicaNode, error) {
	if i < 0 || i >= len(c.nodes) {
		return nil, fmt.Errorf("sandbox: no replica server %d, there are %d", i, len(c.nodes))
	}
	return c.nodes[i], nil
}
