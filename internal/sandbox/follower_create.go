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

// createFollower answers a request to create a table that is there already and that says
// whose follower it shall be, as a repeated request does and the one that says that the
// follower is complete (server_state::process_create_follower_app_status of 2.6). Only the
// name of the master's cluster is compared.
func (t *table) createFollower(opt *idl.CreateAppOptions) (idl.ErrorCode, int32) {
	cluster, follows := t.envs[envMasterCluster]
	asked, tells := opt.Envs[envFollowerStatus]
	if !follows || cluster != opt.Envs[envMasterCluster] || !tells {
		return idl.ErrAppExist, 0
	}
	status, known := t.envs[envFollowerStatus]
	switch {
	case !known:
		return idl.ErrInvalidState, 0
	case status != followerCreating && status != followerCreated, asked != followerCreating && asked != followerCreated:
		return idl.ErrInvalidParameters, 0
	case status == followerCreated && asked == followerCreating: // what is complete is not created again
		return idl.ErrAppExist, 0
	case status != asked:
		envs := maps.Clone(t.envs)
		envs[envFollowerStatus] = asked
		t.setEnvs(envs)
	}
	return idl.ErrOK, t.info.AppID
}
