package sandbox

import (
	"encoding/binary"
	"fmt"

	"github.com/pegmigrate/pegmigrate/internal/pegkey"
)

// PatternSpec describes rows that are computed when somebody reads them and take one bit of
// memory each: tables with tens of millions of rows beside a client whose memory is measured.
// One row per hash key, no expiry; the keys of a slot lie in every partition that the slot does,
// whatever the number of partitions.
type PatternSpec struct {
	// Rows is how many rows there are, 0 to 2^32 per slot.
	Rows int64 `json:"rows"`
	// ValueSize is the size of each value in bytes, 8 to 1 KiB.
	ValueSize int `json:"value_size"`
	// Slots is into how many parts of equal hash the rows are divided: a power of two up to 4096, and a
	// multiple of the table's partitions. Tables whose contents are to be equal need the same.
	Slots int `json:"slots"`
	// Empty: no row is there at first. Those that are written take a bit, too, when they are as
	// the pattern has them; others are stored like in any table.
	Empty bool `json:"empty"`
}

func (s PatternSpec) validate(partitions int) error {
	switch {
	case s.Slots < 1 || s.Slots > 4096 || s.Slots&(s.Slots-1) != 0 || s.Slots%partitions != 0:
		return fmt.Errorf("sandbox: pattern: %d slots, must be a power of two up to 4096 and a multiple of %d partitions", s.Slots, partitions)
	case s.Rows < 0 || s.Rows > int64(s.Slots)<<32:
		return fmt.Errorf("sandbox: pattern: %d rows in %d slots", s.Rows, s.Slots)
	case s.ValueSize < 8 || s.ValueSize > 1<<10:
		return fmt.Errorf("sandbox: pattern: value size %d is not between 8 and 1024", s.ValueSize)
	}
	return nil
}

// Keys of a pattern: eight hexadecimal digits that count the rows of a slot, and two bytes that
// make the hash fall into the slot; then a sort key of one byte.
const (
	patternDigits = 8
	patternHash   = patternDigits + 2
	patternSort   = 's'
	patternKey    = 2 + patternHash + 1
)

// pattern computes rows. It is immutable.
type pattern struct {
	spec PatternSpec
	mask uint64
	// suffix are the two bytes that change the hash by a number below Slots. Crc64 is linear: they do so
	// whatever stands in front of them.
	suffix [][2]byte
}

func newPattern(spec PatternSpec) (*pattern, error) {
	p := &pattern{spec: spec, mask: uint64(spec.Slots - 1), suffix: make([][2]byte, spec.Slots)}
	var hashKey [patternHash]byte
	zero := pegkey.Hash(hashKey[:], nil)
	missing, seen := spec.Slots, make([]bool, spec.Slots)
	for s := 0; s < 1<<16 && missing > 0; s++ {
		binary.BigEndian.PutUint16(hashKey[patternDigits:], uint16(s))
		if change := (pegkey.Hash(hashKey[:], nil) ^ zero) & p.mask; !seen[change] {
			seen[change] = true
			p.suffix[change] = [2]byte(hashKey[patternDigits:])
			missing--
		}
	}
	if missing > 0 {
		return nil, fmt.Errorf("sandbox: pattern: two bytes do not reach all %d slots", spec.Slots)
	}
	return p, nil
}

// rowsOf is how many rows a slot has.
func (p *pattern) rowsOf(slot int) int64 {
	n := p.spec.Rows / int64(p.spec.Slots)
	if int64(slot) < p.spec.Rows%int64(p.spec.Slots) {
		n++
	}
	return n
}

// hashKey writes the hash key of row i of a slot.
func (p *pattern) hashKey(dst *[patternHash]byte, slot int, i int64) {
	const digits = "0123456789abcdef"
	for at := range patternDigits {
		dst[at] = digits[i>>(4*(patternDigits-1-at))&15]
	}
	dst[patternDigits], dst[patternDigits+1] = 0, 0
	change := (pegkey.Hash(dst[:], nil) ^ uint64(slot)) & p.mask
	copy(dst[patternDigits:], p.suffix[change][:])
}

// fill writes the value of row i of a slot.
func (p *pattern) fill(value []byte, slot int, i int64) {
	x := uint64(i)<<12 | uint64(slot)
	for len(value) > 0 { // splitmix64
		x += 0x9e3779b97f4a7c15
		z := (x ^ x>>30) * 0xbf58476d1ce4e5b9
		z = (z ^ z>>27) * 0x94d049bb133111eb
		var b [8]byte
		binary.LittleEndian.PutUint64(b[:], z^z>>31)
		value = value[copy(value, b[:]):]
	}
}

// record is row i of a slot as it would be stored, with the given hash key.
func (p *pattern) record(a *arena, hashKey *[patternHash]byte, slot int, i int64) []byte {
	rec := a.take(rowHeader + patternKey + p.spec.ValueSize)
	binary.BigEndian.PutUint32(rec, 0)
	binary.BigEndian.PutUint32(rec[4:], patternKey)
	binary.BigEndian.PutUint16(rec[rowHeader:], patternHash)
	copy(rec[rowHeader+2:], hashKey[:])
	rec[rowHeader+patternKey-1] = patternSort
	p.fill(rec[rowHeader+patternKey:], slot, i)
	return rec
}

// locate tells which row a raw key belongs to; false for a key that the pattern does not have.
func (p *pattern) locate(raw []byte) (slot int, i int64, ok bool) {
	if len(raw) != patternKey || raw[0] != 0 || raw[1] != patternHash || raw[patternKey-1] != patternSort {
		return 0, 0, false
	}
	for _, c := range raw[2 : 2+patternDigits] {
		switch {
		case c >= '0' && c <= '9':
			i = i<<4 | int64(c-'0')
		case c >= 'a' && c <= 'f':
			i = i<<4 | int64(c-'a'+10)
		default:
			return 0, 0, false
		}
	}
	slot = int(pegkey.Hash(raw[2:2+patternHash], nil) & p.mask)
	if i >= p.rowsOf(slot) {
		return 0, 0, false
	}
	var want [patternHash]byte
	p.hashKey(&want, slot, i)
	return slot, i, string(want[:]) == string(raw[2:2+patternHash])
}

// FillPattern gives a table the rows of a pattern, besides those that it has. Reads of rows, scans
// and single writes see them; GAPS.md says what does not.
func (c *Cluster) FillPattern(table string, spec PatternSpec) error {
	parts, err := c.partitionData(table)
	if err != nil {
		return err
	}
	if err := spec.validate(len(parts)); err != nil {
		return err
	}
	p, err := newPattern(spec)
	if err != nil {
		return err
	}
	for _, part := range parts {
		part.mu.Lock()
		part.store.base = newBaseRows(p, int(part.index), len(parts))
		part.commit()
		part.mu.Unlock()
	}
	return nil
}
