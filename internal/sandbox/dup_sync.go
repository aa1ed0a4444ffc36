package sandbox

import (
	"strings"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// dupSync is one exchange about duplications between a replica server and the meta
// (duplication_sync_timer and meta_duplication_service::duplication_sync): the server
// reports, the meta takes the next step of each duplication and tells their states.
// Cluster.mu must be held.
func (c *Cluster) dupSync(n *replicaNode) {
	if !n.srv.up() || c.cfg.DuplicationDisabled {
		return
	}
	confirms := n.confirms()
	if c.leader == nil || !c.active || !n.alive {
		return
	}
	var later []func()
	known := map[int32]bool{}
	for _, t := range c.tables {
		if !t.serving() || len(t.dups) == 0 || !t.hasPrimaryOn(n) {
			continue
		}
		known[t.info.AppID] = true
		c.driveDups(t)
		for _, d := range t.sortedDups() {
			for i := range d.partitions {
				if r, ok := confirms[confirmKey{idl.Gpid{AppID: t.info.AppID, Partition: int32(i)}, d.id}]; ok {
					d.partitions[i].confirm(r.decree, r.prepared, c.now(), c.timing.DupPersist)
					d.partitions[i].committed = r.committed
				}
			}
		}
		later = append(later, c.tellDups(n, t)...)
	}
	n.each(func(r *replica) {
		r.part.mu.Lock()
		defer r.part.mu.Unlock()
		if !known[r.gpid.AppID] {
			r.dropDups()
		}
	})
	c.dropLogs()
	for _, f := range later {
		c.afterLocked(0, f)
	}
}

// confirmKey names one partition of one duplication.
type confirmKey struct {
	gpid idl.Gpid
	dup  int32
}

// confirmReport is what a replica reports about it.
type confirmReport struct {
	decree, committed int64
	prepared          bool
}

// confirms collects what the primaries on a server have to report, and counts what they
// did not ship yet.
func (n *replicaNode) confirms() map[confirmKey]confirmReport {
	reports := map[confirmKey]confirmReport{}
	pending := int64(0)
	n.each(func(r *replica) {
		r.part.mu.Lock()
		defer r.part.mu.Unlock()
		if r.status != idl.ReplicaPrimary {
			return
		}
		for id, d := range r.dups {
			pending += d.pending()
			if d.last != d.confirmed || (d.status == idl.DupPrepare && d.prepared) {
				reports[confirmKey{r.gpid, id}] = confirmReport{decree: d.last, committed: r.committed(), prepared: d.prepared}
			}
		}
	})
	n.srv.perf.dupPending.Store(pending)
	return reports
}

// hasPrimaryOn tells whether the meta has a primary of the table on a server.
func (t *table) hasPrimaryOn(n *replicaNode) bool {
	for _, p := range t.partitions {
		if p.primary == n {
			return true
		}
	}
	return false
}

// driveDups takes the next step of the duplications that copy their checkpoint.
func (c *Cluster) driveDups(t *table) {
	for _, d := range t.sortedDups() {
		switch {
		case !d.prepared():
		case d.status == idl.DupPrepare:
			c.createFollower(t, d)
		case d.status == idl.DupApp:
			c.completeFollower(t, d)
		}
	}
}

// tellDups gives the replicas of a table on a server the states of its duplications.
func (c *Cluster) tellDups(n *replicaNode, t *table) (later []func()) {
	for i, p := range t.partitions {
		r := n.replica(p.gpid())
		if r == nil {
			continue
		}
		var entries []dupEntry
		for _, d := range t.sortedDups() {
			if d.status == idl.DupInit || d.status == idl.DupRemoved {
				continue
			}
			entries = append(entries, dupEntry{
				id: d.id, remote: d.remote, table: d.appName, status: d.status, failMode: d.failMode, progress: d.partitions[i].stored,
			})
		}
		r.part.mu.Lock()
		later = append(later, r.syncDups(entries)...)
		r.part.mu.Unlock()
		c.truncateLog(t, i)
	}
	return later
}

// truncateLog forgets the mutations of a partition that every duplication has stored as
// confirmed.
func (c *Cluster) truncateLog(t *table, index int) {
	least := int64(-1)
	for _, d := range t.dups {
		if stored := d.partitions[index].stored; least < 0 || stored < least {
			least = stored
		}
	}
	data := t.partitions[index].data
	data.mu.Lock()
	defer data.mu.Unlock()
	if data.log != nil && least >= 0 {
		data.log.truncate(least)
	}
}

// dropLogs ends the logs of tables that are duplicated no more, once no replica uses
// them.
func (c *Cluster) dropLogs() {
	for _, t := range c.tables {
		if len(t.dups) > 0 {
			continue
		}
		for _, p := range t.partitions {
			p.dropLog(c.nodes)
		}
	}
}

func (p *partitionState) dropLog(nodes []*replicaNode) {
	p.data.mu.Lock()
	defer p.data.mu.Unlock()
	if p.data.log == nil {
		return
	}
	for _, n := range nodes {
		if r := n.replica(p.gpid()); r != nil && len(r.dups) > 0 {
			return
		}
	}
	p.data.log, p.data.note = nil, nil
}

// createFollower asks the target's metas for the table. Whatever goes wrong, the
// duplication stays in DS_PREPARE and the next sync tries again.
func (c *Cluster) createFollower(t *table, d *duplication) {
	req := c.followerRequest(t, d, followerCreating)
	c.fromLeader(func(out *outbound) {
		out.askMetas(d.metas, idl.NameCreateApp, req,
			func() idl.Message { return &idl.CreateAppResponse{} },
			func(m idl.Message) idl.ErrorCode { return m.(*idl.CreateAppResponse).Err },
			func(m idl.Message, err error) {
				if resp, ok := m.(*idl.CreateAppResponse); err == nil && ok && resp.Err.OK() {
					c.advance(t, d, idl.DupApp)
				}
			})
	})
}

// completeFollower asks, as 2.6 does, the target's metas to remember that the follower was
// created before it looks whether it is complete.
func (c *Cluster) completeFollower(t *table, d *duplication) {
	if c.release < release26 {
		c.checkFollower(t, d)
		return
	}
	req := c.followerRequest(t, d, followerCreated)
	c.fromLeader(func(out *outbound) {
		out.askMetas(d.metas, idl.NameCreateApp, req,
			func() idl.Message { return &idl.CreateAppResponse{} },
			func(m idl.Message) idl.ErrorCode { return m.(*idl.CreateAppResponse).Err },
			func(m idl.Message, err error) {
				if resp, ok := m.(*idl.CreateAppResponse); err == nil && ok && resp.Err.OK() {
					c.mu.Lock()
					defer c.mu.Unlock()
					if t.dup(d.id) == d && c.leader != nil && c.active {
						c.checkFollower(t, d)
					}
				}
			})
	})
}

// checkFollower asks the target's metas whether the table is there, with a primary and
// at least one secondary of every partition, which a table with one replica never has;
// from 2.6 on it does not need any.
func (c *Cluster) checkFollower(t *table, d *duplication) {
	count, lone := len(t.partitions), c.release >= release26 && d.replicas == 1
	req := &idl.QueryConfigRequest{AppName: d.appName}
	c.fromLeader(func(out *outbound) {
		out.askMetas(d.metas, idl.NameQueryConfig, req,
			func() idl.Message { return &idl.QueryConfigResponse{} },
			func(m idl.Message) idl.ErrorCode { return m.(*idl.QueryConfigResponse).Err },
			func(m idl.Message, err error) {
				if resp, ok := m.(*idl.QueryConfigResponse); err == nil && ok && followerReady(resp, count, lone) {
					c.advance(t, d, idl.DupLog)
				}
			})
	})
}

// followerReady is the test of check_follower_app_if_create_completed.
func followerReady(resp *idl.QueryConfigResponse, partitions int, lone bool) bool {
	if !resp.Err.OK() || len(resp.Partitions) != partitions {
		return false
	}
	for _, p := range resp.Partitions {
		if p.Primary.IsZero() || len(p.Secondaries) == 0 && !lone {
			return false
		}
	}
	return true
}

// fromLeader does something as the leading meta, without any lock.
func (c *Cluster) fromLeader(f func(out *outbound)) {
	srv := c.leader.srv
	epoch := srv.epoch.Load()
	c.afterLocked(0, func() {
		if srv.epoch.Load() == epoch {
			f(&srv.out)
		}
	})
}

// advance moves a duplication on, unless it was removed or moved meanwhile.
func (c *Cluster) advance(t *table, d *duplication, to idl.DuplicationStatus) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if t.dup(d.id) != d || c.leader == nil || !c.active {
		return
	}
	if code, changed := d.alter(to, d.failMode); code.OK() && changed {
		d.stored = d.status
	}
}

func joinAddrs(addrs []string) string { return strings.Join(addrs, ",") }
