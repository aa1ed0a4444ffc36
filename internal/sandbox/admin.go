package sandbox

import (
	"cmp"
	"slices"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// adminHandlers are the requests to replica servers about themselves.
func adminHandlers() []registration {
	return []registration{
		{idl.NameQueryReplicaInfo, adminRPC(queryReplicaInfo), onReplica},
		{idl.NameQueryReplicaDecree, adminRPC(queryReplicaDecree), onReplica},
		{idl.NameQueryDiskInfo, adminRPC(queryDiskInfo), onReplica},
		{idl.NameQueryAppInfo, adminRPC(queryAppInfo), onReplica},
	}
}

// adminRPC makes the handler of a request to a replica server.
func adminRPC[Q, R any, PQ pointer[Q], PR pointer[R]](f func(n *replicaNode, req *Q, resp *R)) handler {
	return func(q *request, out []byte) []byte {
		var req Q
		var resp R
		if !q.decode(PQ(&req)) {
			return out
		}
		f(q.srv.node, &req, &resp)
		return q.reply(out, PR(&resp))
	}
}

// sorted are the replicas on the server, by gpid.
func (n *replicaNode) sorted() []*replica {
	var list []*replica
	n.each(func(r *replica) { list = append(list, r) })
	slices.SortFunc(list, func(a, b *replica) int {
		return cmp.Or(cmp.Compare(a.gpid.AppID, b.gpid.AppID), cmp.Compare(a.gpid.Partition, b.gpid.Partition))
	})
	return list
}

// queryReplicaInfo lists all replicas on the server with their decrees.
func queryReplicaInfo(n *replicaNode, _ *idl.QueryReplicaInfoRequest, resp *idl.QueryReplicaInfoResponse) {
	resp.Err = idl.ErrOK
	for _, r := range n.sorted() {
		r.part.mu.Lock()
		resp.Replicas = append(resp.Replicas, idl.ReplicaInfo{
			Pid: r.gpid, Ballot: r.ballot, Status: r.status,
			LastCommittedDecree: r.committed(), LastPreparedDecree: r.part.decree,
			LastDurableDecree: min(r.part.durable, r.committed()),
			AppType:           "pegasus", DiskTag: "default", ManualCompactStatus: new(int32(0)),
		})
		r.part.mu.Unlock()
	}
}

// queryReplicaDecree tells the last prepared decree of one replica.
func queryReplicaDecree(n *replicaNode, req *idl.QueryReplicaDecreeRequest, resp *idl.QueryReplicaDecreeResponse) {
	r := n.replica(req.Pid)
	if r == nil {
		resp.Err = idl.ErrObjectNotFound
		return
	}
	r.part.mu.Lock()
	defer r.part.mu.Unlock()
	resp.Err, resp.LastDecree = idl.ErrOK, r.part.decree
	if r.status != idl.ReplicaPrimary {
		resp.LastDecree = r.committed()
	}
}

// Size of the one disk that each server claims to have.
const (
	diskCapacityMb  = 258019
	diskAvailableMb = 174701
)

// queryDiskInfo describes the disk; replicas are listed for one table, or all.
func queryDiskInfo(n *replicaNode, req *idl.QueryDiskInfoRequest, resp *idl.QueryDiskInfoResponse) {
	disk := idl.DiskInfo{
		Tag: "default", FullDir: "/pegasus/" + n.c.cfg.Name + "/replica/reps",
		DiskCapacityMb: diskCapacityMb, DiskAvailableMb: diskAvailableMb,
		HoldingPrimaryReplicas: map[int32][]idl.Gpid{}, HoldingSecondaryReplicas: map[int32][]idl.Gpid{},
	}
	known := req.AppName == ""
	for _, r := range n.sorted() {
		if req.AppName != "" && r.table != req.AppName {
			continue
		}
		known = true
		r.part.mu.Lock()
		status := r.status
		r.part.mu.Unlock()
		switch status {
		case idl.ReplicaPrimary:
			disk.HoldingPrimaryReplicas[r.gpid.AppID] = append(disk.HoldingPrimaryReplicas[r.gpid.AppID], r.gpid)
		case idl.ReplicaSecondary:
			disk.HoldingSecondaryReplicas[r.gpid.AppID] = append(disk.HoldingSecondaryReplicas[r.gpid.AppID], r.gpid)
		}
	}
	if !known {
		resp.Err = idl.ErrObjectNotFound
		return
	}
	resp.Err = idl.ErrOK
	resp.TotalCapacityMb, resp.TotalAvailableMb = diskCapacityMb, diskAvailableMb
	resp.DiskInfos = []idl.DiskInfo{disk}
}

// queryAppInfo lists the tables of which the server has a replica. Replica servers
// do not keep the envs there.
func queryAppInfo(n *replicaNode, _ *idl.QueryAppInfoRequest, resp *idl.QueryAppInfoResponse) {
	resp.Err = idl.ErrOK
	n.c.mu.Lock()
	defer n.c.mu.Unlock()
	here := *n.replicas.Load()
	for _, t := range n.c.tables {
		if here[t.info.AppID] != nil {
			info := t.info
			info.Envs = nil
			resp.Apps = append(resp.Apps, info)
		}
	}
}
