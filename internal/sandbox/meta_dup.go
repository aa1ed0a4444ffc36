package sandbox

import (
	"fmt"
	"slices"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// addDuplication checks in the order of meta_duplication_service::add_duplication,
// which makes the call a probe for the leader's configuration, and starts a
// duplication or starts an existing one to the same cluster again.
func addDuplication(c *Cluster, req *idl.AddDuplicationRequest, resp *idl.AddDuplicationResponse) {
	peers := c.leader.srv.peers.get()
	metas := peers.metas[req.RemoteClusterName]
	switch {
	case c.cfg.DuplicationDisabled:
		resp.Err = idl.ErrServiceNotActive
		return
	case req.RemoteClusterName == c.cfg.Name:
		resp.Err = idl.ErrInvalidParameters
		resp.Hint = new("illegal operation: adding duplication to itself")
		return
	case peers.ids[req.RemoteClusterName] == 0:
		resp.Err = idl.ErrInvalidParameters
		resp.Hint = new(fmt.Sprintf("get_duplication_cluster_id(%s) failed, error: ERR_OBJECT_NOT_FOUND: %s",
			req.RemoteClusterName, noClusterID(peers, req.RemoteClusterName)))
		return
	case len(metas) == 0:
		resp.Err = idl.ErrInvalidParameters
		resp.Hint = new(fmt.Sprintf("failed to find cluster[%s] address in config [pegasus.clusters]", req.RemoteClusterName))
		return
	}
	t := c.findTable(req.AppName)
	if t == nil || !t.serving() {
		resp.Err = idl.ErrAppNotExist
		return
	}
	i := slices.IndexFunc(t.dups, func(d *duplication) bool { return d.remote == req.RemoteClusterName })
	existed := i >= 0
	var d *duplication
	if existed {
		d = t.dups[i]
	} else {
		d = c.newDuplication(t, req.RemoteClusterName, metas)
	}
	to := idl.DupPrepare
	if req.IsDuplicatingCheckpoint != nil && !*req.IsDuplicatingCheckpoint {
		to = idl.DupLog
	}
	if code, _ := d.alter(to, idl.DupFailSlow); !code.OK() {
		return // 2.5 answers ERR_OK and leaves everything else empty
	}
	if !existed {
		d.stored = d.status
	}
	resp.AppID, resp.DupID = t.info.AppID, d.id
	t.refreshDuplicating()
}

// noClusterID is why a name has no id (duplication_group_registry::get_cluster_id).
func noClusterID(peers peerConfig, name string) string {
	if len(peers.ids) == 0 {
		return "`duplication-group` is not configured"
	}
	return fmt.Sprintf("failed to get cluster id for  << %s", name)
}

// modifyDuplication changes state or fail mode. Removing takes effect at the meta at
// once.
func modifyDuplication(c *Cluster, req *idl.ModifyDuplicationRequest, resp *idl.ModifyDuplicationResponse) {
	if c.cfg.DuplicationDisabled {
		resp.Err = idl.ErrServiceNotActive
		return
	}
	t := c.findTable(req.AppName)
	if t == nil || !t.serving() {
		resp.Err = idl.ErrAppNotExist
		return
	}
	d := t.dup(req.DupID)
	if d == nil {
		resp.Err = idl.ErrObjectNotFound
		return
	}
	to, mode := d.status, d.failMode
	if req.Status != nil {
		to = *req.Status
	}
	if req.FailMode != nil {
		mode = *req.FailMode
	}
	code, changed := d.alter(to, mode)
	resp.Err = code
	if !code.OK() || !changed {
		return
	}
	d.stored = d.status
	resp.AppID = t.info.AppID
	if to == idl.DupRemoved {
		t.removeDup(d)
	}
}

// queryDuplication lists the duplications of a table by id.
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
	for _, d := range t.sortedDups() {
		resp.EntryList = append(resp.EntryList, d.entry())
	}
}

// sortedDups are the duplications of a table by id.
func (t *table) sortedDups() []*duplication {
	return slices.SortedFunc(slices.Values(t.dups), func(a, b *duplication) int { return int(a.id) - int(b.id) })
}
