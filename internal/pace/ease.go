package pace

import (
	"fmt"
	"math"
	"time"
)

// How an eased rate behaves.
const (
	// quiet is how long after the last easing the rate stays as it is.
	quiet = 2 * time.Second
	// stepEvery and step are the way back: a twentieth of the full rate per second.
	stepEvery = time.Second
	step      = 0.05
	// least is the smallest share: whoever wants less holds.
	least = 1.0 / 128
	// leastRows and leastBytes are the full rates that are assumed at least when no cap is declared
	// and next to nothing has moved yet.
	leastRows, leastBytes = 1000, 1 << 20
)

// ease is how far the rate is below the full one.
type ease struct {
	share float64 // of the full rates, 1 when not eased
	// rows and bytes are the full rates per second: the lower of cap and what was measured when
	// easing began.
	rows, bytes float64
	reason      Reason
	// told is the share that those who wait last looked again at.
	told float64
	// next is when the next step back is due.
	next time.Time
}

// Ease lowers the rate to a share of what is moving now, a factor above 0 and below 1; others change
// nothing. Some seconds after the last Ease it comes back by itself, in equal steps.
func (p *Pacer) Ease(source string, factor float64, reason string) {
	if p == nil || !(factor < 1) {
		return
	}
	p.alter(func(now time.Time) bool {
		p.sample(now)
		e := &p.ease
		if e.share == 1 {
			caps := p.asked.within(p.declared)
			e.rows, e.bytes = full(caps.RowsPerSecond, p.measured.rows, leastRows), full(caps.BytesPerSecond, p.measured.bytes, leastBytes)
		}
		moving := e.share
		if len(p.holds) == 0 && p.measured.rows > 0 {
			moving = min(moving, p.measured.rows/e.rows)
		}
		e.share = max(moving*max(factor, 0), least)
		e.next, e.told = now.Add(quiet), e.share
		if e.reason.Source != source {
			e.reason.Since = now
		}
		e.reason.Source, e.reason.Text = source, reason
		return true
	})
}

// full is the rate that shares are of.
func full(limit int64, measured, least float64) float64 {
	if limit > 0 {
		return math.Max(math.Min(float64(limit), math.Max(measured, least)), 1)
	}
	return math.Max(measured, least)
}

// advance takes the steps back that are due; true when the rate is the full one again. The caller has mu.
func (p *Pacer) advance(now time.Time) (over bool) {
	e := &p.ease
	if e.share == 1 || now.Before(e.next) {
		return false
	}
	if len(p.holds) > 0 { // nothing was tried meanwhile
		e.next = now.Add(stepEvery)
		return false
	}
	for !now.Before(e.next) && e.share < 1 {
		e.next = e.next.Add(stepEvery)
		e.share += step
	}
	if e.share >= 1 {
		*e = ease{share: 1}
		over = true
	}
	// Who waits for a reservation of a much slower rate must not wait on.
	wake := over || e.share >= 2*e.told
	if wake {
		e.told = e.share
	}
	p.refresh(now, wake)
	return over
}

// eased are the limits in force. The caller has mu.
func (p *Pacer) eased() Limits {
	l := p.asked.within(p.declared)
	if p.ease.share == 1 {
		return l
	}
	l.RowsPerSecond = lower(l.RowsPerSecond, max(int64(p.ease.rows*p.ease.share), 1))
	l.BytesPerSecond = lower(l.BytesPerSecond, max(int64(p.ease.bytes*p.ease.share), 1))
	if l.InFlight > 0 {
		l.InFlight = max(int(float64(l.InFlight)*p.ease.share), 1)
	}
	return l
}

// percent is how much of the full rate is in force.
func (e *ease) percent() string { return fmt.Sprintf("%.0f %%", math.Max(e.share*100, 1)) }
