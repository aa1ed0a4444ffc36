package differ

import (
	"fmt"
	"strconv"

	"github.com/pegmigrate/pegmigrate/internal/scan"
)

// CursorVersion is the version of Cursor's JSON form that this package writes.
const CursorVersion = 1

// keepFirst is how many differences a Result shows.
const keepFirst = 20

// Cursor is the outcome of one unit that is compared to its end, or the sums of one partition of one side
// in a comparison by digests. It is stored as JSON; a resumed comparison leaves such units and partitions
// out. The partitions of a unit that has a cursor need none any more.
type Cursor struct {
	Version int `json:"version"`
	// Unit is the residue class, of Units. Both are 0 with a Side.
	Unit  int32 `json:"unit"`
	Units int32 `json:"units"`
	// Side and Partition say what Sums are of; Side is empty in the cursor of a unit.
	Side      Side  `json:"side,omitempty"`
	Partition int32 `json:"partition,omitempty"`
	// Sums are the sums of the rows per bucket and band of expiry, in a form of this package.
	Sums []byte `json:"sums,omitempty"`
	// Start is the moment that the bands of Sums count from, as an expiry.
	Start uint32 `json:"start,omitempty"`
	// Rows tells selections apart; empty for that of all rows.
	Rows string `json:"selection,omitempty"`
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

// Name tells the cursors of one comparison apart, such as "3" or "target-3"; a later one of the same name
// replaces an earlier one.
func (c *Cursor) Name() string {
	if c.Side != "" {
		return fmt.Sprintf("%s-%d", c.Side, c.Partition)
	}
	return strconv.Itoa(int(c.Unit))
}

// checkResume refuses cursors that cannot belong to this comparison: of other tables or rows, or of the other
// sort, since one of tables at rest has proven more, and may have been found on tables at rest at another time.
func (r *run) checkResume(cursors []Cursor) error {
	n, m := r.src.PartitionCount(), r.dst.PartitionCount()
	seen, start := make(map[string]bool, len(cursors)), uint32(0)
	for i := range cursors {
		c := &cursors[i]
		name, limit, at := c.Name(), r.units, c.Unit
		switch c.Side {
		case SourceSide:
			limit, at = n, c.Partition
		case TargetSide:
			limit, at = m, c.Partition
		}
		switch {
		case c.Version != CursorVersion:
			return fmt.Errorf("cursor %s has version %d, this program knows %d", name, c.Version, CursorVersion)
		case c.Source != n || c.Target != m || c.Side == "" && c.Units != r.units:
			return fmt.Errorf("cursor %s is of %d and %d partitions, the tables have %d and %d", name, c.Source, c.Target, n, m)
		case at < 0 || at >= limit || seen[name]:
			return fmt.Errorf("cursor %s: out of range or there twice", name)
		case c.Rows != r.selection:
			return fmt.Errorf("cursor %s is of other rows than those that are compared", name)
		case c.Live != (r.watch != nil):
			return fmt.Errorf("cursor %s is of another sort of comparison", name)
		case c.Side != "" && start != 0 && c.Start != start:
			return fmt.Errorf("cursor %s and another one count expiry from different moments", name)
		}
		if c.Side != "" {
			start = c.Start
		}
		seen[name] = true
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
