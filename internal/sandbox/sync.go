package sandbox

import (
	"time"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// startTimers starts everything that happens by itself. Each server has phases of
// its own, so that envs do not reach all partitions at once.
func (c *Cluster) startTimers() {
	c.mu.Lock()
	defer c.mu.Unlock()
	constant := func(d time.Duration) func() time.Duration { return func() time.Duration { return d } }
	c.every(c.timing.Guardian, constant(c.timing.Guardian), func() { c.guard(c.now()) })
	c.every(c.timing.Balance, constant(c.timing.Balance), c.balance)
	for _, n := range c.nodes {
		c.every(c.spread(c.timing.ConfigSync), n.configSyncInterval, func() { c.configSync(n) })
		c.every(c.spread(c.timing.GroupCheck), constant(c.timing.GroupCheck), func() { c.groupCheck(n) })
	}
	for _, n := range c.nodes {
		c.every(c.spread(c.timing.DupSync), constant(c.timing.DupSync), func() { c.dupSync(n) })
	}
}

// every calls f under Cluster.mu, first after the given time and then periodically;
// the period is asked for each time.
func (c *Cluster) every(first time.Duration, period func() time.Duration, f func()) {
	var tick func()
	tick = func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		f()
		c.afterLocked(period(), tick)
	}
	c.afterLocked(first, tick)
}

// afterLocked is after for callers that hold Cluster.mu. f runs without it.
func (c *Cluster) afterLocked(d time.Duration, f func()) { c.after(d, f) }

// configSync brings the meta's envs to the primaries on one server, and to all replicas
// there whether their table is duplicated (replica_stub::query_configuration_by_node).
func (c *Cluster) configSync(n *replicaNode) {
	if !n.srv.up() || c.leader == nil || !c.active {
		return
	}
	for _, t := range c.tables {
		if !t.serving() {
			continue
		}
		c.reportCompactions(n, t)
		for _, p := range t.partitions {
			r := n.replica(p.gpid())
			if r == nil {
				continue
			}
			r.syncDuplicating(t)
			if p.primary == n {
				r.syncEnvs(t)
			}
		}
	}
}

// syncDuplicating takes over whether the table is duplicated.
func (r *replica) syncDuplicating(t *table) {
	r.part.mu.Lock()
	defer r.part.mu.Unlock()
	r.duplicating = t.info.Duplicating != nil && *t.info.Duplicating
}

// syncEnvs takes over the table's envs.
func (r *replica) syncEnvs(t *table) {
	r.part.mu.Lock()
	defer r.part.mu.Unlock()
	if r.env.update(t.envs, t.envVersion, t.info.PartitionCount) {
		r.requestCompaction()
	}
	r.compactIfNeeded()
}

// adopt takes over what the primary knows of envs and decree, as group check and
// learning do. Both replicas share the partition's lock, which must be held, and
// the rows, so that a compaction has nothing left to do.
func (r *replica) adopt(primary *replica, t *table) {
	r.synced = r.part.decree
	r.dropDups()
	if primary.env.version > r.env.version && r.env.update(primary.env.envs, primary.env.version, t.info.PartitionCount) {
		r.requestCompaction()
	}
}

// groupCheck is what the primaries on one server do every group_check_interval:
// they write an empty mutation if nothing else was written, and tell secondaries
// envs and decree.
func (c *Cluster) groupCheck(n *replicaNode) {
	if !n.srv.up() {
		return
	}
	for _, t := range c.tables {
		if !t.serving() {
			continue
		}
		for _, p := range t.partitions {
			if p.primary == n {
				c.groupCheckOne(p, n)
			}
		}
	}
}

func (c *Cluster) groupCheckOne(p *partitionState, n *replicaNode) {
	primary := n.replica(p.gpid())
	if primary == nil {
		return
	}
	primary.part.mu.Lock()
	defer primary.part.mu.Unlock()
	if primary.status != idl.ReplicaPrimary {
		return
	}
	for _, s := range p.secondaries {
		if r := s.replica(p.gpid()); r != nil && s.srv.up() {
			r.adopt(primary, p.table)
		}
	}
	// The empty write comes after the news about decrees (replica::broadcast_group_check):
	// secondaries of idle partitions are always one behind. It is only written when the
	// last prepare is a whole interval old.
	idle := !primary.now().Before(primary.part.prepared.Add(c.timing.GroupCheck))
	if idle && primary.members >= primary.minMembers {
		primary.part.empty()
	}
	primary.scans.expire(primary.now(), c.timing.ScanContext)
}
