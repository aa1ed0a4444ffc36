package sandbox

import (
	"maps"
	"slices"
	"strconv"
	"strings"
)

// reports are the faults of kind FaultReport of one server.
func (s *server) reports() []*activeFault {
	s.c.faults.mu.Lock()
	defer s.c.faults.mu.Unlock()
	var list []*activeFault
	for _, a := range s.c.faults.active {
		if a.Kind == FaultReport && s.node != nil && (a.Server == nil || *a.Server == s.node.index) {
			list = append(list, a)
		}
	}
	return list
}

// distort makes counters show what faults want.
func (s *server) distort(list []counter) {
	for _, a := range s.reports() {
		for i := range list {
			if a.means(list[i].name) {
				list[i].value = a.Value
			}
		}
	}
}

// means tells whether a FaultReport is about a counter: "<role>*<section>*<name>" with "@<gpid>" or
// "@<table>" behind it for one replica or table.
func (a *activeFault) means(name string) bool {
	name = strings.TrimSuffix(name, ".p999")
	own := name[strings.LastIndexByte(name, '*')+1:]
	short, at, _ := strings.Cut(own, "@")
	if a.Counter != name && a.Counter != own && a.Counter != short {
		return false
	}
	if a.appID == 0 || at == a.Table {
		return true
	}
	app, partition, ok := strings.Cut(at, ".")
	return ok && app == strconv.Itoa(int(a.appID)) && (a.Partition == nil || partition == strconv.Itoa(*a.Partition))
}

// distortMetrics is distort for 2.6. All percentiles of a metric get the value.
func (s *server) distortMetrics(list []metricEntity) {
	for _, a := range s.reports() {
		for _, e := range list {
			if a.appID != 0 && e.attributes["table_id"] != strconv.Itoa(int(a.appID)) ||
				a.Partition != nil && e.attributes["partition_id"] != strconv.Itoa(*a.Partition) {
				continue
			}
			if _, ok := e.values[a.Counter]; ok {
				e.values[a.Counter] = int64(a.Value)
			}
			for i := range e.latencies[a.Counter] {
				e.latencies[a.Counter][i] = int64(a.Value)
			}
		}
	}
}

// diskMetrics are those of the one disk that a server claims to have (fs_manager.cpp).
func (s *server) diskMetrics() metricEntity {
	dir := "/pegasus/" + s.c.cfg.Name + "/replica/reps"
	return metricEntity{
		kind: "disk", id: "disk@default", attributes: map[string]string{"tag": "default", "data_dir": dir},
		values: map[string]int64{"disk_capacity_total_mb": diskCapacityMb, "disk_capacity_avail_mb": diskAvailableMb},
	}
}

// percentileShares are the percentiles of metrics, in the order in which they are listed.
func percentileShares() ([]string, []float64) {
	return []string{"p50", "p90", "p95", "p99", "p999"}, []float64{0.50, 0.90, 0.95, 0.99, 0.999}
}

// latencyMetrics are the latencies of one replica from 2.6 on. Servers compute them every
// 10 s, here it is done for each question. partition.mu must be held.
func (r *replica) latencyMetrics() map[string][]int64 {
	all := map[string][]int64{}
	_, shares := percentileShares()
	for kind, rpcs := range latencyKinds() {
		samples := r.latenciesOf(rpcs)
		list := make([]int64, len(shares))
		for i, share := range shares {
			list[i] = int64(percentile(samples, share))
		}
		all[kind+"_latency_ns"] = list
	}
	return all
}

// latenciesJSON are the percentiles that are chosen.
func (e metricEntity) latenciesJSON(f metricFilter) []string {
	names, _ := percentileShares()
	var list []string
	for _, name := range slices.Sorted(maps.Keys(e.latencies)) {
		if !chooses(f.metrics, name) {
			continue
		}
		var m jsonObject
		if chooses(f.fields, "name") {
			m.field("name", name)
		}
		for i, p := range names {
			if chooses(f.fields, p) {
				m.raw(p, strconv.FormatInt(e.latencies[name][i], 10))
			}
		}
		list = append(list, m.text())
	}
	return list
}
