package pegasus

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Strain is what one replica server says of how hard it works, for a table.
type Strain struct {
	// At is the server's clock. Two answers with one At are the same look at its counters.
	At time.Time
	// Rates says that Requests are per second, and failures those between the last two times that the
	// server took its counters (2.4, 2.5). Otherwise they are counted since the server started.
	Rates bool
	// Latencies are those of the table's replicas on the server, by operation and partition.
	Latencies map[StrainKey]Latency
	// DiskFree is the share of its fullest disk that is free, by the server's own look at it, which may
	// be minutes old ([replication] disk_stat_interval_seconds, 600). TellsDisk is false when the server
	// does not say.
	DiskFree  float64
	TellsDisk bool
	// PendingCompaction is the largest estimate of bytes that wait for a compaction of one replica of the
	// table. No server of 2.4, 2.5 or 2.6 tells it; TellsPending is false then.
	PendingCompaction float64
	TellsPending      bool
	// ReadFailures and WriteFailures are those of clients' requests to any table of the server.
	ReadFailures, WriteFailures float64
}

// StrainKey names a latency: an operation like "get" or "multi_put", of one partition.
type StrainKey struct {
	Operation string
	Partition int32
}

// Latency is how long requests take on a server. Percentiles are of the newest thousands of requests,
// however old: without Requests now they say nothing about now (perf_counter_atomic.h; metrics.h).
type Latency struct {
	P99      time.Duration
	Requests float64
}

// Names of counters and metrics up to 2.5 and later (pegasus_server_impl_init.cpp,
// pegasus_write_service.cpp, fs_manager.cpp); percentiles are in nanoseconds.
const (
	latencySuffix   = "_latency"
	latencyMetric   = "_latency_ns"
	counterDiskFree = "disk.available.min.ratio"
	counterPending  = "rdb.estimate_pending_compaction_bytes"
	metricPending   = "rdb_estimate_pending_compaction_bytes"
	metricDiskTotal = "disk_capacity_total_mb"
	metricDiskFree  = "disk_capacity_avail_mb"
)

// Strain asks a replica server of any version.
func (c *Cluster) Strain(ctx context.Context, node string, appID int32) (Strain, error) {
	s, err := c.CounterSnapshot(ctx, node, fmt.Sprintf("%s@%d.", latencySuffix, appID), fmt.Sprintf("_qps@%d.", appID),
		counterDiskFree, fmt.Sprintf("%s@%d.", counterPending, appID), counterReadFail, counterWriteFail)
	switch {
	case err == nil:
		return strainOfCounters(s, appID), nil
	case errors.Is(err, ErrUnknownCommand):
		return c.strainOfMetrics(ctx, node, appID)
	}
	return Strain{}, err
}

// strainOfCounters sorts perf counters.
func strainOfCounters(s Counters, appID int32) Strain {
	out := Strain{At: s.At, Rates: true, Latencies: map[StrainKey]Latency{}}
	out.ReadFailures, out.WriteFailures = s.failures()
	if free, told := s.Short(counterDiskFree); told {
		out.DiskFree, out.TellsDisk = free/100, true
	}
	known := operations()
	s.replicas(appID, func(name string, partition int32, value float64) {
		if name == counterPending {
			out.pending(value)
			return
		}
		l := Latency{P99: time.Duration(value)}
		op, isLatency := strings.CutSuffix(name, latencySuffix)
		if !isLatency {
			if op, isLatency = strings.CutSuffix(name, suffixQPS); !isLatency {
				return
			}
			l = Latency{Requests: value}
		}
		if _, counted := known[op]; counted {
			out.add(op, partition, l)
		}
	})
	return out
}

// add joins what two counters say of one operation.
func (s *Strain) add(op string, partition int32, l Latency) {
	key := StrainKey{op, partition}
	had := s.Latencies[key]
	s.Latencies[key] = Latency{P99: max(had.P99, l.P99), Requests: had.Requests + l.Requests}
}

func (s *Strain) pending(bytes float64) {
	s.PendingCompaction, s.TellsPending = max(s.PendingCompaction, bytes), true
}

func (c *Cluster) strainOfMetrics(ctx context.Context, node string, appID int32) (Strain, error) {
	known := operations()
	names := []string{metricPending}
	for op := range known {
		names = append(names, op+latencyMetric, op+suffixRequests)
	}
	replicas, err := c.Metrics(ctx, node, MetricsQuery{Types: []string{"replica"}, TableID: appID, Metrics: names, P99: true})
	if err != nil {
		return Strain{}, err
	}
	rest, err := c.Metrics(ctx, node, MetricsQuery{Types: []string{"server", "disk"},
		Metrics: []string{metricReadFail, metricWriteFail, metricDiskTotal, metricDiskFree}})
	if err != nil {
		return Strain{}, err
	}
	out := Strain{At: replicas.At, Latencies: map[StrainKey]Latency{}}
	if err := replicas.replicas(node, func(e MetricEntity, partition int32) {
		for name, value := range e.Values {
			if name == metricPending {
				out.pending(value)
			} else if op, ok := strings.CutSuffix(name, suffixRequests); ok {
				out.add(op, partition, Latency{Requests: value})
			}
		}
		for name, value := range e.P99 {
			if op, ok := strings.CutSuffix(name, latencyMetric); ok {
				out.add(op, partition, Latency{P99: time.Duration(value)})
			}
		}
	}); err != nil {
		return Strain{}, err
	}
	out.ReadFailures, out.WriteFailures = rest.failures()
	for _, e := range rest.Entities {
		free, told := e.Values[metricDiskFree]
		if total := e.Values[metricDiskTotal]; told && total > 0 {
			if share := free / total; !out.TellsDisk || share < out.DiskFree {
				out.DiskFree, out.TellsDisk = share, true
			}
		}
	}
	return out, nil
}
