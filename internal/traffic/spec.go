package traffic

import (
	"fmt"
	"slices"
	"strings"
)

// Kinds of client.
const (
	kindWriter = "writer"
	kindReader = "reader"
	kindIncr   = "incr"
)

// Drivers of a client.
const (
	driverGo   = "go"
	driverJava = "java"
)

// incrShare is which share of the rate one incr client gets; the others share the rest equally.
const incrShare = 0.05

// clientSpec is one client of a run.
type clientSpec struct {
	name, kind, driver string
	rate               float64 // operations per second
}

// parseClients reads "writer,reader/java,incr/go": kinds, each with the driver behind a slash; without
// one it is go. The same may stand there more than once.
func parseClients(text string, rate float64) ([]clientSpec, error) {
	var out []clientSpec
	incrs := 0
	for part := range strings.SplitSeq(text, ",") {
		kind, driver, ok := strings.Cut(strings.TrimSpace(part), "/")
		if !ok {
			driver = driverGo
		}
		if !slices.Contains([]string{kindWriter, kindReader, kindIncr}, kind) || driver != driverGo && driver != driverJava {
			return nil, fmt.Errorf("client %q: write writer, reader or incr, with /go or /java behind it", part)
		}
		name := kind + "-" + driver
		for n := 2; slices.ContainsFunc(out, func(c clientSpec) bool { return c.name == name }); n++ {
			name = fmt.Sprintf("%s-%s-%d", kind, driver, n)
		}
		if kind == kindIncr {
			incrs++
		}
		out = append(out, clientSpec{name: name, kind: kind, driver: driver})
	}
	share := 1.0 / float64(len(out))
	if rest := len(out) - incrs; rest > 0 && incrs > 0 {
		share = max(0, 1-incrShare*float64(incrs)) / float64(rest)
	}
	for i := range out {
		out[i].rate = rate * share
		if out[i].kind == kindIncr && len(out) > incrs {
			out[i].rate = rate * incrShare
		}
		if out[i].rate <= 0 {
			return nil, fmt.Errorf("client %q gets nothing of a rate of %v per second", out[i].name, rate)
		}
	}
	return out, nil
}
