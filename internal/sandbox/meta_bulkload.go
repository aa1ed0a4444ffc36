package sandbox

import (
	"fmt"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// queryBulkLoad answers for a table that never had a bulk load.
func queryBulkLoad(c *Cluster, req *idl.QueryBulkLoadRequest, resp *idl.QueryBulkLoadResponse) {
	resp.AppName = req.AppName
	t, code := c.available(req.AppName)
	if t == nil {
		resp.Err = code
		resp.HintMsg = new(fmt.Sprintf("app(%s) is not existed or not available", req.AppName))
		return
	}
	resp.HintMsg = new(fmt.Sprintf("app(%s) is not during bulk load, return last time result", req.AppName))
	resp.MaxReplicaCount = t.info.MaxReplicaCount
	resp.PartitionsStatus = make([]idl.BulkLoadStatus, len(t.partitions))
	resp.BulkLoadStates = make([]map[idl.Addr]idl.PartitionBulkLoadState, len(t.partitions))
	resp.IsBulkLoading = new(false)
}
