package actuate

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/pegmigrate/pegmigrate/apply"
	"github.com/pegmigrate/pegmigrate/internal/pegasus"
	"github.com/pegmigrate/pegmigrate/plan"
)

// Traffic implements apply.Traffic. It keeps what it read last of every table: servers of 2.6 and later
// count and leave rates to whoever reads, and failures are reported since the sample before.
type Traffic struct {
	clusters *Clusters
	now      func() time.Time

	mu   sync.Mutex
	last map[plan.TableRef]trafficRead
}

var _ apply.Traffic = (*Traffic)(nil)

// NewTraffic reads the counters of clusters.
func NewTraffic(c *Clusters, now func() time.Time) *Traffic {
	return &Traffic{clusters: c, now: now, last: map[plan.TableRef]trafficRead{}}
}

const (
	// firstSpan is the time between the two looks of a first sample at servers that only count.
	firstSpan = time.Second
	// staleAfter is the age at which a sample is too old to compute a rate of now from.
	staleAfter = time.Minute
)

// trafficRead is one look at all servers of a table.
type trafficRead struct {
	at       time.Time // ours
	primary  []string  // by partition, "" for none
	nodes    map[string]pegasus.TrafficCounts
	failures map[string]failureCounts // by node
	// reported are the failures up to the last sample that was given out.
	reported map[string]failureCounts
}

// failureCounts are running sums; where they begin does not matter.
type failureCounts struct{ read, write, rejected float64 }

// Traffic implements apply.Traffic. A server that is primary of some partition has to answer, and to
// count that partition; what it does not tell would read as silence of the clients.
func (t *Traffic) Traffic(ctx context.Context, ref plan.TableRef) (apply.TrafficSample, error) {
	c, err := t.clusters.cluster(ref.Cluster)
	if err != nil {
		return apply.TrafficSample{}, err
	}
	t.mu.Lock()
	before, known := t.last[ref]
	t.mu.Unlock()
	if known && t.now().Sub(before.at) > staleAfter {
		known = false
	}
	now, err := t.read(ctx, c, ref, before)
	if err != nil {
		return apply.TrafficSample{}, err
	}
	if !known {
		before = now
		if now.counts() {
			if now, err = t.readAgain(ctx, c, ref, before); err != nil {
				return apply.TrafficSample{}, err
			}
		}
	}
	if now.reported = before.reported; now.reported == nil {
		now.reported = before.failures
	}
	out, err := sampleOf(before, now)
	if err == nil {
		now.reported = now.failures
	}
	t.mu.Lock()
	t.last[ref] = now // also when a rate is missing: the next sample has something to compare with
	t.mu.Unlock()
	if err != nil {
		return apply.TrafficSample{}, fmt.Errorf("traffic of %s: %w", ref, err)
	}
	return out, nil
}

// readAgain reads a second time, a moment later.
func (t *Traffic) readAgain(ctx context.Context, c *pegasus.Cluster, ref plan.TableRef, before trafficRead) (trafficRead, error) {
	timer := time.NewTimer(firstSpan)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return trafficRead{}, ctx.Err()
	}
	return t.read(ctx, c, ref, before)
}

// counts tells whether some server leaves rates to its reader.
func (r trafficRead) counts() bool {
	for _, n := range r.nodes {
		if !n.Rates {
			return true
		}
	}
	return false
}

// read asks every server that holds a replica of the table; failures go on from before.
func (t *Traffic) read(ctx context.Context, c *pegasus.Cluster, ref plan.TableRef, before trafficRead) (trafficRead, error) {
	out := trafficRead{nodes: map[string]pegasus.TrafficCounts{}, failures: map[string]failureCounts{}}
	config, err := c.PartitionConfigs(ctx, ref.Table)
	if err != nil {
		return out, err
	}
	var nodes []string
	leads := map[string]bool{} // of every node: whether it is primary of something
	for _, p := range config.Partitions {
		out.primary = append(out.primary, p.Primary)
		for _, node := range append(p.Secondaries[:len(p.Secondaries):len(p.Secondaries)], p.Primary) {
			if _, seen := leads[node]; !seen && node != "" {
				nodes = append(nodes, node)
			}
			leads[node] = leads[node] || node == p.Primary
		}
	}
	counts, errs := make([]pegasus.TrafficCounts, len(nodes)), make([]error, len(nodes))
	eachNode(nodes, func(i int) { counts[i], errs[i] = c.TrafficCounts(ctx, nodes[i], config.AppID, ref.Table) })
	for i, node := range nodes {
		switch {
		case errs[i] == nil:
			out.nodes[node] = counts[i]
			out.failures[node] = before.sum(node, counts[i])
		case leads[node]:
			return out, fmt.Errorf("traffic of %s: %w", ref, errs[i])
		}
	}
	out.at = t.now()
	return out, ctx.Err()
}

// sum goes on counting the failures of a node. What a server of 2.5 counts is of its last period, and
// is added once per period however often it is read.
func (r trafficRead) sum(node string, now pegasus.TrafficCounts) failureCounts {
	if !now.Rates {
		return failureCounts{now.ReadFailures, now.WriteFailures, now.Rejected}
	}
	last, known := r.nodes[node]
	sums := r.failures[node]
	if !known || samePeriod(last, now) {
		return sums
	}
	return failureCounts{sums.read + now.ReadFailures, sums.write + now.WriteFailures, sums.rejected + now.Rejected}
}

// samePeriod tells whether two answers of a server of 2.5 are of one period. Its clock shows whole
// seconds, which is enough for periods of ten; for shorter ones the counts themselves tell.
func samePeriod(a, b pegasus.TrafficCounts) bool {
	return a.At.Equal(b.At) && a.ReadFailures == b.ReadFailures && a.WriteFailures == b.WriteFailures && a.Rejected == b.Rejected
}

// sampleOf adds up the partitions, each as its primary's server counts it.
func sampleOf(before, now trafficRead) (apply.TrafficSample, error) {
	out := apply.TrafficSample{At: now.at}
	rates := map[string]map[int32]pegasus.PartitionTraffic{}
	for node, n := range now.nodes {
		b, known := before.nodes[node]
		if r, ok := n.Since(b); ok && (known || n.Rates) {
			rates[node] = r
		}
	}
	for p, node := range now.primary {
		if node == "" {
			continue // it serves nobody
		}
		r, known := rates[node]
		if !known {
			return out, fmt.Errorf("%s was not counted long enough for a rate", node)
		}
		of, known := r[int32(p)]
		if !known {
			return out, fmt.Errorf("%s does not count partition %d yet", node, p)
		}
		out.ReadQPS += of.Reads
		out.WriteQPS += of.Writes
	}
	for node, n := range now.failures {
		b, known := now.reported[node]
		if !known {
			continue
		}
		out.ReadFailures += pegasus.Counted(b.read, n.read)
		out.WriteFailures += pegasus.Counted(b.write, n.write)
		out.RejectedNonIdempotent += pegasus.Counted(b.rejected, n.rejected)
	}
	return out, nil
}

// rejectedOn is what was counted of one node up to its last answer.
type rejectedOn struct {
	last pegasus.TrafficCounts
	sum  float64
}

// Rejected implements apply.Duplications. Servers up to 2.5 forget their count every ten seconds: of
// them it is what this process saw, a lower bound that grows as long as it is asked often enough.
func (d *Duplications) Rejected(ctx context.Context, ref plan.TableRef) (float64, error) {
	c, err := d.clusters.cluster(ref.Cluster)
	if err != nil {
		return 0, err
	}
	config, err := c.PartitionConfigs(ctx, ref.Table)
	if err != nil {
		return 0, err
	}
	nodes, err := livingNodes(ctx, c)
	if err != nil {
		return 0, err
	}
	counts, errs := make([]pegasus.TrafficCounts, len(nodes)), make([]error, len(nodes))
	eachNode(nodes, func(i int) { counts[i], errs[i] = c.TrafficCounts(ctx, nodes[i], config.AppID, ref.Table) })
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	seen := d.rejected[ref]
	if seen == nil {
		seen = map[string]rejectedOn{}
		d.rejected[ref] = seen
	}
	for i, node := range nodes {
		if errs[i] == nil && counts[i].TellsRejected {
			seen[node] = seen[node].plus(counts[i])
		}
	}
	if len(seen) == 0 {
		return -1, nil
	}
	var sum float64
	for _, of := range seen {
		sum += of.sum
	}
	return sum, nil
}

func (r rejectedOn) plus(now pegasus.TrafficCounts) rejectedOn {
	switch {
	case !now.Rates:
		r.sum = now.Rejected
	case !samePeriod(r.last, now):
		r.sum += now.Rejected
	}
	r.last = now
	return r
}
