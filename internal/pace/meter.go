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

// meter measures what is drawn per second.
type meter struct {
	at                  time.Time
	seenRows, seenBytes int64
	rows, bytes         float64
}

// sample measures when it is time. The caller has mu.
func (p *Pacer) sample(now time.Time) {
	m := &p.measured
	span := now.Sub(m.at)
	if span < sampleEvery {
		return
	}
	rows, bytes := p.rows.Load(), p.bytes.Load()
	fresh := 1 - math.Exp(-span.Seconds()/memory.Seconds())
	if m.rows == 0 {
		fresh = 1
	}
	m.rows += fresh * (float64(rows-m.seenRows)/span.Seconds() - m.rows)
	m.bytes += fresh * (float64(bytes-m.seenBytes)/span.Seconds() - m.bytes)
	m.at, m.seenRows, m.seenBytes = now, rows, bytes
	p.due.Store(now.Add(sampleEvery).UnixNano())
}

// count adds what was drawn. The caller does not have mu.
func (p *Pacer) count(rows, bytes int64, now time.Time) {
	p.rows.Add(rows)
	p.bytes.Add(bytes)
	if now.UnixNano() >= p.due.Load() && p.mu.TryLock() {
		p.sample(now)
		p.mu.Unlock()
	}
}
