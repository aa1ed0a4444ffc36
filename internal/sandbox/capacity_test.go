package sandbox

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// TestCapacityQueues sends what a server does in two seconds at once: answers come at the rate that it has.
func TestCapacityQueues(t *testing.T) {
	clock := NewManualClock(clockStart)
	c := start(t, Config{Name: "alpha", TimeFactor: 1000, Seed: 1, Clock: clock, Replicas: 1, Capacity: Fault{Rows: 100, Delay: time.Second}})
	w := (*c.nodes[0].load.Load())[0]
	now := clock.Now()
	for i := range 100 {
		if w.full(now) {
			t.Fatalf("full with %d rows", i)
		}
		if wait, want := w.take(now, 1, 50), time.Duration(i+1)*10*time.Millisecond; wait != want {
			t.Fatalf("row %d is done in %v, want %v", i, wait, want)
		}
	}
	if w.take(now, 10, 50); !w.full(now) {
		t.Error("takes more than a second of work")
	}
	if later := now.Add(2 * time.Second); w.full(later) || w.take(later, 5, 0) != 50*time.Millisecond {
		t.Error("what is done counts")
	}
}

// TestOverloadedServer has a server answer a write and a read when it is their turn, and refuse
// what would have to wait too long.
func TestOverloadedServer(t *testing.T) {
	c := start(t, Config{Name: "alpha", TimeFactor: 1000, Seed: 1, Replicas: 1})
	tc := open(t, c, TableSpec{Name: "t", Partitions: 1, Replicas: 1})
	id, err := c.Inject(Fault{Kind: FaultCapacity, RPC: "write", Rows: 20, Delay: 80 * time.Millisecond, Code: idl.ErrCapacityExceeded})
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	tc.put("k", "s", "v", 0)
	if took := time.Since(began); took < 40*time.Millisecond {
		t.Errorf("a write at 20 per second took %v", took)
	}
	if v, _ := tc.get("k", "s"); v != "v" {
		t.Errorf("read %q", v)
	}
	kvs := make([]idl.KeyValue, 100)
	for i := range kvs {
		kvs[i] = idl.KeyValue{Key: fmt.Appendf(nil, "%03d", i), Value: []byte("v")}
	}
	raw := key("k", "")
	cl := tc.at(0)
	cl.send(tc.header(0, 0), idl.NameMultiPut, &idl.MultiPutRequest{HashKey: []byte("k"), Kvs: kvs}) // five seconds of work
	if code := tc.try(raw, idl.NamePut, &idl.UpdateRequest{Key: key("k", "x")}, &idl.UpdateResponse{}); code != idl.ErrCapacityExceeded {
		t.Errorf("behind five seconds of work: %q", string(code))
	}
	if err := c.Clear(id); err != nil {
		t.Fatal(err)
	}
	if c.nodes[0].load.Load() != nil {
		t.Error("the limit stays")
	}
	if _, err := c.Inject(Fault{Kind: FaultCapacity, RPC: "read", Bytes: 1000}); err != nil {
		t.Fatal(err)
	}
	began = time.Now()
	tc.get("k", "s")
	if took := time.Since(began); took < 40*time.Millisecond {
		t.Errorf("a read of some 60 bytes at 1000 per second took %v", took)
	}
	if _, err := c.Inject(Fault{Kind: FaultCapacity}); err == nil {
		t.Error("a capacity of nothing is taken")
	}
}

// TestLatencyCounters slows reads down and looks at what servers report of it.
func TestLatencyCounters(t *testing.T) {
	c := start(t, Config{Name: "alpha", TimeFactor: 1000, Seed: 1, Replicas: 1})
	tc := open(t, c, TableSpec{Name: "t", Partitions: 1, Replicas: 1})
	if _, err := c.Inject(Fault{Kind: FaultCapacity, RPC: "get", Rows: 50}); err != nil {
		t.Fatal(err)
	}
	srv := c.nodes[0].srv
	names := []string{
		fmt.Sprintf("replica*app.pegasus*get_latency@%d.0", tc.id), "replica*eon.replica*table.level.RPC_RRDB_RRDB_GET.latency(ns)@t",
		"zion*profiler*RPC_RRDB_RRDB_GET.latency.server", fmt.Sprintf("replica*app.pegasus*get_latency@%d.0.p999", tc.id),
	}
	for _, name := range names {
		if got, ok := srv.counter(name); !ok || got.value != 0 || got.kind != percentiles {
			t.Errorf("%s before any read: %+v", name, got)
		}
	}
	tc.get("k", "s")
	for _, name := range names {
		until(t, name, func() bool {
			got, ok := srv.counter(name)
			return ok && got.value >= 19e6 && got.value < 60e9
		})
	}
	if got, ok := srv.counter(fmt.Sprintf("replica*app.pegasus*scan_latency@%d.0", tc.id)); !ok || got.value != 0 {
		t.Errorf("scans: %+v", got)
	}
}

func TestReportedCounters(t *testing.T) {
	c := start(t, Config{Name: "alpha", TimeFactor: 1000, Seed: 1, Replicas: 2})
	tc := open(t, c, TableSpec{Name: "t", Partitions: 2, Replicas: 1})
	other := newTable(t, c, TableSpec{Name: "other", Partitions: 1, Replicas: 1})
	inject := func(f Fault) {
		t.Helper()
		if _, err := c.Inject(f); err != nil {
			t.Fatal(err)
		}
	}
	inject(Fault{Kind: FaultReport, Counter: "scan_latency", Value: 8e7, Table: "t"})
	inject(Fault{Kind: FaultReport, Counter: "table.level.RPC_RRDB_RRDB_GET.latency(ns)", Value: 9e7, Table: "t"})
	inject(Fault{Kind: FaultReport, Counter: "disk.available.min.ratio", Value: 7, Server: new(1)})
	values := map[string]float64{}
	for i, n := range c.nodes {
		for _, counter := range n.srv.counters(func(string) bool { return true }) {
			if counter.value != 0 {
				values[fmt.Sprint(i, counter.name)] = counter.value
				values[counter.name] = counter.value
			}
		}
	}
	for name, want := range map[string]float64{
		fmt.Sprintf("replica*app.pegasus*scan_latency@%d.0", tc.id):           8e7,
		fmt.Sprintf("replica*app.pegasus*scan_latency@%d.1.p999", tc.id):      8e7,
		fmt.Sprintf("replica*app.pegasus*scan_latency@%d.0", other):           0,
		fmt.Sprintf("replica*app.pegasus*get_latency@%d.0", tc.id):            0,
		"replica*eon.replica*table.level.RPC_RRDB_RRDB_GET.latency(ns)@t":     9e7,
		"replica*eon.replica*table.level.RPC_RRDB_RRDB_GET.latency(ns)@other": 0,
		"0replica*eon.replica_stub*disk.available.min.ratio":                  68,
		"1replica*eon.replica_stub*disk.available.min.ratio":                  7,
	} {
		if values[name] != want {
			t.Errorf("%s is %v, want %v", name, values[name], want)
		}
	}
}

func TestReportedMetrics(t *testing.T) {
	c := start(t, Config{Name: "alpha", TimeFactor: 1000, Seed: 1, Replicas: 1, Version: Version260})
	tc := open(t, c, TableSpec{Name: "t", Partitions: 1, Replicas: 1})
	tc.put("k", "s", "v", 0)
	for _, f := range []Fault{
		{Kind: FaultReport, Counter: "scan_latency_ns", Value: 8e7, Table: "t"},
		{Kind: FaultReport, Counter: "disk_capacity_avail_mb", Value: 12},
	} {
		if _, err := c.Inject(f); err != nil {
			t.Fatal(err)
		}
	}
	body := getMetrics(c.nodes[0].srv, &httpRequest{args: map[string]string{"metrics": "scan_latency_ns,disk_capacity_avail_mb,put_latency_ns", "with_metric_fields": "name,value,p99"}}).body
	var got struct {
		Entities []struct {
			ID      string `json:"id"`
			Metrics []struct {
				Name       string
				Value, P99 float64
			}
		}
	}
	if err := json.NewDecoder(strings.NewReader(body)).Decode(&got); err != nil {
		t.Fatal(err, body)
	}
	text := fmt.Sprint(got)
	for _, want := range []string{"{disk_capacity_avail_mb 12 0}", "{scan_latency_ns 0 8e+07}", "{put_latency_ns 0"} {
		if !strings.Contains(text, want) {
			t.Errorf("%s lacks %s", text, want)
		}
	}
}
