package sandbox

import (
	"cmp"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// counterKind is the type of a perf counter as servers print it.
type counterKind string

// The types of perf counters. Rates are per second. Rates and volatile numbers are
// those of the time between two snapshots; a sandbox takes one when somebody looks
// and the last one is older than perf_counter_update_interval_seconds.
const (
	number      counterKind = "NUMBER"
	volatile    counterKind = "VOLATILE_NUMBER"
	rate        counterKind = "RATE"
	percentiles counterKind = "PERCENTILE"
)

// counter is one perf counter.
type counter struct {
	// name is "<role>*<section>*<name>", with "@<gpid>" behind it for one replica.
	name, help string
	kind       counterKind
	// value is what the counter shows.
	value float64
	// total is what rates and volatile numbers are made of: how often it happened
	// since the server started.
	total uint64
	// gauge is a volatile number that is set and not counted up; a snapshot takes what
	// is there.
	gauge *atomic.Int64
	// level is a volatile number that is set and shown as it is.
	level *float64
}

// perf are the perf counters of one server.
type perf struct {
	// Client requests that failed or were throttled, since the start of the server.
	readFail, writeFail, readBusy, writeBusy atomic.Uint64
	// dupConfirmed counts mutations whose arrival the meta has stored; dupPending is the
	// number of those not shipped, set by each sync and taken by each snapshot.
	dupConfirmed atomic.Uint64
	dupPending   atomic.Int64
	files        filePerf

	mu       sync.Mutex
	at       time.Time          // of the last snapshot, at first the start of the server
	readings map[string]reading // nil before the first snapshot
}

// reset starts all counters anew.
func (p *perf) reset(now time.Time) {
	for _, c := range []*atomic.Uint64{&p.readFail, &p.writeFail, &p.readBusy, &p.writeBusy, &p.dupConfirmed} {
		c.Store(0)
	}
	p.dupPending.Store(0)
	p.files.reset()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.at, p.readings = now, nil
}

// takenAt is when the last snapshot was taken, now before the first one.
func (p *perf) takenAt(now time.Time) time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.readings == nil {
		return now
	}
	return p.at
}

// refused counts a client request that got an error in the header
// (replica_stub::response_client).
func (p *perf) refused(write bool, code idl.ErrorCode) {
	switch {
	case code == idl.ErrBusy && write:
		p.writeBusy.Add(1)
	case code == idl.ErrBusy:
		p.readBusy.Add(1)
	case write:
		p.writeFail.Add(1)
	default:
		p.readFail.Add(1)
	}
}

// due tells whether it is time for a new snapshot.
func (p *perf) due(now time.Time, interval time.Duration) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.readings == nil || now.Sub(p.at) >= interval
}

// reading is what the last snapshot has of a counter that is not a plain number.
type reading struct {
	total uint64
	value float64
}

// fill sets the values of rates, volatile numbers and percentiles.
func (p *perf) fill(list []counter) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range list {
		if c := &list[i]; c.kind == rate || c.kind == volatile || c.kind == percentiles {
			c.value = p.readings[c.name].value
		}
		if list[i].level != nil {
			list[i].value = *list[i].level
		}
	}
}

// snapshot takes a new one of all counters, unless another request has done so meanwhile.
func (p *perf) snapshot(list []counter, now time.Time, interval time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.readings != nil && now.Sub(p.at) < interval {
		return
	}
	seconds := now.Sub(p.at).Seconds()
	before := p.readings
	if before == nil || len(before) > 2*len(list) { // most are of replicas that are gone
		p.readings = make(map[string]reading, len(list))
	}
	for _, c := range list {
		old := before[c.name]
		since := c.total - old.total
		if c.total < old.total {
			since = c.total
		}
		r := reading{total: c.total}
		switch {
		case c.kind == percentiles:
			r.value = c.value
		case c.gauge != nil:
			r.value = float64(c.gauge.Swap(0))
		case c.kind == volatile:
			r.value = float64(since)
		case c.kind == rate && seconds > 0:
			r.value = float64(since) / seconds
		case c.kind != rate:
			continue // plain numbers need no memory
		}
		p.readings[c.name] = r
	}
	p.at = now
}

// counters are those counters of the server whose names are kept, ordered by name.
func (s *server) counters(keep func(name string) bool) []counter {
	now, interval := s.c.now(), s.c.scaledSeconds(s.flagInt(flagSnapshotSecs))
	due := s.perf.due(now, interval)
	list := s.profilerCounters(due)
	list = append(list, memoryCounters()...)
	if s.node != nil {
		list = append(list, s.stubCounters()...)
		list = append(list, s.tableLatencies(due)...)
		for _, r := range s.node.sorted() {
			list = append(list, r.counters(due)...)
		}
	}
	if due {
		s.perf.snapshot(list, now, interval)
	}
	list = slices.DeleteFunc(list, func(c counter) bool { return !keep(c.name) })
	slices.SortFunc(list, func(a, b counter) int { return cmp.Compare(a.name, b.name) })
	s.perf.fill(list)
	s.distort(list)
	return list
}

// counter is one counter by its full name.
func (s *server) counter(name string) (counter, bool) {
	list := s.counters(func(n string) bool { return n == name })
	if len(list) == 0 {
		return counter{}, false
	}
	return list[0], true
}

// scaledSeconds is an interval of the real cluster at the sandbox's pace.
func (c *Cluster) scaledSeconds(n int64) time.Duration {
	return max(time.Duration(float64(n)*float64(time.Second)/c.cfg.TimeFactor), time.Millisecond)
}

// fixed2 prints a value as table_printer does.
func fixed2(v float64) string { return strconv.FormatFloat(v, 'f', 2, 64) }
