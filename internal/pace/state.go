package pace

import (
	"fmt"
	"slices"
	"time"
)

// Reason is why something limits, who says so, and since when.
type Reason struct {
	Source string    `json:"source"`
	Text   string    `json:"text"`
	Since  time.Time `json:"since"`
}

// Sources of what limits, beside those that hold and ease.
const (
	ByDeclaration = "declared"
	ByControl     = "control set"
)

// State is what is in force at one moment.
type State struct {
	// RowsPerSecond, BytesPerSecond and InFlight are the bounds after easing, 0 without one.
	RowsPerSecond, BytesPerSecond int64
	InFlight                      int
	// Declared is the upper bound, Asked what somebody asked for below it (zero where nobody did).
	Declared, Asked Limits
	// Share is what easing leaves of the full rate, 1 without easing.
	Share float64
	// Held are those who hold, in the order in which they came.
	Held []Reason
	// Limit is what bounds now, Reason why, Source who says so and Since since when; Limit, Reason
	// and Source are empty when nothing does.
	Limit, Reason, Source string
	Since                 time.Time
	// MovedRows and MovedBytes are what was drawn per second of late, from the lane where that is more.
	MovedRows, MovedBytes float64
}

// State is what is in force now.
func (p *Pacer) State() State {
	if p == nil {
		return State{Share: 1}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sample(p.now())
	l := p.eased()
	s := State{RowsPerSecond: l.RowsPerSecond, BytesPerSecond: l.BytesPerSecond, InFlight: l.InFlight,
		Declared: p.declared, Asked: p.asked, Share: p.ease.share, Held: slices.Clone(p.holds),
		Reason: p.top.Text, Source: p.top.Source, Since: p.top.Since, MovedRows: p.measured.rows, MovedBytes: p.measured.bytes}
	switch {
	case len(p.holds) > 0:
		s.Limit = "paused"
	case p.ease.share < 1:
		s.Limit = fmt.Sprintf("eased to %s, %d rows/s", p.ease.percent(), l.RowsPerSecond)
	default:
		s.Limit = l.String()
	}
	return s
}

// InFlight is the bound of writes in flight, 0 for none. It is cheap.
func (p *Pacer) InFlight() int {
	if p == nil {
		return 0
	}
	return int(p.inFlight.Load())
}

// foremost is what limits most. The caller has mu.
func (p *Pacer) foremost() Reason {
	if len(p.holds) > 0 {
		return p.holds[0]
	}
	if p.ease.share < 1 {
		return p.ease.reason
	}
	if asked := p.asked; asked != (Limits{}) {
		return Reason{Source: ByControl, Text: "asked for by `pegmigrate control set`"}
	}
	if p.declared != (Limits{}) {
		return Reason{Source: ByDeclaration, Text: "declared limits"}
	}
	return Reason{}
}
