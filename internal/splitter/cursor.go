package splitter

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/pegkey"
	"github.com/pegmigrate/pegmigrate/internal/rowfilter"
)

// rules decide about single rows. They are the same for all partitions.
type rules struct {
	sources, targets uint64 // partition counts
	initial          uint64 // count of the source at its creation, 0 when it was never split
	dropMisplaced    bool
	dropExpired      bool
	now              time.Time
	filter           rowfilter.Filter
	unfiltered       bool
}

func (j *Job) rules() rules {
	r := rules{
		sources: uint64(len(j.Source.Partitions)), targets: uint64(j.Target.PartitionCount),
		dropMisplaced: j.DropMisplaced, dropExpired: j.DropExpired, now: j.Now, filter: j.Filter, unfiltered: j.Filter.All(),
	}
	if i := uint64(max(j.Source.InitialPartitions, 0)); i > 0 && i < r.sources && r.sources%i == 0 {
		r.initial = i
	}
	return r
}

// cursor walks through one source partition and stands on rows that are to be written.
type cursor struct {
	rules   *rules
	index   int
	version int
	rows    Rows
	group   uint64
	slots   []int
	// counts are those of the outputs of the part, by place; other rows of the unit are counted in elsewhere.
	counts    []Counts
	elsewhere int64
	// astray are the rows that belong to no target of the unit.
	astray Counts
	seen   int64

	key, value []byte
	place      int
}

// checkEvery is how many rows pass between two looks at the context and at the counters that others see.
const checkEvery = 1024

// next goes to the next row that is to be written; false at the end, and on an error.
func (c *cursor) next(ctx context.Context, tell func()) (bool, error) {
	for c.rows.Next() {
		if c.seen++; c.seen%checkEvery == 0 {
			if ctx.Err() != nil {
				return false, context.Cause(ctx)
			}
			tell()
		}
		take, err := c.take()
		if take || err != nil {
			return take, err
		}
	}
	return false, c.rows.Err()
}

// take looks at the row that the rows stand on.
func (c *cursor) take() (bool, error) {
	key, value := c.rows.Key(), c.rows.Value()
	hashKey, sortKey, err := pegkey.Decode(key)
	if err != nil {
		return false, c.damaged(key, err)
	}
	hash := pegkey.Hash(hashKey, sortKey)
	if hash%c.rules.sources != uint64(c.index) {
		return false, c.stray(key, hash)
	}
	place := c.slots[hash%c.rules.targets/c.group]
	if place < 0 {
		c.elsewhere++
		return false, nil
	}
	v, err := pegkey.DecodeValue(c.version, value)
	if err != nil {
		return false, c.damaged(key, err)
	}
	counts := &c.counts[place]
	counts.In++
	switch {
	case c.rules.dropExpired && pegkey.Expired(v.Expire, c.rules.now):
		counts.Expired++
		return false, nil
	case !c.rules.unfiltered && !c.rules.filter.Takes(hashKey, sortKey, v.Data):
		counts.Filtered++
		return false, nil
	}
	c.key, c.value, c.place = key, value, place
	return true, nil
}

// stray decides about a row that lies in a partition that its hash does not select.
func (c *cursor) stray(key []byte, hash uint64) error {
	c.astray.In++
	if i := c.rules.initial; i > 0 && hash%i == uint64(c.index)%i {
		c.astray.Leftover++
		return nil
	}
	if !c.rules.dropMisplaced {
		return failed(CodeMisplaced, c.where(), hintMisplaced, "row %s lies in it, and its hash selects partition %d of %d",
			shown(key), hash%c.rules.sources, c.rules.sources)
	}
	c.astray.Misplaced++
	return nil
}

func (c *cursor) where() string { return fmt.Sprintf("source partition %d", c.index) }

func (c *cursor) damaged(key []byte, err error) error {
	return failed(CodeRow, c.where(), hintRow, "row %s: %w", shown(key), err)
}

// shown is a raw key for an error: quoted, cut where it is long.
func shown(key []byte) string {
	const most = 64
	if len(key) > most {
		return fmt.Sprintf("%q… of %d bytes", key[:most], len(key))
	}
	return fmt.Sprintf("%q", key)
}

// headerV0 is the expiry, all that stands before the data in data version 0.
const headerV0 = 4

// rewritten is the value in DataVersion. That of version 0 gets a timetag of 0, as servers read it: older than any write.
// scratch is overwritten, and returned grown.
func (c *cursor) rewritten(scratch []byte) (value, grown []byte) {
	if c.version == DataVersion {
		return c.value, scratch
	}
	scratch = append(scratch[:0], c.value[:headerV0]...)
	scratch = binary.BigEndian.AppendUint64(scratch, 0)
	scratch = append(scratch, c.value[headerV0:]...)
	return scratch, scratch
}

// merge gives the rows of several cursors in key order. Keys are unique among them: each selects one source partition.
// It is a heap whose top is the next row.
type merge []*cursor

// down puts the top in its place after its row has changed.
func (m merge) down() {
	for i := 0; ; {
		least := i
		for _, child := range [2]int{2*i + 1, 2*i + 2} {
			if child < len(m) && bytes.Compare(m[child].key, m[least].key) < 0 {
				least = child
			}
		}
		if least == i {
			return
		}
		m[i], m[least] = m[least], m[i]
		i = least
	}
}

// push adds a cursor that stands on a row.
func (m *merge) push(c *cursor) {
	*m = append(*m, c)
	for i := len(*m) - 1; i > 0; {
		parent := (i - 1) / 2
		if bytes.Compare((*m)[i].key, (*m)[parent].key) >= 0 {
			return
		}
		(*m)[i], (*m)[parent] = (*m)[parent], (*m)[i]
		i = parent
	}
}

// pop takes the top away.
func (m *merge) pop() {
	last := len(*m) - 1
	(*m)[0] = (*m)[last]
	*m = (*m)[:last]
	m.down()
}
