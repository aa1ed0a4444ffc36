package differ

import (
	"fmt"

	"github.com/pegmigrate/pegmigrate/internal/scan"
)

// CursorVersion is the version of Cursor's JSON form that this package writes.
const CursorVersion = 1

// keepFirst is how many differences a Result shows.
const keepFirst = 20

// Cursor is the outcome of one unit that is compared to its end. It is stored as JSON; a resumed
// comparison leaves such units out.
type Cursor struct {
	Version int `json:"version"`
	// Unit is the residue class, of Units.
	Unit  int32 `json:"unit"`
	Units int32 `json:"units"`
	// Source and Target are the partition counts.
	Source int32 `json:"source"`
	Target int32 `json:"target"`
	Counts
	// Digests are of the source's rows, by source partition, without the misplaced; none in a cursor
	// of RunLive.
	Digests map[int32]scan.Digests `json:"digests,omitempty"`
	// First are the first differences, at most 20.
	First []Shown `json:"first,omitempty"`
	// Live says that clients wrote meanwhile. Open are then the raw keys that kept changing, TooMany
	// says that there were more than are kept.
	Live    bool     `json:"live,omitempty"`
	Open    [][]byte `json:"open,omitempty"`
	TooMany bool     `json:"too_many,omitempty"`
}

// checkResume refuses cursors that cannot belong to these tables.
func checkResume(cursors []Cursor, n, m, units int32) error {
	seen := make(map[int32]bool, len(cursors))
	for i := range cursors {
		c := &cursors[i]
		switch {
		case c.Version != CursorVersion:
			return fmt.Errorf("cursor of unit %d has version %d, this program knows %d", c.Unit, c.Version, CursorVersion)
		case c.Source != n || c.Target != m || c.Units != units:
			return fmt.Errorf("cursor of unit %d is of %d and %d partitions, the tables have %d and %d", c.Unit, c.Source, c.Target, n, m)
		case c.Unit < 0 || c.Unit >= units || seen[c.Unit]:
			return fmt.Errorf("cursor of unit %d: out of range or there twice", c.Unit)
		}
		seen[c.Unit] = true
	}
	return nil
}

// Result is the outcome of a comparison.
type Result struct {
	Counts
	// Digests are of the source's rows, by source partition, without the misplaced.
	Digests []scan.Digests
	// First are the first differences in the order of units and keys, at most 20.
	First []Shown
	// Cursors are of the units that were finished, in order.
	Cursors []Cursor
}

// add takes one finished unit into account.
func (r *Result) add(c Cursor) {
	r.Counts.add(&c.Counts)
	for p, d := range c.Digests {
		if p >= 0 && int(p) < len(r.Digests) {
			r.Digests[p] = d
		}
	}
	r.First = append(r.First, c.First[:min(len(c.First), keepFirst-len(r.First))]...)
	r.Cursors = append(r.Cursors, c)
}
