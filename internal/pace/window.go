package pace

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"sync"
	"time"
)

// HeldByWindow is the source of the hold outside of all windows.
const HeldByWindow = "window"

// Window is a daily span of time by the clocks of a zone. It passes midnight when To is not after From.
type Window struct {
	From, To time.Duration // since midnight, 0 up to but not 24h
	Zone     *time.Location
}

var windowText = regexp.MustCompile(`^([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)(?: (\S+))?$`)

// ParseWindow reads "22:00-06:00 Asia/Shanghai"; without a zone it is UTC.
func ParseWindow(s string) (Window, error) {
	m := windowText.FindStringSubmatch(s)
	if m == nil {
		return Window{}, fmt.Errorf("%q is not a daily window like \"22:00-06:00 Asia/Shanghai\"", s)
	}
	zone := time.UTC
	if m[5] != "" && m[5] != "UTC" {
		var err error
		if zone, err = time.LoadLocation(m[5]); err != nil || m[5] == "Local" {
			return Window{}, fmt.Errorf("window %q: this machine knows no time zone %q", s, m[5])
		}
	}
	return Window{From: clock(m[1], m[2]), To: clock(m[3], m[4]), Zone: zone}, nil
}

// clock is a time of day that windowText has checked.
func clock(hour, minute string) time.Duration {
	h, _ := strconv.Atoi(hour)
	m, _ := strconv.Atoi(minute)
	return time.Duration(h)*time.Hour + time.Duration(m)*time.Minute
}

// Contains says whether the clocks of the zone are within the window at a moment.
func (w Window) Contains(t time.Time) bool {
	h, m, s := t.In(w.Zone).Clock()
	at := time.Duration(h)*time.Hour + time.Duration(m)*time.Minute + time.Duration(s)*time.Second
	if w.From < w.To {
		return w.From <= at && at < w.To
	}
	return at >= w.From || at < w.To
}

// next is the first moment after t at which the clocks of the zone show a time of day. Where they
// leave it out, it is as much later as they jump.
func (w Window) next(t time.Time, at time.Duration) time.Time {
	year, month, day := t.In(w.Zone).Date()
	for n := 0; ; n++ {
		moment := time.Date(year, month, day+n, int(at/time.Hour), int(at%time.Hour/time.Minute), 0, 0, w.Zone)
		if moment.After(t) {
			return moment
		}
	}
}

// String is "22:00-06:00 Asia/Shanghai".
func (w Window) String() string {
	at := func(d time.Duration) string { return fmt.Sprintf("%02d:%02d", int(d.Hours()), int(d.Minutes())%60) }
	return at(w.From) + "-" + at(w.To) + " " + w.Zone.String()
}

// maxLook bounds the time between two looks at the windows: the wall clock may be set.
const maxLook = 20 * time.Second

// Within holds the pacer outside of all windows, from the moment of the call until stop is called or
// ctx ends, which frees it. stop waits for that. Without a window it does nothing.
func (p *Pacer) Within(ctx context.Context, windows []Window) (stop func()) {
	if p == nil || len(windows) == 0 {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	wait := p.look(windows)
	var ended sync.WaitGroup
	ended.Go(func() {
		defer p.Free(HeldByWindow)
		for {
			timer := time.NewTimer(wait)
			select {
			case <-timer.C:
			case <-ctx.Done():
				timer.Stop()
				return
			}
			wait = p.look(windows)
		}
	})
	return func() { cancel(); ended.Wait() }
}

// look holds or frees, and says when to look again.
func (p *Pacer) look(windows []Window) time.Duration {
	now := p.now().Round(0)
	var opens time.Time
	var zone *time.Location
	until := now.Add(maxLook)
	for _, w := range windows {
		if w.Contains(now) {
			p.Free(HeldByWindow)
			if ends := w.next(now, w.To); ends.Before(until) {
				until = ends
			}
			return max(until.Sub(now), time.Millisecond)
		}
		if at := w.next(now, w.From); opens.IsZero() || at.Before(opens) {
			opens, zone = at, w.Zone
		}
	}
	p.Hold(HeldByWindow, fmt.Sprintf("outside limits.window, goes on at %s %s", opens.In(zone).Format("15:04"), zone))
	if opens.Before(until) {
		until = opens
	}
	return max(until.Sub(now), time.Millisecond)
}
