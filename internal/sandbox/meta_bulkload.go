package sandbox

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// envAllowBehind is only read when a replica's database is made.
const envAllowBehind = "rocksdb.allow_ingest_behind"

// startBulkLoad checks in the order of bulk_load_service::on_start_bulk_load. Every refusal
// but the first frees the lock of the cluster, whoever holds it. The function level that it
// sets is never set back.
func startBulkLoad(c *Cluster, req *idl.StartBulkLoadRequest, resp *idl.StartBulkLoadResponse) {
	if concurrent, _ := c.leader.srv.flag(flagConcurrentLoad); concurrent.Value != "true" {
		if c.bulkLock {
			resp.Err, resp.HintMsg = idl.ErrBusy, "meta server is busy now, please wait"
			return
		}
		c.bulkLock = true
	}
	t, code := c.available(req.AppName)
	switch {
	case t == nil && code == idl.ErrAppNotExist:
		resp.Err, resp.HintMsg = code, "app not existed is " // as recorded: both words are one argument
	case t == nil:
		resp.Err, resp.HintMsg = code, "app not available is "
	case isTrue(t.info.IsBulkLoading):
		resp.Err, resp.HintMsg = idl.ErrBusy, fmt.Sprintf("app(%s) is already executing bulk load", req.AppName)
	default:
		resp.Err, resp.HintMsg = c.checkBulkLoad(req, t)
	}
	if !resp.Err.OK() {
		c.bulkLock = false
		return
	}
	c.level = idl.MetaSteady
	t.info.IsBulkLoading = new(true)
	l := &bulkLoad{
		appID: t.info.AppID, app: req.AppName, cluster: req.ClusterName, provider: req.FileProviderType, root: req.RemoteRootPath,
		behind: req.IngestBehind, status: idl.BulkLoadDownloading, err: idl.ErrOK,
		parts: make([]bulkPartition, len(t.partitions)), inProgress: len(t.partitions),
	}
	c.bulkLoads[l.appID] = l
	for i := range l.parts {
		l.parts[i].status = idl.BulkLoadDownloading
		c.againBulk(l, i, 0)
	}
}

// checkBulkLoad is check_bulk_load_request_params.
func (c *Cluster) checkBulkLoad(req *idl.StartBulkLoadRequest, t *table) (idl.ErrorCode, string) {
	if req.IngestBehind && !strings.EqualFold(t.envs[envAllowBehind], "true") {
		return idl.ErrInconsistentState, "inconsistent ingestion behind option"
	}
	fs := c.blockService(req.FileProviderType)
	if fs == nil {
		return idl.ErrInvalidParameters, "invalid file_provider"
	}
	data, code := fs.read(joinRemote(req.RemoteRootPath, req.ClusterName, req.AppName, "bulk_load_info"))
	if !code.OK() {
		return code, "read bulk_load_info failed"
	}
	var info struct {
		AppID      int32  `json:"app_id"`
		AppName    string `json:"app_name"`
		Partitions int32  `json:"partition_count"`
	}
	if !jsonAccepted(data, []string{"app_id", "app_name", "partition_count"}) || json.Unmarshal(data, &info) != nil {
		return idl.ErrCorruption, "bulk_load_info damaged"
	}
	if info.AppID != t.info.AppID || info.Partitions != t.info.PartitionCount {
		return idl.ErrInconsistentState, "app_id or partition_count is inconsistent"
	}
	return idl.ErrOK, ""
}

// controlBulkLoad pauses, restarts or cancels a load (on_control_bulk_load).
func controlBulkLoad(c *Cluster, req *idl.ControlBulkLoadRequest, resp *idl.ControlBulkLoadResponse) {
	t, code := c.available(req.AppName)
	if t == nil {
		resp.Err, resp.HintMsg = code, new(bulkUnavailable(req.AppName))
		return
	}
	l := c.bulkLoads[t.info.AppID]
	if !isTrue(t.info.IsBulkLoading) || l == nil {
		resp.Err, resp.HintMsg = idl.ErrInactiveState, new(fmt.Sprintf("app(%s) is not executing bulk load", req.AppName))
		return
	}
	refuse := func(verb string) {
		resp.Err = idl.ErrInvalidState
		resp.HintMsg = new(fmt.Sprintf("can not %s bulk load for app(%s) with status(%s)", verb, req.AppName, bulkStatusText(l.status)))
	}
	switch req.Type {
	case idl.BulkLoadPause:
		if l.status != idl.BulkLoadDownloading {
			refuse("pause")
			return
		}
		c.setBulk(l, idl.BulkLoadPausing, idl.ErrOK, false)
	case idl.BulkLoadRestart:
		if l.status != idl.BulkLoadPaused {
			refuse("restart")
			return
		}
		c.setBulk(l, idl.BulkLoadDownloading, idl.ErrOK, true)
	case idl.BulkLoadCancel:
		if l.status != idl.BulkLoadDownloading && l.status != idl.BulkLoadPaused {
			refuse("cancel")
			return
		}
		c.setBulk(l, idl.BulkLoadCanceled, idl.ErrOK, l.status == idl.BulkLoadPaused)
	case idl.BulkLoadForceCancel:
		c.setBulk(l, idl.BulkLoadCanceled, idl.ErrOK, l.status == idl.BulkLoadPaused)
	}
}

func bulkUnavailable(app string) string {
	return fmt.Sprintf("app(%s) is not existed or not available", app)
}

// bulkStatusText is a state as enum_to_string prints it.
func bulkStatusText(s idl.BulkLoadStatus) string {
	return "replication::bulk_load_status::" + s.String()
}

// queryBulkLoad tells how a load is, or how the last one ended (on_query_bulk_load_status).
func queryBulkLoad(c *Cluster, req *idl.QueryBulkLoadRequest, resp *idl.QueryBulkLoadResponse) {
	resp.AppName = req.AppName
	t, code := c.available(req.AppName)
	if t == nil {
		resp.Err, resp.HintMsg = code, new(bulkUnavailable(req.AppName))
		return
	}
	loading := isTrue(t.info.IsBulkLoading)
	if !loading {
		resp.HintMsg = new(fmt.Sprintf("app(%s) is not during bulk load, return last time result", req.AppName))
	}
	resp.MaxReplicaCount, resp.IsBulkLoading = t.info.MaxReplicaCount, new(loading)
	resp.PartitionsStatus = make([]idl.BulkLoadStatus, len(t.partitions))
	resp.BulkLoadStates = make([]map[idl.Addr]idl.PartitionBulkLoadState, len(t.partitions))
	l := c.bulkLoads[t.info.AppID]
	if l == nil {
		return
	}
	resp.AppStatus = l.status
	for i := range l.parts {
		resp.PartitionsStatus[i] = l.parts[i].status
		resp.BulkLoadStates[i] = map[idl.Addr]idl.PartitionBulkLoadState{}
		for n, s := range l.parts[i].states {
			resp.BulkLoadStates[i][n.srv.wire] = s
		}
	}
	if !loading && l.status == idl.BulkLoadFailed {
		resp.Err = l.err
	}
}

// clearBulkLoad forgets the result of the last load.
func clearBulkLoad(c *Cluster, req *idl.ClearBulkLoadRequest, resp *idl.ClearBulkLoadResponse) {
	t, code := c.available(req.AppName)
	switch {
	case t == nil:
		resp.Err, resp.HintMsg = code, bulkUnavailable(req.AppName)
	case isTrue(t.info.IsBulkLoading):
		resp.Err, resp.HintMsg = idl.ErrInvalidState, fmt.Sprintf("app(%s) is executing bulk load", req.AppName)
	default:
		delete(c.bulkLoads, t.info.AppID)
		resp.HintMsg = fmt.Sprintf("clear app(%s) bulk load result succeed, remove bulk load dir succeed", req.AppName)
	}
}
