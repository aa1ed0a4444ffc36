package sandbox

import "github.com/pegmigrate/pegmigrate/internal/idl"

// Names of requests between servers, as a Hook sees them. They do not travel here.
const (
	nameColdBackup    = "RPC_COLD_BACKUP"
	nameBulkLoad      = "RPC_BULK_LOAD"
	nameGroupBulkLoad = "RPC_GROUP_BULK_LOAD"
)

// innerCall shows a request of one server to another to the hook and tells what becomes of
// it: ERR_OK lets it happen, a dead server gives ERR_NETWORK_FAILURE. Cluster.mu must be held.
func (c *Cluster) innerCall(n *replicaNode, rpc string, gpid idl.Gpid) idl.ErrorCode {
	if !n.srv.up() {
		return idl.ErrNetworkFailure
	}
	hook := c.hook()
	if hook == nil {
		return idl.ErrOK
	}
	switch v := hook(Call{Cluster: c.cfg.Name, Node: n.srv.addr, RPC: rpc, Gpid: gpid, Phase: Before}); v.act {
	case actFail:
		return v.code
	case actDrop:
		return idl.ErrTimeout
	case actKill:
		c.killNodeLocked(n)
		return idl.ErrNetworkFailure
	default:
		return idl.ErrOK
	}
}
