package copier

import (
	"bytes"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/scan"
)

// CursorVersion is the version of Cursor's JSON form that this package writes. It also reads 1, which has
// neither Ranges nor Options.
const CursorVersion = 2

// Digests fingerprint the rows that were read, in buckets of expiry.
type Digests = scan.Digests

// Changed tells whether two readings of a table at different times saw different rows, leaving
// out those that may have expired by now.
func Changed(first, second Digests, now time.Time) bool { return scan.Changed(first, second, now) }

// Cursor is how far the copy of one source partition has got. It is stored as JSON.
type Cursor struct {
	Version   int   `json:"version"`
	Partition int32 `json:"partition"`
	// After is a raw key: every row up to and including it is acknowledged by the target or
	// needs no copy. Empty means the start of the partition. Not used with Ranges, nor when Done.
	After []byte `json:"after,omitempty"`
	// Ranges are what is left of a partition that several workers read at once, in the order of keys
	// and without overlap: every row outside of them is acknowledged or needs no copy.
	Ranges []Range `json:"ranges,omitempty"`
	// Rows and Bytes (raw keys and values) are what the target acknowledged so far, by all runs
	// together. Of these rows it kept Kept as it had them: see Options.Overwrite. A row that an
	// interrupted run wrote may be counted as kept by the next.
	Rows  uint64 `json:"rows"`
	Bytes uint64 `json:"bytes"`
	Kept  uint64 `json:"kept,omitempty"`
	// Misplaced counts rows that their hash puts elsewhere; they were not copied.
	Misplaced uint64 `json:"misplaced,omitempty"`
	// Filtered counts rows that were read and not taken by Options.Filter. What servers left out by
	// the same filter is not among them.
	Filtered uint64 `json:"filtered,omitempty"`
	// Done says that every row is acknowledged.
	Done bool `json:"done,omitempty"`
	// Options are the options that decide what is copied, "" for a copy of everything as it is. A
	// copy with others cannot go on from here.
	Options string `json:"options,omitempty"`
	// SourceID is the id of the table that was read, 0 when nobody said: Options.SourceID.
	SourceID int32 `json:"source_id,omitempty"`
	// Digests are of the rows that were taken so far, with the source's expiry, without the misplaced.
	Digests Digests `json:"digests"`
}

// Range is a part of a partition: the rows behind After, up to and including Through. An empty After means
// the start of the partition, an empty Through its end.
type Range struct {
	After   []byte `json:"after,omitempty"`
	Through []byte `json:"through,omitempty"`
}

// Covers tells whether a row needs no further work, by its raw key.
func (c *Cursor) Covers(key []byte) bool {
	if c.Done {
		return true
	}
	if len(c.Ranges) == 0 {
		return bytes.Compare(key, c.After) <= 0
	}
	for _, r := range c.Ranges {
		if bytes.Compare(key, r.After) > 0 && (len(r.Through) == 0 || bytes.Compare(key, r.Through) <= 0) {
			return false
		}
	}
	return true
}

// left is what has to be copied still.
func (c *Cursor) left() []Range {
	switch {
	case c.Done:
		return nil
	case len(c.Ranges) > 0:
		return c.Ranges
	}
	return []Range{{After: c.After}}
}
