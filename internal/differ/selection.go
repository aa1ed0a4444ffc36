package differ

import (
	"fmt"
	"hash/fnv"
	"slices"

	"github.com/pegmigrate/pegmigrate/internal/pegkey"
	"github.com/pegmigrate/pegmigrate/internal/rowfilter"
	"github.com/pegmigrate/pegmigrate/internal/scan"
)

// Selection says which rows of the source the target should have, and what of them, so that a copy
// with options is compared as what it is. The zero value wants every row as it is. Rows that only
// the target has are extra as ever, those that the selection leaves out included, unless
// Options.AllowExtra says that the target had rows of its own.
type Selection struct {
	// Partitions are those of the source whose rows count; empty means all.
	Partitions []int32
	// Filter takes the rows of the source that count.
	Filter rowfilter.Filter
	// KeysOnly wants keys with their expiry and looks at no value. Values are not read then, unless
	// Filter does.
	KeysOnly bool
	// NoTTL wants rows without expiry, whatever the source's is, or with one that the default_ttl of the target
	// explains. A row that has expired on the source since it was copied is extra then: nothing on the target
	// tells when it should have gone.
	NoTTL bool
	// KeepExisting takes a row that both sides have for right, whatever they hold.
	KeepExisting bool
}

// All says that every row is wanted as it is.
func (s *Selection) All() bool {
	return len(s.Partitions) == 0 && s.Filter.All() && !s.KeysOnly && !s.NoTTL && !s.KeepExisting
}

// Wanted is what the target should have of a row of the source. Key and Value alias the row's.
func (s *Selection) Wanted(row *scan.Row) scan.Row {
	want := *row
	if s.KeysOnly {
		want.Value = nil
	}
	if s.NoTTL {
		want.Expire = 0
	}
	return want
}

// id tells selections apart in cursors; empty for the one that wants everything, as in cursors from before
// there were others.
func (s *Selection) id(allowExtra bool) string {
	if s.All() {
		return ""
	}
	h := fnv.New64a()
	parts := slices.Sorted(slices.Values(s.Partitions))
	fmt.Fprintf(h, "%v %q %q %q %v %v %v %v", parts, s.Filter.HashKey, s.Filter.SortKey, s.Filter.Value,
		s.KeysOnly, s.NoTTL, s.KeepExisting, allowExtra)
	return fmt.Sprintf("%016x", h.Sum64())
}

// partitions are those of a residue class that are read of a table.
func (s *Selection) partitions(count, class, classes int32) []int32 {
	var out []int32
	for p := class; p < count; p += classes {
		if len(s.Partitions) == 0 || slices.Contains(s.Partitions, p) {
			out = append(out, p)
		}
	}
	return out
}

// picker takes the rows of one side that count. The zero value and nil take every row. Safe for
// concurrent use.
type picker struct {
	filter rowfilter.Filter
	all    bool   // filter takes everything
	parts  []bool // by partition of the source, nil for all
}

// source takes the rows of the source that count.
func (s *Selection) source() *picker { return &picker{filter: s.Filter, all: s.Filter.All()} }

// target takes the rows of the target that the comparison looks at. Of one with rows of its own only those
// that the source could have: what a filter of values says about a row of the target proves nothing.
func (s *Selection) target(count int32, allowExtra bool) *picker {
	if !allowExtra {
		return nil
	}
	f := s.Filter
	f.Value = rowfilter.Match{}
	target := &picker{filter: f, all: f.All()}
	if len(s.Partitions) > 0 {
		target.parts = make([]bool, count)
		for _, p := range s.Partitions {
			if p >= 0 && p < count {
				target.parts[p] = true
			}
		}
	}
	return target
}

// takes tells whether a row counts.
func (p *picker) takes(row *scan.Row) bool {
	if p == nil || p.all && p.parts == nil {
		return true
	}
	hash, sort, err := pegkey.Decode(row.Key)
	if err != nil {
		return p.all // a malformed key: only a filter that looks at nothing takes it
	}
	if p.parts != nil && !p.parts[pegkey.Partition(pegkey.Hash(hash, sort), int32(len(p.parts)))] {
		return false
	}
	return p.all || p.filter.Takes(hash, sort, row.Value)
}

// check refuses partitions that the source does not have.
func (s *Selection) check(count int32) error {
	for _, p := range s.Partitions {
		if p < 0 || p >= count {
			return fmt.Errorf("compare partition %d of a source that has %d", p, count)
		}
	}
	return nil
}
