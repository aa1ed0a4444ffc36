package sandbox

import "github.com/pegmigrate/pegmigrate/internal/idl"

// unsupportedHandlers are requests that 2.5.0 knows and the sandbox does not carry
// out. They answer ERR_SERVICE_NOT_ACTIVE, as a meta without the service does:
// ERR_HANDLER_NOT_FOUND would say that the cluster is of another release.
func unsupportedHandlers() []registration {
	return []registration{
		{idl.NameSetMaxReplicaCount, unsupported[idl.SetMaxReplicaCountRequest](func(r *idl.SetMaxReplicaCountResponse) *idl.ErrorCode { return &r.Err }), onMeta},
		{idl.NameAddBackupPolicy, unsupported[idl.AddBackupPolicyRequest](func(r *idl.AddBackupPolicyResponse) *idl.ErrorCode { return &r.Err }), onMeta},
		{idl.NameModifyBackupPolicy, unsupported[idl.ModifyBackupPolicyRequest](func(r *idl.ModifyBackupPolicyResponse) *idl.ErrorCode { return &r.Err }), onMeta},
		{idl.NameQueryBackupPolicy, unsupported[idl.QueryBackupPolicyRequest](func(r *idl.QueryBackupPolicyResponse) *idl.ErrorCode { return &r.Err }), onMeta},
		{idl.NameStartSplit, unsupported[idl.StartSplitRequest](func(r *idl.StartSplitResponse) *idl.ErrorCode { return &r.Err }), onMeta},
		{idl.NameControlSplit, unsupported[idl.ControlSplitRequest](func(r *idl.ControlSplitResponse) *idl.ErrorCode { return &r.Err }), onMeta},
	}
}

// unsupported answers that the service is not active.
func unsupported[Q, R any, PQ pointer[Q], PR pointer[R]](where func(*R) *idl.ErrorCode) handler {
	return metaRPC[Q, R, PQ, PR](where, func(_ *Cluster, _ *Q, resp *R) { *where(resp) = idl.ErrServiceNotActive })
}
