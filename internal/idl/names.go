package idl

// Names of the requests that meta servers answer (src/common/replication.codes.h).
const (
	NameCreateApp           = "RPC_CM_CREATE_APP"
	NameDropApp             = "RPC_CM_DROP_APP"
	NameRecallApp           = "RPC_CM_RECALL_APP"
	NameRenameApp           = "RPC_CM_RENAME_APP"
	NameListApps            = "RPC_CM_LIST_APPS"
	NameQueryConfig         = "RPC_CM_QUERY_PARTITION_CONFIG_BY_INDEX"
	NameUpdateAppEnv        = "RPC_CM_UPDATE_APP_ENV"
	NameGetMaxReplicaCount  = "RPC_CM_GET_MAX_REPLICA_COUNT"
	NameSetMaxReplicaCount  = "RPC_CM_SET_MAX_REPLICA_COUNT"
	NameGetAtomicIdempotent = "RPC_CM_GET_ATOMIC_IDEMPOTENT"
	NameSetAtomicIdempotent = "RPC_CM_SET_ATOMIC_IDEMPOTENT"
	NameStartManualCompact  = "RPC_CM_START_MANUAL_COMPACT"
	NameQueryManualCompact  = "RPC_CM_QUERY_MANUAL_COMPACT_STATUS"
	NameListNodes           = "RPC_CM_LIST_NODES"
	NameClusterInfo         = "RPC_CM_CLUSTER_INFO"
	NameMetaControl         = "RPC_CM_CONTROL_META"
	NameProposeBalancer     = "RPC_CM_PROPOSE_BALANCER"
	NameAddDuplication      = "RPC_CM_ADD_DUPLICATION"
	NameModifyDuplication   = "RPC_CM_MODIFY_DUPLICATION"
	NameQueryDuplication    = "RPC_CM_QUERY_DUPLICATION"
	NameListDuplication     = "RPC_CM_LIST_DUPLICATION"
	NameStartBackupApp      = "RPC_CM_START_BACKUP_APP"
	NameQueryBackupStatus   = "RPC_CM_QUERY_BACKUP_STATUS"
	NameStartRestore        = "RPC_CM_START_RESTORE"
	NameQueryRestoreStatus  = "RPC_CM_QUERY_RESTORE_STATUS"
	NameAddBackupPolicy     = "RPC_CM_ADD_BACKUP_POLICY"
	NameModifyBackupPolicy  = "RPC_CM_MODIFY_BACKUP_POLICY"
	NameQueryBackupPolicy   = "RPC_CM_QUERY_BACKUP_POLICY"
	NameStartBulkLoad       = "RPC_CM_START_BULK_LOAD"
	NameQueryBulkLoad       = "RPC_CM_QUERY_BULK_LOAD_STATUS"
	NameControlBulkLoad     = "RPC_CM_CONTROL_BULK_LOAD"
	NameClearBulkLoad       = "RPC_CM_CLEAR_BULK_LOAD"
	NameStartSplit          = "RPC_CM_START_PARTITION_SPLIT"
	NameQuerySplit          = "RPC_CM_QUERY_PARTITION_SPLIT"
	NameControlSplit        = "RPC_CM_CONTROL_PARTITION_SPLIT"
)

// Names of the administration requests that replica servers answer.
const (
	NameQueryAppInfo       = "RPC_QUERY_APP_INFO"
	NameQueryReplicaInfo   = "RPC_QUERY_REPLICA_INFO"
	NameQueryReplicaDecree = "RPC_QUERY_PN_DECREE"
	NameQueryDiskInfo      = "RPC_QUERY_DISK_INFO"
)

// Names of the data requests, answered by the primary of a partition
// (src/include/rrdb/rrdb.code.definition.h). One that reaches a meta server kills it.
const (
	NameGet            = "RPC_RRDB_RRDB_GET"
	NamePut            = "RPC_RRDB_RRDB_PUT"
	NameRemove         = "RPC_RRDB_RRDB_REMOVE"
	NameMultiPut       = "RPC_RRDB_RRDB_MULTI_PUT"
	NameMultiRemove    = "RPC_RRDB_RRDB_MULTI_REMOVE"
	NameIncr           = "RPC_RRDB_RRDB_INCR"
	NameCheckAndSet    = "RPC_RRDB_RRDB_CHECK_AND_SET"
	NameCheckAndMutate = "RPC_RRDB_RRDB_CHECK_AND_MUTATE"
	NameMultiGet       = "RPC_RRDB_RRDB_MULTI_GET"
	NameBatchGet       = "RPC_RRDB_RRDB_BATCH_GET"
	NameSortkeyCount   = "RPC_RRDB_RRDB_SORTKEY_COUNT"
	NameTTL            = "RPC_RRDB_RRDB_TTL"
	NameGetScanner     = "RPC_RRDB_RRDB_GET_SCANNER"
	NameScan           = "RPC_RRDB_RRDB_SCAN"
	NameClearScanner   = "RPC_RRDB_RRDB_CLEAR_SCANNER"
	NameDuplicate      = "RPC_RRDB_RRDB_DUPLICATE"
	NameIngest         = "RPC_RRDB_RRDB_BULK_LOAD"
)

// Names of the requests that every server answers.
const (
	NameRemoteCommand = "RPC_CLI_CLI_CALL"
)
