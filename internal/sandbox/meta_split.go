package sandbox

import (
	"fmt"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// querySplit answers for a table that is not being split.
func querySplit(c *Cluster, req *idl.QuerySplitRequest, resp *idl.QuerySplitResponse) {
	t, code := c.available(req.AppName)
	switch {
	case t != nil:
		resp.Err = idl.ErrInvalidState
		resp.HintMsg = new(fmt.Sprintf("app(%s) is not splitting", req.AppName))
	case code == idl.ErrAppNotExist:
		resp.Err = code
		resp.HintMsg = new(fmt.Sprintf("app(%s) not existed", req.AppName))
	default:
		resp.Err = code
		resp.HintMsg = new(fmt.Sprintf("app(%s) dropped", req.AppName))
	}
}
