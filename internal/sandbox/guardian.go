package sandbox

import (
	"slices"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// guard is one look of the leading meta at servers and partitions
// (partition_guardian.cpp). Cluster.mu must be held.
func (c *Cluster) guard(now time.Time) {
	if c.leader == nil || !c.active {
		return
	}
	for _, n := range c.nodes {
		if n.alive && !n.srv.up() && now.Sub(n.diedAt) >= c.timing.NodeGrace {
			c.nodeDead(n, now)
		}
	}
	c.purge(now)
	if c.effectiveLevel() <= idl.MetaFreezed {
		return
	}
	for _, t := range c.tables {
		if t.serving() {
			c.cureTable(t, now)
		}
	}
}

// cureTable takes one step for every partition that needs one.
func (c *Cluster) cureTable(t *table, now time.Time) {
	var loads map[*replicaNode]*load
	for _, p := range t.partitions {
		if p.complete() || p.moving != nil || p.copying || now.Before(p.cureAt) {
			continue
		}
		if loads == nil {
			loads = c.loads(t)
		}
		c.cure(p, loads, now)
	}
}

// load counts the replicas of a table on a server.
type load struct{ primaries, all int }

// loads counts the replicas of a table on every server.
func (c *Cluster) loads(t *table) map[*replicaNode]*load {
	loads := make(map[*replicaNode]*load, len(c.nodes))
	for _, n := range c.nodes {
		loads[n] = &load{}
	}
	for _, p := range t.partitions {
		if p.primary != nil {
			loads[p.primary].primaries++
			loads[p.primary].all++
		}
		for _, s := range p.secondaries {
			loads[s].all++
		}
	}
	return loads
}

// nodeDead takes the replicas of a dead server out of all partitions.
func (c *Cluster) nodeDead(n *replicaNode, now time.Time) {
	n.alive = false
	for _, p := range c.partitionsOn(n) {
		c.dropReplica(p, n)
		p.cureAt = now
		c.apply(p)
	}
}

// dropReplica removes n from a partition; each removal is a new ballot.
func (c *Cluster) dropReplica(p *partitionState, n *replicaNode) {
	if p.primary == n {
		p.primary = nil
	}
	p.secondaries = slices.DeleteFunc(slices.Clone(p.secondaries), func(s *replicaNode) bool { return s == n })
	p.lastDrops = append(slices.DeleteFunc(slices.Clone(p.lastDrops), func(s *replicaNode) bool { return s == n }), n)
	if p.moving == n {
		p.moving = nil
	}
	p.ballot++
}

// cure takes one step towards full membership: a primary first, then one secondary.
func (c *Cluster) cure(p *partitionState, loads map[*replicaNode]*load, now time.Time) {
	if p.primary == nil {
		n := c.nextPrimary(p, loads)
		if n == nil {
			return
		}
		if !p.has(n) {
			loads[n].all++
		}
		loads[n].primaries++
		switch {
		case p.following():
			c.copyMaster(p, n)
			return
		case p.restoring():
			c.restorePartition(p, n)
			return
		}
		c.promote(p, n)
	} else {
		n := c.nextSecondary(p, loads, now)
		if n == nil {
			return
		}
		loads[n].all++
		p.secondaries = append(slices.Clone(p.secondaries), n)
		p.lastDrops = slices.DeleteFunc(slices.Clone(p.lastDrops), func(s *replicaNode) bool { return s == n })
		p.ballot++
		c.learn(p, n)
	}
	p.cureAt = now.Add(c.timing.Learn/2 + c.spread(c.timing.Learn/2))
	c.apply(p)
}

// promote makes n the primary.
func (c *Cluster) promote(p *partitionState, n *replicaNode) {
	p.primary = n
	p.secondaries = slices.DeleteFunc(slices.Clone(p.secondaries), func(s *replicaNode) bool { return s == n })
	p.lastDrops = slices.DeleteFunc(slices.Clone(p.lastDrops), func(s *replicaNode) bool { return s == n })
	p.ballot++
	if n.replica(p.gpid()) == nil && !p.table.poisoned {
		// A new replica opens with the envs of the meta's proposal.
		r := n.open(p)
		r.part.mu.Lock()
		r.env.update(p.table.envs, p.table.envVersion, p.table.info.PartitionCount)
		r.part.mu.Unlock()
	}
}

// learn lets a new secondary take over the envs of its primary.
func (c *Cluster) learn(p *partitionState, n *replicaNode) {
	primary := p.primary.replica(p.gpid())
	r := n.open(p)
	if primary == nil {
		return
	}
	r.part.mu.Lock()
	defer r.part.mu.Unlock()
	r.adopt(primary, p.table)
}

// nextPrimary chooses who serves a partition without primary: a secondary, a server
// that had a replica, or for a new partition the server with the fewest primaries.
func (c *Cluster) nextPrimary(p *partitionState, loads map[*replicaNode]*load) *replicaNode {
	for _, s := range p.secondaries {
		if s.alive && s.srv.up() {
			return s
		}
	}
	for _, n := range slices.Backward(p.lastDrops) {
		if n.alive && n.srv.up() {
			return n
		}
	}
	if p.ballot > 0 && !p.table.poisoned {
		return nil // all replicas are on dead servers: it stays down until one returns
	}
	return c.leastLoaded(p, func(n *replicaNode) int { return loads[n].primaries })
}

// nextSecondary prefers servers that had the replica; others get it only when those
// stayed away for Timing.Dropout.
func (c *Cluster) nextSecondary(p *partitionState, loads map[*replicaNode]*load, now time.Time) *replicaNode {
	for _, n := range slices.Backward(p.lastDrops) {
		if n.alive && n.srv.up() && !p.has(n) {
			return n
		}
	}
	for _, n := range p.lastDrops {
		if !n.alive && now.Sub(n.diedAt) < c.timing.Dropout {
			return nil
		}
	}
	return c.leastLoaded(p, func(n *replicaNode) int { return loads[n].all })
}

// leastLoaded is the living server outside of the partition with the smallest load.
func (c *Cluster) leastLoaded(p *partitionState, loadOf func(*replicaNode) int) *replicaNode {
	var best *replicaNode
	offset := int(p.index)
	for i := range c.nodes {
		n := c.nodes[(i+offset)%len(c.nodes)]
		if !n.alive || !n.srv.up() || p.has(n) {
			continue
		}
		if best == nil || loadOf(n) < loadOf(best) {
			best = n
		}
	}
	return best
}

// partitionsOn are the partitions that a server serves.
func (c *Cluster) partitionsOn(n *replicaNode) []*partitionState {
	var list []*partitionState
	for _, t := range c.tables {
		for _, p := range t.partitions {
			if p.has(n) {
				list = append(list, p)
			}
		}
	}
	return list
}

// effectiveLevel is the level that the meta works at: it freezes by itself when less
// than 65 % of the servers live (node_live_percentage_threshold_for_update).
func (c *Cluster) effectiveLevel() idl.MetaLevel {
	alive := c.aliveCount()
	if alive == 0 || alive*100 < 65*len(c.nodes) {
		return min(c.level, idl.MetaFreezed)
	}
	return c.level
}

// aliveCount counts the servers that the meta believes alive.
func (c *Cluster) aliveCount() int {
	count := 0
	for _, n := range c.nodes {
		if n.alive {
			count++
		}
	}
	return count
}

// primaryLoad counts the primaries of a table on the server.
func (n *replicaNode) primaryLoad(t *table) int { return n.c.loads(t)[n].primaries }

// totalLoad counts the replicas of a table on the server.
func (n *replicaNode) totalLoad(t *table) int { return n.c.loads(t)[n].all }
