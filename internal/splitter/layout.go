package splitter

import "github.com/pegmigrate/pegmigrate/internal/pegkey"

// unit is a residue class: the rows of its sources are the rows of its targets.
type unit struct {
	sources []int
	targets []int
}

// units of a table with n partitions here and m there. Unit r has the partitions that are r modulo gcd(n, m).
func units(n, m int) []unit {
	g := gcd(n, m)
	all := make([]unit, g)
	for r := range all {
		for i := r; i < n; i += g {
			all[r].sources = append(all[r].sources, i)
		}
		for i := r; i < m; i += g {
			all[r].targets = append(all[r].targets, i)
		}
	}
	return all
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// part is what one worker does at a time: it reads the sources of a unit and writes some of its targets.
type part struct {
	unit
	// group is gcd(n, m): the targets of a unit are that far apart.
	group int
	// write are the targets to be written, in order.
	write []int
}

// openOutputs is how many files are being written at once by all workers together, except that every worker may have a few:
// each holds the index and the filter of its file, up to some MiB. A unit with more targets is read several times.
const (
	openOutputs    = 64
	minOpenOutputs = 16
)

// parts deals out the targets that are still to be written.
func parts(n, m, parallel int, done func(target int) bool) []part {
	most := max(minOpenOutputs, openOutputs/max(parallel, 1))
	var all []part
	for _, u := range units(n, m) {
		var open []int
		for _, t := range u.targets {
			if !done(t) {
				open = append(open, t)
			}
		}
		for len(open) > 0 {
			k := min(most, len(open))
			all = append(all, part{unit: u, group: gcd(n, m), write: open[:k:k]})
			open = open[k:]
		}
	}
	return all
}

// first says that the part writes the first target of its unit: what belongs to no target is counted there, once.
func (p part) first() bool { return p.write[0] == p.targets[0] }

// slots maps target / group to the place in write, -1 for targets that others write.
func (p part) slots() []int {
	slots := make([]int, len(p.targets))
	for i := range slots {
		slots[i] = -1
	}
	for place, t := range p.write {
		slots[t/p.group] = place
	}
	return slots
}

// placeholderPrefix begins the hash key of placeholder rows. It is no key that an application has.
const placeholderPrefix = "pegmigrate.placeholder."

// placeholder is the row of a partition that would be empty: its key selects the partition, and it expired in 2016, so
// that no client sees it and the first compaction drops it.
func placeholder(target, count int) (key, value []byte, err error) {
	hashKey := pegkey.ProbeKey(placeholderPrefix, int32(target), int32(count))
	if hashKey == nil {
		return nil, nil, failed(CodeUnequal, "", hintUnequal, "no key was found that selects partition %d of %d", target, count)
	}
	value, err = pegkey.EncodeValue(nil, DataVersion, pegkey.Value{Expire: 1})
	return pegkey.Encode(nil, hashKey, nil), value, err
}
