package pace

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// movers draw in leases, as fast as they may, until ctx ends.
func movers(ctx context.Context, p *Pacer, n int, rowBytes int64) (rows *atomic.Int64, wait func()) {
	rows = new(atomic.Int64)
	var group sync.WaitGroup
	for range n {
		group.Go(func() {
			for {
				lease, _ := p.Lease()
				if p.Draw(ctx, lease, lease*rowBytes) != nil {
					return
				}
				rows.Add(lease)
				time.Sleep(time.Microsecond) // a request takes some time: nothing would pass without a cap
			}
		})
	}
	return rows, group.Wait
}

// moved runs movers for a while and gives rows per second.
func moved(p *Pacer, n int, rowBytes int64, span time.Duration) float64 {
	ctx, cancel := context.WithTimeout(context.Background(), span)
	defer cancel()
	rows, wait := movers(ctx, p, n, rowBytes)
	wait()
	return float64(rows.Load()) / span.Seconds()
}

func near(t *testing.T, what string, got, want, share float64) {
	t.Helper()
	if got < want*(1-share) || got > want*(1+share) {
		t.Errorf("%s: %.0f per second, want %.0f within %.0f %%", what, got, want, share*100)
	}
}

// TestCapsAreHeld: whatever the rate, the number of movers and the size of rows.
func TestCapsAreHeld(t *testing.T) {
	for seed := range uint64(12) {
		rng := rand.New(rand.NewPCG(seed, 1))
		limit := int64(rng.IntN(200_000) + 100)
		workers, rowBytes := rng.IntN(32)+1, int64(rng.IntN(2000)+1)
		synctest.Test(t, func(t *testing.T) {
			rowsOnly := New(Limits{RowsPerSecond: limit}, Options{})
			near(t, fmt.Sprintf("seed %d: %d rows/s, %d movers", seed, limit, workers), moved(rowsOnly, workers, rowBytes, 5*time.Second), float64(limit), 0.05)
			bytesOnly := New(Limits{BytesPerSecond: limit * rowBytes}, Options{})
			near(t, fmt.Sprintf("seed %d: %d bytes/s, %d movers", seed, limit*rowBytes, workers), moved(bytesOnly, workers, rowBytes, 5*time.Second), float64(limit), 0.05)
		})
	}
}

// TestNoSecondExceedsTheCap: also when movers were idle before.
func TestNoSecondExceedsTheCap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := New(Limits{RowsPerSecond: 10_000}, Options{})
		for range 5 {
			time.Sleep(time.Minute)
			if got := moved(p, 8, 10, time.Second); got > 10_500 {
				t.Errorf("%.0f rows in a second under a cap of 10000", got)
			}
		}
	})
}

// TestLimitsChangeAtRunTime: new limits count at once, also for who waits for the old ones.
func TestLimitsChangeAtRunTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := New(Limits{RowsPerSecond: 50_000}, Options{})
		for _, c := range []struct{ ask, want int64 }{{1000, 1000}, {10, 10}, {20_000, 20_000}, {90_000, 50_000}, {0, 50_000}} {
			p.Set(func(l *Limits) { l.RowsPerSecond = c.ask })
			near(t, fmt.Sprintf("asked for %d", c.ask), moved(p, 16, 1, 20*time.Second), float64(c.want), 0.05)
		}
		p.Set(func(l *Limits) { l.RowsPerSecond = 1 })
		first := make(chan error)
		go func() { first <- p.Draw(context.Background(), 100, 0) }()
		synctest.Wait()
		p.Set(func(l *Limits) { l.RowsPerSecond = 0 })
		began := time.Now()
		if err := <-first; err != nil || time.Since(began) > time.Second {
			t.Errorf("a draw that waited at 1 row/s took %v after the limit was lifted: %v", time.Since(began), err)
		}
	})
}

// TestRandomSettings: at every moment the rate is that of the limits in force.
func TestRandomSettings(t *testing.T) {
	for seed := range uint64(10) {
		synctest.Test(t, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 2))
			declared := int64(rng.IntN(50_000) + 1000)
			p := New(Limits{RowsPerSecond: declared}, Options{})
			held := map[string]bool{}
			for range 30 {
				switch source := fmt.Sprint("source ", rng.IntN(3)); rng.IntN(3) {
				case 0:
					p.Hold(source, "because")
					held[source] = true
				case 1:
					p.Free(source)
					delete(held, source)
				default:
					ask := int64(rng.IntN(60_000) + 100)
					p.Set(func(l *Limits) { l.RowsPerSecond = ask })
				}
				state, got := p.State(), moved(p, 8, 1, 5*time.Second)
				if len(state.Held) != len(held) || state.RowsPerSecond > declared || state.RowsPerSecond == 0 {
					t.Fatalf("seed %d: %+v, held by %v", seed, state, held)
				}
				if len(held) > 0 {
					if got != 0 || state.Limit != "paused" {
						t.Fatalf("seed %d: %.0f rows/s moved while held: %+v", seed, got, state)
					}
					continue
				}
				near(t, fmt.Sprintf("seed %d", seed), got, float64(state.RowsPerSecond), 0.05)
			}
		})
	}
}

func TestHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := New(Limits{}, Options{})
		p.Hold("a", "first")
		at := time.Now()
		time.Sleep(time.Second)
		p.Hold("b", "second")
		if p.TryDraw(1, 1) {
			t.Error("drawn while held")
		}
		done := make(chan error, 1)
		go func() { done <- p.Draw(context.Background(), 5, 5) }()
		p.Free("a")
		p.Free("never held")
		synctest.Wait()
		if s := p.State(); len(s.Held) != 1 || s.Reason != "second" || s.Source != "b" || !s.Since.Equal(at.Add(time.Second)) {
			t.Errorf("%+v", s)
		}
		select {
		case err := <-done:
			t.Fatal("drawn while held by b", err)
		default:
		}
		p.Free("b")
		if err := <-done; err != nil {
			t.Error(err)
		}
		if s := p.State(); s.Limit != "" || s.Reason != "" {
			t.Errorf("nothing holds: %+v", s)
		}
	})
}

func TestADrawEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		why := errors.New("operator")
		for _, p := range []*Pacer{nil, New(Limits{}, Options{}), New(Limits{RowsPerSecond: 1}, Options{}), New(Limits{Paused: true}, Options{})} {
			ctx, cancel := context.WithCancelCause(context.Background())
			time.AfterFunc(time.Second, func() { cancel(why) })
			var err error
			for range 100 {
				if err = p.Draw(ctx, 64, 1); err != nil {
					break
				}
				time.Sleep(100 * time.Millisecond)
			}
			if !errors.Is(err, why) {
				t.Errorf("%v", err)
			}
		}
	})
}

// TestEasing: from what was measured, since nothing is declared; back in equal steps; then free.
func TestEasing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told []State
		p := New(Limits{}, Options{OnChange: func(s State) { told = append(told, s) }})
		ctx, cancel := context.WithCancel(context.Background())
		rows, wait := new(atomic.Int64), sync.WaitGroup{}
		wait.Go(func() { // 10,000 rows per second when nothing limits
			for p.Draw(ctx, 50, 50) == nil {
				rows.Add(50)
				time.Sleep(5 * time.Millisecond)
			}
		})
		rate := func(span time.Duration) float64 {
			before := rows.Load()
			time.Sleep(span)
			return float64(rows.Load()-before) / span.Seconds()
		}
		rate(3 * time.Second)
		p.Ease("source", 0.5, "p99 of 90ms")
		near(t, "eased once", rate(time.Second), 5000, 0.1)
		p.Ease("source", 0.5, "p99 of 80ms")
		near(t, "eased twice", rate(time.Second), 2500, 0.15)
		if s := p.State(); s.Reason != "p99 of 80ms" || !strings.HasPrefix(s.Limit, "eased to 2") {
			t.Errorf("%+v", s)
		}
		time.Sleep(6 * time.Second)
		if got := rate(time.Second); got < 4000 || got > 7000 {
			t.Errorf("%.0f rows/s on the way back", got)
		}
		time.Sleep(15 * time.Second)
		near(t, "recovered", rate(time.Second), 10_000, 0.05)
		cancel()
		wait.Wait()
		if s := p.State(); s.Share != 1 || s.Reason != "" {
			t.Errorf("%+v", s)
		}
		if last := told[len(told)-1]; len(told) != 3 || last.Share != 1 {
			t.Errorf("told %d times: %+v", len(told), told)
		}
	})
}

// TestEasingDoesNotRecoverWhileHeld: nothing was tried, so nothing was learned.
func TestEasingDoesNotRecoverWhileHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := New(Limits{RowsPerSecond: 10_000}, Options{})
		moved(p, 4, 1, 3*time.Second)
		for range 20 {
			p.Ease("source", 0.5, "p99")
		}
		low := p.State().RowsPerSecond
		if low < 1 || low > 200 {
			t.Errorf("eased to %d rows/s", low)
		}
		p.Hold("source", "p99")
		time.Sleep(time.Hour)
		p.Free("source")
		if got := p.State().RowsPerSecond; got != low {
			t.Errorf("%d rows/s after an hour on hold, %d before", got, low)
		}
		moved(p, 4, 1, time.Minute)
		near(t, "recovered", moved(p, 4, 1, 5*time.Second), 10_000, 0.05)
	})
}

func TestEasedNumbers(t *testing.T) {
	p := New(Limits{InFlight: 100, RowsPerSecond: 5}, Options{})
	p.Ease("x", 0.5, "why")
	p.Ease("x", 1, "no factor")
	p.Ease("x", 7, "no factor")
	if s := p.State(); s.InFlight != 50 || p.InFlight() != 50 || s.Reason != "why" {
		t.Errorf("%+v", s)
	}
	p.Ease("x", -3, "none at all")
	if s := p.State(); s.InFlight < 1 || s.RowsPerSecond != 1 {
		t.Errorf("%+v", s)
	}
}

func TestPauseIsAHoldOfControl(t *testing.T) {
	p := New(Limits{RowsPerSecond: 100, InFlight: 8}, Options{})
	p.Set(func(l *Limits) { l.Paused = true })
	if s := p.State(); len(s.Held) != 1 || s.Held[0].Source != HeldByControl || s.Limit != "paused" {
		t.Errorf("%+v", s)
	}
	p.Set(func(l *Limits) {
		if !l.Paused || l.RowsPerSecond != 100 || l.InFlight != 8 {
			t.Errorf("%+v", *l)
		}
		l.Paused, l.RowsPerSecond = false, 50
	})
	if s := p.State(); len(s.Held) != 0 || s.RowsPerSecond != 50 || s.Source != ByControl || s.Limit != "rows_per_second 50, in_flight 8" {
		t.Errorf("%+v", s)
	}
	p.Declare(Limits{RowsPerSecond: 20})
	if s := p.State(); s.RowsPerSecond != 20 || s.InFlight != 0 || s.Source != ByDeclaration {
		t.Errorf("%+v", s)
	}
}

func TestANilPacerLimitsNothing(t *testing.T) {
	var p *Pacer
	p.Set(func(*Limits) { t.Error("called") })
	p.Declare(Limits{Paused: true})
	p.Hold("a", "b")
	p.Free("a")
	p.Ease("a", 0.1, "b")
	p.Within(t.Context(), []Window{{}})()
	if rows, bytes := p.Lease(); rows < 1 || bytes < 1 || p.InFlight() != 0 || !p.TryDraw(1, 1) || p.Draw(t.Context(), 1, 1) != nil {
		t.Error("it limits")
	}
	if s := p.State(); s.Share != 1 || s.Limit != "" {
		t.Errorf("%+v", s)
	}
}

// TestConcurrentUse is for the race detector.
func TestConcurrentUse(t *testing.T) {
	var told atomic.Int64
	p := New(Limits{RowsPerSecond: 1 << 30}, Options{OnChange: func(State) { told.Add(1) }})
	ctx, cancel := context.WithCancel(t.Context())
	rows, wait := movers(ctx, p, 4, 3)
	var group sync.WaitGroup
	for i := range 4 {
		group.Go(func() {
			for n := range 200 {
				source := fmt.Sprint(i)
				p.Hold(source, fmt.Sprint(n))
				p.Set(func(l *Limits) { l.BytesPerSecond = int64(n+1) << 20 })
				p.Ease(source, 0.9, "x")
				p.State()
				p.Free(source)
			}
		})
	}
	group.Wait()
	cancel()
	wait()
	if told.Load() == 0 || rows.Load() < 0 {
		t.Error("nobody was told")
	}
}

func BenchmarkDrawWithoutLimits(b *testing.B) {
	p := New(Limits{}, Options{})
	for b.Loop() {
		if err := p.Draw(b.Context(), 64, 6400); err != nil {
			b.Fatal(err)
		}
	}
}
