package copier

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/idl"
	"github.com/pegmigrate/pegmigrate/internal/pace"
	"github.com/pegmigrate/pegmigrate/internal/pegasus"
	"github.com/pegmigrate/pegmigrate/internal/scan"
)

// How the window of writes in flight follows the target.
const (
	// tick is the time between two decisions.
	tick = 100 * time.Millisecond
	// tolerated is the share of answers that may be push-back without consequence, one in 50:
	// a few timeouts of lost packets are no overload.
	tolerated = 50
	// growSteps is the number of quiet ticks from nothing to the full window, where nothing is known
	// of the target's limit; nearSteps from nothing to where it pushed back last.
	growSteps, nearSteps = 50, 20
	// smallest is the floor of the window.
	smallest = 4
	// first is the share of the full window that a copy begins with: a target that can do little
	// must not get thousands of writes at once, which it would still be doing when they time out.
	first = 128
	// calmest bounds how long nothing is decided after the window shrank: answers that come meanwhile
	// are of writes that were sent before.
	calmest = 10
	// stillTicks is after how many ticks without an answer the window grows all the same.
	stillTicks = 10
	// slowest is the share of the window that rising latency alone leaves.
	slowest = 16
)

// governor shrinks the window of writes in flight when the target pushes back or its latency rises,
// by a part of it, and lets it grow by fixed steps while neither happens. It begins with a small
// window that doubles until the first sign of a limit. Safe for concurrent use.
type governor struct {
	win   *window
	full  int64
	pacer *pace.Pacer // its bound of writes in flight is the full window where it has one
	// acked and pushed count since the start: acknowledged writes, and answers that ask for less.
	acked, pushed atomic.Uint64
	lastPush      atomic.Pointer[scan.Retry]
	// took is how long acknowledgements take.
	took latency
	// again counts all retries, of reads and of writes.
	again retries
	// why is what shrank the window last, nil when it is full.
	why atomic.Pointer[string]
	// source is the last push-back of the source and when it came.
	source atomic.Pointer[sourcePush]

	// The rest is used by step alone: the counts at the last tick, the window at the last push-back,
	// the ticks until the next decision, whether the target's limit is still to be found, the
	// acknowledgements since the window grew, and the ticks without any.
	seenAcked, seenPushed uint64
	wall                  int64
	calm                  int
	opening               bool
	fresh                 uint64
	still                 int
}

// sourcePush is a push-back of the source, whose scans slow down by themselves.
type sourcePush struct {
	retry scan.Retry
	at    time.Time
}

// newGovernor takes over a window that is full, and makes it small at first.
func newGovernor(win *window, pacer *pace.Pacer) *governor {
	g := &governor{win: win, full: win.limit.Load(), pacer: pacer, opening: true}
	g.wall = g.cap()
	win.limit.Store(min(max(g.cap()/first, 2*smallest), g.cap()))
	return g
}

// cap is the full window.
func (g *governor) cap() int64 {
	if n := g.pacer.InFlight(); n > 0 {
		return min(int64(n), maxInFlight)
	}
	return g.full
}

// busy tells whether a server asks for less, or lets us guess so by not answering in time.
func busy(r Retry) bool {
	code, _ := pegasus.CodeOf(r.Err)
	return code == idl.ErrTimeout || code == idl.ErrTryAgain || refused(code) || errors.Is(r.Err, context.DeadlineExceeded)
}

// refused tells whether a server says itself that it can do no more.
func refused(code idl.ErrorCode) bool { return code == idl.ErrBusy || code == idl.ErrCapacityExceeded }

// describe is the reason and the server.
func describe(r Retry) string {
	if r.Addr == "" {
		return r.Reason
	}
	return r.Reason + " from " + r.Addr
}

// onWrite is told of every retry of a write.
func (g *governor) onWrite(r Retry) {
	g.again.add(r)
	if busy(r) {
		g.pushed.Add(1)
		g.lastPush.Store(&r)
	}
}

// onScan is told of every retry of a scan.
func (g *governor) onScan(r Retry) {
	g.again.add(r)
	if busy(r) {
		g.source.Store(&sourcePush{r, time.Now()})
	}
	if code, _ := pegasus.CodeOf(r.Err); refused(code) {
		g.pacer.Refused("source", "source: "+describe(r))
	}
}

// step decides once per tick.
func (g *governor) step() {
	acked, pushed := g.acked.Load(), g.pushed.Load()
	newAcked, newPushed := acked-g.seenAcked, pushed-g.seenPushed
	g.seenAcked, g.seenPushed = acked, pushed
	g.took.step()
	full, limit := g.cap(), g.win.limit.Load()
	floor := min(smallest, full)
	switch share, slow := g.took.rising(); {
	case g.calm > 0:
		g.calm--
	case newPushed > newAcked:
		limit = g.shrink(limit, limit/2, "")
	case newPushed*tolerated > newAcked:
		limit = g.shrink(limit, limit-limit/4, "")
	case slow && limit > full/slowest:
		limit = g.shrink(limit, max(int64(float64(limit)*share), full/slowest), g.took.describe())
	case newPushed == 0 && !slow:
		limit = g.grow(limit, full, newAcked)
	}
	limit = min(max(limit, floor), full)
	if limit == full {
		g.why.Store(nil)
	}
	if limit != g.win.limit.Swap(limit) && g.win.waiters.Load() > 0 {
		g.win.wake()
	}
}

// shrink notes where the target's limit is; why is empty for push-back.
func (g *governor) shrink(from, to int64, why string) int64 {
	g.opening, g.wall, g.fresh, g.still = false, from, 0, 0
	g.calm = min(int(g.took.recent()/tick), calmest)
	if push := g.lastPush.Load(); why == "" && push != nil {
		why = describe(*push)
	}
	g.why.Store(&why)
	return to
}

// grow goes up, once per window of acknowledgements: twice as wide while nothing is known, then in
// small steps to where the target pushed back last and somewhat beyond, then in larger ones. It goes up
// too when nothing was acknowledged for a while: the writes in flight may all be to a partition that
// hangs, and must not hold up the others.
func (g *governor) grow(limit, full int64, acked uint64) int64 {
	if acked == 0 {
		if g.still++; g.still < stillTicks {
			return limit
		}
		return limit + max(full/growSteps, 1)
	}
	g.still = 0
	if g.fresh += acked; g.fresh < uint64(limit) {
		return limit
	}
	g.fresh = 0
	switch {
	case g.opening:
		return 2 * limit
	case limit < g.wall+g.wall/2:
		return limit + max(g.wall/nearSteps, 1)
	}
	return limit + max(full/growSteps, 1)
}

// binds says that the window of writes, or how fast the source is read, is what holds the copy back at this moment. A
// window that is long wide again, with a declared rate below it, is not.
func (g *governor) binds() bool {
	now := g.win.limit.Load()
	return now >= g.cap() || g.win.waiters.Load() > 0 || 4*int64(g.win.inFlight()) >= now
}

// reason is the limit in force and why, both empty when nothing holds the copy back.
func (g *governor) reason() (limit, why string) {
	now, full := g.win.limit.Load(), g.cap()
	if why := g.why.Load(); why != nil && now < full {
		return fmt.Sprintf("%d of %d writes in flight", now, full), fmt.Sprintf("%s: %d %% of cap", *why, now*100/full)
	}
	if s := g.source.Load(); s != nil && time.Since(s.at) < 2*time.Second {
		return "reading slowed down", "source: " + describe(s.retry)
	}
	return "", ""
}
