package sandbox

import (
	"fmt"
	"slices"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// addDuplication checks in the order of meta_duplication_service::add_duplication,
// which makes the call a probe for the configuration. It never adds one: see
// GAPS.md.
func addDuplication(c *Cluster, req *idl.AddDuplicationRequest, resp *idl.AddDuplicationResponse) {
	switch {
	case c.cfg.DuplicationDisabled:
		resp.Err = idl.ErrServiceNotActive
	case req.RemoteClusterName == c.cfg.Name:
		resp.Err = idl.ErrInvalidParameters
		resp.Hint = new("illegal operation: adding duplication to itself")
	case !slices.Contains(c.cfg.RemoteClusters, req.RemoteClusterName):
		resp.Err = idl.ErrInvalidParameters
		resp.Hint = new(fmt.Sprintf("get_duplication_cluster_id(%s) failed, error: ERR_OBJECT_NOT_FOUND: "+
			"failed to get cluster id for  << %s", req.RemoteClusterName, req.RemoteClusterName))
	case c.findTable(req.AppName) == nil || !c.findTable(req.AppName).serving():
		resp.Err = idl.ErrAppNotExist
	default:
		resp.Err = idl.ErrServiceNotActive
	}
}

// modifyDuplication finds nothing to modify.
func modifyDuplication(c *Cluster, req *idl.ModifyDuplicationRequest, resp *idl.ModifyDuplicationResponse) {
	resp.Err = idl.ErrObjectNotFound
	if c.cfg.DuplicationDisabled {
		resp.Err = idl.ErrServiceNotActive
		return
	}
	if t := c.findTable(req.AppName); t == nil || !t.serving() {
		resp.Err = idl.ErrAppNotExist
	}
}

// queryDuplication lists no duplications.
func queryDuplication(c *Cluster, req *idl.QueryDuplicationRequest, resp *idl.QueryDuplicationResponse) {
	if c.cfg.DuplicationDisabled {
		resp.Err = idl.ErrServiceNotActive
		return
	}
	t := c.findTable(req.AppName)
	if t == nil || !t.serving() {
		resp.Err = idl.ErrAppNotExist
		return
	}
	resp.AppID = t.info.AppID
}
