package sandbox

import "fmt"

// KillReplica ends the replica server with an index of ReplicaServers, as kill -9
// does. The meta notices after Timing.NodeGrace.
func (c *Cluster) KillReplica(i int) error {
	n, err := c.nodeAt(i)
	if err != nil {
		return err
	}
	c.killNode(n)
	return nil
}

// RestartReplica runs a dead replica server again, with the data on its disk.
func (c *Cluster) RestartReplica(i int) error {
	n, err := c.nodeAt(i)
	if err != nil {
		return err
	}
	return c.startNode(n)
}

// ReplicaUp tells whether the process of a replica server runs.
func (c *Cluster) ReplicaUp(i int) bool {
	n, err := c.nodeAt(i)
	return err == nil && n.srv.up()
}

// KillMeta ends the meta server with an index of MetaServers.
func (c *Cluster) KillMeta(i int) error {
	m, err := c.metaAt(i)
	if err != nil {
		return err
	}
	c.killMeta(m)
	return nil
}

// RestartMeta runs a dead meta server again.
func (c *Cluster) RestartMeta(i int) error {
	m, err := c.metaAt(i)
	if err != nil {
		return err
	}
	return c.startMeta(m)
}

// MetaUp tells whether the process of a meta server runs.
func (c *Cluster) MetaUp(i int) bool {
	m, err := c.metaAt(i)
	return err == nil && m.srv.up()
}

// Leader is the address of the leading meta, "" while there is none.
func (c *Cluster) Leader() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.leader == nil {
		return ""
	}
	return c.leader.srv.addr
}

// LoseMetaLeader ends the leading meta, as losing its ZooKeeper session does. It is
// started again right after the election that follows, so a single meta comes back
// as leader.
func (c *Cluster) LoseMetaLeader() {
	c.mu.Lock()
	defer c.mu.Unlock()
	lost := c.leader
	if lost == nil {
		return
	}
	c.killMetaLocked(lost)
	c.afterLocked(c.timing.Election+c.timing.LeaderStart, func() {
		// The port is free unless something outside took it; then the meta stays dead.
		_ = c.startMeta(lost)
	})
}

// MovePrimary moves the primary of a partition to its first living secondary.
func (c *Cluster) MovePrimary(table string, partition int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	p, err := c.partitionOf(table, partition)
	if err != nil {
		return err
	}
	if p.primary != nil && p.moving == nil {
		for _, s := range p.secondaries {
			if s.srv.up() {
				c.movePrimary(p, s)
				return nil
			}
		}
	}
	return fmt.Errorf("sandbox: move primary of table %q partition %d: %w", table, partition, errNoPrimary)
}

// Primary is the address of a partition's primary, "" while it has none.
func (c *Cluster) Primary(table string, partition int) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	p, err := c.partitionOf(table, partition)
	if err != nil || p.primary == nil {
		return ""
	}
	return p.primary.srv.addr
}

// LoseScans makes every replica forget its open scans.
func (c *Cluster) LoseScans() {
	for _, n := range c.nodes {
		n.each(func(r *replica) {
			r.part.mu.Lock()
			r.scans.clear()
			r.part.mu.Unlock()
		})
	}
}

// CutConnections closes every connection to every server, which go on.
func (c *Cluster) CutConnections() {
	for _, m := range c.metas {
		m.srv.cutAll()
	}
	for _, n := range c.nodes {
		n.srv.cutAll()
	}
}

// Compact is the automatic compaction of all partitions of a table: expired rows go
// and rows without expiry get the default TTL that the primary knows, without any
// mutation (KeyWithTTLCompactionFilter). Unlike Sweep it leaves no trace as a manual
// compaction would.
func (c *Cluster) Compact(table string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	t, err := c.mustFind(table)
	if err != nil {
		return err
	}
	for _, p := range t.partitions {
		if p.primary == nil {
			continue
		}
		if r := p.primary.replica(p.gpid()); r != nil {
			r.part.mu.Lock()
			if r.env.scenario != scenarioBulkLoad { // it forbids automatic compactions
				r.part.sweep(r.nowTs(), &r.env)
			}
			r.part.mu.Unlock()
		}
	}
	return nil
}

// Sweep removes expired rows of a table as a compaction would.
func (c *Cluster) Sweep(table string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	t, err := c.mustFind(table)
	if err != nil {
		return err
	}
	for _, p := range t.partitions {
		if p.primary == nil {
			continue
		}
		r := p.primary.replica(p.gpid())
		r.part.mu.Lock()
		r.compact()
		r.part.mu.Unlock()
	}
	return nil
}
