package sandbox

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// metricEntity is one thing that a server of 2.6 measures (metrics.h).
type metricEntity struct {
	kind, id   string
	attributes map[string]string
	// values are whole numbers: counters since the server started, or gauges.
	values map[string]int64
	// latencies are p50, p90, p95, p99 and p999 by name.
	latencies map[string][]int64
}

// metricFilter is what a request for /metrics chooses; an empty list chooses all.
type metricFilter struct {
	fields, types, ids, attributes, metrics []string
}

// parseMetricFilter is what metrics_http_service::get_metrics_handler checks.
func parseMetricFilter(req *httpRequest) (f metricFilter, problem string) {
	for name, value := range req.args {
		list := slices.DeleteFunc(strings.Split(value, ","), func(s string) bool { return s == "" })
		switch name {
		case "with_metric_fields":
			f.fields = list
		case "types":
			f.types = list
		case "ids":
			f.ids = list
		case "attributes":
			f.attributes = list
		case "metrics":
			f.metrics = list
		case "detail":
			if value != "true" && value != "false" {
				return f, "detail is true or false"
			}
		default:
			return f, fmt.Sprintf("unknown field %s=%s", name, value)
		}
	}
	if len(f.attributes)%2 != 0 {
		return f, fmt.Sprintf("the number of elements in `attributes` should be even: %d", len(f.attributes))
	}
	return f, ""
}

// chooses tells whether a list chooses a name.
func chooses(list []string, name string) bool { return len(list) == 0 || slices.Contains(list, name) }

// entity tells whether an entity is chosen; one pair of attributes that fits is enough.
func (f metricFilter) entity(e metricEntity) bool {
	if !chooses(f.types, e.kind) || !chooses(f.ids, e.id) {
		return false
	}
	for i := 0; i+1 < len(f.attributes); i += 2 {
		if v, ok := e.attributes[f.attributes[i]]; ok && v == f.attributes[i+1] {
			return true
		}
	}
	return len(f.attributes) == 0
}

// getMetrics lists metrics, and entities that have any of those asked for.
func getMetrics(s *server, req *httpRequest) httpResponse {
	f, problem := parseMetricFilter(req)
	if problem != "" {
		var out jsonObject
		out.field("error_message", problem)
		return badRequest(out.text())
	}
	var entities []string
	for _, e := range s.metrics() {
		if !f.entity(e) {
			continue
		}
		if text := e.json(f); text != "" {
			entities = append(entities, text)
		}
	}
	host, port, _ := strings.Cut(s.addr, ":")
	role := "replica-server"
	if s.meta != nil {
		role = "meta-server"
	}
	var out jsonObject
	out.field("cluster", s.c.cfg.Name)
	out.field("role", role)
	out.field("host", host)
	out.raw("port", port)
	out.raw("timestamp_ns", strconv.FormatInt(s.c.now().UnixNano(), 10))
	out.raw("entities", "["+strings.Join(entities, ",")+"]")
	return httpResponse{body: out.text()}
}

// json is an entity with the metrics that are chosen, "" without any.
func (e metricEntity) json(f metricFilter) string {
	var list []string
	for _, name := range slices.Sorted(maps.Keys(e.values)) {
		if !chooses(f.metrics, name) {
			continue
		}
		var m jsonObject
		if chooses(f.fields, "name") {
			m.field("name", name)
		}
		if chooses(f.fields, "value") {
			m.raw("value", strconv.FormatInt(e.values[name], 10))
		}
		list = append(list, m.text())
	}
	list = append(list, e.latenciesJSON(f)...)
	if len(list) == 0 {
		return ""
	}
	var attributes, out jsonObject
	for _, name := range slices.Sorted(maps.Keys(e.attributes)) {
		attributes.field(name, e.attributes[name])
	}
	out.field("type", e.kind)
	out.field("id", e.id)
	out.object("attributes", &attributes)
	out.raw("metrics", "["+strings.Join(list, ",")+"]")
	return out.text()
}

// metrics are those of a server: of the process, and of each replica.
func (s *server) metrics() []metricEntity {
	own := metricEntity{kind: "server", id: "server", attributes: map[string]string{}, values: map[string]int64{}}
	if s.node == nil {
		return []metricEntity{own}
	}
	own.values["read_failed_requests"] = int64(s.perf.readFail.Load())
	own.values["write_failed_requests"] = int64(s.perf.writeFail.Load())
	own.values["read_busy_requests"] = int64(s.perf.readBusy.Load())
	own.values["write_busy_requests"] = int64(s.perf.writeBusy.Load())
	own.values["nfs_server_copy_bytes"] = int64(s.perf.files.sent.Load())
	loads := s.node.bulkWork()
	own.values["bulk_load_running_count"] = int64(loads.running)
	own.values["bulk_load_ingestion_max_duration_ms"] = loads.ingestion.Milliseconds()
	own.values["bulk_load_max_duration_ms"] = loads.longest.Milliseconds()
	list := []metricEntity{own, s.diskMetrics()}
	for _, r := range s.node.sorted() {
		list = append(list, r.metrics())
	}
	s.distortMetrics(list)
	return list
}

// metrics are those of one replica.
func (r *replica) metrics() metricEntity {
	r.part.mu.Lock()
	defer r.part.mu.Unlock()
	app, index := strconv.Itoa(int(r.gpid.AppID)), strconv.Itoa(int(r.gpid.Partition))
	e := metricEntity{
		kind: "replica", id: "replica@" + gpidText(r.gpid),
		attributes: map[string]string{"table_id": app, "partition_id": index},
		values: map[string]int64{
			"dup_rejected_non_idempotent_write_requests": int64(r.rejected),
			"dup_shipped_successful_requests":            int64(r.shippedOps),
			"dup_shipped_failed_requests":                int64(r.failedShips),
			"dup_pending_mutations":                      0,
			"dup_recent_lost_mutations":                  0, // the log never loses any
			"dup_requests":                               int64(r.ops[r.node.srv.table[idl.NameDuplicate].op]),
		},
	}
	r.fileMetrics(e.values)
	e.latencies = r.latencyMetrics()
	for _, d := range r.dups {
		e.values["dup_pending_mutations"] += d.pending()
	}
	for name, rpcs := range qpsCounters() {
		if name == "duplicate" {
			continue // dup_requests
		}
		for _, rpc := range rpcs {
			e.values[name+"_requests"] += int64(r.ops[r.node.srv.table[rpc].op])
		}
	}
	return e
}
