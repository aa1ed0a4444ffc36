package pegasus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Counters are perf counters as a server saw them at one moment.
type Counters struct {
	// At is when the server took them, to the second, by its own clock. It takes them every ten seconds
	// ([pegasus.server] perf_counter_update_interval_seconds); two answers with one At are one look.
	At time.Time
	// Values has the full names "<role>*<section>*<name>" as keys.
	Values map[string]float64
}

// PerfCounters reads the counters whose full name contains one of the substrings. See CounterSnapshot.
func (c *Cluster) PerfCounters(ctx context.Context, node string, substrings ...string) (map[string]float64, error) {
	s, err := c.CounterSnapshot(ctx, node, substrings...)
	return s.Values, err
}

// CounterSnapshot reads the counters whose full name contains one of the substrings. "@2." also
// matches inside of "@12.": compare whole names. Servers after 2.5 have none and answer
// ErrUnknownCommand: see Metrics.
//
// Rates, and what counters of type VOLATILE_NUMBER count, are those between the last two times that
// the server took its counters, for whoever asks. Reading does not reset them (perf_counters.cpp,
// take_snapshot), but the server's HTTP /perfCounter does for everybody, and so does a second
// collector inside the server: a volatile count is a lower bound.
func (c *Cluster) CounterSnapshot(ctx context.Context, node string, substrings ...string) (Counters, error) {
	out, err := c.RemoteCommand(ctx, node, "perf-counters-by-substr", substrings...)
	if err != nil {
		return Counters{}, err
	}
	s, err := parseCounters(out)
	if err != nil {
		return Counters{}, fmt.Errorf("perf counters of %s: %w", node, err)
	}
	return s, nil
}

// parseCounters reads the JSON of the perf-counters commands.
func parseCounters(out string) (Counters, error) {
	var j struct {
		Result    string `json:"result"`
		Timestamp int64  `json:"timestamp"`
		Counters  []struct {
			Name  string  `json:"name"`
			Value float64 `json:"value"`
		} `json:"counters"`
	}
	if err := json.Unmarshal([]byte(out), &j); err != nil {
		return Counters{}, fmt.Errorf("cannot be read: %w: %q", err, clip(out))
	}
	if j.Result != "OK" {
		return Counters{}, fmt.Errorf("server says %q", clip(j.Result))
	}
	s := Counters{At: time.Unix(j.Timestamp, 0).UTC(), Values: make(map[string]float64, len(j.Counters))}
	for _, x := range j.Counters {
		s.Values[x.Name] = x.Value
	}
	return s, nil
}

// ErrNoMetrics is wrapped when a server does not have /metrics: up to 2.5.
var ErrNoMetrics = errors.New("the server has no metrics")

// MetricsQuery chooses metrics; an empty list chooses all. The values are names of Pegasus: letters,
// digits, "_", "-", "@" and ".".
type MetricsQuery struct {
	// Types are entity types: server, replica, table, partition, disk ...
	Types []string
	// TableID chooses entities of one table, 0 for any.
	TableID int32
	Metrics []string
	// P99 asks for MetricEntity.P99 too.
	P99 bool
}

// path is the request; the server splits lists at commas and knows no other field.
func (q MetricsQuery) path() string {
	args := []string{"with_metric_fields=name,value"}
	if q.P99 {
		args[0] += ",p99"
	}
	list := func(name string, values []string) {
		if len(values) == 0 {
			return
		}
		escaped := make([]string, len(values))
		for i, v := range values {
			escaped[i] = url.QueryEscape(v)
		}
		args = append(args, name+"="+strings.Join(escaped, ","))
	}
	list("types", q.Types)
	if q.TableID != 0 {
		args = append(args, fmt.Sprintf("attributes=table_id,%d", q.TableID))
	}
	list("metrics", q.Metrics)
	return "/metrics?" + strings.Join(args, "&")
}

// Metrics are the metrics of a server at one moment.
type Metrics struct {
	// At is the server's own clock.
	At       time.Time
	Entities []MetricEntity
}

// MetricEntity is one thing that is measured, e.g. a replica.
type MetricEntity struct {
	Type, ID   string
	Attributes map[string]string // e.g. table_id, partition_id
	// Values has single values only, no percentiles. Counters never fall, except to 0 when the server
	// starts.
	Values map[string]float64
	// P99 has the 99th percentiles of those that have percentiles.
	P99 map[string]float64
}

// Metrics reads metrics of a server of 2.6 or later; others answer ErrNoMetrics. Reading resets
// nothing.
func (c *Cluster) Metrics(ctx context.Context, node string, q MetricsQuery) (Metrics, error) {
	body, status, err := c.HTTPGet(ctx, node, q.path())
	if err != nil {
		return Metrics{}, err
	}
	m, err := parseMetrics(body, status)
	if err != nil {
		return Metrics{}, fmt.Errorf("metrics of %s: %w", node, err)
	}
	m.Entities = slices.DeleteFunc(m.Entities, func(e MetricEntity) bool { return !q.wants(e) })
	return m, nil
}

// wants tells whether an entity was asked for, whatever filters the server knows.
func (q MetricsQuery) wants(e MetricEntity) bool {
	return (len(q.Types) == 0 || slices.Contains(q.Types, e.Type)) &&
		(q.TableID == 0 || e.Attributes["table_id"] == fmt.Sprint(q.TableID))
}

// parseMetrics reads the answer of /metrics (src/utils/metrics.cpp, metrics_http_service).
func parseMetrics(body []byte, status int) (Metrics, error) {
	if status == http.StatusNotFound {
		return Metrics{}, ErrNoMetrics
	}
	var j struct {
		Timestamp *int64 `json:"timestamp_ns"`
		Entities  []struct {
			Type       string            `json:"type"`
			ID         string            `json:"id"`
			Attributes map[string]string `json:"attributes"`
			Metrics    []struct {
				Name  string   `json:"name"`
				Value *float64 `json:"value"`
				P99   *float64 `json:"p99"`
			} `json:"metrics"`
		} `json:"entities"`
	}
	if err := json.Unmarshal(body, &j); err != nil || status != http.StatusOK || j.Timestamp == nil {
		return Metrics{}, fmt.Errorf("server answers %d %q", status, clip(string(body)))
	}
	out := Metrics{At: time.Unix(0, *j.Timestamp).UTC(), Entities: make([]MetricEntity, len(j.Entities))}
	for i, e := range j.Entities {
		values, p99 := make(map[string]float64, len(e.Metrics)), make(map[string]float64)
		for _, m := range e.Metrics {
			if m.Value != nil {
				values[m.Name] = *m.Value
			} else if m.P99 != nil {
				p99[m.Name] = *m.P99
			}
		}
		out.Entities[i] = MetricEntity{Type: e.Type, ID: e.ID, Attributes: e.Attributes, Values: values, P99: p99}
	}
	return out, nil
}
