package control

import (
	"fmt"
	"math"

	"github.com/pegmigrate/pegmigrate/internal/pace"
)

// maxInFlight is the largest in_flight that a declaration may have, too.
const maxInFlight = 1 << 16

// limit is one limit that can be set.
type limit struct {
	name     string
	ask      *int64
	declared int64
	most     int64
}

// carryOut does what a request asks for. Either all of it or nothing is done. What is declared was
// reviewed: limits can be lowered below it and come back to it, and rise no further.
func carryOut(p *pace.Pacer, r Request) *Refusal {
	switch r.Command {
	case CommandPause:
		p.Set(func(l *pace.Limits) { l.Paused = true })
	case CommandResume:
		p.Set(func(l *pace.Limits) { l.Paused = false })
	case CommandSet:
		declared := p.State().Declared
		for _, l := range []limit{
			{"rows_per_second", r.Set.RowsPerSecond, declared.RowsPerSecond, math.MaxInt64},
			{"bytes_per_second", r.Set.BytesPerSecond, declared.BytesPerSecond, math.MaxInt64},
			{"in_flight", r.Set.InFlight, int64(declared.InFlight), maxInFlight},
		} {
			if refused := l.check(); refused != nil {
				return refused
			}
		}
		p.Set(func(l *pace.Limits) {
			take(&l.RowsPerSecond, r.Set.RowsPerSecond)
			take(&l.BytesPerSecond, r.Set.BytesPerSecond)
			if n := r.Set.InFlight; n != nil {
				l.InFlight = int(*n)
			}
		})
	}
	return nil
}

func take(to, from *int64) {
	if from != nil {
		*to = *from
	}
}

// check refuses what is out of range.
func (l limit) check() *Refusal {
	switch {
	case l.ask == nil:
		return nil
	case *l.ask < 0 || *l.ask > l.most:
		return &Refusal{KindValue, fmt.Sprintf("%s cannot be %d", l.name, *l.ask), "give a whole number above 0"}
	case l.declared > 0 && *l.ask > l.declared:
		return &Refusal{KindDeclared, fmt.Sprintf("%s = %d is above what is declared, %d", l.name, *l.ask, l.declared),
			fmt.Sprintf("limits.%s in the configuration was reviewed and is the upper bound; lower it here, or write %s=declared to go back to it", l.name, l.name)}
	}
	return nil
}
