package copier

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/pace"
)

// opened is a governor whose window has opened in full.
func opened(win *window) *governor {
	g := newGovernor(win, nil)
	g.win.limit.Store(g.full)
	return g
}

// A few timeouts of lost packets are no reason to slow down.
func TestGovernorToleratesRareTimeouts(t *testing.T) {
	g := opened(newWindow(1000, 1<<20))
	timeout := Retry{Addr: "a", Reason: "timeout", Err: context.DeadlineExceeded}
	for range 10 {
		g.acked.Add(1000)
		for range 10 {
			g.onWrite(timeout)
		}
		g.step()
	}
	if n := g.win.limit.Load(); n != 1000 {
		t.Errorf("window of %d", n)
	}
	for range 10 {
		g.acked.Add(10)
		for range 10 {
			g.onWrite(timeout)
		}
		g.step()
	}
	if limit, why := g.reason(); limit != "58 of 1000 writes in flight" || why != "timeout from a: 5 % of cap" {
		t.Errorf("%q, %q", limit, why)
	}
	for range 2 * growSteps {
		g.step()
	}
	if limit, why := g.reason(); limit != "" || why != "" {
		t.Errorf("recovered, yet %q, %q", limit, why)
	}
}

// A copy begins with few writes in flight and doubles them until the target shows a limit.
func TestGovernorOpensTheWindow(t *testing.T) {
	win := newWindow(2048, 1<<20)
	g := newGovernor(win, nil)
	if n := win.limit.Load(); n != 16 {
		t.Errorf("begins with %d", n)
	}
	for range 7 {
		g.acked.Add(uint64(win.limit.Load()))
		g.step()
	}
	if n := win.limit.Load(); n != 2048 {
		t.Errorf("%d after seven ticks", n)
	}
	if limit, why := g.reason(); limit != "" || why != "" {
		t.Errorf("%q, %q", limit, why)
	}
}

// Near the limit that the target has shown the window grows slowly.
func TestGovernorIsCarefulNearTheLimit(t *testing.T) {
	g := opened(newWindow(10_000, 1<<20))
	g.win.limit.Store(100)
	g.acked.Add(10)
	for range 20 {
		g.onWrite(Retry{Addr: "a", Reason: "ERR_BUSY", Err: errBusy})
	}
	g.step()
	if n := g.win.limit.Load(); n != 50 {
		t.Fatalf("window of %d", n)
	}
	for range 10 {
		g.acked.Add(100)
		g.step()
	}
	if n := g.win.limit.Load(); n != 100 {
		t.Errorf("window of %d a second later", n)
	}
}

// Latency that rises shrinks the window without any push-back, down to a floor; after a minute it
// counts as the target's usual one.
func TestGovernorGivesWayToRisingLatency(t *testing.T) {
	g := opened(newWindow(1600, 1<<20))
	tick := func(n int, took time.Duration) {
		for range n {
			g.acked.Add(1600)
			g.took.add(took)
			g.step()
		}
	}
	tick(100, 2*time.Millisecond)
	if n := g.win.limit.Load(); n != 1600 {
		t.Errorf("window of %d on a quiet target", n)
	}
	tick(5, 40*time.Millisecond) // the queue of a full window
	if n := g.win.limit.Load(); n != 1600 {
		t.Errorf("window of %d at 40ms", n)
	}
	tick(100, 400*time.Millisecond)
	if n := g.win.limit.Load(); n != 100 {
		t.Errorf("window of %d at 400ms", n)
	}
	if limit, why := g.reason(); limit != "100 of 1600 writes in flight" || !strings.HasPrefix(why, "writes take ") || !strings.Contains(why, "ms, they took 2ms: ") {
		t.Errorf("%q, %q", limit, why)
	}
	tick(spans*ticksPerSpan+200, 400*time.Millisecond)
	if n := g.win.limit.Load(); n != 1600 {
		t.Errorf("window of %d after a minute at 400ms", n)
	}
}

// The pacer's bound of writes in flight is the full window, also when it changes.
func TestGovernorFollowsThePacer(t *testing.T) {
	p := pace.New(pace.Limits{InFlight: 500}, pace.Options{})
	g := newGovernor(newWindow(2048, 1<<20), p)
	for _, c := range []struct {
		ask  int
		want int64
	}{{0, 500}, {100, 100}, {2, 2}, {0, 500}} {
		p.Set(func(l *pace.Limits) { l.InFlight = c.ask })
		for range 200 {
			g.acked.Add(500)
			g.step()
		}
		if n := g.win.limit.Load(); n != c.want {
			t.Errorf("asked for %d: window of %d, want %d", c.ask, n, c.want)
		}
	}
}

// Refusals of the source slow the reading down; timeouts alone do not.
func TestRefusalsOfTheSourceEase(t *testing.T) {
	p := pace.New(pace.Limits{}, pace.Options{})
	g := newGovernor(newWindow(2048, 1<<20), p)
	for range 50 {
		g.onScan(Retry{Addr: "a", Reason: "timeout", Err: context.DeadlineExceeded})
	}
	if s := p.State(); s.Share != 1 {
		t.Errorf("%+v", s)
	}
	for range 50 {
		g.onScan(Retry{Addr: "a", Reason: "ERR_BUSY", Err: errBusy})
	}
	if s := p.State(); s.Share > 0.75 || s.Share < 0.5 || s.Reason != "source: ERR_BUSY from a" {
		t.Errorf("%+v", s)
	}
}
