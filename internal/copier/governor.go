package copier

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/idl"
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
	// growSteps is the number of quiet ticks from nothing to the full window.
	growSteps = 50
	// smallest is the floor of the window.
	smallest = 4
)

// governor shrinks the window of writes in flight when the target pushes back, by a quarter or a
// half, and lets it grow by a fixed step while it does not. Safe for concurrent use.
type governor struct {
	win  *window
	full int64
	// acked and pushed count since the start: acknowledged writes, and answers that ask for less.
	acked, pushed atomic.Uint64
	lastPush      atomic.Pointer[scan.Retry]
	// seenAcked and seenPushed are the counts at the last tick, used by step alone.
	seenAcked, seenPushed uint64
	// source is the last push-back of the source and when it came.
	source atomic.Pointer[sourcePush]
}

// sourcePush is a push-back of the source, whose scans slow down by themselves.
type sourcePush struct {
	retry scan.Retry
	at    time.Time
}

func newGovernor(win *window) *governor { return &governor{win: win, full: win.limit.Load()} }

// busy tells whether a server asks for less, or lets us guess so by not answering in time.
func busy(r Retry) bool {
	code, _ := pegasus.CodeOf(r.Err)
	switch code {
	case idl.ErrBusy, idl.ErrCapacityExceeded, idl.ErrTimeout, idl.ErrTryAgain:
		return true
	}
	return errors.Is(r.Err, context.DeadlineExceeded)
}

// describe is the reason and the server.
func describe(r Retry) string {
	if r.Addr == "" {
		return r.Reason
	}
	return r.Reason + " from " + r.Addr
}

// onWrite is told of every retry of a write.
func (g *governor) onWrite(r Retry) {
	if busy(r) {
		g.pushed.Add(1)
		g.lastPush.Store(&r)
	}
}

// onScan is told of every retry of a scan.
func (g *governor) onScan(r Retry) {
	if busy(r) {
		g.source.Store(&sourcePush{r, time.Now()})
	}
}

// step decides once per tick.
func (g *governor) step() {
	acked, pushed := g.acked.Load(), g.pushed.Load()
	newAcked, newPushed := acked-g.seenAcked, pushed-g.seenPushed
	g.seenAcked, g.seenPushed = acked, pushed
	limit := g.win.limit.Load()
	switch {
	case newPushed == 0:
		limit += max(g.full/growSteps, 1)
	case newPushed > newAcked:
		limit /= 2
	case newPushed*tolerated > newAcked:
		limit -= limit / 4
	}
	limit = min(max(limit, smallest), g.full)
	if limit != g.win.limit.Swap(limit) && g.win.waiters.Load() > 0 {
		g.win.wake()
	}
}

// reason is the limit in force and why, both empty when nothing holds the copy back.
func (g *governor) reason() (limit, why string) {
	now := g.win.limit.Load()
	if push := g.lastPush.Load(); push != nil && now < g.full {
		return fmt.Sprintf("%d of %d writes in flight", now, g.full),
			fmt.Sprintf("%s: %d %% of cap", describe(*push), now*100/g.full)
	}
	if s := g.source.Load(); s != nil && time.Since(s.at) < 2*time.Second {
		return "reading slowed down", "source: " + describe(s.retry)
	}
	return "", ""
}
