package copier

import (
	"bytes"
	"fmt"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/scan"
)

// CursorVersion is the version of Cursor's JSON form that this package writes.
const CursorVersion = 1

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
	// needs no copy. Empty means the start of the partition.
	After []byte `json:"after,omitempty"`
	// Rows and Bytes (raw keys and values) are what the target acknowledged up to After, by
	// all runs together.
	Rows  uint64 `json:"rows"`
	Bytes uint64 `json:"bytes"`
	// Misplaced counts rows that their hash puts elsewhere; they were not copied.
	Misplaced uint64 `json:"misplaced,omitempty"`
	// Done says that no row follows After.
	Done bool `json:"done,omitempty"`
	// Digests are of the rows up to After, without the misplaced.
	Digests Digests `json:"digests"`
}

// clone is a copy that shares no memory.
func (c *Cursor) clone() Cursor {
	d := *c
	d.After = bytes.Clone(c.After)
	return d
}

// checkResume refuses cursors that cannot belong to a table of count partitions.
func checkResume(cursors []Cursor, count int32) error {
	seen := make(map[int32]bool, len(cursors))
	for i := range cursors {
		c := &cursors[i]
		switch {
		case c.Version != CursorVersion:
			return fmt.Errorf("cursor of partition %d has version %d, this program knows %d", c.Partition, c.Version, CursorVersion)
		case c.Partition < 0 || c.Partition >= count:
			return fmt.Errorf("cursor of partition %d: the source has %d partitions", c.Partition, count)
		case seen[c.Partition]:
			return fmt.Errorf("two cursors of partition %d", c.Partition)
		case c.Digests.Start != cursors[0].Digests.Start:
			return fmt.Errorf("cursors of partitions %d and %d were begun at different times", cursors[0].Partition, c.Partition)
		}
		seen[c.Partition] = true
	}
	return nil
}
