package sandbox

import (
	"sync"
	"time"
)

// Clock gives the time and calls back later. All of a cluster's time comes from
// one; it must be safe for concurrent use.
type Clock interface {
	// Now is the current time.
	Now() time.Time
	// AfterFunc calls f once, on a goroutine of its own, when d has passed. The
	// returned function cancels that if f was not called yet.
	AfterFunc(d time.Duration, f func()) (stop func() bool)
}

// systemClock is the machine's clock.
type systemClock struct{}

func (systemClock) Now() time.Time { return time.Now() }

func (systemClock) AfterFunc(d time.Duration, f func()) func() bool {
	return time.AfterFunc(d, f).Stop
}

// ManualClock is a clock that only moves when told to. Tests use it for what would
// otherwise take minutes: expiring scan contexts, expiring rows.
type ManualClock struct {
	mu     sync.Mutex
	now    time.Time
	last   int // number of the newest timer
	timers map[*manualTimer]struct{}
}

type manualTimer struct {
	at     time.Time
	number int // decides between timers of one moment
	f      func()
}

// before tells whether t is due before u.
func (t *manualTimer) before(u *manualTimer) bool {
	if t.at.Equal(u.at) {
		return t.number < u.number
	}
	return t.at.Before(u.at)
}

// NewManualClock starts a clock at now.
func NewManualClock(now time.Time) *ManualClock {
	return &ManualClock{now: now, timers: make(map[*manualTimer]struct{})}
}

// Now is the time that the clock was set to.
func (m *ManualClock) Now() time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.now
}

// AfterFunc implements Clock; f runs inside a call of Advance.
func (m *ManualClock) AfterFunc(d time.Duration, f func()) func() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.last++
	t := &manualTimer{at: m.now.Add(d), number: m.last, f: f}
	m.timers[t] = struct{}{}
	return func() bool {
		m.mu.Lock()
		defer m.mu.Unlock()
		_, pending := m.timers[t]
		delete(m.timers, t)
		return pending
	}
}

// Advance moves the clock by d and runs, in order of time, every callback that
// became due, those that the callbacks start included. It returns when they have.
func (m *ManualClock) Advance(d time.Duration) {
	m.mu.Lock()
	end := m.now.Add(d)
	for {
		t := m.due(end)
		if t == nil {
			break
		}
		delete(m.timers, t)
		if t.at.After(m.now) {
			m.now = t.at
		}
		m.mu.Unlock()
		t.f()
		m.mu.Lock()
	}
	m.now = end
	m.mu.Unlock()
}

// due is the earliest timer not after end, or nil.
func (m *ManualClock) due(end time.Time) *manualTimer {
	var first *manualTimer
	for t := range m.timers {
		if !t.at.After(end) && (first == nil || t.before(first)) {
			first = t
		}
	}
	return first
}
