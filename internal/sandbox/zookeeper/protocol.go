package zookeeper

// Request types (org.apache.zookeeper.ZooDefs.OpCode).
const (
	opCreate       = 1
	opDelete       = 2
	opExists       = 3
	opGetData      = 4
	opSetData      = 5
	opGetACL       = 6
	opSetACL       = 7
	opGetChildren  = 8
	opSync         = 9
	opPing         = 11
	opGetChildren2 = 12
	opCreate2      = 15
	opAuth         = 100
	opSetWatches   = 101
	opWhoAmI       = 107
	opClose        = -11
)

// errCode is the error of an answer (org.apache.zookeeper.KeeperException.Code).
type errCode int32

const (
	errOK                      errCode = 0
	errUnimplemented           errCode = -6
	errBadArguments            errCode = -8
	errNoNode                  errCode = -101
	errNoAuth                  errCode = -102
	errBadVersion              errCode = -103
	errNoChildrenForEphemerals errCode = -108
	errNodeExists              errCode = -110
	errNotEmpty                errCode = -111
	errInvalidACL              errCode = -114
	errAuthFailed              errCode = -115
	errNotReadOnly             errCode = -119
)

// xidWatch marks packets that answer no request.
const xidWatch = -1

// eventType is what a watch saw (org.apache.zookeeper.Watcher.Event.EventType).
type eventType int32

const (
	eventCreated         eventType = 1
	eventDeleted         eventType = 2
	eventDataChanged     eventType = 3
	eventChildrenChanged eventType = 4
)

// stateSyncConnected is the state in every event that a server sends.
const stateSyncConnected = 3

const (
	// maxPacket is jute.maxbuffer's default in bytes; a longer packet ends the connection.
	maxPacket = 0xfffff
	// passwordLength is that of a session's password in bytes.
	passwordLength = 16
)

// Permissions of an ACL (org.apache.zookeeper.ZooDefs.Perms).
const (
	PermRead   int32 = 1
	PermWrite  int32 = 2
	PermCreate int32 = 4
	PermDelete int32 = 8
	PermAdmin  int32 = 16
	PermAll    int32 = 31
)

// Stat describes a node (org.apache.zookeeper.data.Stat). Times are milliseconds since 1970, the
// zxid fields number transactions.
type Stat struct {
	Czxid, Mzxid, Ctime, Mtime  int64
	Version, Cversion, Aversion int32
	// EphemeralOwner is the session that the node ends with, 0 for a persistent node.
	EphemeralOwner          int64
	DataLength, NumChildren int32
	Pzxid                   int64
}
