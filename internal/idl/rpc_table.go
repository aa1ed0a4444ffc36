package idl

import "slices"

// rpcs makes the table. It is made of literals in functions rather than of a
// variable so that no entry can be changed from outside.
func rpcs() []RPC { return slices.Concat(metaRPCs(), serverRPCs()) }

// metaRPCs are the entries of KindMeta.
func metaRPCs() []RPC {
	return []RPC{
		{Name: NameCreateApp, Kind: KindMeta, NewRequest: message[CreateAppRequest], NewResponse: message[CreateAppResponse]},
		{Name: NameDropApp, Kind: KindMeta, NewRequest: message[DropAppRequest], NewResponse: message[DropAppResponse]},
		{Name: NameRecallApp, Kind: KindMeta, NewRequest: message[RecallAppRequest], NewResponse: message[RecallAppResponse]},
		{Name: NameRenameApp, Kind: KindMeta, NewRequest: message[RenameAppRequest], NewResponse: message[RenameAppResponse]},
		{Name: NameListApps, Kind: KindMeta, NewRequest: message[ListAppsRequest], NewResponse: message[ListAppsResponse]},
		{Name: NameQueryConfig, Kind: KindMeta, NewRequest: message[QueryConfigRequest], NewResponse: message[QueryConfigResponse]},
		{Name: NameUpdateAppEnv, Kind: KindMeta, NewRequest: message[UpdateAppEnvRequest], NewResponse: message[UpdateAppEnvResponse]},
		{Name: NameGetMaxReplicaCount, Kind: KindMeta, NewRequest: message[GetMaxReplicaCountRequest], NewResponse: message[GetMaxReplicaCountResponse]},
		{Name: NameSetMaxReplicaCount, Kind: KindMeta, NewRequest: message[SetMaxReplicaCountRequest], NewResponse: message[SetMaxReplicaCountResponse]},
		{Name: NameGetAtomicIdempotent, Kind: KindMeta, NewRequest: message[GetAtomicIdempotentRequest], NewResponse: message[GetAtomicIdempotentResponse]},
		{Name: NameSetAtomicIdempotent, Kind: KindMeta, NewRequest: message[SetAtomicIdempotentRequest], NewResponse: message[SetAtomicIdempotentResponse]},
		{Name: NameStartManualCompact, Kind: KindMeta, NewRequest: message[StartManualCompactRequest], NewResponse: message[StartManualCompactResponse]},
		{Name: NameQueryManualCompact, Kind: KindMeta, NewRequest: message[QueryManualCompactRequest], NewResponse: message[QueryManualCompactResponse]},
		{Name: NameListNodes, Kind: KindMeta, NewRequest: message[ListNodesRequest], NewResponse: message[ListNodesResponse]},
		{Name: NameClusterInfo, Kind: KindMeta, NewRequest: message[ClusterInfoRequest], NewResponse: message[ClusterInfoResponse]},
		{Name: NameMetaControl, Kind: KindMeta, NewRequest: message[MetaControlRequest], NewResponse: message[MetaControlResponse]},
		{Name: NameProposeBalancer, Kind: KindMeta, NewRequest: message[ProposeBalancerRequest], NewResponse: message[ProposeBalancerResponse]},
		{Name: NameAddDuplication, Kind: KindMeta, NewRequest: message[AddDuplicationRequest], NewResponse: message[AddDuplicationResponse]},
		{Name: NameModifyDuplication, Kind: KindMeta, NewRequest: message[ModifyDuplicationRequest], NewResponse: message[ModifyDuplicationResponse]},
		{Name: NameQueryDuplication, Kind: KindMeta, NewRequest: message[QueryDuplicationRequest], NewResponse: message[QueryDuplicationResponse]},
		{Name: NameListDuplication, Kind: KindMeta, NewRequest: message[ListDuplicationRequest], NewResponse: message[ListDuplicationResponse]},
		{Name: NameStartBackupApp, Kind: KindMeta, NewRequest: message[StartBackupAppRequest], NewResponse: message[StartBackupAppResponse]},
		{Name: NameQueryBackupStatus, Kind: KindMeta, NewRequest: message[QueryBackupStatusRequest], NewResponse: message[QueryBackupStatusResponse]},
		{Name: NameStartRestore, Kind: KindMeta, NewRequest: message[StartRestoreRequest], NewResponse: message[CreateAppResponse]},
		{Name: NameQueryRestoreStatus, Kind: KindMeta, NewRequest: message[QueryRestoreStatusRequest], NewResponse: message[QueryRestoreStatusResponse]},
		{Name: NameAddBackupPolicy, Kind: KindMeta, NewRequest: message[AddBackupPolicyRequest], NewResponse: message[AddBackupPolicyResponse]},
		{Name: NameModifyBackupPolicy, Kind: KindMeta, NewRequest: message[ModifyBackupPolicyRequest], NewResponse: message[ModifyBackupPolicyResponse]},
		{Name: NameQueryBackupPolicy, Kind: KindMeta, NewRequest: message[QueryBackupPolicyRequest], NewResponse: message[QueryBackupPolicyResponse]},
		{Name: NameStartBulkLoad, Kind: KindMeta, NewRequest: message[StartBulkLoadRequest], NewResponse: message[StartBulkLoadResponse]},
		{Name: NameQueryBulkLoad, Kind: KindMeta, NewRequest: message[QueryBulkLoadRequest], NewResponse: message[QueryBulkLoadResponse]},
		{Name: NameControlBulkLoad, Kind: KindMeta, NewRequest: message[ControlBulkLoadRequest], NewResponse: message[ControlBulkLoadResponse]},
		{Name: NameClearBulkLoad, Kind: KindMeta, NewRequest: message[ClearBulkLoadRequest], NewResponse: message[ClearBulkLoadResponse]},
		{Name: NameStartSplit, Kind: KindMeta, NewRequest: message[StartSplitRequest], NewResponse: message[StartSplitResponse]},
		{Name: NameQuerySplit, Kind: KindMeta, NewRequest: message[QuerySplitRequest], NewResponse: message[QuerySplitResponse]},
		{Name: NameControlSplit, Kind: KindMeta, NewRequest: message[ControlSplitRequest], NewResponse: message[ControlSplitResponse]},
	}
}

// serverRPCs are the entries of all other kinds.
func serverRPCs() []RPC {
	return []RPC{
		{Name: NameQueryAppInfo, Kind: KindReplicaAdmin, NewRequest: message[QueryAppInfoRequest], NewResponse: message[QueryAppInfoResponse]},
		{Name: NameQueryReplicaInfo, Kind: KindReplicaAdmin, NewRequest: message[QueryReplicaInfoRequest], NewResponse: message[QueryReplicaInfoResponse]},
		{Name: NameQueryReplicaDecree, Kind: KindReplicaAdmin, NewRequest: message[QueryReplicaDecreeRequest], NewResponse: message[QueryReplicaDecreeResponse]},
		{Name: NameQueryDiskInfo, Kind: KindReplicaAdmin, NewRequest: message[QueryDiskInfoRequest], NewResponse: message[QueryDiskInfoResponse]},
		{Name: NameGet, Kind: KindReplica, NewRequest: message[BlobRequest], NewResponse: message[GetResponse]},
		{Name: NamePut, Kind: KindReplica, NewRequest: message[UpdateRequest], NewResponse: message[UpdateResponse]},
		{Name: NameRemove, Kind: KindReplica, NewRequest: message[BlobRequest], NewResponse: message[UpdateResponse]},
		{Name: NameMultiPut, Kind: KindReplica, NewRequest: message[MultiPutRequest], NewResponse: message[UpdateResponse]},
		{Name: NameMultiRemove, Kind: KindReplica, NewRequest: message[MultiRemoveRequest], NewResponse: message[MultiRemoveResponse]},
		{Name: NameIncr, Kind: KindReplica, NewRequest: message[IncrRequest], NewResponse: message[IncrResponse]},
		{Name: NameCheckAndSet, Kind: KindReplica, NewRequest: message[CheckAndSetRequest], NewResponse: message[CheckAndSetResponse]},
		{Name: NameCheckAndMutate, Kind: KindReplica, NewRequest: message[CheckAndMutateRequest], NewResponse: message[CheckAndMutateResponse]},
		{Name: NameMultiGet, Kind: KindReplica, NewRequest: message[MultiGetRequest], NewResponse: message[MultiGetResponse]},
		{Name: NameBatchGet, Kind: KindReplica, NewRequest: message[BatchGetRequest], NewResponse: message[BatchGetResponse]},
		{Name: NameSortkeyCount, Kind: KindReplica, NewRequest: message[BlobRequest], NewResponse: message[CountResponse]},
		{Name: NameTTL, Kind: KindReplica, NewRequest: message[BlobRequest], NewResponse: message[TTLResponse]},
		{Name: NameGetScanner, Kind: KindReplica, NewRequest: message[GetScannerRequest], NewResponse: message[ScanResponse]},
		{Name: NameScan, Kind: KindReplica, NewRequest: message[ScanRequest], NewResponse: message[ScanResponse]},
		{Name: NameClearScanner, Kind: KindReplica, OneWay: true, NewRequest: message[ClearScannerRequest]},
		{Name: NameDuplicate, Kind: KindReplica, NewRequest: message[DuplicateRequest], NewResponse: message[DuplicateResponse]},
		{Name: NameIngest, Kind: KindReplica, NewRequest: message[IngestionRequest], NewResponse: message[IngestionResponse]},
		{Name: NameRemoteCommand, Kind: KindRemote, NewRequest: message[RemoteCommandRequest], NewResponse: message[RemoteCommandResponse]},
	}
}

// message makes an empty message.
func message[T any, P messageOf[T]]() Message { return P(new(T)) }
