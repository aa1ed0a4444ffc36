package pegasus

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// TestRecordedTraffic reads the counters of a real 2.5.0 server, among them those of tables 1, 11 and
// 13, and 2 and 12.
func TestRecordedTraffic(t *testing.T) {
	seen := 0
	commands(t, func(_ string, args []string, output string) {
		if len(args) == 0 || args[0] != "replica*app.pegasus*put_qps" {
			return
		}
		seen++
		s, err := parseCounters(output)
		if err != nil {
			t.Fatal(err)
		}
		for app, partitions := range map[int32]int{13: 4, 1: 4, 11: 4, 2: 8, 12: 4, 3: 4, 130: 0} {
			got := trafficOfCounters(s, app, "golden")
			var sum float64
			for p, x := range got.Partitions {
				if p < 0 || int(p) >= partitions || x.Reads != 0 || x.NonIdempotent != 0 {
					t.Errorf("table %d partition %d: %+v", app, p, x)
				}
				sum += x.Writes
			}
			want := 0.0
			if app == 13 {
				want = 0.1 * 2
			}
			if len(got.Partitions) != partitions || math.Abs(sum-want) > 0.11 || app != 13 && sum != 0 || !got.Rates || got.TellsRejected || got.At.IsZero() {
				t.Errorf("table %d: %+v", app, got)
			}
		}
	})
	if seen != 1 {
		t.Errorf("the recording has %d lists of put_qps", seen)
	}
}

func TestTrafficOfCountersByWholeNames(t *testing.T) {
	s := Counters{At: time.Unix(100, 0), Values: map[string]float64{
		"replica*app.pegasus*get_qps@2.0": 1, "replica*app.pegasus*multi_get_qps@2.0": 2, "replica*app.pegasus*batch_get_qps@2.0": 4,
		"replica*app.pegasus*scan_qps@2.0": 8, "replica1*app.pegasus*put_qps@2.1": 16, "replica*app.pegasus*multi_put_qps@2.1": 32,
		"replica*app.pegasus*remove_qps@2.1": 64, "replica*app.pegasus*multi_remove_qps@2.1": 128, "replica*app.pegasus*incr_qps@2.1": 256,
		"replica*app.pegasus*check_and_set_qps@2.1": 512, "replica*app.pegasus*check_and_mutate_qps@2.1": 1024,
		"replica*app.pegasus*duplicate_qps@2.1": 2048,
		// None of these is a request to table 2.
		"replica*app.pegasus*duplicate_qps@12.1": 1e6, "replica*app.pegasus*put_qps@20.1": 1e6, "replica*app.pegasus*put_qps@12.1": 1e6,
		"replica*app.pegasus*put_qps@2": 1e6, "replica*app.pegasus*put_qps@2.x": 1e6, "replica*eon.replica*backup_request_qps@orders": 1e6,
		"zion*profiler*RPC_RRDB_RRDB_PUT.qps": 1e6, "replica*app.pegasus*put_latency@2.1": 1e6,
		"replica*eon.replica_stub*recent.read.fail.count": 3, "replica*eon.replica_stub*recent.write.fail.count": 5,
		"replica*eon.replica*dup.disabled_non_idempotent_write_count@orders":  7,
		"replica*eon.replica*dup.disabled_non_idempotent_write_count@orders2": 1e6,
	}}
	got := trafficOfCounters(s, 2, "orders")
	if len(got.Partitions) != 2 || got.Partitions[0] != (PartitionTraffic{Reads: 15}) ||
		got.Partitions[1] != (PartitionTraffic{Writes: 2032, NonIdempotent: 1792, Duplicated: 2048}) ||
		got.ReadFailures != 3 || got.WriteFailures != 5 || got.Rejected != 7 || !got.TellsRejected {
		t.Errorf("%+v", got)
	}
}

func TestTrafficCountsOfEitherVersion(t *testing.T) {
	k := newCluster(t, 1, 1, 1)
	c := k.open()
	answerAll(k, idl.NameRemoteCommand, func(r *request) idl.Message {
		a := args[idl.RemoteCommandRequest](r)
		if a.Cmd != "perf-counters-by-substr" || len(a.Arguments) != 4 || a.Arguments[0] != "_qps@7." {
			t.Errorf("%+v", a)
		}
		return &idl.RemoteCommandResponse{Output: `{"result":"OK","timestamp":5,"counters":[{"name":"replica*app.pegasus*put_qps@7.0","type":"RATE","value":2.5}]}`}
	})
	got, err := c.TrafficCounts(t.Context(), k.nodes[0].addr, 7, "orders")
	if err != nil || !got.Rates || got.Partitions[0].Writes != 2.5 {
		t.Errorf("%+v, %v", got, err)
	}

	entity := func(kind, id string, partition any, values map[string]float64) map[string]any {
		var metrics []map[string]any
		for name, v := range values {
			metrics = append(metrics, map[string]any{"name": name, "value": v})
		}
		return map[string]any{"type": kind, "id": id, "attributes": map[string]string{"table_id": "7", "partition_id": fmt.Sprint(partition)}, "metrics": metrics}
	}
	entities := []map[string]any{
		entity("replica", "replica@7.0", 0, map[string]float64{"get_requests": 10, "put_requests": 20, "incr_requests": 1, "dup_requests": 1e6,
			"dup_rejected_non_idempotent_write_requests": 3}),
		entity("replica", "replica@7.1", 1, map[string]float64{"scan_requests": 4, "dup_rejected_non_idempotent_write_requests": 4}),
		entity("server", "replica", "", map[string]float64{"read_failed_requests": 8, "write_failed_requests": 9}),
	}
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]any{"timestamp_ns": 17, "entities": entities})
	}))
	defer web.Close()
	node := strings.TrimPrefix(web.URL, "http://")
	got, err = c.trafficOfMetrics(t.Context(), node, 7)
	if err != nil || got.Rates || got.Partitions[0] != (PartitionTraffic{Reads: 10, Writes: 21, NonIdempotent: 1, Duplicated: 1e6}) ||
		got.Partitions[1] != (PartitionTraffic{Reads: 4}) || got.ReadFailures != 8 || got.WriteFailures != 9 || got.Rejected != 7 || !got.TellsRejected {
		t.Errorf("%+v, %v", got, err)
	}
	entities[0]["attributes"] = map[string]string{"table_id": "7"}
	if got, err := c.trafficOfMetrics(t.Context(), node, 7); err == nil {
		t.Errorf("a replica of no partition was counted: %+v", got)
	}
}

func TestRatesBetweenTwoLooks(t *testing.T) {
	at := func(seconds int64, partitions map[int32]PartitionTraffic) TrafficCounts {
		return TrafficCounts{At: time.Unix(seconds, 0), Partitions: partitions}
	}
	before := at(100, map[int32]PartitionTraffic{0: {Reads: 100, Writes: 50, NonIdempotent: 5}, 1: {Writes: 1000}})
	rates, ok := at(102, map[int32]PartitionTraffic{0: {Reads: 120, Writes: 60, NonIdempotent: 9}, 1: {Writes: 10}, 2: {Reads: 4}}).Since(before)
	want := map[int32]PartitionTraffic{0: {Reads: 10, Writes: 5, NonIdempotent: 2}, 1: {Writes: 5}, 2: {Reads: 2}}
	if !ok || len(rates) != 3 {
		t.Fatal(rates, ok)
	}
	for p, w := range want {
		if rates[p] != w {
			t.Errorf("partition %d: %+v, want %+v", p, rates[p], w)
		}
	}
	for name, earlier := range map[string]TrafficCounts{"the same moment": at(102, nil), "later": at(103, nil), "rates": {At: time.Unix(1, 0), Rates: true}} {
		if rates, ok := at(102, nil).Since(earlier); ok {
			t.Errorf("%s: %v", name, rates)
		}
	}
	now := TrafficCounts{Rates: true, Partitions: map[int32]PartitionTraffic{0: {Reads: 3}}}
	if rates, ok := now.Since(TrafficCounts{}); !ok || rates[0].Reads != 3 {
		t.Error(rates, ok)
	}
}

func TestAtLeast(t *testing.T) {
	for version, want := range map[string]bool{"2.6.0": true, "2.6.0-SNAPSHOT": true, "2.10.1": true, "3.0.0": true, "2.6-rc1": true, "2.6": true,
		"2.5.0": false, "2.5.99": false, "1.12.3": false, "": false, "2": false, "two.six": false, "2.x": false} {
		if AtLeast(version, 2, 6) != want {
			t.Errorf("%q: %v", version, !want)
		}
	}
}

func TestSetting(t *testing.T) {
	k := newCluster(t, 1, 1, 1)
	c := k.open()
	const key, absent = "group_check_interval_ms", "ERR_OBJECT_NOT_FOUND: group_check_interval_ms is not found"
	var dumps atomic.Int32
	var silent atomic.Bool
	answerAll(k, idl.NameRemoteCommand, func(*request) idl.Message {
		if dumps.Add(1); silent.Load() {
			return nil
		}
		return &idl.RemoteCommandResponse{Output: "[replication]\ngroup_check_interval_ms = 100000\n"}
	})
	ask := func(body string, status int, key string) (string, error) {
		return c.setting(t.Context(), k.nodes[0].addr, "replication", key, []byte(body), status)
	}
	if v, err := ask(`{"name":"x","value":"10000"}`, http.StatusOK, key); err != nil || v != "10000" || dumps.Load() != 0 {
		t.Error("what is in force:", v, err)
	}
	for body, status := range map[string]int{absent: http.StatusOK, `service not found for "config"`: http.StatusNotFound} {
		if v, err := ask(body, status, key); err != nil || v != "100000" {
			t.Error(body, v, err)
		}
	}
	if _, err := ask(absent, http.StatusOK, "none"); !errors.Is(err, ErrNoSuchFlag) {
		t.Error(err)
	}
	silent.Store(true)
	if v, err := ask(`service not found for "config"`, http.StatusNotFound, key); err == nil || errors.Is(err, ErrNoSuchFlag) {
		t.Error("a silent server:", v, err)
	}
	dumps.Store(0)
	if v, err := c.Setting(t.Context(), k.nodes[0].addr, "replication", key); err == nil || dumps.Load() != 0 {
		t.Error("a server without HTTP:", v, err)
	}
	if d, err := Milliseconds("100000"); err != nil || d != 100*time.Second {
		t.Error(d, err)
	}
	for _, bad := range []string{"", "-1", "1h", "1.5", "99999999999999"} {
		if d, err := Milliseconds(bad); err == nil {
			t.Errorf("%q is %s", bad, d)
		}
	}
}
