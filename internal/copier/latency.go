package copier

import (
	"fmt"
	"math"
	"sync/atomic"
	"time"
)

// What counts as rising latency.
const (
	// slack is what acknowledgements may take beyond any comparison: the queue of a full window on a
	// target that keeps up, and the pauses of this machine.
	slack = 50 * time.Millisecond
	// rise is by how much they may take longer than at the best time of the last minute.
	rise = 4
	// spans and ticksPerSpan make that minute.
	spans, ticksPerSpan = 6, 100
	// keep is the weight of earlier ticks.
	keep = 0.7
)

// latency compares how long acknowledgements take now with the best of the last minute. Chunks are
// measured, from their last write to their last acknowledgement: no row needs a look at the clock.
type latency struct {
	sum, n atomic.Int64 // of this tick, nanoseconds and chunks

	// The rest is used by step alone, but for now, which others read: a moving average in nanoseconds.
	now   atomic.Int64
	least [spans]float64 // 0 for none
	span  int
	ticks int
	shown int64 // the best when it last rose
}

// add takes one measurement.
func (l *latency) add(d time.Duration) {
	l.sum.Add(int64(d))
	l.n.Add(1)
}

// step is called once per tick.
func (l *latency) step() {
	if l.ticks++; l.ticks == ticksPerSpan {
		l.ticks, l.span = 0, (l.span+1)%spans
		l.least[l.span] = 0
	}
	sum, n := l.sum.Swap(0), l.n.Swap(0)
	if n == 0 {
		return
	}
	mean := math.Max(float64(sum)/float64(n), 1)
	if before := l.now.Load(); before > 0 {
		mean = keep*float64(before) + (1-keep)*mean
	}
	l.now.Store(int64(mean))
	if at := &l.least[l.span]; *at == 0 || mean < *at {
		*at = mean
	}
}

// best is that of the last minute, 0 while nothing is known.
func (l *latency) best() (best float64) {
	for _, v := range l.least {
		if v > 0 && (best == 0 || v < best) {
			best = v
		}
	}
	return best
}

// rising tells whether acknowledgements take much longer than before, and the share of the window
// at which they would not.
func (l *latency) rising() (share float64, slow bool) {
	best := l.best()
	allowed := rise*best + float64(slack)
	now := float64(l.now.Load())
	if best == 0 || now <= allowed {
		return 1, false
	}
	l.shown = int64(best)
	return math.Max(allowed/now, 0.5), true
}

// recent is how long acknowledgements take.
func (l *latency) recent() time.Duration { return time.Duration(l.now.Load()) }

// describe says by how much they rose.
func (l *latency) describe() string {
	return fmt.Sprintf("writes take %s, they took %s", round(l.recent()), round(time.Duration(l.shown)))
}

// round leaves two or three digits.
func round(d time.Duration) time.Duration {
	if d < 10*time.Millisecond {
		return d.Round(100 * time.Microsecond)
	}
	return d.Round(time.Millisecond)
}
