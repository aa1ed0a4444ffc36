package wire

import (
	"errors"
	"math"
	"time"
)

// minSweep keeps many deadlines that are close together from becoming as many
// passes over the pending calls.
const minSweep = int64(time.Millisecond)

// errSilent is the cause of death of a link whose server has stopped talking.
var errSilent = errors.New("server is silent")

// sweepLoop fails calls at their deadlines until the link dies. It sleeps until the
// earliest deadline it knows; with calls of equal time-outs it runs about once per
// time-out, whatever their number.
func (l *link) sweepLoop() {
	timer := time.NewTimer(math.MaxInt64)
	defer timer.Stop()
	for {
		select {
		case <-l.dead:
			return
		case <-l.sweep:
			l.mu.Lock()
			next := l.earliest
			l.mu.Unlock()
			timer.Reset(time.Duration(next - l.now()))
		case <-timer.C:
			if next := l.expire(); next != math.MaxInt64 {
				timer.Reset(time.Duration(max(next-l.now(), minSweep)))
			}
		}
	}
}

// expire fails the calls whose deadline has come and returns the earliest deadline
// of the others.
func (l *link) expire() (next int64) {
	now := l.now()
	next = math.MaxInt64
	var due []*Call
	l.mu.Lock()
	sent := l.nc != nil
	l.calls.each(func(c *Call) {
		if c.deadline <= now {
			due = append(due, c)
			l.calls.remove(c.seq)
			return
		}
		next = min(next, c.deadline)
	})
	l.earliest = next
	l.mu.Unlock()

	silent := false
	for _, c := range due {
		silent = silent || (c.started > l.lastRead.Load() && now-c.started >= int64(silentLimit))
		finish(c, &DeadlineError{RPC: c.name(), Addr: l.addr, Elapsed: time.Duration(now - c.started), Sent: sent})
	}
	if silent && sent {
		l.fail(errSilent)
	}
	return next
}
