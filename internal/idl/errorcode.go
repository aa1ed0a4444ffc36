package idl

// ErrorCode is dsn.error_code. It travels as text, so that codes which this
// package has no name for are values like any other; compare with ==.
//
// It implements error, so that errors.Is(err, ErrAppNotExist) works on errors that
// unwrap to a code. A plain ErrOK or empty code is still a non-nil error when
// stored in one: test OK before using a code as an error.
type ErrorCode string

// OK tells whether the code reports success.
func (c ErrorCode) OK() bool { return c == ErrOK }

// Error is the code itself, e.g. "ERR_APP_NOT_EXIST".
func (c ErrorCode) Error() string { return string(c) }

// The codes of src/utils/error_code.h, up to the master branch of March 2026.
// Which of them a request can get is said where the request is used.
const (
	ErrOK                         ErrorCode = "ERR_OK"
	ErrUnknown                    ErrorCode = "ERR_UNKNOWN"
	ErrReplicationFailure         ErrorCode = "ERR_REPLICATION_FAILURE"
	ErrAppExist                   ErrorCode = "ERR_APP_EXIST"
	ErrAppNotExist                ErrorCode = "ERR_APP_NOT_EXIST"
	ErrAppDropped                 ErrorCode = "ERR_APP_DROPPED"
	ErrBusyCreating               ErrorCode = "ERR_BUSY_CREATING"
	ErrBusyDropping               ErrorCode = "ERR_BUSY_DROPPING"
	ErrExpired                    ErrorCode = "ERR_EXPIRED"
	ErrLockAlreadyExist           ErrorCode = "ERR_LOCK_ALREADY_EXIST"
	ErrHoldByOthers               ErrorCode = "ERR_HOLD_BY_OTHERS"
	ErrRecursiveLock              ErrorCode = "ERR_RECURSIVE_LOCK"
	ErrNoOwner                    ErrorCode = "ERR_NO_OWNER"
	ErrNodeAlreadyExist           ErrorCode = "ERR_NODE_ALREADY_EXIST"
	ErrInconsistentState          ErrorCode = "ERR_INCONSISTENT_STATE"
	ErrArrayIndexOutOfRange       ErrorCode = "ERR_ARRAY_INDEX_OUT_OF_RANGE"
	ErrServiceNotFound            ErrorCode = "ERR_SERVICE_NOT_FOUND"
	ErrServiceAlreadyRunning      ErrorCode = "ERR_SERVICE_ALREADY_RUNNING"
	ErrIOPending                  ErrorCode = "ERR_IO_PENDING"
	ErrTimeout                    ErrorCode = "ERR_TIMEOUT"
	ErrServiceNotActive           ErrorCode = "ERR_SERVICE_NOT_ACTIVE"
	ErrBusy                       ErrorCode = "ERR_BUSY"
	ErrNetworkInitFailed          ErrorCode = "ERR_NETWORK_INIT_FAILED"
	ErrForwardToOthers            ErrorCode = "ERR_FORWARD_TO_OTHERS"
	ErrObjectNotFound             ErrorCode = "ERR_OBJECT_NOT_FOUND"
	ErrHandlerNotFound            ErrorCode = "ERR_HANDLER_NOT_FOUND"
	ErrLearnFileFailed            ErrorCode = "ERR_LEARN_FILE_FAILED"
	ErrGetLearnStateFailed        ErrorCode = "ERR_GET_LEARN_STATE_FAILED"
	ErrInvalidVersion             ErrorCode = "ERR_INVALID_VERSION"
	ErrInvalidParameters          ErrorCode = "ERR_INVALID_PARAMETERS"
	ErrCapacityExceeded           ErrorCode = "ERR_CAPACITY_EXCEEDED"
	ErrInvalidState               ErrorCode = "ERR_INVALID_STATE"
	ErrInactiveState              ErrorCode = "ERR_INACTIVE_STATE"
	ErrNotEnoughMember            ErrorCode = "ERR_NOT_ENOUGH_MEMBER"
	ErrFileOperationFailed        ErrorCode = "ERR_FILE_OPERATION_FAILED"
	ErrHandleEOF                  ErrorCode = "ERR_HANDLE_EOF"
	ErrWrongChecksum              ErrorCode = "ERR_WRONG_CHECKSUM"
	ErrInvalidData                ErrorCode = "ERR_INVALID_DATA"
	ErrInvalidHandle              ErrorCode = "ERR_INVALID_HANDLE"
	ErrIncompleteData             ErrorCode = "ERR_INCOMPLETE_DATA"
	ErrVersionOutdated            ErrorCode = "ERR_VERSION_OUTDATED"
	ErrPathNotFound               ErrorCode = "ERR_PATH_NOT_FOUND"
	ErrPathAlreadyExist           ErrorCode = "ERR_PATH_ALREADY_EXIST"
	ErrAddressAlreadyUsed         ErrorCode = "ERR_ADDRESS_ALREADY_USED"
	ErrStateFreezed               ErrorCode = "ERR_STATE_FREEZED"
	ErrLocalAppFailure            ErrorCode = "ERR_LOCAL_APP_FAILURE"
	ErrBindIOCPFailed             ErrorCode = "ERR_BIND_IOCP_FAILED"
	ErrNetworkStartFailed         ErrorCode = "ERR_NETWORK_START_FAILED"
	ErrNotImplemented             ErrorCode = "ERR_NOT_IMPLEMENTED"
	ErrCheckpointFailed           ErrorCode = "ERR_CHECKPOINT_FAILED"
	ErrWrongTiming                ErrorCode = "ERR_WRONG_TIMING"
	ErrNoNeedOperate              ErrorCode = "ERR_NO_NEED_OPERATE"
	ErrCorruption                 ErrorCode = "ERR_CORRUPTION"
	ErrTryAgain                   ErrorCode = "ERR_TRY_AGAIN"
	ErrClusterNotFound            ErrorCode = "ERR_CLUSTER_NOT_FOUND"
	ErrClusterAlreadyExist        ErrorCode = "ERR_CLUSTER_ALREADY_EXIST"
	ErrServiceAlreadyExist        ErrorCode = "ERR_SERVICE_ALREADY_EXIST"
	ErrInjected                   ErrorCode = "ERR_INJECTED"
	ErrNetworkFailure             ErrorCode = "ERR_NETWORK_FAILURE"
	ErrUnderRecovery              ErrorCode = "ERR_UNDER_RECOVERY"
	ErrOperationDisabled          ErrorCode = "ERR_OPERATION_DISABLED"
	ErrZookeeperOperation         ErrorCode = "ERR_ZOOKEEPER_OPERATION"
	ErrChildRegistered            ErrorCode = "ERR_CHILD_REGISTERED"
	ErrIngestionFailed            ErrorCode = "ERR_INGESTION_FAILED"
	ErrUnauthenticated            ErrorCode = "ERR_UNAUTHENTICATED"
	ErrKRB5Internal               ErrorCode = "ERR_KRB5_INTERNAL"
	ErrSASLInternal               ErrorCode = "ERR_SASL_INTERNAL"
	ErrSASLIncomplete             ErrorCode = "ERR_SASL_INCOMPLETE"
	ErrACLDeny                    ErrorCode = "ERR_ACL_DENY"
	ErrSplitting                  ErrorCode = "ERR_SPLITTING"
	ErrParentPartitionMisused     ErrorCode = "ERR_PARENT_PARTITION_MISUSED"
	ErrChildNotReady              ErrorCode = "ERR_CHILD_NOT_READY"
	ErrDiskInsufficient           ErrorCode = "ERR_DISK_INSUFFICIENT"
	ErrLearnerNotFound            ErrorCode = "ERR_LEARNER_NOT_FOUND"
	ErrDirNotEmpty                ErrorCode = "ERR_DIR_NOT_EMPTY"
	ErrFSInternal                 ErrorCode = "ERR_FS_INTERNAL"
	ErrIgnoreBadData              ErrorCode = "ERR_IGNORE_BAD_DATA"
	ErrRetryExhausted             ErrorCode = "ERR_RETRY_EXHAUSTED"
	ErrSyncRangerPoliciesFailed   ErrorCode = "ERR_SYNC_RANGER_POLICIES_FAILED"
	ErrRangerParseACL             ErrorCode = "ERR_RANGER_PARSE_ACL"
	ErrRangerPoliciesNoNeedUpdate ErrorCode = "ERR_RANGER_POLICIES_NO_NEED_UPDATE"
	ErrRDBCorruption              ErrorCode = "ERR_RDB_CORRUPTION"
	ErrDiskIOError                ErrorCode = "ERR_DISK_IO_ERROR"
	ErrCurlFailed                 ErrorCode = "ERR_CURL_FAILED"
	ErrDupExist                   ErrorCode = "ERR_DUP_EXIST"
	ErrHTTPError                  ErrorCode = "ERR_HTTP_ERROR"
	ErrNotMatched                 ErrorCode = "ERR_NOT_MATCHED"
)

// internCode turns the bytes of a code into an ErrorCode. The codes that data
// requests meet all the time cost no allocation.
func internCode(b []byte) ErrorCode {
	switch string(b) {
	case string(ErrOK):
		return ErrOK
	case string(ErrBusy):
		return ErrBusy
	case string(ErrInvalidState):
		return ErrInvalidState
	case string(ErrTimeout):
		return ErrTimeout
	case string(ErrCapacityExceeded):
		return ErrCapacityExceeded
	case string(ErrNotEnoughMember):
		return ErrNotEnoughMember
	default:
		return ErrorCode(b)
	}
}
