package pegkey

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestExpireTs(t *testing.T) {
	epoch := time.Date(2016, 1, 1, 0, 0, 0, 0, time.UTC)
	if epoch.Unix() != EpochUnix {
		t.Fatalf("EpochUnix is %d, want %d", EpochUnix, epoch.Unix())
	}
	for _, c := range []struct {
		t    time.Time
		want uint32
	}{
		{time.Time{}, 0},
		{epoch, 1},
		{epoch.Add(-time.Hour), 1},
		{epoch.Add(1999 * time.Millisecond), 1},
		{epoch.Add(2 * time.Second), 2},
		{time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC), 343612800},
		{time.Date(3000, 1, 1, 0, 0, 0, 0, time.UTC), math.MaxUint32},
	} {
		if got := ExpireTs(c.t); got != c.want {
			t.Errorf("ExpireTs(%v) = %d, want %d", c.t, got, c.want)
		}
	}
	if !ExpireAt(0).IsZero() {
		t.Errorf("ExpireAt(0) = %v", ExpireAt(0))
	}
}

func TestExpireRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ts := rapid.Uint32().Draw(t, "ts")
		if got := ExpireTs(ExpireAt(ts)); got != ts {
			t.Fatalf("ExpireTs(ExpireAt(%d)) = %d", ts, got)
		}
	})
}

func TestExpired(t *testing.T) {
	at := time.Unix(EpochUnix+100, 0)
	for _, c := range []struct {
		ts   uint32
		now  time.Time
		want bool
	}{
		{0, at, false},
		{0, time.Date(3000, 1, 1, 0, 0, 0, 0, time.UTC), false},
		{99, at, true},
		{100, at, true}, // the server compares with <=
		{101, at, false},
		{101, at.Add(999 * time.Millisecond), false},
		{101, at.Add(time.Second), true},
		{1, time.Unix(0, 0), false},
	} {
		if got := Expired(c.ts, c.now); got != c.want {
			t.Errorf("Expired(%d, %v) = %v", c.ts, c.now, got)
		}
	}
}
