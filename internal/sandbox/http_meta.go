package sandbox

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// metaCalls are answered by the leading meta (meta_http_service.cpp). The calls that
// change something by POST are not there, see GAPS.md.
func metaCalls() []httpCall {
	return []httpCall{
		{"meta/app", onLeader(httpApp), onMeta, "ip:port/meta/app?app_name=temp"},
		{"meta/app/duplication", onLeader(httpDuplication), onMeta, "ip:port/meta/app/duplication?name=<app_name>"},
		{"meta/app/query_bulk_load", onLeader(httpBulkLoad), onMeta, "ip:port/meta/query_bulk_load?name=temp"},
		{"meta/app_envs", onLeader(httpAppEnvs), onMeta, "ip:port/meta/app_envs?name=temp"},
		{"meta/apps", onLeader(httpApps), onMeta, "ip:port/meta/apps"},
		{"meta/backup_policy", onLeader(httpBackupPolicy), onMeta, "ip:port/meta/backup_policy"},
		{"meta/cluster", onLeader(httpCluster), onMeta, "ip:port/meta/cluster"},
		{"meta/nodes", onLeader(httpNodes), onMeta, "ip:port/meta/nodes"},
	}
}

// onLeader makes a call that only the leading meta executes, with Cluster.mu held;
// others point to it, to a host named "invalid address" when they know of none.
func onLeader(run func(c *Cluster, req *httpRequest) httpResponse) func(*server, *httpRequest) httpResponse {
	return func(s *server, req *httpRequest) httpResponse {
		c := s.c
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.leader == s.meta {
			return run(c, req)
		}
		to := "invalid address"
		if c.leader != nil {
			to = c.leader.srv.addr
		}
		return httpResponse{status: http.StatusTemporaryRedirect, location: req.redirect(to)}
	}
}

// httpCluster is RPC_CM_CLUSTER_INFO without the cluster's name.
func httpCluster(c *Cluster, _ *httpRequest) httpResponse {
	var info idl.ClusterInfoResponse
	clusterInfo(c, nil, &info)
	var out jsonObject
	for i, key := range info.Keys {
		if key != "cluster_name" {
			out.field(key, info.Values[i])
		}
	}
	return httpResponse{body: out.line()}
}

// httpNodes lists replica servers, with their replicas when detail is asked for.
func httpNodes(c *Cluster, req *httpRequest) httpResponse {
	if !req.only("detail") {
		return badRequest("")
	}
	alive := c.aliveCount()
	var details jsonObject
	for _, n := range c.nodes {
		row := []any{"address", n.srv.addr, "status", "UNALIVE"}
		if n.alive {
			row[3] = "ALIVE"
		}
		if req.has("detail") {
			total, primary := 0, 0
			for _, t := range c.tables {
				if t.serving() {
					total += n.totalLoad(t)
					primary += n.primaryLoad(t)
				}
			}
			row = append(row, "replica_count", total, "primary_count", primary, "secondary_count", total-primary)
		}
		details.row(row...)
	}
	var summary, out jsonObject
	summary.field("total_node_count", len(c.nodes))
	summary.field("alive_node_count", alive)
	summary.field("unalive_node_count", len(c.nodes)-alive)
	out.object("details", &details)
	out.object("summary", &summary)
	return httpResponse{body: out.line()}
}

// httpAppEnvs lists the envs of a table; of a table that does not exist there are
// none.
func httpAppEnvs(c *Cluster, req *httpRequest) httpResponse {
	name := req.args["name"]
	if name == "" {
		return badRequest("app name shouldn't be empty")
	}
	var out jsonObject
	if t := c.findTable(name); t != nil && t.serving() {
		for _, key := range slices.Sorted(maps.Keys(t.envs)) {
			out.field(key, t.envs[key])
		}
	}
	return httpResponse{body: out.line()}
}

// httpBackupPolicy lists no policies.
func httpBackupPolicy(_ *Cluster, req *httpRequest) httpResponse {
	if !req.only("name") {
		return badRequest("Invalid parameter")
	}
	return httpResponse{body: new(jsonObject).line()}
}

// httpDuplication lists the duplications of a table, by number from 1. Objects are
// ordered as text.
func httpDuplication(c *Cluster, req *httpRequest) httpResponse {
	if c.cfg.DuplicationDisabled {
		return notFound(duplicationOff)
	}
	if !req.has("name") {
		return badRequest("name should not be empty")
	}
	resp := idl.QueryDuplicationResponse{Err: idl.ErrOK}
	queryDuplication(c, &idl.QueryDuplicationRequest{AppName: req.args["name"]}, &resp)
	if !resp.Err.OK() {
		return notFound(string(resp.Err))
	}
	if len(resp.EntryList) == 0 {
		return httpResponse{body: "null"} // what an empty JSON value prints as
	}
	entries := map[string]string{}
	for i, e := range resp.EntryList {
		entries[strconv.Itoa(i+1)] = entryJSON(e)
	}
	var out jsonObject
	for _, name := range slices.Sorted(maps.Keys(entries)) {
		out.raw(name, entries[name])
	}
	out.number("appid", int(resp.AppID))
	return httpResponse{body: out.text()}
}

// entryJSON is duplication_entry_to_json.
func entryJSON(e idl.DuplicationEntry) string {
	var o jsonObject
	o.field("create_ts", time.UnixMilli(e.CreateTs).UTC().Format(timeFormat))
	o.number("dupid", int(e.DupID))
	o.field("fail_mode", *e.FailMode)
	if e.PartitionStates != nil {
		var states jsonObject
		for _, p := range slices.Sorted(maps.Keys(e.PartitionStates)) {
			var one jsonObject
			one.raw("confirmed_decree", strconv.FormatInt(e.PartitionStates[p].ConfirmedDecree, 10))
			one.raw("last_committed_decree", strconv.FormatInt(e.PartitionStates[p].LastCommittedDecree, 10))
			states.object(strconv.Itoa(int(p)), &one)
		}
		o.object("partition_states", &states)
	}
	o.field("remote", e.Remote)
	if e.RemoteAppName != nil && e.RemoteReplicaCount != nil {
		o.field("remote_app_name", *e.RemoteAppName)
		o.number("remote_replica_count", int(*e.RemoteReplicaCount))
	}
	o.field("status", e.Status)
	return o.text()
}

// httpBulkLoad tells the state of a table's bulk load.
func httpBulkLoad(c *Cluster, req *httpRequest) httpResponse {
	if !req.has("name") {
		return badRequest("name should not be empty")
	}
	resp := idl.QueryBulkLoadResponse{Err: idl.ErrOK}
	queryBulkLoad(c, &idl.QueryBulkLoadRequest{AppName: req.args["name"]}, &resp)
	var out jsonObject
	out.field("error", string(resp.Err))
	out.field("app_status", bulkStatusText(resp.AppStatus))
	return httpResponse{body: out.line()}
}

// tableNotFound is the answer of calls about one table.
func tableNotFound(name string) httpResponse {
	return notFound(fmt.Sprintf("table not found: %q", name))
}
