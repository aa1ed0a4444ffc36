package copier

import (
	"encoding/binary"
	"slices"

	"github.com/pegmigrate/pegmigrate/internal/pegkey"
	"github.com/pegmigrate/pegmigrate/internal/rowfilter"
)

// beginning is where the copy of a partition begins. An exact hash key lies in one partition and in one range
// of keys: nothing else is read then. The range may be a little wider; the filter sees to that.
func (o *Options) beginning(c Cursor, count int32) Cursor {
	m := o.Filter.HashKey
	if m.Kind != rowfilter.Exact {
		return c
	}
	home := pegkey.Partition(pegkey.Hash(m.Pattern, nil), count)
	if len(m.Pattern) > pegkey.MaxHashKey || len(m.Pattern) > 0 && home != c.Partition {
		c.Done = true
		return c
	}
	key := pegkey.Encode(nil, m.Pattern, nil)
	through := behind(key)
	if through == nil && len(m.Pattern) < pegkey.MaxHashKey {
		through = legal(binary.BigEndian.AppendUint16(nil, uint16(len(m.Pattern)+1)))
	}
	c.Ranges = []Range{{After: before(key), Through: through}}
	return c
}

// tail is what keys between before and its argument have to begin with, behind the hash key of before.
const tail = "\xff\xff\xff\xff\xff\xff\xff\xff"

// before is a key that sorts before the first one of a hash key, and behind nearly everything else that does;
// empty for the start of the partition.
func before(key []byte) []byte {
	for n := len(key) - 1; n >= 2; n-- {
		if key[n] != 0 {
			out := slices.Clone(key)
			out[n]--
			for i := n + 1; i < len(out); i++ {
				out[i] = 0xff
			}
			return append(out, tail...)
		}
	}
	length := hashLength(key)
	if length == 0 {
		return nil
	}
	out := binary.BigEndian.AppendUint16(nil, uint16(length-1))
	for range length - 1 {
		out = append(out, 0xff)
	}
	return append(out, tail...)
}
