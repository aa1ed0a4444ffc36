package pace

import (
	"math"
	"time"
)

const (
	// sampleEvery is the time between two measurements of rates.
	sampleEvery = 250 * time.Millisecond
	// memory is the time constant of their average.
	memory = time.Second
)

// meter measures what is drawn per second, from the lane where that is more: the rates of limits are those of a lane.
type meter struct {
	at                  time.Time
	seenRows, seenBytes [lanes]int64
	rows, bytes         float64
}

// sample measures when it is time. The caller has mu.
func (p *Pacer) sample(now time.Time) {
	m := &p.measured
	span := now.Sub(m.at)
	if span < sampleEvery {
		return
	}
	var rows, bytes int64
	for lane := range lanes {
		r, b := p.rows[lane].Load(), p.bytes[lane].Load()
		rows, bytes = max(rows, r-m.seenRows[lane]), max(bytes, b-m.seenBytes[lane])
		m.seenRows[lane], m.seenBytes[lane] = r, b
	}
	fresh := 1 - math.Exp(-span.Seconds()/memory.Seconds())
	if m.rows == 0 {
		fresh = 1
	}
	m.rows += fresh * (float64(rows)/span.Seconds() - m.rows)
	m.bytes += fresh * (float64(bytes)/span.Seconds() - m.bytes)
	m.at = now
	p.due.Store(now.Add(sampleEvery).UnixNano())
}

// count adds what was drawn. The caller does not have mu.
func (p *Pacer) count(lane Lane, rows, bytes int64, now time.Time) {
	p.rows[lane].Add(rows)
	p.bytes[lane].Add(bytes)
	if now.UnixNano() >= p.due.Load() && p.mu.TryLock() {
		p.sample(now)
		p.mu.Unlock()
	}
}
