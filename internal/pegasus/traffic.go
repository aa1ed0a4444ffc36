package pegasus

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
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

// operation is what a counter of one replica counts.
type operation struct{ write, nonIdempotent, duplicated bool }

// operations are the counters of a replica, by what stands in front of "_qps" (up to 2.5) or
// "_requests" (later): src/server/pegasus_server_impl_init.cpp, pegasus_write_service.cpp. Requests
// for a TTL have none; sort key counts are counted with scans.
func operations() map[string]operation {
	return map[string]operation{
		"get": {}, "multi_get": {}, "batch_get": {}, "scan": {},
		"put": {write: true}, "multi_put": {write: true}, "remove": {write: true}, "multi_remove": {write: true},
		"incr": {write: true, nonIdempotent: true}, "check_and_set": {write: true, nonIdempotent: true},
		"check_and_mutate": {write: true, nonIdempotent: true},
		"duplicate":        {duplicated: true}, "dup": {duplicated: true}, // up to 2.5, and later
	}
}

// The counters of a server and of a table on it; the names differ up to 2.5 and later
// (src/replica/replica_stub.cpp, replica.cpp).
const (
	counterReadFail  = "recent.read.fail.count"
	counterWriteFail = "recent.write.fail.count"
	counterRejected  = "dup.disabled_non_idempotent_write_count@"
	metricReadFail   = "read_failed_requests"
	metricWriteFail  = "write_failed_requests"
	metricRejected   = "dup_rejected_non_idempotent_write_requests"
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
	known := operations()
	for full, value := range s.Values {
		name := full[strings.LastIndexByte(full, '*')+1:]
		switch name {
		case counterReadFail:
			out.ReadFailures = value
			continue
		case counterWriteFail:
			out.WriteFailures = value
			continue
		case counterRejected + table:
			out.Rejected, out.TellsRejected = value, true
			continue
		}
		kind, at, ok := strings.Cut(name, "_qps@")
		app, partition, isReplica := parseGpid(at)
		if op, counted := known[kind]; ok && isReplica && counted && app == appID {
			out.Partitions[partition] = out.Partitions[partition].plus(op, value)
		}
	}
	return out
}

func (c *Cluster) trafficOfMetrics(ctx context.Context, node string, appID int32) (TrafficCounts, error) {
	known := operations()
	names := []string{metricRejected}
	for kind := range known {
		names = append(names, kind+"_requests")
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
	for _, e := range replicas.Entities {
		p, ok := partitionOf(e)
		if !ok {
			return TrafficCounts{}, fmt.Errorf("metrics of %s: %s has partition id %q", node, clip(e.ID), clip(e.Attributes["partition_id"]))
		}
		for name, value := range e.Values {
			kind, _ := strings.CutSuffix(name, "_requests")
			if op, counted := known[kind]; counted {
				out.Partitions[p] = out.Partitions[p].plus(op, value)
			}
		}
		if v, ok := e.Values[metricRejected]; ok {
			out.Rejected, out.TellsRejected = out.Rejected+v, true
		}
	}
	for _, e := range server.Entities {
		out.ReadFailures += e.Values[metricReadFail]
		out.WriteFailures += e.Values[metricWriteFail]
	}
	return out, nil
}

// partitionOf reads which partition a replica is of.
func partitionOf(e MetricEntity) (int32, bool) {
	partition, err := strconv.ParseInt(e.Attributes["partition_id"], 10, 32)
	return int32(partition), err == nil && partition >= 0
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
