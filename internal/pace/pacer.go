package pace

import (
	"sync"
	"sync/atomic"
	"time"
)

// Options tune a Pacer. The zero value is usable.
type Options struct {
	// Now is the clock (default time.Now). It must be the one that timers of this process follow.
	Now func() time.Time
	// OnChange is told of every change of what limits, one at a time and in order; the last one told
	// is what is in force. It is called by whoever caused the change and must not block, nor change
	// the pacer. Steps of a recovery are no change, its end is. May be nil.
	OnChange func(State)
}

// Pacer decides how fast rows may move. It is safe for concurrent use, needs no end, and a nil one
// limits nothing.
type Pacer struct {
	now      func() time.Time
	onChange func(State)
	// open says that nothing limits: the way of a Draw without a lock.
	open atomic.Bool
	// rows and bytes count what was drawn, by lane, for the rates measured.
	rows, bytes [lanes]atomic.Int64
	// due is when the rates are to be measured next, in nanoseconds of the Unix clock.
	due      atomic.Int64
	inFlight atomic.Int64

	// telling is held while OnChange runs; never taken with mu held.
	telling sync.Mutex

	mu       sync.Mutex
	declared Limits
	asked    Limits // 0 where nobody asked for another than the declared one
	holds    []Reason
	ease     ease
	measured meter
	buckets  [lanes]buckets
	// changed is closed, and replaced, when those who wait have to look again.
	changed chan struct{}
	// top is what limits now.
	top Reason
	// refused counts refusals since refusedSince.
	refused      int
	refusedSince time.Time
}

// HeldByControl is the source of the hold that Limits.Paused is.
const HeldByControl = "control"

const pausedText = "paused by `pegmigrate control pause`"

// New gives a pacer under declared limits, which Set can lower and not raise.
func New(declared Limits, o Options) *Pacer {
	p := &Pacer{now: o.Now, onChange: o.OnChange, changed: make(chan struct{})}
	if p.now == nil {
		p.now = time.Now
	}
	now := p.now()
	p.ease.share = 1
	p.measured.at = now
	p.due.Store(now.Add(sampleEvery).UnixNano())
	p.mu.Lock()
	defer p.mu.Unlock()
	p.declare(declared)
	if p.asked.Paused = declared.Paused; declared.Paused {
		p.hold(HeldByControl, pausedText, now)
	}
	p.refresh(now, true)
	return p
}

// declare keeps declared limits; being paused is none of them. The caller has mu.
func (p *Pacer) declare(l Limits) {
	l.Paused = false
	p.declared = l.within(Limits{})
	p.asked = p.asked.beside(p.declared)
}

// Declare replaces the declared limits, as when another step begins. What was asked for at run time
// stays, cut to them.
func (p *Pacer) Declare(l Limits) {
	if p == nil {
		return
	}
	p.alter(func(time.Time) bool {
		was := p.declared
		p.declare(l)
		return was != p.declared
	})
}

// Set changes limits at run time: change gets those in force and what it leaves is asked for, cut to
// what is declared. A limit of zero goes back to the declared one.
func (p *Pacer) Set(change func(*Limits)) {
	if p == nil {
		return
	}
	p.alter(func(now time.Time) bool {
		was, l := p.asked, p.asked.within(p.declared)
		change(&l)
		p.asked = l.beside(p.declared)
		switch {
		case l.Paused && !was.Paused:
			p.hold(HeldByControl, pausedText, now)
		case !l.Paused && was.Paused:
			p.free(HeldByControl)
		}
		return was != p.asked
	})
}

// Hold stops everything until the same source frees it. A second Hold of one source replaces the
// reason.
func (p *Pacer) Hold(source, reason string) {
	if p == nil {
		return
	}
	p.alter(func(now time.Time) bool { return p.hold(source, reason, now) })
}

// Free ends the hold of a source; of one that does not hold, nothing.
func (p *Pacer) Free(source string) {
	if p == nil {
		return
	}
	p.alter(func(time.Time) bool { return p.free(source) })
}

// hold keeps the reason of one source; false when nothing changes. The caller has mu.
func (p *Pacer) hold(source, reason string, now time.Time) bool {
	for i := range p.holds {
		if h := &p.holds[i]; h.Source == source {
			changed := h.Text != reason
			h.Text = reason
			return changed
		}
	}
	p.holds = append(p.holds, Reason{Source: source, Text: reason, Since: now})
	return true
}

// free ends a hold; false when there is none. The caller has mu.
func (p *Pacer) free(source string) bool {
	for i := range p.holds {
		if p.holds[i].Source == source {
			p.holds = append(p.holds[:i:i], p.holds[i+1:]...)
			return true
		}
	}
	return false
}

// alter makes a change under the lock, and tells of it when there is one.
func (p *Pacer) alter(change func(now time.Time) bool) {
	p.mu.Lock()
	now := p.now()
	p.advance(now)
	changed := change(now)
	if changed {
		p.refresh(now, true)
	}
	p.mu.Unlock()
	if changed {
		p.tell()
	}
}

// tell hands what is in force to OnChange.
func (p *Pacer) tell() {
	if p.onChange == nil {
		return
	}
	p.telling.Lock()
	defer p.telling.Unlock()
	p.onChange(p.State())
}

// refresh derives everything from the limits, holds and easing. With wake those who wait look again,
// and rates begin anew. The caller has mu.
func (p *Pacer) refresh(now time.Time, wake bool) {
	l := p.eased()
	for lane := range p.buckets {
		p.buckets[lane].follow(l, now, wake)
	}
	p.inFlight.Store(int64(l.InFlight))
	p.open.Store(len(p.holds) == 0 && l.RowsPerSecond == 0 && l.BytesPerSecond == 0 && p.ease.share == 1)
	top := p.foremost()
	if top.Source != p.top.Source {
		p.top.Since = now
		if len(p.holds) > 0 {
			p.top.Since = top.Since
		}
	}
	p.top.Source, p.top.Text = top.Source, top.Text
	if wake {
		close(p.changed)
		p.changed = make(chan struct{})
	}
}
