package pegasus

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"
)

// TrafficCounts is what one replica server counts of one table. Replicas of every role are in it, and
// secondaries count writes as primaries do: take each partition from its primary's server.
type TrafficCounts struct {
	// At is the server's clock. Two answers with one At are the same look at its counters.
	At time.Time
	// Rates says that Partitions are per second and the rest counts what happened between the last two
	// times that the server took its counters (2.4, 2.5: ten seconds). Otherwise everything is counted
	// since the server started: see Since.
	Rates      bool
	Partitions map[int32]PartitionTraffic
	// ReadFailures and WriteFailures are those of clients' requests to any table of the server.
	ReadFailures, WriteFailures float64
	// Rejected counts writes to the table that were refused as not idempotent. TellsRejected is false
	// when the server has no such counter, as one without a replica of the table.
	Rejected      float64
	TellsRejected bool
}

// PartitionTraffic counts requests of clients to one partition; what a duplication ships in is not
// among them (pegasus_write_service.cpp, duplicate).
type PartitionTraffic struct {
	Reads, Writes float64
	// NonIdempotent are the writes that a duplication cannot ship: incr, check_and_set,
	// check_and_mutate. They are among Writes.
	NonIdempotent float64
	// Duplicated are writes that a duplication ships in; not among Writes.
	Duplicated float64
}

// Writes to a table that were refused as not idempotent; the names differ up to 2.5 and later
// (src/replica/replica.cpp).
const (
	counterRejected = "dup.disabled_non_idempotent_write_count@"
	metricRejected  = "dup_rejected_non_idempotent_write_requests"
)

// TrafficCounts asks a replica server of any version.
func (c *Cluster) TrafficCounts(ctx context.Context, node string, appID int32, table string) (TrafficCounts, error) {
	s, err := c.CounterSnapshot(ctx, node, fmt.Sprintf("_qps@%d.", appID), counterReadFail, counterWriteFail, counterRejected+table)
	switch {
	case err == nil:
		return trafficOfCounters(s, appID, table), nil
	case errors.Is(err, ErrUnknownCommand):
		return c.trafficOfMetrics(ctx, node, appID)
	}
	return TrafficCounts{}, err
}

// trafficOfCounters sorts perf counters.
func trafficOfCounters(s Counters, appID int32, table string) TrafficCounts {
	out := TrafficCounts{At: s.At, Rates: true, Partitions: map[int32]PartitionTraffic{}}
	out.ReadFailures, out.WriteFailures = s.failures()
	out.Rejected, out.TellsRejected = s.Short(counterRejected + table)
	known := operations()
	s.replicas(appID, func(name string, partition int32, value float64) {
		kind, isRate := strings.CutSuffix(name, suffixQPS)
		if op, counted := known[kind]; counted && isRate {
			out.Partitions[partition] = out.Partitions[partition].plus(op, value)
		}
	})
	return out
}

func (c *Cluster) trafficOfMetrics(ctx context.Context, node string, appID int32) (TrafficCounts, error) {
	known := operations()
	names := []string{metricRejected}
	for kind := range known {
		names = append(names, kind+suffixRequests)
	}
	replicas, err := c.Metrics(ctx, node, MetricsQuery{Types: []string{"replica"}, TableID: appID, Metrics: names})
	if err != nil {
		return TrafficCounts{}, err
	}
	server, err := c.Metrics(ctx, node, MetricsQuery{Types: []string{"server"}, Metrics: []string{metricReadFail, metricWriteFail}})
	if err != nil {
		return TrafficCounts{}, err
	}
	out := TrafficCounts{At: replicas.At, Partitions: map[int32]PartitionTraffic{}}
	out.ReadFailures, out.WriteFailures = server.failures()
	err = replicas.replicas(node, func(e MetricEntity, partition int32) {
		for name, value := range e.Values {
			kind, _ := strings.CutSuffix(name, suffixRequests)
			if op, counted := known[kind]; counted {
				out.Partitions[partition] = out.Partitions[partition].plus(op, value)
			}
		}
		if v, ok := e.Values[metricRejected]; ok {
			out.Rejected, out.TellsRejected = out.Rejected+v, true
		}
	})
	if err != nil {
		return TrafficCounts{}, err
	}
	return out, nil
}

func (t PartitionTraffic) plus(op operation, value float64) PartitionTraffic {
	switch {
	case op.duplicated:
		t.Duplicated += value
	case op.write:
		t.Writes += value
	default:
		t.Reads += value
	}
	if op.nonIdempotent {
		t.NonIdempotent += value
	}
	return t
}

// Since gives the rates of now's partitions per second since before, which must be of the same server;
// when now has rates already, those. ok is false when no time lies between the two. A partition that
// before does not have was counted from 0 on, and so was a server that started meanwhile.
func (now TrafficCounts) Since(before TrafficCounts) (rates map[int32]PartitionTraffic, ok bool) {
	if now.Rates {
		return maps.Clone(now.Partitions), true
	}
	span := now.At.Sub(before.At).Seconds()
	if span <= 0 || before.Rates {
		return nil, false
	}
	rates = make(map[int32]PartitionTraffic, len(now.Partitions))
	for p, n := range now.Partitions {
		b := before.Partitions[p]
		rates[p] = PartitionTraffic{
			Reads: Counted(b.Reads, n.Reads) / span, Writes: Counted(b.Writes, n.Writes) / span,
			NonIdempotent: Counted(b.NonIdempotent, n.NonIdempotent) / span, Duplicated: Counted(b.Duplicated, n.Duplicated) / span,
		}
	}
	return rates, true
}

// Counted is by how much a counter that never falls has grown; one that did began again at 0.
func Counted(before, now float64) float64 {
	if now < before {
		return now
	}
	return now - before
}
