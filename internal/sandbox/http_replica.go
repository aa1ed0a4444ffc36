package sandbox

import (
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// replicaCalls are answered by replica servers (replica_http_service.cpp). Unlike
// all others they end without a line break.
func replicaCalls() []httpCall {
	return []httpCall{
		{"replica/data_version", httpDataVersion, onReplica, "ip:port/replica/data_version?app_id=<app_id>"},
		{"replica/duplication", httpReplicaDuplication, onReplica, "ip:port/replica/duplication?appid=<appid>"},
		{"replica/manual_compaction", httpManualCompaction, onReplica, "ip:port/replica/maual_compaction?app_id=<app_id>"},
	}
}

// dataVersion is how rows are stored since 1.12: value header of 12 bytes.
const dataVersion = 1

// tableArg reads the id of a table from an argument; problem is "" when it is good.
func (r *httpRequest) tableArg(name string) (id int32, problem string) {
	text, ok := r.args[name]
	if !ok {
		return 0, name + " should not be empty"
	}
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil || n < 0 {
		return 0, fmt.Sprintf("invalid %s=%s", name, text)
	}
	return int32(n), ""
}

// ofTable are the replicas of one table, by partition.
func (n *replicaNode) ofTable(id int32) []*replica {
	var list []*replica
	for _, r := range n.sorted() {
		if r.gpid.AppID == id {
			list = append(list, r)
		}
	}
	return list
}

// httpDataVersion tells the data version of each replica of a table.
func httpDataVersion(s *server, req *httpRequest) httpResponse {
	id, problem := req.tableArg("app_id")
	if problem != "" {
		return badRequest(problem)
	}
	var out jsonObject
	for _, r := range s.node.ofTable(id) {
		var inner jsonObject
		r.part.mu.Lock()
		inner.field("data_version", strconv.Itoa(r.part.dataVersion))
		r.part.mu.Unlock()
		out.object(strconv.Itoa(int(r.gpid.Partition)), &inner)
	}
	if len(out.b) == 0 {
		return notFound(fmt.Sprintf("app_id=%s not found", req.args["app_id"]))
	}
	return httpResponse{body: out.text()}
}

// httpReplicaDuplication tells how far the duplications of a table's primaries on this
// server are. Objects are ordered as text, as nlohmann::json does.
func httpReplicaDuplication(s *server, req *httpRequest) httpResponse {
	if s.c.cfg.DuplicationDisabled {
		return notFound(duplicationOff)
	}
	id, problem := req.tableArg("appid")
	if problem != "" {
		return badRequest(problem)
	}
	primary := false
	states := map[string]map[string]string{} // by duplication and partition
	for _, r := range s.node.ofTable(id) {
		r.part.mu.Lock()
		if r.status == idl.ReplicaPrimary {
			primary = true
			for _, d := range r.dups {
				name := strconv.Itoa(int(d.id))
				if states[name] == nil {
					states[name] = map[string]string{}
				}
				states[name][gpidText(r.gpid)] = d.json()
			}
		}
		r.part.mu.Unlock()
	}
	switch {
	case !primary:
		return notFound(fmt.Sprintf("no primary for app [appid=%d]", id))
	case len(states) == 0:
		return notFound(fmt.Sprintf("no duplication assigned for app [appid=%d]", id))
	}
	var out jsonObject
	for _, name := range slices.Sorted(maps.Keys(states)) {
		var inner jsonObject
		for _, gpid := range slices.Sorted(maps.Keys(states[name])) {
			inner.raw(gpid, states[name][gpid])
		}
		out.object(name, &inner)
	}
	return httpResponse{body: out.text()}
}

// duplicationOff is the answer of servers with duplication_enabled = false.
const duplicationOff = "duplication is not enabled [FLAGS_duplication_enabled=false]"

// json is the state of a duplicator as /replica/duplication shows it.
func (d *duplicator) json() string {
	var o jsonObject
	committed := d.r.committed()
	o.raw("duplicating", strconv.FormatBool(d.running))
	o.field("fail_mode", d.failMode)
	o.number("not_confirmed_mutations_num", int(max(committed-d.confirmed, 0)))
	o.number("not_duplicated_mutations_num", int(max(committed-d.last, 0)))
	if d.r.node.c.release >= release26 {
		o.field("remote_app_name", d.table)
	}
	return o.text()
}

// httpManualCompaction counts the replicas of a table by the state of their manual
// compaction. Replicas that do not serve are not among them.
func httpManualCompaction(s *server, req *httpRequest) httpResponse {
	id, problem := req.tableArg("app_id")
	if problem != "" {
		return badRequest(problem)
	}
	counts := map[compactStatus]int{}
	for _, r := range s.node.ofTable(id) {
		r.part.mu.Lock()
		if r.status == idl.ReplicaPrimary || r.status == idl.ReplicaSecondary {
			counts[r.manual.status()]++
		}
		r.part.mu.Unlock()
	}
	var states, out jsonObject
	states.number("finished", counts[compactFinished])
	states.number("idle", counts[compactIdle])
	states.number("queuing", counts[compactQueuing])
	states.number("running", counts[compactRunning])
	out.object("status", &states)
	return httpResponse{body: out.text()}
}
