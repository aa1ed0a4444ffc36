package sandbox

import (
	"fmt"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// renameApp gives a table another name.
func renameApp(c *Cluster, req *idl.RenameAppRequest, resp *idl.RenameAppResponse) {
	t := c.findTable(req.OldAppName)
	switch {
	case t == nil:
		resp.Err = idl.ErrAppNotExist
		resp.HintMessage = fmt.Sprintf("ERROR: app(%s) not exist!", req.OldAppName)
	case !t.serving():
		resp.Err = idl.ErrBusyCreating
		if t.info.Status == idl.AppDropping {
			resp.Err = idl.ErrBusyDropping
		}
		resp.HintMessage = fmt.Sprintf("ERROR: app(%s) status can't execute rename.", req.OldAppName)
	case c.findTable(req.NewAppName) != nil:
		resp.Err = idl.ErrInvalidParameters
		resp.HintMessage = fmt.Sprintf("ERROR: app(%s) already exist!", req.NewAppName)
	default:
		t.info.AppName = req.NewAppName
	}
}
