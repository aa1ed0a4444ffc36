package sandbox

import (
	"slices"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// apply makes the replicas of a partition what the meta's configuration says. It is
// false when a server died of it. Cluster.mu must be held.
func (c *Cluster) apply(p *partitionState) bool {
	gpid := p.gpid()
	if p.table.poisoned && p.table.serving() {
		return c.crashOpeners(p)
	}
	minMembers := minMembers(int(p.table.info.MaxReplicaCount))
	for _, n := range c.nodes {
		r := n.replica(gpid)
		if r == nil || !n.srv.up() {
			continue
		}
		status := idl.ReplicaInactive
		switch {
		case p.primary == n:
			status = idl.ReplicaPrimary
		case slices.Contains(p.secondaries, n):
			status = idl.ReplicaSecondary
		}
		r.part.mu.Lock()
		r.members, r.minMembers = 1+len(p.secondaries), minMembers
		r.maxMembers = int(p.table.info.MaxReplicaCount)
		changed := r.status != status || r.ballot != p.ballot
		r.part.mu.Unlock()
		switch {
		case !changed:
		case status == idl.ReplicaPrimary:
			c.settle(p, r)
		default:
			r.become(status, p.ballot)
		}
	}
	if p.primary == nil || !p.primary.srv.up() {
		p.settling = 0
	}
	return true
}

// settle lets a replica take over a ballot as primary: it keeps its old ballot and
// serves nothing for Timing.Inactive, although the meta lists it already.
func (c *Cluster) settle(p *partitionState, r *replica) {
	ballot := p.ballot
	if p.settling == ballot {
		return
	}
	p.settling = ballot
	r.suspend()
	c.afterLocked(c.timing.Inactive, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if p.settling != ballot {
			return
		}
		p.settling = 0
		if p.primary == r.node && p.ballot == ballot && r.node.srv.up() && r.node.replica(r.gpid) == r {
			r.become(idl.ReplicaPrimary, ballot)
		}
	})
}

// crashOpeners ends every server that has to open a replica of a table that was
// created with an env which servers cannot open (facts 14.9).
func (c *Cluster) crashOpeners(p *partitionState) bool {
	crashed := false
	for _, n := range c.nodes {
		if p.has(n) && n.srv.up() {
			c.killNodeLocked(n)
			crashed = true
		}
	}
	return !crashed
}

// minMembers is app_mutation_2pc_min_replica_count: how many replicas must be there
// for a write.
func minMembers(maxReplicas int) int {
	if maxReplicas <= 2 {
		return 1
	}
	return maxReplicas/2 + 1
}

// movePrimary takes the primary away from where it is; after Timing.MoveGap it is
// at n. Cluster.mu must be held.
func (c *Cluster) movePrimary(p *partitionState, n *replicaNode) {
	p.secondaries = append(slices.Clone(p.secondaries), p.primary)
	p.primary, p.moving = nil, n
	p.ballot++
	c.apply(p)
	c.afterLocked(c.timing.MoveGap, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if p.moving != n {
			return // the target died meanwhile, the guardian chooses another one
		}
		p.moving = nil
		if p.primary == nil && n.srv.up() {
			c.promote(p, n)
			c.apply(p)
		}
	})
}

// balance moves one primary from the server with the most to one with at least two
// fewer, which is what a meta at level lively does.
func (c *Cluster) balance() {
	if c.leader == nil || !c.active || c.effectiveLevel() < idl.MetaLively {
		return
	}
	for _, t := range c.tables {
		if !t.healthy() {
			continue
		}
		loads := c.loads(t)
		for _, p := range t.partitions {
			for _, s := range p.secondaries {
				if loads[s].primaries+2 <= loads[p.primary].primaries {
					c.movePrimary(p, s)
					return
				}
			}
		}
	}
}
