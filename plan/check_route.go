package plan

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/pegmigrate/pegmigrate/schema"
)

// checkDupRows looks at sizes: of rows, of the logs that pile up while the follower is made.
func (b *builder) checkDupRows(d *DuplicationFacts) {
	b.checkBatch(d)
	b.checkOrder(d)
	if v := b.f.SourceTable.Envs[EnvDefaultTTL]; ttlInForce(b.f.SourceTable.Envs) {
		follow := b.followEstimate()
		if ttl, err := time.ParseDuration(v + "s"); err == nil && ttl < 2*follow.High {
			b.checks.warn(CodeDupTTL, b.place(b.m.Target.Range), "compare again when all of them have expired",
				"default_ttl=%s is shorter than the follower may take (%s): rows written before the follower has it expire on the source and not there",
				v, Duration(follow.High))
		}
	}
	b.checkLogDisk(d)
}

// batchOverhead is what a duplicated write is larger by in the target's request: time, task code,
// cluster id, and the request's own frame; taken high.
const batchOverhead = 128

// checkBatch: writes are shipped in batches that are closed once they have duplicate_log_batch_bytes,
// so the largest is that and one write more. The target's servers refuse what is above their own limit
// for any write, and up to 2.5 the source tries it for ever (#1840).
func (b *builder) checkBatch(d *DuplicationFacts) {
	limit, place := b.f.Target.MaxWriteSize, b.place(b.m.Target.Range)
	if limit <= 0 {
		return
	}
	hint := "raise [replication] max_allowed_write_size on the target's servers, which takes a restart"
	row := Bytes(uint64(d.LargestRow))
	if d.LargestRow+batchOverhead > limit {
		b.checks.fail(CodeDupRowSize, place, hint, "%s has a row of %s, %s takes writes of %s at most: the source would try to ship it for ever",
			b.source, row, b.target.Cluster, Bytes(uint64(limit)))
		return
	}
	if d.LargestRow+batchOverhead+d.BatchBytes > limit {
		b.checks.warn(CodeDupRowSize, place, hint+", or lower duplicate_log_batch_bytes on the source's, which does not",
			"%s has a row of %s; a batch of %s that ends with such a write is above the %s that %s takes, and would be tried for ever",
			b.source, row, Bytes(uint64(d.BatchBytes)), Bytes(uint64(limit)), b.target.Cluster)
		return
	}
	if src := b.f.Source.MaxWriteSize; src > limit {
		b.checks.warn(CodeDupRowSize, place, hint,
			"%s takes writes up to %s, %s up to %s only: a larger one would be tried for ever; the largest row of a sample has %s",
			b.source.Cluster, Bytes(uint64(src)), b.target.Cluster, Bytes(uint64(limit)), row)
	}
}

// logFactor is how much larger a write is in the log than on disk, where rows are compressed: key,
// value, and about 100 bytes of header.
const (
	logFactor = 2
	logHeader = 100
)

// checkLogDisk: every replica of the source keeps its log from the moment the duplication exists until
// what is in it is shipped, which begins when the follower has the checkpoint.
func (b *builder) checkLogDisk(d *DuplicationFacts) {
	src, alive := b.f.SourceTable, b.f.Source.Alive()
	if d.WriteQPS == 0 || src.Rows == 0 || alive == 0 {
		return
	}
	row := float64(src.Bytes)/float64(src.Rows)*logFactor + logHeader
	follow := b.followEstimate().High
	each := uint64(d.WriteQPS * row * float64(src.Replicas) * follow.Seconds() / float64(alive))
	worst := NodeFacts{}
	for _, n := range b.f.Source.Nodes {
		if n.DiskTotal > 0 && (worst.Addr == "" || n.DiskAvailable < worst.DiskAvailable) {
			worst = n
		}
	}
	assumed := fmt.Sprintf("assumed: %.0f writes per second of %s, on %d replicas, for %s", d.WriteQPS, Bytes(uint64(row)), src.Replicas, Duration(follow))
	if worst.Addr != "" && each > worst.DiskAvailable/2 {
		b.checks.warn(CodeLogDisk, b.place(b.m.Source.Range), "make room on the source's disks, or migrate when there are fewer writes",
			"logs of about %s pile up on each server of %s until the follower has the checkpoint, %s has %s left (%s)",
			Bytes(each), b.source.Cluster, worst.Addr, Bytes(worst.DiskAvailable), assumed)
		return
	}
	b.checks.ok("logs of about %s pile up on each server of %s until the follower has the checkpoint (%s)", Bytes(each), b.source.Cluster, assumed)
}

// checkRoute looks at the record and at every proxy.
func (b *builder) checkRoute(method *schema.DuplicationMethod, d *DuplicationFacts) {
	place := b.atRoute()
	if method.Cutover.MetaProxy == nil {
		hint := "after it, give the clients the meta servers of " + b.target.Cluster
		if b.m.After.Source != schema.AfterUnfence {
			hint += "; writes stay rejected until then"
		}
		b.checks.warn(CodeNoRoute, place, hint, "no metaproxy block is declared: this plan ends with the target proven to hold everything, and leads no client there")
		return
	}
	b.checkRouteNames(method)
	r := d.Route
	switch {
	case r == nil:
		b.checks.fail(CodeRouteMissing, place, "declare metaproxy { zookeeper = [...] }", "the route record could not be looked for")
		return
	case r.Problem != "":
		b.checks.fail(CodeRouteMissing, place, "check zookeeper and root of the metaproxy block; without zookeeper the one of the source's cluster is asked", "route record %s", r.Problem)
		return
	case !r.Exists:
		b.checks.fail(CodeRouteMissing, place, "check root and table; clients behind the proxies cannot find this table either",
			"there is no route record %s in ZooKeeper", r.Path)
		return
	case r.ClusterName == b.f.Target.Name && b.f.Target.Name != b.f.Source.Name:
		b.checks.fail(CodeRouteElsewhere, place, "find out who changed it; put it back when clients belong to the source",
			"route record %s leads to the target %q already", r.Path, r.ClusterName)
	case r.ClusterName != b.f.Source.Name:
		b.checks.fail(CodeRouteElsewhere, place, "check cluster, root and table; somebody else may own this route",
			"route record %s leads to %q, the source calls itself %q", r.Path, r.ClusterName, b.f.Source.Name)
	case !r.Writable:
		b.checks.fail(CodeRouteReadOnly, place, "let pegmigrate change it: "+r.WritableReason, "route record %s must not be changed by us", r.Path)
	default:
		b.routeGood(r, d)
	}
	b.checkProxies(r, Error)
}

// checkRouteNames: MetaProxy and the clients behind it take addresses only, so the record gets those that
// the declared names stand for.
func (b *builder) checkRouteNames(method *schema.DuplicationMethod) {
	needed := map[string]string{b.f.Target.Label: b.place(b.m.Target.Cluster.Range)}
	if method.ReturnTicket > 0 { // the way back is a route record as well
		needed[b.f.Source.Label] = b.place(b.m.Source.Cluster.Range)
	}
	for _, c := range []ClusterFacts{b.f.Target, b.f.Source} {
		place, ok := needed[c.Label]
		if !ok {
			continue
		}
		for _, problem := range c.MetaUnresolved {
			b.checks.fail(CodeMetaName, place, "declare its address, or mend the name: the route record needs addresses", "%s: %s", c.Label, problem)
		}
		if len(c.MetaNames) > 0 && len(c.MetaUnresolved) == 0 {
			b.checks.ok("a route record that leads to %s names %s (%s)", c.Label, strings.Join(c.MetaServers, ", "), strings.Join(c.MetaNames, ", "))
		}
	}
}

// routeGood says what there is to say of a record that can be switched.
func (b *builder) routeGood(r *RouteFacts, d *DuplicationFacts) {
	text := fmt.Sprintf("route record %s leads to %s", r.Path, r.ClusterName)
	if len(b.f.Target.MetaServers) == 1 {
		text += "; the target's single meta server will be written twice, MetaProxy wants two"
	}
	if r.WritableReason != "" {
		text += "; we may change it " + r.WritableReason
	}
	b.checks.ok("%s", text)
	known := b.addressesOf(b.f.Source, d.SourceConfig)
	if leadsElsewhere(r.MetaAddrs, known) && !slices.ContainsFunc(r.Proxies, func(p ProxyFacts) bool { return p.LeadsTo == "source" }) {
		b.checks.warn(CodeRouteElsewhere, b.atRoute(), "compare it with the meta servers of "+b.source.Cluster,
			"route record %s names meta servers that are none of %s: %v", r.Path, b.source.Cluster, r.MetaAddrs)
	}
}

// checkProxies: every proxy has to answer, and to lead to the source.
func (b *builder) checkProxies(r *RouteFacts, severity Severity) {
	place, good := b.atRoute(), 0
	for _, p := range r.Proxies {
		switch {
		case p.Problem != "":
			b.checks.add(CodeProxyPlan, severity, place, "check its address and start it; take it out of proxies only when it is gone for good", "proxy %s: %s", p.Addr, p.Problem)
		case p.LeadsTo != "source":
			b.checks.add(CodeProxyPlan, severity, place, "restart it: a proxy that lost its ZooKeeper session keeps an old route",
				"proxy %s does not lead to %s (app id %d)", p.Addr, b.source, p.AppID)
		default:
			good++
		}
	}
	if good > 0 && good == len(r.Proxies) {
		b.checks.ok("all %d proxies lead to %s", good, b.source)
	}
}
