package pace

import (
	"context"
	"time"

	"golang.org/x/time/rate"
)

const (
	// leases is how often per second one who moves rows should draw: what it holds unused is a
	// fiftieth of a second's worth, what is saved up by drawing late two of them.
	leases = 50
	// Leases are at most so large, also when there is no bound.
	maxLeaseRows  = 64
	maxLeaseBytes = 256 << 10
)

// Lane is one of two clusters that rows are read from at the same time. Each has the rates of the limits to
// itself; what holds, what eases and what is asked for is common to both.
type Lane int

// The lanes. Whoever works on one cluster only, or on both row by row in step, draws from First.
const (
	First Lane = iota
	Second
	lanes = 2
)

// buckets are the tokens of rows and bytes.
type buckets struct {
	rows, bytes *rate.Limiter // nil without a bound
}

// follow takes over new rates. Buckets begin anew, empty, when those who wait look again: what they
// reserved is forgotten.
func (b *buckets) follow(l Limits, now time.Time, anew bool) {
	b.rows = bucket(b.rows, l.RowsPerSecond, now, anew)
	b.bytes = bucket(b.bytes, l.BytesPerSecond, now, anew)
}

func bucket(old *rate.Limiter, perSecond int64, now time.Time, anew bool) *rate.Limiter {
	if perSecond == 0 {
		return nil
	}
	burst := int(min(max(2*perSecond/leases, 1), 1<<30))
	if old == nil || anew {
		fresh := rate.NewLimiter(rate.Limit(perSecond), burst)
		fresh.AllowN(now, burst)
		return fresh
	}
	if old.Limit() != rate.Limit(perSecond) {
		old.SetLimitAt(now, rate.Limit(perSecond))
		old.SetBurstAt(now, burst)
	}
	return old
}

// Lease is how much one who moves rows should draw at once: small enough to keep the rate even, large
// enough to keep drawing cheap.
func (p *Pacer) Lease() (rows, bytes int64) {
	if p == nil || p.open.Load() {
		return maxLeaseRows, maxLeaseBytes
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	l := p.eased()
	return leaseOf(l.RowsPerSecond, maxLeaseRows), leaseOf(l.BytesPerSecond, maxLeaseBytes)
}

func leaseOf(perSecond, largest int64) int64 {
	if perSecond == 0 {
		return largest
	}
	return min(max(perSecond/leases, 1), largest)
}

// TryDraw draws what may be begun at once; false when it would have to wait, and then nothing is
// drawn.
func (p *Pacer) TryDraw(rows, bytes int64) bool { return p.tryDraw(First, rows, bytes) }

func (p *Pacer) tryDraw(lane Lane, rows, bytes int64) bool {
	if p == nil {
		return true
	}
	now := p.now()
	if !p.open.Load() {
		p.mu.Lock()
		over := p.advance(now)
		r := p.reserve(lane, now, rows, bytes)
		taken := len(p.holds) == 0 && r.rows == rows && r.bytes == bytes && r.delay(now) == 0
		if !taken {
			r.cancel(now)
		}
		p.mu.Unlock()
		if over {
			p.tell()
		}
		if !taken {
			return false
		}
	}
	p.count(lane, rows, bytes, now)
	return true
}

// Draw waits until rows with so many bytes may be begun. The error is the cause of ctx's end; then
// nothing may be begun. Counts of zero wait for holds only.
func (p *Pacer) Draw(ctx context.Context, rows, bytes int64) error {
	return p.DrawFrom(ctx, First, rows, bytes)
}

// DrawFrom is Draw from the rates of one lane.
func (p *Pacer) DrawFrom(ctx context.Context, lane Lane, rows, bytes int64) error {
	if p == nil || p.tryDraw(lane, rows, bytes) {
		return context.Cause(ctx)
	}
	leftRows, leftBytes := rows, bytes
	for first := true; first || leftRows > 0 || leftBytes > 0; {
		p.mu.Lock()
		now := p.now()
		over := p.advance(now)
		changed := p.changed
		var r reservation
		var wait time.Duration
		held := len(p.holds) > 0
		if !held {
			r = p.reserve(lane, now, leftRows, leftBytes)
			wait = r.delay(now)
		}
		p.mu.Unlock()
		if over {
			p.tell()
		}
		switch went, err := await(ctx, held, wait, changed); {
		case err != nil:
			p.mu.Lock()
			r.cancel(p.now())
			p.mu.Unlock()
			return err
		case went:
			first = false
			leftRows -= r.rows
			leftBytes -= r.bytes
		}
	}
	p.count(lane, rows, bytes, p.now())
	return nil
}

// await waits for the end of a delay, or for ever when held. went is false when the limits changed
// first.
func await(ctx context.Context, held bool, delay time.Duration, changed <-chan struct{}) (went bool, err error) {
	if ctx.Err() != nil {
		return false, context.Cause(ctx)
	}
	if !held && delay == 0 {
		return true, nil
	}
	var passed <-chan time.Time
	if !held {
		timer := time.NewTimer(delay)
		defer timer.Stop()
		passed = timer.C
	}
	select {
	case <-passed:
		return true, nil
	case <-changed:
		return false, nil
	case <-ctx.Done():
		return false, context.Cause(ctx)
	}
}

// reservation is a share of rows and bytes that may be begun after a delay.
type reservation struct {
	rows, bytes int64
	of          [2]*rate.Reservation
}

// reserve takes as much as the buckets of a lane can hold, at most the given amounts. The caller has mu.
func (p *Pacer) reserve(lane Lane, now time.Time, rows, bytes int64) (r reservation) {
	r.rows, r.bytes = rows, bytes
	for i, b := range []struct {
		limiter *rate.Limiter
		n       *int64
	}{{p.buckets[lane].rows, &r.rows}, {p.buckets[lane].bytes, &r.bytes}} {
		if b.limiter != nil && *b.n > 0 {
			*b.n = min(*b.n, int64(b.limiter.Burst()))
			r.of[i] = b.limiter.ReserveN(now, int(*b.n))
		}
	}
	return r
}

func (r *reservation) delay(now time.Time) (d time.Duration) {
	for _, one := range r.of {
		if one != nil {
			d = max(d, one.DelayFrom(now))
		}
	}
	return d
}

func (r *reservation) cancel(now time.Time) {
	for _, one := range r.of {
		if one != nil {
			one.CancelAt(now)
		}
	}
}
