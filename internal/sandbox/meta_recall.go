package sandbox

import "github.com/pegmigrate/pegmigrate/internal/idl"

// recallApp brings a dropped table back, possibly under a new name.
func recallApp(c *Cluster, req *idl.RecallAppRequest, resp *idl.RecallAppResponse) {
	t := c.tableByID(req.AppID)
	switch {
	case t == nil:
		resp.Err = idl.ErrAppNotExist
		return
	case t.info.Status == idl.AppDropping:
		resp.Err = idl.ErrBusyDropping
		return
	case t.info.Status == idl.AppCreating || t.info.Status == idl.AppRecalling:
		resp.Err = idl.ErrBusyCreating
		return
	case t.info.Status != idl.AppDropped:
		resp.Err = idl.ErrAppExist
		return
	case t.expiredTable(c.now()):
		resp.Err = idl.ErrAppNotExist
		return
	}
	name := orDefault(req.NewAppName, t.info.AppName)
	if c.findTable(name) != nil {
		resp.Err = idl.ErrInvalidParameters
		return
	}
	t.info.AppName, t.info.Status = name, idl.AppAvailable
	t.info.DropSecond, t.info.ExpireSecond = 0, 0
	now := c.now()
	for _, p := range t.partitions {
		p.cureAt = now.Add(c.timing.Assign)
	}
	resp.Info = t.appInfo()
}

// tableByID is the table with an id, dropped ones included, nil for none.
func (c *Cluster) tableByID(id int32) *table {
	for _, t := range c.tables {
		if t.info.AppID == id {
			return t
		}
	}
	return nil
}
