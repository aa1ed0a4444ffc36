package pace

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func window(t *testing.T, s string) Window {
	t.Helper()
	w, err := ParseWindow(s)
	if err != nil {
		t.Fatal(err)
	}
	if got := w.String(); got != s && got != s+" UTC" {
		t.Errorf("%q is written %q", s, got)
	}
	return w
}

func TestParseWindowRefuses(t *testing.T) {
	for _, s := range []string{"", "22:00", "22:00-24:00", "2:00-4:00", "22:00-06:00 Mars/Olympus", "22:00-06:00  UTC", "22:00-06:00 Local", "22:60-23:00"} {
		if w, err := ParseWindow(s); err == nil {
			t.Errorf("%q is %v", s, w)
		}
	}
}

func TestWindowContains(t *testing.T) {
	at := func(s string) time.Time {
		moment, err := time.Parse(time.RFC3339, s)
		if err != nil {
			t.Fatal(err)
		}
		return moment
	}
	for _, c := range []struct {
		window, at string
		want       bool
	}{
		{"22:00-06:00 Asia/Shanghai", "2026-03-01T14:00:00Z", true}, // 22:00
		{"22:00-06:00 Asia/Shanghai", "2026-03-01T13:59:59Z", false},
		{"22:00-06:00 Asia/Shanghai", "2026-03-01T21:59:59Z", true},
		{"22:00-06:00 Asia/Shanghai", "2026-03-01T22:00:00Z", false},
		{"09:00-17:00", "2026-03-01T09:00:00Z", true},
		{"09:00-17:00", "2026-03-01T17:00:00Z", false},
		{"00:00-00:00", "2026-03-01T12:00:00Z", true},
		{"02:00-03:00 Europe/Berlin", "2026-03-29T00:59:59Z", false}, // clocks jump from 02:00 to 03:00
		{"02:00-03:00 Europe/Berlin", "2026-03-29T01:00:00Z", false},
		{"02:00-03:00 Europe/Berlin", "2026-10-25T00:30:00Z", true}, // and back: twice
		{"02:00-03:00 Europe/Berlin", "2026-10-25T01:30:00Z", true},
	} {
		if got := window(t, c.window).Contains(at(c.at)); got != c.want {
			t.Errorf("%s contains %s: %v", c.window, c.at, got)
		}
	}
}

// TestWithin follows two windows for two days; the clock of a bubble begins at midnight UTC.
func TestWithin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := New(Limits{}, Options{})
		windows := []Window{window(t, "22:00-06:00 Asia/Shanghai"), window(t, "23:00-23:30")} // 14:00-22:00 UTC
		stop := p.Within(t.Context(), windows)
		if s := p.State(); s.Reason != "outside limits.window, goes on at 22:00 Asia/Shanghai" || s.Source != HeldByWindow {
			t.Fatalf("%+v", s)
		}
		time.Sleep(30 * time.Second) // looks are in the middle of minutes, and windows change at their ends
		var open time.Duration
		for range 48 * 60 {
			time.Sleep(time.Minute)
			if len(p.State().Held) == 0 {
				open += time.Minute
			}
		}
		if want := 2 * (8*time.Hour + 30*time.Minute); open != want {
			t.Errorf("open for %v of two days, want %v", open, want)
		}
		if len(p.State().Held) == 0 {
			t.Error("free at midnight")
		}
		stop()
		if len(p.State().Held) != 0 {
			t.Error("held after the end")
		}
	})
}

// TestADrawWaitsForTheWindow: it goes on at the minute, and is not lost.
func TestADrawWaitsForTheWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := New(Limits{}, Options{})
		defer p.Within(t.Context(), []Window{window(t, "03:30-04:00")})()
		began := time.Now()
		if err := p.Draw(context.Background(), 1, 1); err != nil || time.Since(began) != 3*time.Hour+30*time.Minute {
			t.Errorf("drawn after %v: %v", time.Since(began), err)
		}
		if s := p.State(); strings.Contains(s.Reason, "window") {
			t.Errorf("%+v", s)
		}
	})
}
