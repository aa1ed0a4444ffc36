package sandbox

import (
	"maps"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// table is what the meta knows about one table. It is guarded by Cluster.mu.
type table struct {
	// info is complete but for Envs, which are below.
	info idl.AppInfo
	envs map[string]string
	// envVersion grows with every change of envs, so that replicas see quickly
	// whether they are up to date.
	envVersion int64
	// poisoned: the table was created with envs that crash every replica server
	// which opens it.
	poisoned bool
	// reserve is for how many seconds a table that is being dropped is to be kept.
	reserve    int64
	partitions []*partitionState
	dups       []*duplication
}

// partitionState is what the meta knows about one partition.
type partitionState struct {
	table *table
	index int32
	data  *partition

	ballot      int64
	primary     *replicaNode // nil for none
	secondaries []*replicaNode
	lastDrops   []*replicaNode
	// cureAt is when the meta may take the next step to full membership.
	cureAt time.Time
	// moving is the server that becomes primary when a move is done.
	moving *replicaNode
	// settling is the ballot that the primary is taking over, 0 when it serves.
	settling int64
	// copying: a server is copying the checkpoint of the table that this one follows.
	// copied: it has.
	copying, copied bool
	restore         restoreState
	// compactions is what servers reported of manual compactions.
	compactions map[*replicaNode]compactStatus
}

func (p *partitionState) gpid() idl.Gpid {
	return idl.Gpid{AppID: p.table.info.AppID, Partition: p.index}
}

// has tells whether a server holds a serving replica.
func (p *partitionState) has(n *replicaNode) bool {
	if p.primary == n {
		return true
	}
	for _, s := range p.secondaries {
		if s == n {
			return true
		}
	}
	return false
}

// healthy tells whether all replicas are there and the primary serves.
func (p *partitionState) healthy() bool { return p.complete() && p.settling == 0 }

// complete tells whether all replicas are there, which is all that a meta knows.
func (p *partitionState) complete() bool {
	return p.primary != nil && p.moving == nil && len(p.secondaries)+1 >= int(p.table.info.MaxReplicaCount)
}

// config is the partition as clients see it. last_committed_decree is not
// maintained by real metas either.
func (p *partitionState) config() idl.PartitionConfig {
	pc := idl.PartitionConfig{
		Pid:             p.gpid(),
		Ballot:          p.ballot,
		MaxReplicaCount: p.table.info.MaxReplicaCount,
		Secondaries:     addrs(p.secondaries),
		LastDrops:       addrs(p.lastDrops),
	}
	if p.primary != nil {
		pc.Primary = p.primary.srv.wire
	}
	return pc
}

func addrs(nodes []*replicaNode) []idl.Addr {
	list := make([]idl.Addr, 0, len(nodes))
	for _, n := range nodes {
		list = append(list, n.srv.wire)
	}
	return list
}

// appInfo is the table as clients see it.
func (t *table) appInfo() idl.AppInfo {
	info := t.info
	info.Envs = maps.Clone(t.envs)
	return info
}

// serving tells whether the table is in its normal state.
func (t *table) serving() bool { return t.info.Status == idl.AppAvailable }

// healthy tells whether every partition has all its replicas.
func (t *table) healthy() bool {
	for _, p := range t.partitions {
		if !p.healthy() {
			return false
		}
	}
	return t.serving()
}

// setEnvs replaces the envs.
func (t *table) setEnvs(envs map[string]string) {
	t.envs = envs
	t.envVersion++
}

// findTable is the table that uses a name now, whatever its state, nil for none.
// Dropped tables do not use theirs.
func (c *Cluster) findTable(name string) *table {
	for _, t := range c.tables {
		if t.info.AppName == name && t.info.Status != idl.AppDropped {
			return t
		}
	}
	return nil
}
