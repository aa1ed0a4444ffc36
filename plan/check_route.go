package plan

import (
	"fmt"
	"time"

	"github.com/pegmigrate/pegmigrate/schema"
)

// checkDupRows looks at sizes: of rows, of the logs that pile up while the follower is made.
func (b *builder) checkDupRows(d *DuplicationFacts) {
	place := b.place(b.m.Target.Range)
	if limit := b.f.Target.MaxWriteSize; limit > 0 && d.LargestRow+d.BatchBytes >= limit {
		b.checks.warn(CodeDupRowSize, place, "raise [replication] max_allowed_write_size on the target's servers, or lower duplicate_log_batch_bytes on the source's",
			"%s has rows of %s; a batch of %s and one of them does not fit into the %s that %s takes in one write, and would be tried for ever",
			b.source, Bytes(uint64(d.LargestRow)), Bytes(uint64(d.BatchBytes)), Bytes(uint64(limit)), b.target.Cluster)
	}
	if v := b.f.SourceTable.Envs[EnvDefaultTTL]; ttlInForce(b.f.SourceTable.Envs) {
		follow := b.followEstimate()
		if ttl, err := time.ParseDuration(v + "s"); err == nil && ttl < 2*follow.High {
			b.checks.warn(CodeDupTTL, place, "compare again when all of them have expired",
				"default_ttl=%s is shorter than the follower may take (%s): rows written before the follower has it expire on the source and not there",
				v, Duration(follow.High))
		}
	}
	b.checkLogDisk(d)
}

// logFactor is how much larger a write is in the log than the rows that it writes: header, keys and the
// three replicas that keep it.
const logFactor = 3

// checkLogDisk: logs are kept from the moment the duplication exists until they are shipped.
func (b *builder) checkLogDisk(d *DuplicationFacts) {
	src := b.f.SourceTable
	if d.WriteQPS == 0 || src.Rows == 0 {
		return
	}
	row := float64(src.Bytes) / float64(src.Rows)
	need := uint64(d.WriteQPS * row * logFactor * float64(src.Replicas) * b.followEstimate().High.Seconds())
	var available uint64
	for _, n := range b.f.Source.Nodes {
		available += n.DiskAvailable
	}
	if available > 0 && need > available/4 {
		b.checks.warn(CodeLogDisk, b.place(b.m.Source.Range), "make room on the source's disks, or migrate when there are fewer writes",
			"logs of about %s pile up on %s until the follower has caught up, its disks have %s left (assumed: %.0f writes/s of %s)",
			Bytes(need), b.source.Cluster, Bytes(available), d.WriteQPS, Bytes(uint64(row)))
	}
}

// checkReplicas holds the follower's replica count against what the target can do.
func (b *builder) checkReplicas(place string) {
	if alive := b.f.Target.Alive(); int(b.replicas) > alive {
		b.checks.fail(CodeReplicasOverNodes, place, "bring more replica servers up",
			"%s would have %d replicas, but %s has %s alive; the duplication would stay in DS_PREPARE for ever", b.target, b.replicas, b.f.Target.Label, plural(alive, "replica server"))
	}
	if limit := b.f.Target.MaxReplicaCount; limit > 0 && b.replicas > limit {
		b.checks.fail(CodeReplicasOverLimit, place, "raise [meta_server] max_allowed_replica_count there",
			"%s would have %d replicas, but %s allows at most %d", b.target, b.replicas, b.f.Target.Label, limit)
	}
}

// checkRoute looks at the record and at every proxy.
func (b *builder) checkRoute(method *schema.DuplicationMethod, d *DuplicationFacts) {
	place := b.place(b.m.Range)
	proxy := method.Cutover.MetaProxy
	if proxy == nil {
		hint := "after it, give the clients the meta servers of the target"
		if b.m.After.Source != schema.AfterUnfence {
			hint += "; writes stay rejected until then"
		}
		b.checks.warn(CodeNoRoute, place, hint, "no metaproxy block is declared: this plan ends with the target proven to hold everything, and leads no client there")
		return
	}
	r := d.Route
	switch {
	case r == nil:
		b.checks.fail(CodeRouteMissing, place, "declare metaproxy { zookeeper = [...] }", "the route record could not be looked for")
		return
	case r.Problem != "":
		b.checks.fail(CodeRouteMissing, place, "look at it in ZooKeeper", "route record %s", r.Problem)
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
		text := fmt.Sprintf("route record %s leads to %s", r.Path, r.ClusterName)
		if len(b.f.Target.MetaServers) == 1 {
			text += "; the target's single meta server will be written twice, MetaProxy wants two"
		}
		b.checks.ok("%s", text)
	}
	good := 0
	for _, p := range r.Proxies {
		switch {
		case p.Problem != "":
			b.checks.fail(CodeProxyPlan, place, "start it, or take it out of proxies when it is gone for good", "proxy %s: %s", p.Addr, p.Problem)
		case p.LeadsTo != "source":
			b.checks.fail(CodeProxyPlan, place, "restart it: a proxy that lost its ZooKeeper session keeps an old route",
				"proxy %s does not lead to %s (app id %d)", p.Addr, b.source, p.AppID)
		default:
			good++
		}
	}
	if good > 0 && good == len(r.Proxies) {
		b.checks.ok("all %d proxies lead to %s", good, b.source)
	}
}
