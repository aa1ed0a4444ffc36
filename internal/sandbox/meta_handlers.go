package sandbox

import (
	"bytes"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// metaFunc executes a meta request on the leader, with Cluster.mu held.
type metaFunc[Q, R any] func(c *Cluster, req *Q, resp *R)

// metaRPC makes the handler of a meta request. Followers answer in the body that
// they are none, a leader that still starts that it is not active; where says where
// that error goes.
func metaRPC[Q, R any, PQ pointer[Q], PR pointer[R]](where func(*R) *idl.ErrorCode, f metaFunc[Q, R]) handler {
	return func(q *request, out []byte) []byte {
		var req Q
		var resp R
		if !q.decode(PQ(&req)) {
			return out
		}
		c := q.srv.c
		c.mu.Lock()
		defer c.mu.Unlock()
		switch {
		case c.leader != q.srv.meta:
			*where(&resp) = idl.ErrForwardToOthers
			c.forward(&resp)
		case !c.active:
			*where(&resp) = idl.ErrServiceNotActive
		default:
			*where(&resp) = idl.ErrOK
			f(c, &req, &resp)
			if c.leader != q.srv.meta {
				return out // it ended itself
			}
		}
		return q.reply(out, PR(&resp))
	}
}

// tableRPC is metaRPC for requests that change the state of a table. The table is in
// an intermediate state for Timing.TableState, and the answer comes at the end of it
// (app_state_helper::pending_response); a leader that dies meanwhile never answers.
func tableRPC[Q, R any, PQ pointer[Q], PR pointer[R]](
	where func(*R) *idl.ErrorCode, name func(*Q) string, f metaFunc[Q, R],
) handler {
	return func(q *request, out []byte) []byte {
		var changed *table
		now := metaRPC[Q, R, PQ, PR](where, func(c *Cluster, req *Q, resp *R) {
			from := c.findTable(name(req))
			was := idl.AppInvalid
			if from != nil {
				was = from.info.Status
			}
			f(c, req, resp)
			if t := c.findTable(name(req)); t != nil && (t != from || t.info.Status != was) && !t.serving() {
				changed = t
			}
		})
		mark := len(out)
		if out = now(q, out); changed == nil {
			return out
		}
		c, held, d := q.srv.c, bytes.Clone(out[mark:]), q.detach()
		c.afterLocked(c.timing.TableState, func() {
			c.mu.Lock()
			c.settleTable(changed)
			c.mu.Unlock()
			d.resume(func(_ *request, out []byte) []byte { return append(out, held...) })
		})
		return out[:mark]
	}
}

// forward adds the leader's address to the one response that carries it.
func (c *Cluster) forward(resp any) {
	if qc, ok := resp.(*idl.QueryConfigResponse); ok && c.leader != nil {
		qc.Partitions = []idl.PartitionConfig{{Primary: c.leader.srv.wire}}
	}
}

// metaHandlers are the requests to meta servers.
func metaHandlers() []registration {
	return append(append(append(tableHandlers(), unsupportedHandlers()...), fileHandlers()...),
		registration{idl.NameListNodes, metaRPC(func(r *idl.ListNodesResponse) *idl.ErrorCode { return &r.Err }, listNodes), onMeta},
		registration{idl.NameClusterInfo, metaRPC(func(r *idl.ClusterInfoResponse) *idl.ErrorCode { return &r.Err }, clusterInfo), onMeta},
		registration{idl.NameMetaControl, metaRPC(func(r *idl.MetaControlResponse) *idl.ErrorCode { return &r.Err }, metaControl), onMeta},
		registration{idl.NameProposeBalancer, metaRPC(func(r *idl.ProposeBalancerResponse) *idl.ErrorCode { return &r.Err }, proposeBalancer), onMeta},
		registration{idl.NameAddDuplication, metaRPC(func(r *idl.AddDuplicationResponse) *idl.ErrorCode { return &r.Err }, addDuplication), onMeta},
		registration{idl.NameModifyDuplication, metaRPC(func(r *idl.ModifyDuplicationResponse) *idl.ErrorCode { return &r.Err }, modifyDuplication), onMeta},
		registration{idl.NameQueryDuplication, metaRPC(func(r *idl.QueryDuplicationResponse) *idl.ErrorCode { return &r.Err }, queryDuplication), onMeta},
		registration{idl.NameListDuplication, metaRPC(func(r *idl.ListDuplicationResponse) *idl.ErrorCode { return &r.Err }, listDuplications), onMeta},
		registration{idl.NameQuerySplit, metaRPC(func(r *idl.QuerySplitResponse) *idl.ErrorCode { return &r.Err }, querySplit), onMeta},
	)
}

// tableHandlers are the meta requests about a table itself.
func tableHandlers() []registration {
	return []registration{
		{idl.NameCreateApp, tableRPC(func(r *idl.CreateAppResponse) *idl.ErrorCode { return &r.Err }, func(q *idl.CreateAppRequest) string { return q.AppName }, createApp), onMeta},
		{idl.NameDropApp, tableRPC(func(r *idl.DropAppResponse) *idl.ErrorCode { return &r.Err }, func(q *idl.DropAppRequest) string { return q.AppName }, dropApp), onMeta},
		{idl.NameRecallApp, metaRPC(func(r *idl.RecallAppResponse) *idl.ErrorCode { return &r.Err }, recallApp), onMeta},
		{idl.NameRenameApp, metaRPC(func(r *idl.RenameAppResponse) *idl.ErrorCode { return &r.Err }, renameApp), onMeta},
		{idl.NameListApps, metaRPC(func(r *idl.ListAppsResponse) *idl.ErrorCode { return &r.Err }, listApps), onMeta},
		{idl.NameQueryConfig, metaRPC(func(r *idl.QueryConfigResponse) *idl.ErrorCode { return &r.Err }, queryConfig), onMeta},
		{idl.NameUpdateAppEnv, metaRPC(func(r *idl.UpdateAppEnvResponse) *idl.ErrorCode { return &r.Err }, updateAppEnv), onMeta},
		{idl.NameGetMaxReplicaCount, metaRPC(func(r *idl.GetMaxReplicaCountResponse) *idl.ErrorCode { return &r.Err }, getMaxReplicaCount), onMeta},
		{idl.NameStartManualCompact, metaRPC(func(r *idl.StartManualCompactResponse) *idl.ErrorCode { return &r.Err }, startManualCompact), onMeta},
		{idl.NameQueryManualCompact, metaRPC(func(r *idl.QueryManualCompactResponse) *idl.ErrorCode { return &r.Err }, queryManualCompact), onMeta},
	}
}

// fileHandlers are the meta requests about backups, restores and bulk loads.
func fileHandlers() []registration {
	return []registration{
		{idl.NameStartBackupApp, metaRPC(func(r *idl.StartBackupAppResponse) *idl.ErrorCode { return &r.Err }, startBackupApp), onMeta},
		{idl.NameQueryBackupStatus, metaRPC(func(r *idl.QueryBackupStatusResponse) *idl.ErrorCode { return &r.Err }, queryBackupStatus), onMeta},
		{idl.NameStartRestore, tableRPC(func(r *idl.CreateAppResponse) *idl.ErrorCode { return &r.Err }, restoredName, startRestore), onMeta},
		{idl.NameQueryRestoreStatus, metaRPC(func(r *idl.QueryRestoreStatusResponse) *idl.ErrorCode { return &r.Err }, queryRestoreStatus), onMeta},
		{idl.NameStartBulkLoad, metaRPC(func(r *idl.StartBulkLoadResponse) *idl.ErrorCode { return &r.Err }, startBulkLoad), onMeta},
		{idl.NameQueryBulkLoad, metaRPC(func(r *idl.QueryBulkLoadResponse) *idl.ErrorCode { return &r.Err }, queryBulkLoad), onMeta},
		{idl.NameControlBulkLoad, metaRPC(func(r *idl.ControlBulkLoadResponse) *idl.ErrorCode { return &r.Err }, controlBulkLoad), onMeta},
		{idl.NameClearBulkLoad, metaRPC(func(r *idl.ClearBulkLoadResponse) *idl.ErrorCode { return &r.Err }, clearBulkLoad), onMeta},
	}
}
