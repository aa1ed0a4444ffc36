package actuate

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/pegasus"
	"github.com/pegmigrate/pegmigrate/plan"
)

// Bounds of a look.
const (
	// configAge is how old the list of a table's servers may be.
	configAge = 15 * time.Second
	// askers is how many servers are asked at the same time.
	askers = 16
	// busyEnough is how many requests per second an operation of a partition has at least for its
	// percentile to be of now: servers keep percentiles of the newest thousands, however old.
	busyEnough = 1.0
	// countersEvery is how often servers up to 2.5 take their counters unless two looks tell
	// ([pegasus.server] perf_counter_update_interval_seconds).
	countersEvery = 10.0
	// kept is the share of a threshold below which it counts as kept again, and diskMargin the share of
	// a disk above it.
	kept, diskMargin = 0.8, 0.01
)

// reading is what the servers of one side said.
type reading struct {
	servers map[string]sight
	silent  string // a server that did not answer and why, "" when all did
}

// sight is a look at one server, with the one before it.
type sight struct {
	now, before pegasus.Strain
	seen        bool // before is there
}

// strained reads the servers of one table. Used by one goroutine at a time.
type strained struct {
	clusters *Clusters
	side     string
	ref      plan.TableRef

	config   *pegasus.TableConfig
	configAt time.Time
	last     map[string]sight
}

func newStrained(c *Clusters, side string, ref plan.TableRef) *strained {
	return &strained{clusters: c, side: side, ref: ref, last: map[string]sight{}}
}

// read asks every server that has a replica of the table.
func (s *strained) read(ctx context.Context) reading {
	out := reading{servers: map[string]sight{}}
	c, err := s.clusters.cluster(s.ref.Cluster)
	if err != nil {
		out.silent = err.Error()
		return out
	}
	if s.config == nil || time.Since(s.configAt) > configAge {
		config, err := c.PartitionConfigs(ctx, s.ref.Table)
		if err != nil {
			out.silent = err.Error()
			return out
		}
		s.config, s.configAt = config, time.Now()
	}
	var mu sync.Mutex
	var group sync.WaitGroup
	slots := make(chan struct{}, askers)
	for _, node := range serversOf(s.config) {
		group.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			now, err := c.Strain(ctx, node, s.config.AppID)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				out.silent = err.Error()
				return
			}
			out.servers[node] = s.last[node].next(now)
		})
	}
	group.Wait()
	if out.silent != "" {
		s.config = nil // the servers may be others by now
	}
	for node, sight := range out.servers {
		s.last[node] = sight
	}
	return out
}

// serversOf are the servers that hold replicas, each once.
func serversOf(config *pegasus.TableConfig) []string {
	var nodes []string
	for _, p := range config.Partitions {
		if p.Primary != "" {
			nodes = append(nodes, p.Primary)
		}
		nodes = append(nodes, p.Secondaries...)
	}
	slices.Sort(nodes)
	return slices.Compact(nodes)
}

// next is the look that follows. A second look at the same counters changes nothing.
func (s sight) next(now pegasus.Strain) sight {
	switch {
	case s.now.At.IsZero():
		return sight{now: now}
	case now.Rates && now.At.Equal(s.now.At):
		return sight{now: now, before: s.before, seen: s.seen}
	}
	return sight{now: now, before: s.now, seen: true}
}

// span is the time between the two looks in seconds, 0 while unknown.
func (s sight) span() float64 {
	if !s.seen {
		return 0
	}
	return s.now.At.Sub(s.before.At).Seconds()
}

// rate is how many requests an operation has per second.
func (s sight) rate(key pegasus.StrainKey) float64 {
	n := s.now.Latencies[key].Requests
	if s.now.Rates {
		return n
	}
	if span := s.span(); span > 0 {
		return pegasus.Counted(s.before.Latencies[key].Requests, n) / span
	}
	return 0
}

// failures are those per second.
func (s sight) failures(now, before float64) float64 {
	span := s.span()
	switch {
	case !s.now.Rates && span > 0:
		return pegasus.Counted(before, now) / span
	case !s.now.Rates:
		return 0
	case span > 0:
		return now / span
	}
	return now / countersEvery
}

// blindness is a measurement without all servers; one that is over by what others say is known.
func (r reading) blindness() measured { return measured{why: r.silent} }

// latency compares the worst p99 of clients' requests. Scans are left out: most are this program's own.
func (r reading) latency(side string, limit time.Duration) measured {
	var worst time.Duration
	var at string
	for node, s := range r.servers {
		for key, l := range s.now.Latencies {
			if key.Operation != "scan" && l.P99 > worst && s.rate(key) >= busyEnough {
				worst, at = l.P99, fmt.Sprintf("%s of partition %d on %s", key.Operation, key.Partition, node)
			}
		}
	}
	if worst > limit {
		return measured{known: true, over: true, text: fmt.Sprintf("%s p99 is %s (%s), over %s", side, latency(worst), at, latency(limit))}
	}
	if r.silent != "" {
		return r.blindness()
	}
	return measured{known: true, fine: float64(worst) <= kept*float64(limit)}
}

// latency writes a duration with a tenth of a millisecond, or in seconds.
func latency(d time.Duration) string {
	if d >= time.Second {
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	return strconv.FormatFloat(math.Round(float64(d)/float64(100*time.Microsecond))/10, 'f', -1, 64) + " ms"
}

// disk compares the fullest disk.
func (r reading) disk(limit float64) measured {
	least, at, told := 1.0, "", 0
	for node, s := range r.servers {
		if s.now.TellsDisk {
			told++
			if s.now.DiskFree <= least {
				least, at = s.now.DiskFree, node
			}
		}
	}
	switch {
	case told > 0 && least < limit:
		return measured{known: true, over: true, text: fmt.Sprintf("%.0f %% of a disk of %s is free, less than %.0f %%", least*100, at, limit*100)}
	case r.silent != "":
		return r.blindness()
	case told < len(r.servers) || told == 0:
		return measured{why: "a server does not say how full its disks are"}
	}
	return measured{known: true, fine: least >= limit+diskMargin}
}

// compaction compares the most bytes that wait.
func (r reading) compaction(limit float64) measured {
	most, at, told := 0.0, "", 0
	for node, s := range r.servers {
		if s.now.TellsPending {
			told++
			if s.now.PendingCompaction >= most {
				most, at = s.now.PendingCompaction, node
			}
		}
	}
	switch {
	case told > 0 && most > limit:
		return measured{known: true, over: true, text: fmt.Sprintf("%s wait for compaction on %s, more than %s", plan.Bytes(uint64(most)), at, plan.Bytes(uint64(limit)))}
	case r.silent != "":
		return r.blindness()
	case told == 0:
		return measured{never: true}
	}
	return measured{known: true, fine: most <= kept*limit}
}

// failing compares the failures of the worst server. Writes to the source do not count: a fence, which
// is none of the servers' trouble, makes them fail.
func (r reading) failing(side string, limit float64) measured {
	most, at := 0.0, ""
	for node, s := range r.servers {
		n := s.failures(s.now.ReadFailures, s.before.ReadFailures)
		if side == "target" {
			n += s.failures(s.now.WriteFailures, s.before.WriteFailures)
		}
		if n > most {
			most, at = n, node
		}
	}
	if most > limit {
		return measured{known: true, over: true, text: fmt.Sprintf("%.1f requests per second fail on %s of the %s, more than %g", most, at, side, limit)}
	}
	if r.silent != "" {
		return r.blindness()
	}
	return measured{known: true, fine: most <= kept*limit}
}
