package sandbox

import (
	"strings"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// following tells whether a partition that no server has yet must be copied from
// another cluster before it can be opened (replica_follower.cpp).
func (p *partitionState) following() bool {
	envs := p.table.envs
	_, cluster := envs[envMasterCluster]
	_, metas := envs[envMasterMetas]
	return cluster && metas && !p.copied && p.ballot == 0 && !p.table.poisoned
}

// copyMaster lets a server copy the last checkpoint of the partition's master. The meta
// knows no primary until that is done; when it fails, another server is chosen later.
// Cluster.mu must be held.
func (c *Cluster) copyMaster(p *partitionState, n *replicaNode) {
	p.copying = true
	metas := strings.Split(p.table.envs[envMasterMetas], ",")
	name := p.table.info.AppName
	if master := p.table.envs[envMasterApp]; master != "" && c.release >= release26 {
		name = master
	}
	req := &idl.QueryConfigRequest{AppName: name, PartitionIndices: []int32{p.index}}
	count, epoch := len(p.table.partitions), n.srv.epoch.Load()
	done := func(cp *checkpoint) { c.copiedMaster(p, n, epoch, cp) }
	fetch := func(at idl.PartitionConfig) {
		from, cp := c.masterCheckpoint(at)
		if cp == nil {
			done(nil)
			return
		}
		var move func()
		move = func() {
			if c.held(p.gpid()) {
				c.after(holdPoll, move)
				return
			}
			from.srv.perf.files.sent.Add(uint64(cp.bytes))
			done(cp)
		}
		if d := from.sendTime(int64(cp.bytes)); d > 0 {
			c.after(d, move)
			return
		}
		move()
	}
	c.afterLocked(0, func() {
		n.srv.out.askMetas(metas, idl.NameQueryConfig, req,
			func() idl.Message { return &idl.QueryConfigResponse{} },
			func(m idl.Message) idl.ErrorCode { return m.(*idl.QueryConfigResponse).Err },
			func(m idl.Message, err error) {
				resp, ok := m.(*idl.QueryConfigResponse)
				if err != nil || !ok || !resp.Err.OK() || int(resp.PartitionCount) != count ||
					len(resp.Partitions) != 1 || resp.Partitions[0].Primary.IsZero() {
					done(nil)
					return
				}
				fetch(resp.Partitions[0])
			})
	})
}

// masterCheckpoint is the last checkpoint of a primary of a linked cluster and its server, nil for
// none. Files do not travel over the sandbox's network.
func (c *Cluster) masterCheckpoint(at idl.PartitionConfig) (*replicaNode, *checkpoint) {
	srv := c.serverAt(at.Primary.String())
	if srv == nil || srv.node == nil || !srv.up() {
		return nil, nil
	}
	r := srv.node.replica(at.Pid)
	if r == nil {
		return nil, nil
	}
	return srv.node, r.part.copyCheckpoint()
}

// copiedMaster ends a copy.
func (c *Cluster) copiedMaster(p *partitionState, n *replicaNode, epoch int64, cp *checkpoint) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p.copying = false
	now := c.now()
	if cp == nil || n.srv.epoch.Load() != epoch || !p.table.serving() {
		p.cureAt = now.Add(c.timing.FollowerRetry)
		return
	}
	p.data.adoptCheckpoint(cp)
	p.copied, p.cureAt = true, now
}
