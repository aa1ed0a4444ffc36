package apply

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// fenceRound collects probes until every partition has given one verdict.
type fenceRound struct {
	want   Verdict
	all    []int32
	proven map[int32]Probe
	last   time.Time // of the last partition that was proven
	first  time.Time // of the first
	detail string
}

func newFenceRound(partitions []int32, want Verdict) *fenceRound {
	return &fenceRound{want: want, all: partitions, proven: map[int32]Probe{}}
}

// open lists the partitions that still have to be proven.
func (f *fenceRound) open() []int32 {
	var out []int32
	for _, p := range f.all {
		if _, ok := f.proven[p]; !ok {
			out = append(out, p)
		}
	}
	return out
}

func (f *fenceRound) add(probes []Probe, now time.Time) {
	for _, p := range probes {
		if p.Verdict != f.want {
			f.detail = fmt.Sprintf("partition %d on %s: %s", p.Partition, p.Primary, p.Detail)
			continue
		}
		if p.At.IsZero() {
			p.At = now
		}
		if f.first.IsZero() || p.At.Before(f.first) {
			f.first = p.At
		}
		if p.At.After(f.last) {
			f.last = p.At
		}
		f.proven[p.Partition] = p
	}
}

func (f *fenceRound) complete() bool { return len(f.proven) == len(f.all) }

func (f *fenceRound) reason() string {
	verb := "reject"
	if f.want == Accepted {
		verb = "accept"
	}
	s := fmt.Sprintf("%d of %d partitions %s writes", len(f.proven), len(f.all), verb)
	if f.detail != "" {
		s += " (" + f.detail + ")"
	}
	return s
}

func (f *fenceRound) list() []Probe {
	return slices.SortedFunc(maps.Values(f.proven), func(a, b Probe) int { return int(a.Partition) - int(b.Partition) })
}

func partitionsOf(s TableState) []int32 {
	out := make([]int32, s.Partitions)
	for i := range out {
		out[i] = int32(i)
	}
	return out
}

func count(probes []Probe, v Verdict) int {
	n := 0
	for _, p := range probes {
		if p.Verdict == v {
			n++
		}
	}
	return n
}
