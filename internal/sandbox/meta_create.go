package sandbox

import (
	"maps"
	"strings"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// Bounds of a table's replica count ([meta_server] min_allowed_replica_count and
// max_allowed_replica_count).
const (
	minReplicaCount = 1
	maxReplicaCount = 5
)

// maxPartitions bounds what one request can make the sandbox allocate; real servers
// have no such limit.
const maxPartitions = 1 << 14

// createApp checks in the order of server_state::create_app and answers at once;
// replicas appear later.
func createApp(c *Cluster, req *idl.CreateAppRequest, resp *idl.CreateAppResponse) {
	opt := &req.Options
	switch {
	case c.effectiveLevel() <= idl.MetaFreezed:
		resp.Err = idl.ErrStateFreezed
		return
	case opt.PartitionCount <= 0 || opt.PartitionCount > maxPartitions || !c.replicaCountValid(opt.ReplicaCount),
		!createEnvsValid(opt.Envs):
		resp.Err = idl.ErrInvalidParameters
		return
	}
	if t := c.findTable(req.AppName); t != nil {
		resp.Err, resp.AppID = c.createExisting(t, opt)
		return
	}
	t := c.addTable(req.AppName, opt)
	t.info.Status = idl.AppCreating
	resp.AppID = t.info.AppID
}

// settleTable ends the states CREATING and DROPPING.
func (c *Cluster) settleTable(t *table) {
	switch t.info.Status {
	case idl.AppCreating:
		t.info.Status = idl.AppAvailable
	case idl.AppDropping:
		c.dropTable(t, t.reserve)
	}
}

// replicaCountValid is validate_target_max_replica_count.
func (c *Cluster) replicaCountValid(n int32) bool {
	return n >= minReplicaCount && n <= maxReplicaCount && int(n) <= c.aliveCount()
}

// createExisting answers for a name that is taken.
func (c *Cluster) createExisting(t *table, opt *idl.CreateAppOptions) (idl.ErrorCode, int32) {
	switch t.info.Status {
	case idl.AppAvailable:
	case idl.AppDropping:
		return idl.ErrBusyDropping, 0
	default:
		return idl.ErrBusyCreating, 0
	}
	if !opt.SuccessIfExist {
		if _, follows := opt.Envs[envMasterCluster]; follows && c.release >= release26 {
			return t.createFollower(opt)
		}
		return idl.ErrAppExist, 0
	}
	same := opt.PartitionCount == t.info.PartitionCount && opt.AppType == t.info.AppType &&
		opt.IsStateful == t.info.IsStateful && opt.ReplicaCount == t.info.MaxReplicaCount && maps.Equal(opt.Envs, t.envs)
	if !same {
		return idl.ErrInvalidParameters, 0
	}
	return idl.ErrOK, t.info.AppID
}

// addTable makes a table without replicas; the guardian gives it some.
func (c *Cluster) addTable(name string, opt *idl.CreateAppOptions) *table {
	now := c.now()
	c.lastID++
	t := &table{info: idl.AppInfo{
		Status:             idl.AppAvailable,
		AppType:            opt.AppType,
		AppName:            name,
		AppID:              c.lastID,
		PartitionCount:     opt.PartitionCount,
		IsStateful:         opt.IsStateful,
		MaxReplicaCount:    opt.ReplicaCount,
		CreateSecond:       now.Unix(),
		Duplicating:        new(false),
		InitPartitionCount: opt.PartitionCount,
		IsBulkLoading:      new(false),
	}}
	t.setEnvs(maps.Clone(opt.Envs))
	if t.envs == nil {
		t.envs = map[string]string{}
	}
	t.poisoned = poisons(t.envs)
	for i := range opt.PartitionCount {
		t.partitions = append(t.partitions, &partitionState{
			table:  t,
			index:  i,
			data:   newPartition(i, opt.PartitionCount, c.cfg.Clock, c.release >= release26),
			cureAt: now.Add(c.timing.Assign + c.spread(c.timing.AssignSpread)),
		})
	}
	if behindAllowed(t.envs) {
		for _, p := range t.partitions {
			p.data.allowBehind, p.data.store.tombs = true, map[string]struct{}{}
		}
	}
	c.tables = append(c.tables, t)
	return t
}

// poisons tells whether replica servers crash when they open a table that was
// created with these envs: default_ttl and manual_compact.once.* are applied before
// what they act on exists (facts 14.9 and 14.10).
func poisons(envs map[string]string) bool {
	for key := range envs {
		if key == envDefaultTTL || strings.HasPrefix(key, envCompactOnce) {
			return true
		}
	}
	return false
}
