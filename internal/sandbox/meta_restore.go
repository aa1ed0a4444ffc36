package sandbox

import (
	"fmt"
	"strconv"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// restoreDone is the progress of a partition that has been restored, in per mille.
const restoreDone = 1000

// Envs of a table that was restored (backup_restore_constant). They stay for ever.
const (
	envRestoreProvider = "restore.block_service_provider"
	envRestoreCluster  = "restore.cluster_name"
	envRestorePolicy   = "restore.policy_name"
	envRestoreApp      = "restore.app_name"
	envRestoreAppID    = "restore.app_id"
	envRestoreBackup   = "restore.backup_id"
	envRestoreSkip     = "restore.skip_bad_partition"
	envRestorePath     = "restore.restore_path"
)

// restoredName is the name of the table that a restore makes.
func restoredName(req *idl.StartRestoreRequest) string {
	if req.NewAppName != "" {
		return req.NewAppName
	}
	return req.AppName
}

// startRestore creates a table from what app_metadata of a backup says, its number of
// replicas included, which nothing compares with the living servers
// (server_state::restore_app). A meta that reads another id or name there ends itself.
func startRestore(c *Cluster, req *idl.StartRestoreRequest, resp *idl.CreateAppResponse) {
	resp.AppID = -1
	fs := c.blockService(req.BackupProviderName)
	if fs == nil {
		resp.Err = idl.ErrInvalidParameters
		return
	}
	envs := restoreEnvs(req)
	data, code := fs.read(joinRemote(restoreDir(envs), "meta", "app_metadata"))
	if !code.OK() {
		resp.Err = code
		return
	}
	app, ok := decodeAppMetadata(data)
	switch {
	case !ok:
		resp.Err = idl.ErrCorruption
		return
	case app.AppID != req.AppID || app.AppName != req.AppName:
		c.killMetaLocked(c.leader)
		return
	case c.findTable(restoredName(req)) != nil:
		resp.Err = idl.ErrInvalidParameters
		return
	}
	t := c.addTable(restoredName(req), &idl.CreateAppOptions{
		PartitionCount: app.PartitionCount, ReplicaCount: app.MaxReplicaCount, AppType: app.AppType, IsStateful: app.IsStateful, Envs: envs,
	})
	t.info.Status = idl.AppCreating
	t.info.CreateSecond, t.info.InitPartitionCount = app.CreateSecond, app.InitPartitionCount
	resp.AppID = t.info.AppID
}

// restoreEnvs are the envs of the new table.
func restoreEnvs(req *idl.StartRestoreRequest) map[string]string {
	envs := map[string]string{
		envRestoreProvider: req.BackupProviderName, envRestoreCluster: req.ClusterName, envRestorePolicy: req.PolicyName,
		envRestoreApp: req.AppName, envRestoreAppID: strconv.Itoa(int(req.AppID)), envRestoreBackup: strconv.FormatInt(req.TimeStamp, 10),
	}
	if req.SkipBadPartition {
		envs[envRestoreSkip] = "true"
	}
	if req.RestorePath != nil {
		envs[envRestorePath] = *req.RestorePath
	}
	return envs
}

// restoreDir is the folder of the backed-up table on the store.
func restoreDir(envs map[string]string) string {
	return joinRemote(envs[envRestorePath], envs[envRestoreCluster], envs[envRestorePolicy], envs[envRestoreBackup],
		fmt.Sprintf("%s_%s", envs[envRestoreApp], envs[envRestoreAppID]))
}

// queryRestoreStatus answers for any table, restored or not: what has a replica is there.
// Progress is in the memory of the leading meta only. From 2.5 on an id that never existed
// is refused early; one that is forgotten by now fails an assertion behind that.
func queryRestoreStatus(c *Cluster, req *idl.QueryRestoreStatusRequest, resp *idl.QueryRestoreStatusResponse) {
	t := c.tableByID(req.RestoreAppID)
	switch {
	case t == nil && c.release >= release25:
		resp.Err = idl.ErrInvalidParameters
	case t == nil:
		resp.Err = idl.ErrAppNotExist
	case t.info.Status == idl.AppDropped && t.partitions == nil && c.release >= release25:
		c.killMetaLocked(c.leader)
	case t.info.Status == idl.AppDropped:
		resp.Err = idl.ErrAppDropped
	default:
		for _, p := range t.partitions {
			status, progress := p.restore.status, p.restore.progress
			if p.primary != nil || len(p.secondaries) > 0 {
				status, progress = idl.ErrOK, restoreDone
			}
			resp.RestoreStatus = append(resp.RestoreStatus, orDefault(status, idl.ErrOK))
			resp.RestoreProgress = append(resp.RestoreProgress, progress)
		}
	}
}

// forgetRestores is what a meta that stops leading does to its memory.
func (c *Cluster) forgetRestores() {
	for _, t := range c.tables {
		for _, p := range t.partitions {
			p.restore.status, p.restore.progress = "", 0
		}
	}
}
