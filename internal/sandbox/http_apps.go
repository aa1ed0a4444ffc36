package sandbox

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// health counts partitions of a table by what they can do. A partition that lacks
// replicas but can be written is in none of the three.
type health struct{ full, writeUnhealthy, readUnhealthy int }

func healthOf(partitions []idl.PartitionConfig) health {
	var h health
	for _, p := range partitions {
		count := len(p.Secondaries)
		if p.Primary.IsZero() {
			h.writeUnhealthy++
			h.readUnhealthy++
			continue
		}
		count++
		switch {
		case count >= int(p.MaxReplicaCount):
			h.full++
		case count < 2:
			h.writeUnhealthy++
		}
	}
	return h
}

// partitionConfigs asks as RPC_CM_QUERY_PARTITION_CONFIG_BY_INDEX does.
func (c *Cluster) partitionConfigs(name string) idl.QueryConfigResponse {
	resp := idl.QueryConfigResponse{Err: idl.ErrOK}
	queryConfig(c, &idl.QueryConfigRequest{AppName: name}, &resp)
	return resp
}

// httpApp describes one table.
func httpApp(c *Cluster, req *httpRequest) httpResponse {
	if !req.only("name", "detail") {
		return badRequest("")
	}
	name := req.args["name"]
	resp := c.partitionConfigs(name)
	switch resp.Err {
	case idl.ErrOK:
	case idl.ErrObjectNotFound:
		return tableNotFound(name)
	default:
		return httpResponse{status: http.StatusInternalServerError, body: string(resp.Err)}
	}
	replicas := int32(0)
	if len(resp.Partitions) > 0 {
		replicas = resp.Partitions[0].MaxReplicaCount
	}
	var general, out jsonObject
	general.field("app_name", name)
	general.field("app_id", resp.AppID)
	general.field("partition_count", resp.PartitionCount)
	general.field("max_replica_count", replicas)
	out.object("general", &general)
	if req.has("detail") {
		out.object("replicas", httpReplicas(resp.Partitions))
		out.object("nodes", c.httpLoads(resp.Partitions))
		h := healthOf(resp.Partitions)
		var healthy jsonObject
		healthy.field("fully_healthy_partition_count", h.full)
		healthy.field("unhealthy_partition_count", len(resp.Partitions)-h.full)
		healthy.field("write_unhealthy_partition_count", h.writeUnhealthy)
		healthy.field("read_unhealthy_partition_count", h.readUnhealthy)
		out.object("healthy", &healthy)
	}
	return httpResponse{body: out.line()}
}

// httpReplicas tells where the replicas of each partition are.
func httpReplicas(partitions []idl.PartitionConfig) *jsonObject {
	var out jsonObject
	for _, p := range partitions {
		count, primary := len(p.Secondaries), "-"
		if !p.Primary.IsZero() {
			count, primary = count+1, p.Primary.String()
		}
		var secondaries []string
		for _, s := range p.Secondaries {
			secondaries = append(secondaries, s.String())
		}
		out.row("pidx", p.Pid.Partition, "ballot", p.Ballot,
			"replica_count", fmt.Sprintf("%d/%d", count, p.MaxReplicaCount),
			"primary", primary, "secondaries", "["+strings.Join(secondaries, ",")+"]")
	}
	return &out
}

// httpLoads counts the replicas of a table per server.
func (c *Cluster) httpLoads(partitions []idl.PartitionConfig) *jsonObject {
	primaries, secondaries := map[idl.Addr]int{}, map[idl.Addr]int{}
	allPrimaries, allSecondaries := 0, 0
	for _, p := range partitions {
		if !p.Primary.IsZero() {
			primaries[p.Primary]++
			allPrimaries++
		}
		for _, s := range p.Secondaries {
			secondaries[s]++
			allSecondaries++
		}
	}
	var out jsonObject
	for _, n := range c.nodes {
		a := n.srv.wire
		if primaries[a]+secondaries[a] > 0 {
			out.row("node", n.srv.addr, "primary", primaries[a], "secondary", secondaries[a], "total", primaries[a]+secondaries[a])
		}
	}
	out.row("node", "total", "primary", allPrimaries, "secondary", allSecondaries, "total", allPrimaries+allSecondaries)
	return &out
}

// httpApps lists the tables that serve.
func httpApps(c *Cluster, req *httpRequest) httpResponse {
	if !req.only("detail") {
		return badRequest("")
	}
	var general, healthy jsonObject
	var total, full, unhealthy, writeUnhealthy, readUnhealthy int
	for _, t := range c.tables {
		if !t.serving() {
			continue
		}
		info := t.appInfo()
		total++
		general.row("app_id", info.AppID, "status", "AVAILABLE", "app_name", info.AppName, "app_type", info.AppType,
			"partition_count", info.PartitionCount, "replica_count", info.MaxReplicaCount, "is_stateful", info.IsStateful,
			"create_time", time.Unix(info.CreateSecond, 0).UTC().Format(timeFormat)+".0",
			"drop_time", "-", "drop_expire", "-", "envs_count", len(info.Envs))
		h := healthOf(c.partitionConfigs(info.AppName).Partitions)
		healthy.row("app_id", info.AppID, "app_name", info.AppName, "partition_count", info.PartitionCount,
			"fully_healthy", h.full, "unhealthy", int(info.PartitionCount)-h.full,
			"write_unhealthy", h.writeUnhealthy, "read_unhealthy", h.readUnhealthy)
		full += oneIf(h.full == int(info.PartitionCount))
		unhealthy += oneIf(h.full != int(info.PartitionCount))
		writeUnhealthy += oneIf(h.writeUnhealthy > 0)
		readUnhealthy += oneIf(h.readUnhealthy > 0)
	}
	var summary, out jsonObject
	out.object("general_info", &general)
	summary.field("total_app_count", total)
	if req.has("detail") && total > 0 {
		out.object("healthy_info", &healthy)
		summary.field("fully_healthy_app_count", full)
		summary.field("unhealthy_app_count", unhealthy)
		summary.field("write_unhealthy_app_count", writeUnhealthy)
		summary.field("read_unhealthy_app_count", readUnhealthy)
	}
	out.object("summary", &summary)
	return httpResponse{body: out.line()}
}

// oneIf is 1 for what holds.
func oneIf(holds bool) int {
	if holds {
		return 1
	}
	return 0
}
