package wire

// ringMin and ringMax bound the ring of pending: 2^8 to 2^16 calls of 8 bytes.
const (
	ringMin = 1 << 8
	ringMax = 1 << 16
)

// pending finds the call of a sequence id. Ids are consecutive, so a ring indexed
// by their low bits does it without hashing; a call so slow that the ring comes
// round to its place moves to a map. It is not safe for concurrent use.
type pending struct {
	ring []*Call
	slow map[int32]*Call
	n    int
}

// add files a call under c.seq.
func (p *pending) add(c *Call) {
	if p.ring == nil {
		p.ring = make([]*Call, ringMin)
	}
	if 2*p.n >= len(p.ring) && len(p.ring) < ringMax {
		p.grow()
	}
	p.place(c)
	p.n++
}

// place puts a call into the ring and what was there into the map.
func (p *pending) place(c *Call) {
	at := &p.ring[p.index(c.seq)]
	if old := *at; old != nil {
		if p.slow == nil {
			p.slow = make(map[int32]*Call)
		}
		p.slow[old.seq] = old
	}
	*at = c
}

// grow doubles the ring. The order in which calls move does not matter: twice the
// ring separates what one ring separated.
func (p *pending) grow() {
	old := p.ring
	p.ring = make([]*Call, 2*len(old))
	for _, c := range old {
		if c != nil {
			p.place(c)
		}
	}
}

func (p *pending) index(seq int32) int { return int(uint32(seq)) & (len(p.ring) - 1) }

// get is the call of seq or nil.
func (p *pending) get(seq int32) *Call {
	if p.n == 0 {
		return nil
	}
	if c := p.ring[p.index(seq)]; c != nil && c.seq == seq {
		return c
	}
	return p.slow[seq]
}

// remove forgets seq, which get has just found.
func (p *pending) remove(seq int32) {
	if at := &p.ring[p.index(seq)]; *at != nil && (*at).seq == seq {
		*at = nil
	} else {
		delete(p.slow, seq)
	}
	p.n--
}

// take is get and remove.
func (p *pending) take(seq int32) *Call {
	c := p.get(seq)
	if c != nil {
		p.remove(seq)
	}
	return c
}

// each calls f with every call; f may remove the call it is given.
func (p *pending) each(f func(*Call)) {
	if p.n == 0 {
		return
	}
	for _, c := range p.ring {
		if c != nil {
			f(c)
		}
	}
	for _, c := range p.slow {
		f(c)
	}
}
