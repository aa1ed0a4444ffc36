package sandbox

import "github.com/pegmigrate/pegmigrate/internal/idl"

// upgradeToPrimary is config_type CT_UPGRADE_TO_PRIMARY and movePrimaryType the
// balancer request type that moves a primary (idl/meta_admin.thrift).
const upgradeToPrimary = 2

// proposeBalancer carries out proposals that move a primary to a secondary; others
// are refused.
func proposeBalancer(c *Cluster, req *idl.ProposeBalancerRequest, resp *idl.ProposeBalancerResponse) {
	t := c.tableByID(req.Gpid.AppID)
	if t == nil || !t.serving() || req.Gpid.Partition < 0 || int(req.Gpid.Partition) >= len(t.partitions) {
		resp.Err = idl.ErrInvalidParameters
		return
	}
	if c.effectiveLevel() < idl.MetaSteady {
		resp.Err = idl.ErrInvalidState
		return
	}
	p := t.partitions[req.Gpid.Partition]
	for _, a := range req.ActionList {
		if a.Type != upgradeToPrimary {
			continue
		}
		for _, s := range p.secondaries {
			if s.srv.wire == a.Node && p.primary != nil {
				c.movePrimary(p, s)
				return
			}
		}
	}
	resp.Err = idl.ErrInvalidParameters
}
