package sandbox

import (
	"time"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// holdDropped is how many seconds a dropped table is kept when the request does not
// say: [meta_server] hold_seconds_for_dropped_app.
const holdDropped = 604800

// dropApp drops a table; its data stays until the reserve time has passed.
func dropApp(c *Cluster, req *idl.DropAppRequest, resp *idl.DropAppResponse) {
	t := c.findTable(req.AppName)
	switch {
	case t == nil && !req.Options.SuccessIfNotExist:
		resp.Err = idl.ErrAppNotExist
	case t == nil:
	case t.info.Status == idl.AppDropping:
		resp.Err = idl.ErrBusyDropping
	case !t.serving():
		resp.Err = idl.ErrBusyCreating
	default:
		reserve := int64(holdDropped)
		if s := req.Options.ReserveSeconds; s != nil && *s > 0 {
			reserve = *s
		}
		t.info.Status, t.reserve = idl.AppDropping, reserve
	}
}

// dropTable takes a table out of service.
func (c *Cluster) dropTable(t *table, reserveSeconds int64) {
	t.info.Status = idl.AppDropped
	t.info.DropSecond = c.now().Unix()
	t.info.ExpireSecond = t.info.DropSecond + reserveSeconds
	for _, p := range t.partitions {
		for _, n := range c.nodes {
			if p.has(n) {
				p.lastDrops = append(p.lastDrops, n)
			}
		}
		p.primary, p.secondaries, p.moving = nil, nil, nil
		p.ballot++
		c.apply(p)
	}
	for _, n := range c.nodes {
		n.dropTable(t.info.AppID)
	}
}

// purge forgets the rows of dropped tables whose reserve time is over. They stay in
// the list of dropped tables.
func (c *Cluster) purge(now time.Time) {
	for _, t := range c.tables {
		if t.info.Status != idl.AppDropped || now.Unix() < t.info.ExpireSecond || t.partitions == nil {
			continue
		}
		for _, n := range c.nodes {
			n.dropTable(t.info.AppID)
		}
		t.partitions = nil
	}
}

// expiredTable tells whether a dropped table cannot be recalled any more.
func (t *table) expiredTable(now time.Time) bool {
	return t.partitions == nil || now.Unix() >= t.info.ExpireSecond
}
