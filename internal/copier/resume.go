package copier

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
)

// checkResume refuses cursors that cannot belong to the table with an id and count partitions, or to a copy of what
// meaning and chosen say.
func checkResume(cursors []Cursor, id, count int32, meaning string, chosen []int32) error {
	seen := make(map[int32]bool, len(cursors))
	for i := range cursors {
		c := &cursors[i]
		switch {
		case c.Version != 1 && c.Version != CursorVersion:
			return fmt.Errorf("cursor of partition %d has version %d, this program knows %d", c.Partition, c.Version, CursorVersion)
		case c.Partition < 0 || c.Partition >= count:
			return fmt.Errorf("cursor of partition %d: the source has %d partitions", c.Partition, count)
		case c.SourceID != 0 && id != 0 && c.SourceID != id:
			return fmt.Errorf("cursor of partition %d is of a source with id %d, which has id %d now: it was dropped and made again", c.Partition, c.SourceID, id)
		case seen[c.Partition]:
			return fmt.Errorf("two cursors of partition %d", c.Partition)
		case c.Digests.Start != cursors[0].Digests.Start:
			return fmt.Errorf("cursors of partitions %d and %d were begun at different times", cursors[0].Partition, c.Partition)
		case c.Options != meaning:
			return &OptionsError{Partition: c.Partition, Begun: c.Options, Now: meaning}
		case !slices.Contains(chosen, c.Partition):
			return fmt.Errorf("cursor of partition %d, which this copy leaves out", c.Partition)
		}
		if err := checkRanges(c); err != nil {
			return fmt.Errorf("cursor of partition %d: %w", c.Partition, err)
		}
		seen[c.Partition] = true
	}
	return nil
}

// The reasons why ranges cannot be what this package wrote.
var (
	errRangesAndAfter = errors.New("it has a key and ranges")
	errRangesOrder    = errors.New("its ranges are not in order")
)

// checkRanges wants ranges in the order of keys, without overlap, and only the last one open.
func checkRanges(c *Cursor) error {
	if len(c.Ranges) > 0 && len(c.After) > 0 {
		return errRangesAndAfter
	}
	var end []byte
	for i, r := range c.Ranges {
		open := len(r.Through) == 0
		if bytes.Compare(r.After, end) < 0 || open && i < len(c.Ranges)-1 || !open && bytes.Compare(r.After, r.Through) > 0 {
			return errRangesOrder
		}
		end = r.Through
	}
	return nil
}
