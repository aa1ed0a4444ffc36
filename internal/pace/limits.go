package pace

import (
	"fmt"
	"strings"
)

// Limits bound how fast rows move. The zero value has no bound.
type Limits struct {
	// RowsPerSecond and BytesPerSecond bound what is moved (bytes of raw keys and values), of a comparison what is
	// read from either cluster; 0 is no bound.
	RowsPerSecond, BytesPerSecond int64
	// InFlight bounds the writes that are not acknowledged; 0 leaves it to the engine.
	InFlight int
	// Paused stops everything.
	Paused bool
}

// within cuts what l asks for to what is declared; what it leaves zero is as declared.
func (l Limits) within(declared Limits) Limits {
	return Limits{
		RowsPerSecond:  lower(l.RowsPerSecond, declared.RowsPerSecond),
		BytesPerSecond: lower(l.BytesPerSecond, declared.BytesPerSecond),
		InFlight:       int(lower(int64(l.InFlight), int64(declared.InFlight))),
		Paused:         l.Paused,
	}
}

// beside leaves only what differs from what is declared.
func (l Limits) beside(declared Limits) Limits {
	l = l.within(declared)
	if l.RowsPerSecond == declared.RowsPerSecond {
		l.RowsPerSecond = 0
	}
	if l.BytesPerSecond == declared.BytesPerSecond {
		l.BytesPerSecond = 0
	}
	if l.InFlight == declared.InFlight {
		l.InFlight = 0
	}
	return l
}

// lower is the smaller of two bounds of which 0 is none. A bound below zero counts as none.
func lower(a, b int64) int64 {
	a, b = max(a, 0), max(b, 0)
	if a == 0 || b == 0 {
		return a + b
	}
	return min(a, b)
}

// size writes bytes as a declaration does: 64MiB, 1500.
func size(n int64) string {
	for _, unit := range []struct {
		bytes int64
		name  string
	}{{1 << 30, "GiB"}, {1 << 20, "MiB"}, {1 << 10, "KiB"}} {
		if n%unit.bytes == 0 {
			return fmt.Sprintf("%d%s", n/unit.bytes, unit.name)
		}
	}
	return fmt.Sprint(n)
}

// String is "rows_per_second 5000, bytes_per_second 64MiB, in_flight 64", empty without a bound.
func (l Limits) String() string {
	var text []string
	if l.RowsPerSecond > 0 {
		text = append(text, fmt.Sprintf("rows_per_second %d", l.RowsPerSecond))
	}
	if l.BytesPerSecond > 0 {
		text = append(text, "bytes_per_second "+size(l.BytesPerSecond))
	}
	if l.InFlight > 0 {
		text = append(text, fmt.Sprintf("in_flight %d", l.InFlight))
	}
	return strings.Join(text, ", ")
}
