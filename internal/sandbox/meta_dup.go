package sandbox

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// addDuplication checks in the order of meta_duplication_service::add_duplication,
// which makes the call a probe for the leader's configuration, and starts a
// duplication or starts an existing one to the same cluster again.
func addDuplication(c *Cluster, req *idl.AddDuplicationRequest, resp *idl.AddDuplicationResponse) {
	metas, ok := c.admitDuplication(req, resp)
	if !ok {
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
		name, replicas := c.followerOf(t, req)
		if other := c.dupTo(req.RemoteClusterName, name); c.release >= release26 && other != nil {
			resp.Err = idl.ErrInvalidParameters
			resp.Hint = new(fmt.Sprintf("illegal operation: another app(%s) is also duplicated to the same remote app(cluster=%s, app=%s)",
				other.info.AppName, req.RemoteClusterName, name))
			return
		}
		d = c.newDuplication(t, req.RemoteClusterName, metas)
		d.appName, d.replicas = name, replicas
	}
	c.startDuplication(t, d, existed, req, resp)
}

// admitDuplication checks what does not depend on the table; metas are those of the remote.
func (c *Cluster) admitDuplication(req *idl.AddDuplicationRequest, resp *idl.AddDuplicationResponse) (metas []string, ok bool) {
	if c.cfg.DuplicationDisabled {
		resp.Err = idl.ErrServiceNotActive
		return nil, false
	}
	peers := c.leader.srv.peers.get()
	metas = peers.metas[req.RemoteClusterName]
	var hint string
	switch {
	case c.release >= release26 && req.RemoteReplicaCount != nil && *req.RemoteReplicaCount < 0:
		hint = fmt.Sprintf("invalid remote_replica_count(%d) which should never be negative", *req.RemoteReplicaCount)
	case req.RemoteClusterName == c.cfg.Name:
		hint = "illegal operation: adding duplication to itself"
	case peers.ids[req.RemoteClusterName] == 0:
		hint = fmt.Sprintf("get_duplication_cluster_id(%s) failed, error: ERR_OBJECT_NOT_FOUND: %s",
			req.RemoteClusterName, noClusterID(peers, req.RemoteClusterName))
	case len(metas) == 0:
		hint = fmt.Sprintf("failed to find cluster[%s] address in config [pegasus.clusters]", req.RemoteClusterName)
	default:
		return metas, true
	}
	resp.Err, resp.Hint = idl.ErrInvalidParameters, new(hint)
	return nil, false
}

// startDuplication begins the state that is asked for, and answers.
func (c *Cluster) startDuplication(t *table, d *duplication, existed bool, req *idl.AddDuplicationRequest, resp *idl.AddDuplicationResponse) {
	modern := c.release >= release26
	to := idl.DupPrepare
	if req.IsDuplicatingCheckpoint != nil && !*req.IsDuplicatingCheckpoint {
		to = idl.DupLog
	}
	if code, _ := d.alter(to, idl.DupFailSlow); !code.OK() {
		if modern {
			resp.Err = code
			resp.Hint = new(fmt.Sprintf("start dup[%d(%s)] failed", d.id, d.appName))
		}
		return // up to 2.5 the answer is ERR_OK, and everything else is empty
	}
	if modern {
		resp.RemoteAppName, resp.RemoteReplicaCount = new(d.appName), new(d.replicas)
		if existed {
			resp.Err = idl.ErrDupExist
		}
	}
	if !existed {
		d.stored = d.status
	}
	resp.AppID, resp.DupID = t.info.AppID, d.id
	t.refreshDuplicating()
}

// followerOf is what the follower of a new duplication will be. Up to 2.5 the request's
// own wishes are fields that nobody reads.
func (c *Cluster) followerOf(t *table, req *idl.AddDuplicationRequest) (name string, replicas int32) {
	name, replicas = t.info.AppName, t.info.MaxReplicaCount
	if c.release < release26 {
		return name, replicas
	}
	if req.RemoteAppName != nil && *req.RemoteAppName != "" {
		name = *req.RemoteAppName
	}
	if req.RemoteReplicaCount != nil && *req.RemoteReplicaCount > 0 {
		replicas = *req.RemoteReplicaCount
	}
	return name, replicas
}

// dupTo is the table that is duplicated to a table of another cluster already, nil for
// none.
func (c *Cluster) dupTo(remote, name string) *table {
	for _, t := range c.tables {
		for _, d := range t.dups {
			if t.serving() && d.remote == remote && d.appName == name {
				return t
			}
		}
	}
	return nil
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
		resp.EntryList = append(resp.EntryList, c.entry(d))
	}
}

// sortedDups are the duplications of a table by id.
func (t *table) sortedDups() []*duplication {
	return slices.SortedFunc(slices.Values(t.dups), func(a, b *duplication) int { return int(a.id) - int(b.id) })
}

// listDuplications lists the duplicated tables whose name fits a pattern. Tables without
// duplications are not in it.
func listDuplications(c *Cluster, req *idl.ListDuplicationRequest, resp *idl.ListDuplicationResponse) {
	if c.cfg.DuplicationDisabled {
		resp.Err = idl.ErrServiceNotActive
		return
	}
	fits, ok := nameMatcher(req.MatchType, req.AppNamePattern)
	if !ok {
		resp.Err = idl.ErrNotImplemented
		resp.HintMessage = fmt.Sprintf("match_type %v is not supported", req.MatchType)
		return
	}
	resp.AppStates = map[string]idl.DuplicationAppState{}
	for _, t := range c.tables {
		if !t.serving() || len(t.dups) == 0 || !fits(t.info.AppName) {
			continue
		}
		state := idl.DuplicationAppState{AppID: t.info.AppID, AppName: t.info.AppName, PartitionCount: t.info.PartitionCount,
			Duplications: map[int32]idl.DuplicationEntry{}}
		for _, d := range t.dups {
			state.Duplications[d.id] = c.entry(d)
		}
		resp.AppStates[t.info.AppName] = state
	}
}

// nameMatcher is utils::pattern_match, without regular expressions.
func nameMatcher(kind idl.MatchType, pattern string) (fits func(name string) bool, ok bool) {
	switch kind {
	case idl.MatchAll:
		return func(string) bool { return true }, true
	case idl.MatchExact:
		return func(name string) bool { return name == pattern }, true
	case idl.MatchAnywhere:
		return func(name string) bool { return strings.Contains(name, pattern) }, true
	case idl.MatchPrefix:
		return func(name string) bool { return strings.HasPrefix(name, pattern) }, true
	case idl.MatchPostfix:
		return func(name string) bool { return strings.HasSuffix(name, pattern) }, true
	default:
		return nil, false
	}
}
