package sandbox

import "github.com/pegmigrate/pegmigrate/internal/idl"

// listNodes lists replica servers as the failure detector sees them.
func listNodes(c *Cluster, req *idl.ListNodesRequest, resp *idl.ListNodesResponse) {
	for _, n := range c.nodes {
		info := idl.NodeInfo{Status: idl.NodeUnalive, Node: n.srv.wire}
		if n.alive {
			info.Status = idl.NodeAlive
		}
		if req.Status == idl.NodeInvalid || req.Status == info.Status {
			resp.Infos = append(resp.Infos, info)
		}
	}
}
