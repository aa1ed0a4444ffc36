package pegasus

import (
	"net/http"
	"testing"
	"time"
)

func TestStrainOfCounters(t *testing.T) {
	s, err := parseCounters(`{"result":"OK","timestamp":1700000000,"counters":[
		{"name":"replica*app.pegasus*get_latency@2.5","type":"NUMBER_PERCENTILES","value":50000000},
		{"name":"replica*app.pegasus*get_latency@2.5.p999","type":"NUMBER_PERCENTILES","value":90000000},
		{"name":"replica*app.pegasus*get_latency@12.5","value":99},
		{"name":"replica*app.pegasus*get_qps@2.5","type":"RATE","value":120},
		{"name":"replica1*app.pegasus*scan_latency@2.1","value":7000},
		{"name":"replica*app.pegasus*unheard_of_latency@2.1","value":7000},
		{"name":"replica*eon.replica*table.level.RPC_RRDB_RRDB_GET.latency(ns)@temp","value":1},
		{"name":"replica*app.pegasus*rdb.estimate_pending_compaction_bytes@2.5","value":5},
		{"name":"replica*app.pegasus*rdb.estimate_pending_compaction_bytes@2.6","value":77},
		{"name":"replica*eon.replica_stub*disk.available.min.ratio","value":15},
		{"name":"replica*eon.replica_stub*recent.read.fail.count","value":3},
		{"name":"replica*eon.replica_stub*recent.write.fail.count","value":4}]}`)
	if err != nil {
		t.Fatal(err)
	}
	got := strainOfCounters(s, 2)
	if !got.Rates || got.At.Unix() != 1700000000 || got.DiskFree != 0.15 || !got.TellsDisk || got.PendingCompaction != 77 || !got.TellsPending ||
		got.ReadFailures != 3 || got.WriteFailures != 4 || len(got.Latencies) != 2 {
		t.Errorf("%+v", got)
	}
	if l := got.Latencies[StrainKey{"get", 5}]; l.P99 != 50*time.Millisecond || l.Requests != 120 {
		t.Errorf("%+v", l)
	}
	if none := strainOfCounters(Counters{}, 2); none.TellsDisk || none.TellsPending || len(none.Latencies) != 0 {
		t.Errorf("%+v", none)
	}
}

func TestMetricsWithPercentiles(t *testing.T) {
	if got, want := (MetricsQuery{Types: []string{"replica"}, P99: true}).path(), "/metrics?with_metric_fields=name,value,p99&types=replica"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	m, err := parseMetrics([]byte(`{"timestamp_ns":5,"entities":[{"type":"replica","id":"replica@2.1","attributes":{"table_id":"2","partition_id":"1"},
		"metrics":[{"name":"get_latency_ns","p99":12000},{"name":"get_requests","value":9},{"name":"none"}]}]}`), http.StatusOK)
	if err != nil {
		t.Fatal(err)
	}
	if e := m.Entities[0]; e.P99["get_latency_ns"] != 12000 || e.Values["get_requests"] != 9 || len(e.Values) != 1 || len(e.P99) != 1 {
		t.Errorf("%+v", e)
	}
}
