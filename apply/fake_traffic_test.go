package apply_test

import (
	"context"
	"fmt"
	"time"

	"github.com/pegmigrate/pegmigrate/apply"
	"github.com/pegmigrate/pegmigrate/plan"
)

// fakeCounters only grow.
type fakeCounters struct{ reads, writes, rejected float64 }

// fakeSecond is what a table's counters were at a moment.
type fakeSecond struct {
	at time.Time
	fakeCounters
}

// fakeClient is an application. It goes where a proxy led it when it asked last, and asks again
// when a server says that it is wrong there (ERR_INVALID_STATE), never at a time-out.
type fakeClient struct {
	name string
	// proxy is nil for one that has the addresses of the source's metas.
	proxy *fakeProxy
	// reads, writes and incrs are per second.
	reads, writes, incrs float64
	keys                 int
	stopped              bool

	at            plan.TableRef
	due           fakeCounters
	dueIncrs      float64
	n             int
	acked         map[string]fakeRow // what it was promised, but for its expiry
	failed        int
	firstRejected time.Time // of the window under way
	rejectedFor   time.Duration
}

// client adds an application that is at the source.
func (w *fakeWorld) client(c *fakeClient) *fakeClient {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.advance()
	c.at, c.acked = source(), map[string]fakeRow{}
	c.keys = max(c.keys, 1)
	w.clients = append(w.clients, c)
	return c
}

// serve is one tick of a client.
func (w *fakeWorld) serve(c *fakeClient) {
	if c.stopped {
		return
	}
	s := tick.Seconds()
	for c.due.reads += c.reads * s; c.due.reads >= 1; c.due.reads-- {
		w.attempt(c, func(t *fakeTable) bool { return w.read(c, t) })
	}
	for c.due.writes += c.writes * s; c.due.writes >= 1; c.due.writes-- {
		w.attempt(c, func(t *fakeTable) bool { return w.clientWrite(c, t) })
	}
	for c.dueIncrs += c.incrs * s; c.dueIncrs >= 1; c.dueIncrs-- {
		if t, err := w.find(c.at); err == nil && len(t.dups) > 0 {
			t.rejected++
			c.failed++
		}
	}
}

// attempt does one operation; denied, it asks for its route and tries once more.
func (w *fakeWorld) attempt(c *fakeClient, do func(*fakeTable) bool) {
	for range 2 {
		t, err := w.find(c.at)
		if err == nil && do(t) {
			if !c.firstRejected.IsZero() {
				c.rejectedFor += w.now.Sub(c.firstRejected)
				c.firstRejected = time.Time{}
			}
			return
		}
		if c.proxy == nil || c.proxy.dead || err == nil && t.silentDeny() {
			break
		}
		c.at.Cluster = c.proxy.leads(w.now)
	}
	c.failed++
}

// silentDeny says that denied requests get no answer.
func (t *fakeTable) silentDeny() bool {
	v := t.envs[plan.EnvDeny]
	return len(v) > 7 && v[:7] == "timeout"
}

func (w *fakeWorld) read(c *fakeClient, t *fakeTable) bool {
	c.n++
	p := t.parts[c.n%len(t.parts)]
	if p.deniesReads(w.now) || !t.open(p, w.now) {
		t.failures.reads++
		return false
	}
	t.counters.reads++
	t.note(w.now)
	return true
}

func (w *fakeWorld) clientWrite(c *fakeClient, t *fakeTable) bool {
	c.n++
	key, row := fmt.Sprintf("%s-%d", c.name, c.n%c.keys), fakeRow{fmt.Sprint(c.n), 5}
	if !t.open(t.parts[t.partOf(key)], w.now) || t.take(w.now, fakeMutation{Kind: putRow, Key: key, Row: row}) != nil {
		t.failures.writes++
		if c.firstRejected.IsZero() {
			c.firstRejected = w.now
		}
		return false
	}
	c.acked[key] = row
	t.counters.writes++
	t.note(w.now)
	return true
}

// note keeps the counters of each second for the rates.
func (t *fakeTable) note(at time.Time) {
	if n := len(t.history); n == 0 || at.Sub(t.history[n-1].at) >= time.Second {
		t.history = append(t.history, fakeSecond{at, t.counters})
		if len(t.history) > 30 {
			t.history = t.history[1:]
		}
	}
}

// rateSpan is the time over which servers compute their rates.
const rateSpan = 10 * time.Second

// qps are the rates of a table as its servers report them.
func (t *fakeTable) qps(now time.Time) (reads, writes float64) {
	var then fakeSecond
	for _, h := range t.history {
		if now.Sub(h.at) >= rateSpan {
			then = h
		}
	}
	if then.at.IsZero() {
		if len(t.history) == 0 {
			return 0, 0
		}
		then = t.history[0]
	}
	span := max(now.Sub(then.at), rateSpan).Seconds()
	return (t.counters.reads - then.reads) / span, (t.counters.writes - then.writes) / span
}

// fakeTraffic keeps the counters of the sample before, as the process of a run does.
type fakeTraffic struct {
	w      *fakeWorld
	before map[plan.TableRef]fakeCounters
}

func (f *fakeTraffic) Traffic(ctx context.Context, ref plan.TableRef) (s apply.TrafficSample, err error) {
	err = f.w.around(ctx, call{name: "Traffic", table: ref}, func() error {
		t, err := f.w.find(ref)
		if err != nil {
			return err
		}
		s.At = time.Now()
		s.ReadQPS, s.WriteQPS = t.qps(s.At)
		now := fakeCounters{t.failures.reads, t.failures.writes, t.rejected}
		if b, ok := f.before[ref]; ok {
			s.ReadFailures, s.WriteFailures, s.RejectedNonIdempotent = now.reads-b.reads, now.writes-b.writes, now.rejected-b.rejected
		}
		f.before[ref] = now
		return nil
	})
	return s, err
}
