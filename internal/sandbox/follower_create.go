package sandbox

import (
	"maps"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// Envs that make a table the follower of a duplication; those behind the first two came
// with 2.6.
const (
	envMasterCluster  = "duplication.master_cluster"
	envMasterMetas    = "duplication.master_metas"
	envMasterApp      = "duplication.master_app_name"
	envFollowerStatus = "duplication.follower_app_status"
)

// Values of envFollowerStatus.
const (
	followerCreating = "creating"
	followerCreated  = "created"
)

// followerRequest is the request that creates the table on the target
// (create_follower_app_for_duplication): all envs of the source go along. status is that
// of the follower, which only 2.6 tells.
func (c *Cluster) followerRequest(t *table, d *duplication, status string) *idl.CreateAppRequest {
	envs := maps.Clone(t.envs)
	if envs == nil {
		envs = map[string]string{}
	}
	own := map[string]string{envMasterCluster: c.cfg.Name, envMasterMetas: joinAddrs(c.MetaServers())}
	name, replicas := t.info.AppName, t.info.MaxReplicaCount
	if c.release >= release26 {
		own[envMasterApp], own[envFollowerStatus] = t.info.AppName, status
		name, replicas = d.appName, d.replicas
	}
	for key, value := range own {
		if _, set := envs[key]; !set {
			envs[key] = value
		}
	}
	return &idl.CreateAppRequest{AppName: name, Options: idl.CreateAppOptions{
		PartitionCount: t.info.PartitionCount, ReplicaCount: replicas,
		AppType: t.info.AppType, IsStateful: t.info.IsStateful, Envs: envs,
	}}
}

// isFollowerOf tells whether a request to create a table comes from the master that the
// table was created for, as a repeated request does and the one that says that the
// follower is complete. What is complete is not created again.
func (t *table) isFollowerOf(opt *idl.CreateAppOptions) bool {
	for _, key := range []string{envMasterCluster, envMasterMetas, envMasterApp} {
		if v, ok := t.envs[key]; !ok || opt.Envs[key] != v {
			return false
		}
	}
	switch opt.Envs[envFollowerStatus] {
	case followerCreating:
		return t.envs[envFollowerStatus] == followerCreating
	case followerCreated:
		return t.envs[envFollowerStatus] != ""
	default:
		return false
	}
}

// settleFollower takes over what the master says about the follower.
func (t *table) settleFollower(opt *idl.CreateAppOptions) {
	envs := maps.Clone(t.envs)
	envs[envFollowerStatus] = opt.Envs[envFollowerStatus]
	t.setEnvs(envs)
}
