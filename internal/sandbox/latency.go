package sandbox

import (
	"slices"
	"time"
)

// latencySamples is how many of the newest requests a percentile is made of. Servers take 5000
// up to 2.5 and 4096 from 2.6 on, whatever their age: without requests a percentile stays
// what it was.
const latencySamples = 1000

// latencySample is how many requests that were answered at once share one sample.
const latencySample = 16

// latencies are the newest samples of one kind of request, in microseconds.
type latencies struct {
	samples []uint32
	next    int
}

func (l *latencies) add(d time.Duration) {
	us := uint32(min(max(d, 0)/time.Microsecond, 1<<32-1))
	if len(l.samples) < latencySamples {
		l.samples = append(l.samples, us)
		return
	}
	l.samples[l.next] = us
	l.next = (l.next + 1) % latencySamples
}

// measure samples how long a request took that is answered in wait from now. part.mu must
// be held.
func (r *replica) measure(q *request, wait time.Duration) {
	l := r.latencies[q.op]
	if l == nil {
		l = &latencies{}
		r.latencies[q.op] = l
	}
	l.add(r.now().Sub(q.arrived) + wait)
}

// latenciesOf collects the samples of some RPCs. part.mu must be held.
func (r *replica) latenciesOf(rpcs []string) []uint32 {
	var all []uint32
	for _, rpc := range rpcs {
		if l := r.latencies[r.node.srv.table[rpc].op]; l != nil {
			all = append(all, l.samples...)
		}
	}
	return all
}

// percentile is the sample that a share of all is not above, in nanoseconds, 0 without any
// (perf_counter_number_percentile_atomic::calc). It sorts the samples.
func percentile(samples []uint32, share float64) float64 {
	if len(samples) == 0 {
		return 0
	}
	slices.Sort(samples)
	return float64(samples[min(int(float64(len(samples))*share), len(samples)-1)]) * 1000
}

// withPercentiles are the two counters that a server lists for a percentile
// (perf_counters::take_snapshot): the p99 under its name, and the p999. Without due
// the values are those of the last snapshot and not computed.
func withPercentiles(list []counter, name, help string, due bool, samples []uint32) []counter {
	p99 := counter{name: name, help: help, kind: percentiles}
	p999 := counter{name: name + ".p999", help: help, kind: percentiles}
	if due {
		p99.value, p999.value = percentile(samples, 0.99), percentile(samples, 0.999)
	}
	return append(list, p99, p999)
}

// latencyKinds are the requests that replicas have latency counters for, by the name in the
// counter (pegasus_server_impl_init.cpp, pegasus_write_service.cpp).
func latencyKinds() map[string][]string {
	kinds := qpsCounters()
	delete(kinds, "duplicate")
	return kinds
}

// tableLatencies are the counters that the replicas of a table on one server share, one for
// each RPC (replica::init_table_level_latency_counters).
func (s *server) tableLatencies(due bool) []counter {
	samples := map[string][]uint32{}
	s.node.each(func(r *replica) {
		r.part.mu.Lock()
		defer r.part.mu.Unlock()
		for _, rpcs := range latencyKinds() {
			for _, rpc := range rpcs {
				name := "replica*eon.replica*table.level." + rpc + ".latency(ns)@" + r.table
				all := samples[name]
				if due {
					all = append(all, r.latenciesOf([]string{rpc})...)
				}
				samples[name] = all // there without samples, too
			}
		}
	})
	var list []counter
	for name, all := range samples {
		list = withPercentiles(list, name, name, due, all)
	}
	return list
}
