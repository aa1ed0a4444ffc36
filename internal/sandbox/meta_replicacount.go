package sandbox

import (
	"fmt"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// getMaxReplicaCount tells how many replicas a table is to have.
func getMaxReplicaCount(c *Cluster, req *idl.GetMaxReplicaCountRequest, resp *idl.GetMaxReplicaCountResponse) {
	t := c.findTable(req.AppName)
	if t == nil {
		resp.Err = idl.ErrAppNotExist
		resp.HintMessage = fmt.Sprintf("app(%s) does not exist", req.AppName)
		return
	}
	resp.MaxReplicaCount = t.info.MaxReplicaCount
}
