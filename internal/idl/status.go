package idl

import "strconv"

// Status is the rocksdb::Status code in the `error` field of data responses
// (RocksDB 6.6, include/rocksdb/status.h). It is an i32 in the IDL.
type Status int32

// The status codes that servers answer with.
const (
	StatusOK                 Status = 0
	StatusNotFound           Status = 1
	StatusCorruption         Status = 2
	StatusNotSupported       Status = 3
	StatusInvalidArgument    Status = 4
	StatusIOError            Status = 5
	StatusMergeInProgress    Status = 6
	StatusIncomplete         Status = 7
	StatusShutdownInProgress Status = 8
	StatusTimedOut           Status = 9
	StatusAborted            Status = 10
	StatusBusy               Status = 11
	StatusExpired            Status = 12
	StatusTryAgain           Status = 13
)

// String is RocksDB's name of the status.
func (s Status) String() string {
	return enumName(s, "Ok", "NotFound", "Corruption", "NotSupported", "InvalidArgument", "IOError",
		"MergeInProgress", "Incomplete", "ShutdownInProgress", "TimedOut", "Aborted", "Busy", "Expired", "TryAgain")
}

// enumName picks the name of an enum value, or its number when it has none.
func enumName[T ~int32](v T, names ...string) string {
	if v < 0 || int(v) >= len(names) || names[v] == "" {
		return strconv.Itoa(int(v))
	}
	return names[v]
}
