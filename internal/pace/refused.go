package pace

import "time"

// How many refusals ease the rate, and by how much.
const (
	refusals      = 3
	refusedWithin = time.Second
	refusedFactor = 0.7
)

// Refused is told that a server of the given source would not do a read for now. The third time within
// a second eases the rate, at most once a second.
func (p *Pacer) Refused(source, reason string) {
	if p == nil {
		return
	}
	p.mu.Lock()
	now := p.now()
	if now.Sub(p.refusedSince) > refusedWithin {
		p.refusedSince, p.refused = now, 0
	}
	p.refused++
	ease := p.refused == refusals
	p.mu.Unlock()
	if ease {
		p.Ease(source, refusedFactor, reason)
	}
}
