package pegasus

import (
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestRecordedConfigDump(t *testing.T) {
	seen := 0
	commands(t, func(cmd string, args []string, output string) {
		if cmd != "config-dump" {
			return
		}
		seen++
		if len(args) > 0 {
			t.Error("config-dump with an argument writes a file on the server")
		}
		d, err := parseConfigDump(output)
		if err != nil {
			t.Fatal(err)
		}
		if ids := d.ClusterIDs(); !maps.Equal(ids, map[string]int{"onebox1": 1, "onebox2": 2}) {
			t.Error(ids)
		}
		if got := d.Clusters(); !reflect.DeepEqual(got, map[string][]string{"onebox1": {"127.0.0.1:34601"}, "onebox2": {"127.0.0.1:35601"}}) {
			t.Error(got)
		}
		if v, ok := d.Value("replication", "group_check_interval_ms"); !ok || v != "10000" || !d.DuplicationEnabled() {
			t.Error(v, ok, d.DuplicationEnabled())
		}
		if v, ok := d.Value("apps.collector", "pools"); !ok || v != "THREAD_POOL_DEFAULT,THREAD_POOL_REPLICATION" {
			t.Error(v, ok)
		}
		if len(d) < 30 {
			t.Errorf("%d sections", len(d))
		}
	})
	if seen == 0 {
		t.Error("the recording has no config-dump")
	}
}

func TestParseConfigDump(t *testing.T) {
	d, err := parseConfigDump("lost = 1\n[a]\r\n; note\n# note\n k = v = w \nempty =\nstray line\n[]\n[replication]\nduplication_enabled = FALSE\n" +
		"[duplication-group]\nx = one\ny = 3\n[pegasus.clusters]\ny = h1:1, h2:2,\n")
	if err != nil {
		t.Fatal(err)
	}
	if v, ok := d.Value("a", "k"); !ok || v != "v = w" {
		t.Errorf("%q %v", v, ok)
	}
	if v, ok := d.Value("a", "empty"); !ok || v != "" {
		t.Errorf("%q %v", v, ok)
	}
	if _, ok := d.Value("", "lost"); ok {
		t.Error("a key without a section was kept")
	}
	if _, ok := d.Value("none", "k"); ok {
		t.Error("a section that is not there has a key")
	}
	if d.DuplicationEnabled() || !maps.Equal(d.ClusterIDs(), map[string]int{"y": 3}) ||
		!reflect.DeepEqual(d.Clusters(), map[string][]string{"y": {"h1:1", "h2:2"}}) {
		t.Errorf("%v", d)
	}
	for text, enabled := range map[string]bool{"[replication]": true, "[x]": true, "[replication]\nduplication_enabled = true": true,
		"[replication]\nduplication_enabled = false": false, "[replication]\nduplication_enabled =": false} {
		if d, err := parseConfigDump(text); err != nil || d.DuplicationEnabled() != enabled {
			t.Errorf("%q: %v", text, err)
		}
	}
	for _, bad := range []string{"", "unknown command", "a = b", "[a"} {
		if _, err := parseConfigDump(bad); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
}

func TestRecordedCounterTimes(t *testing.T) {
	seen := 0
	commands(t, func(cmd string, _ []string, output string) {
		if !strings.HasPrefix(cmd, "perf-counters") {
			return
		}
		seen++
		s, err := parseCounters(output)
		if err != nil || s.At.Format(time.DateTime) != "2026-11-21 01:21:46" {
			t.Error(s.At, err)
		}
	})
	if seen == 0 {
		t.Error("the recording has no counters")
	}
}

// laterMetrics is shaped after src/utils/metrics.cpp of 2.6: nobody recorded one.
const laterMetrics = `{"cluster":"west","role":"replica-server","host":"h","port":34801,"timestamp_ns":1795224761000000002,"entities":[` +
	`{"type":"replica","id":"replica@7.1","attributes":{"table_id":"7","partition_id":"1"},"metrics":[{"name":"put_requests","value":12},` +
	`{"name":"put_latency_ns","p50":1,"p99":2}]},` +
	`{"type":"replica","id":"replica@70.1","attributes":{"table_id":"70","partition_id":"1"},"metrics":[{"name":"put_requests","value":99}]},` +
	`{"type":"server","id":"replica","attributes":{},"metrics":[{"name":"read_failed_requests","value":3}]}]}`

func TestMetrics(t *testing.T) {
	var asked []string
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.String())
		_, _ = w.Write([]byte(laterMetrics))
	}))
	defer web.Close()
	c := newCluster(t, 1, 0, 0).open()
	node := strings.TrimPrefix(web.URL, "http://")
	m, err := c.Metrics(t.Context(), node, MetricsQuery{Types: []string{"replica"}, TableID: 7, Metrics: []string{"put_requests", "get_requests"}})
	want := []MetricEntity{{Type: "replica", ID: "replica@7.1", Attributes: map[string]string{"table_id": "7", "partition_id": "1"},
		Values: map[string]float64{"put_requests": 12}, P99: map[string]float64{"put_latency_ns": 2}}}
	if err != nil || !m.At.Equal(time.Unix(1795224761, 2)) || !reflect.DeepEqual(m.Entities, want) {
		t.Errorf("%+v, %v", m, err)
	}
	if m, err = c.Metrics(t.Context(), node, MetricsQuery{}); err != nil || len(m.Entities) != 3 {
		t.Errorf("%+v, %v", m, err)
	}
	if len(asked) != 2 || asked[0] != "/metrics?with_metric_fields=name,value&types=replica&attributes=table_id,7&metrics=put_requests,get_requests" ||
		asked[1] != "/metrics?with_metric_fields=name,value" {
		t.Errorf("asked %q", asked)
	}
	if _, err := parseMetrics([]byte(`service not found for "metrics"`), http.StatusNotFound); !errors.Is(err, ErrNoMetrics) {
		t.Error(err)
	}
	for _, bad := range []string{"", "[]", "{}", `{"entities":[]}`, `{"timestamp_ns":"x"}`, `{"timestamp_ns":1,"entities":[{"metrics":[{"name":"a","value":"b"}]}]}`} {
		if _, err := parseMetrics([]byte(bad), http.StatusOK); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
	if _, err := parseMetrics([]byte(`{"error_message":"unknown field x=y"}`), http.StatusBadRequest); err == nil || errors.Is(err, ErrNoMetrics) {
		t.Error(err)
	}
}
