package actuate

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/event"
	"github.com/pegmigrate/pegmigrate/internal/pace"
	"github.com/pegmigrate/pegmigrate/internal/pegasus"
	"github.com/pegmigrate/pegmigrate/plan"
)

// one is a reading of one server.
func one(s pegasus.Strain) reading {
	return reading{servers: map[string]sight{"n1": {now: s}}}
}

// slow is a server on which gets take so long.
func slow(p99 time.Duration, qps float64) pegasus.Strain {
	return pegasus.Strain{Rates: true, At: time.Unix(1, 0), DiskFree: 0.5, TellsDisk: true,
		Latencies: map[pegasus.StrainKey]pegasus.Latency{{Operation: "get", Partition: 3}: {P99: p99, Requests: qps}}}
}

// watched runs a watcher whose looks give what now is, on both sides, and calls f beside it.
func watched(t *testing.T, s plan.StopIf, f func(p *pace.Pacer, show func(reading))) (warnings []string) {
	synctest.Test(t, func(t *testing.T) {
		p := pace.New(pace.Limits{RowsPerSecond: 1000}, pace.Options{})
		for range 200 { // so that there is a rate to be eased
			time.Sleep(10 * time.Millisecond)
			p.TryDraw(10, 10)
		}
		var now atomic.Pointer[reading]
		show := func(r reading) { now.Store(&r) }
		w := newWatcher(p, s, func(code, text, hint string) { warnings = append(warnings, code+" "+text) })
		w.look = func(context.Context) map[string]reading {
			return map[string]reading{"source": *now.Load(), "target": *now.Load()}
		}
		show(one(slow(time.Millisecond, 100)))
		ctx, cancel := context.WithCancel(t.Context())
		w.step(ctx)
		ended := make(chan struct{})
		go func() { w.run(ctx); close(ended) }()
		f(p, show)
		cancel()
		<-ended
		if s := p.State(); len(s.Held) != 0 {
			t.Errorf("held after the end: %+v", s.Held)
		}
	})
	return warnings
}

// A source whose p99 rises is eased at the first look and left alone within five seconds; it has to be
// clearly better for some looks before rows move again.
func TestSourceIsLeftAloneWhenItsP99Rises(t *testing.T) {
	watched(t, plan.StopIf{SourceP99: 50 * time.Millisecond}, func(p *pace.Pacer, show func(reading)) {
		time.Sleep(10*time.Second + time.Millisecond)
		if s := p.State(); s.Share != 1 || len(s.Held) != 0 {
			t.Fatalf("%+v", s)
		}
		show(one(slow(80*time.Millisecond, 100)))
		time.Sleep(1100 * time.Millisecond)
		s := p.State()
		if s.Share > 0.5 || len(s.Held) != 0 || s.Reason != "source p99 is 80 ms (get of partition 3 on n1), over 50 ms" {
			t.Errorf("a look later: %+v", s)
		}
		time.Sleep(3900 * time.Millisecond)
		if s = p.State(); len(s.Held) != 1 || s.Limit != "paused" || !strings.HasPrefix(s.Reason, "source p99 is 80 ms") {
			t.Errorf("five seconds later: %+v", s)
		}
		show(one(slow(45*time.Millisecond, 100)))
		time.Sleep(20 * time.Second)
		if s = p.State(); len(s.Held) != 1 {
			t.Errorf("free just below the threshold: %+v", s)
		}
		show(one(slow(30*time.Millisecond, 100)))
		time.Sleep(2 * time.Second)
		if s = p.State(); len(s.Held) != 1 {
			t.Errorf("free after a look or two: %+v", s)
		}
		time.Sleep(2 * time.Second)
		if s = p.State(); len(s.Held) != 0 || s.Share == 1 {
			t.Errorf("not free, or at once at full speed: %+v", s)
		}
	})
}

// Percentiles of requests that are long past, and those of scans, say nothing.
func TestStalePercentilesDoNotCount(t *testing.T) {
	watched(t, plan.StopIf{SourceP99: 50 * time.Millisecond}, func(p *pace.Pacer, show func(reading)) {
		show(one(slow(time.Second, 0)))
		time.Sleep(20 * time.Second)
		show(one(pegasus.Strain{Rates: true, Latencies: map[pegasus.StrainKey]pegasus.Latency{{Operation: "scan"}: {P99: time.Second, Requests: 500}}}))
		time.Sleep(20 * time.Second)
		if s := p.State(); s.Share != 1 || len(s.Held) != 0 {
			t.Errorf("%+v", s)
		}
	})
}

// Not to know is never good: it holds after some looks, and a hold does not end by it.
func TestSilenceHolds(t *testing.T) {
	watched(t, plan.StopIf{SourceP99: 50 * time.Millisecond, DiskFree: 0.15}, func(p *pace.Pacer, show func(reading)) {
		show(reading{silent: "n1: no answer"})
		time.Sleep(5 * time.Second)
		if s := p.State(); len(s.Held) != 0 {
			t.Errorf("%+v", s)
		}
		time.Sleep(6 * time.Second)
		if s := p.State(); len(s.Held) != 2 || s.Reason != "limits.stop_if.source_p99 of the source is not known: n1: no answer" {
			t.Errorf("%+v", s)
		}
		show(one(slow(45*time.Millisecond, 100))) // within the threshold: there was nothing wrong but silence
		time.Sleep(4 * time.Second)
		if s := p.State(); len(s.Held) != 0 {
			t.Errorf("%+v", s)
		}
		// A threshold that is known to be exceeded on one server counts although another is silent.
		partly := one(slow(70*time.Millisecond, 100))
		partly.silent = "n2: no answer"
		show(partly)
		time.Sleep(5 * time.Second)
		if s := p.State(); len(s.Held) == 0 || !strings.HasPrefix(s.Reason, "source p99 is 70 ms") {
			t.Errorf("%+v", s)
		}
		show(reading{silent: "n1: no answer"})
		time.Sleep(30 * time.Second)
		if s := p.State(); len(s.Held) != 2 {
			t.Errorf("free without an answer: %+v", s)
		}
	})
}

func TestAFullDiskHoldsAtOnce(t *testing.T) {
	watched(t, plan.StopIf{DiskFree: 0.15}, func(p *pace.Pacer, show func(reading)) {
		full := slow(0, 0)
		full.DiskFree = 0.14
		show(one(full))
		time.Sleep(1100 * time.Millisecond)
		if s := p.State(); len(s.Held) != 1 || s.Reason != "14 % of a disk of n1 is free, less than 15 %" {
			t.Errorf("%+v", s)
		}
		full.DiskFree = 0.15
		show(one(full))
		time.Sleep(time.Minute)
		if s := p.State(); len(s.Held) != 1 {
			t.Errorf("%+v", s)
		}
		full.DiskFree = 0.17
		show(one(full))
		time.Sleep(5 * time.Second)
		if s := p.State(); len(s.Held) != 0 {
			t.Errorf("%+v", s)
		}
	})
}

// What no server tells is said once, and does not hold for ever.
func TestUnmeasured(t *testing.T) {
	warnings := watched(t, plan.StopIf{PendingCompaction: 1 << 30}, func(p *pace.Pacer, show func(reading)) {
		time.Sleep(time.Minute)
		if s := p.State(); len(s.Held) != 0 {
			t.Errorf("%+v", s)
		}
	})
	if len(warnings) != 1 || warnings[0] != CodeUnmeasured+" limits.stop_if.pending_compaction cannot be kept: no server of the target tells it" {
		t.Errorf("%q", warnings)
	}
	warnings = watched(t, plan.StopIf{PendingCompaction: 1 << 30}, func(p *pace.Pacer, show func(reading)) {
		show(one(pegasus.Strain{TellsPending: true, PendingCompaction: 2 << 30}))
		time.Sleep(2 * time.Second)
	})
	if len(warnings) != 1 { // the first look had none
		t.Errorf("%q", warnings)
	}
}

// Failures are counted per second, whether servers reset their counters or not; a fence of the source
// is no failure.
func TestFailures(t *testing.T) {
	at := func(s int64, reads, writes float64, rates bool) pegasus.Strain {
		return pegasus.Strain{At: time.Unix(s, 0), Rates: rates, ReadFailures: reads, WriteFailures: writes}
	}
	for i, c := range []struct {
		before, now pegasus.Strain
		side        string
		over        bool
	}{
		{at(100, 0, 0, true), at(110, 150, 0, true), "source", true},
		{at(100, 0, 0, true), at(110, 90, 0, true), "source", false},
		{at(100, 0, 0, true), at(110, 0, 9000, true), "source", false},
		{at(100, 0, 0, true), at(110, 0, 9000, true), "target", true},
		{at(100, 1000, 5000, false), at(101, 1009, 5000, false), "target", false},
		{at(100, 1000, 5000, false), at(101, 1009, 5002, false), "target", true},
		{at(100, 1000, 5000, false), at(101, 5, 0, false), "target", false}, // it was restarted
	} {
		m := reading{servers: map[string]sight{"n": sight{}.next(c.before).next(c.now)}}.failing(c.side, 10)
		if !m.known || m.over != c.over {
			t.Errorf("%d: %+v", i, m)
		}
	}
	if m := one(at(100, 150, 0, true)).failing("source", 10); !m.over {
		t.Errorf("before there is a second look, ten seconds are assumed: %+v", m)
	}
	if m := one(at(100, 150, 0, false)).failing("source", 10); m.over {
		t.Errorf("a count since the start is no rate: %+v", m)
	}
}

// The same counters, looked at twice, are one look.
func TestSightKeepsTheLookBefore(t *testing.T) {
	first, second := slow(1, 1), slow(2, 2)
	second.At = first.At.Add(10 * time.Second)
	s := sight{}.next(first).next(second).next(second)
	if !s.seen || s.span() != 10 || s.rate(pegasus.StrainKey{Operation: "get", Partition: 3}) != 2 {
		t.Errorf("%+v", s)
	}
}

// TestPacedJobs: windows that cannot be read refuse the job; limits reach the pacer of the run.
func TestPacedJobs(t *testing.T) {
	var told []string
	p := pace.New(pace.Limits{}, pace.Options{})
	c := NewClusters(nil)
	c.SetPace(p, event.SinkFunc(func(e event.Event) { told = append(told, fmt.Sprint(e)) }))
	ref := plan.TableRef{Cluster: "a", Table: "t"}
	if _, _, err := c.paced(t.Context(), ref, ref, plan.CopyLimits{Window: []string{"25:00-26:00"}}); err == nil {
		t.Error("a window that is none")
	}
	got, stop, err := c.paced(t.Context(), ref, ref, plan.CopyLimits{RowsPerSecond: 7, InFlight: 3, StopIf: plan.StopIf{SourceP99: time.Second}})
	if err != nil || got != p {
		t.Fatal(err)
	}
	if s := p.State(); s.RowsPerSecond != 7 || s.InFlight != 3 {
		t.Errorf("%+v", s)
	}
	stop()
	c.SetPace(nil, nil)
	if got, stop, err = c.paced(t.Context(), ref, ref, plan.CopyLimits{RowsPerSecond: 9}); err != nil || got == p || got.State().RowsPerSecond != 9 {
		t.Errorf("%v", err)
	}
	stop()
	c.warn("x", "y", "z")
	if err := context.Cause(t.Context()); err != nil && !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
