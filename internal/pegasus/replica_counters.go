package pegasus

import (
	"fmt"
	"strconv"
	"strings"
)

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

// What stands behind an operation's name: up to 2.5, and later.
const (
	suffixQPS      = "_qps"
	suffixRequests = "_requests"
)

// Failures of clients' requests to any table of a server, up to 2.5 and later (src/replica/replica_stub.cpp).
const (
	counterReadFail  = "recent.read.fail.count"
	counterWriteFail = "recent.write.fail.count"
	metricReadFail   = "read_failed_requests"
	metricWriteFail  = "write_failed_requests"
)

// replicas gives the counters of the replicas of one table by their names without section and partition, in no
// order. Values that a counter has besides its own, as percentiles do, are left out.
func (s Counters) replicas(appID int32, each func(name string, partition int32, value float64)) {
	for full, value := range s.Values {
		name, at, ok := strings.Cut(full[strings.LastIndexByte(full, '*')+1:], "@")
		app, partition, isReplica := parseGpid(at)
		if ok && isReplica && app == appID {
			each(name, partition, value)
		}
	}
}

// failures are those of clients' requests, 0 where the server does not count them.
func (s Counters) failures() (reads, writes float64) {
	reads, _ = s.Short(counterReadFail)
	writes, _ = s.Short(counterWriteFail)
	return reads, writes
}

// replicas gives the entities of replicas with their partitions; node is for the error.
func (m Metrics) replicas(node string, each func(e MetricEntity, partition int32)) error {
	for _, e := range m.Entities {
		partition, ok := partitionOf(e)
		if !ok {
			return fmt.Errorf("metrics of %s: %s has partition id %q", node, clip(e.ID), clip(e.Attributes["partition_id"]))
		}
		each(e, partition)
	}
	return nil
}

// partitionOf reads which partition a replica is of.
func partitionOf(e MetricEntity) (int32, bool) {
	partition, err := strconv.ParseInt(e.Attributes["partition_id"], 10, 32)
	return int32(partition), err == nil && partition >= 0
}

// failures are those of clients' requests, 0 where the server does not count them.
func (m Metrics) failures() (reads, writes float64) {
	for _, e := range m.Entities {
		reads += e.Values[metricReadFail]
		writes += e.Values[metricWriteFail]
	}
	return reads, writes
}
