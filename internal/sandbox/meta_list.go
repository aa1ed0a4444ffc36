package sandbox

import (
	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// listApps lists tables by id, dropped ones included unless a status is asked for.
func listApps(c *Cluster, req *idl.ListAppsRequest, resp *idl.ListAppsResponse) {
	for _, t := range c.tables {
		if req.Status == idl.AppInvalid || req.Status == t.info.Status {
			resp.Infos = append(resp.Infos, t.appInfo())
		}
	}
}

// queryConfig tells where the partitions of a table are.
func queryConfig(c *Cluster, req *idl.QueryConfigRequest, resp *idl.QueryConfigResponse) {
	t := c.findTable(req.AppName)
	if t == nil {
		resp.Err = idl.ErrObjectNotFound
		return
	}
	switch t.info.Status {
	case idl.AppAvailable:
	case idl.AppCreating, idl.AppRecalling:
		resp.Err = idl.ErrBusyCreating
		return
	case idl.AppDropping:
		resp.Err = idl.ErrBusyDropping
		return
	default:
		resp.Err = idl.ErrUnknown
		return
	}
	resp.AppID, resp.PartitionCount, resp.IsStateful = t.info.AppID, t.info.PartitionCount, t.info.IsStateful
	for _, i := range req.PartitionIndices {
		if i >= 0 && int(i) < len(t.partitions) {
			resp.Partitions = append(resp.Partitions, t.partitions[i].config())
		}
	}
	if len(resp.Partitions) > 0 {
		return
	}
	for _, p := range t.partitions {
		resp.Partitions = append(resp.Partitions, p.config())
	}
}
