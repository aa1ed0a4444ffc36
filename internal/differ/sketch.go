package differ

import (
	"encoding/binary"
	"errors"
	"math/bits"
)

// cell sums up the rows of one bucket and band: their number, and the low halves of their fingerprints
// modulo 2^64. Two sets of rows that differ have the same sum with a probability of 2^-64. A cell from
// which another was taken away is zero when both are equal.
type cell struct{ sum, rows uint64 }

// sketch is the sums of the buckets that are base modulo step. Bands without rows cost nothing.
type sketch struct {
	layout     layout
	base, step uint32
	size       uint32
	shift      int // of step, -1 when that is no power of two
	bands      [expiryBands][]cell
}

func newSketch(l layout, partition, count int32) *sketch {
	s := &sketch{layout: l}
	s.base, s.step = l.class(partition, count)
	s.size, s.shift = l.buckets/s.step, -1
	if s.step&(s.step-1) == 0 {
		s.shift = bits.TrailingZeros32(s.step)
	}
	return s
}

// index is where a bucket is among the cells.
func (s *sketch) index(bucket uint32) uint32 {
	if s.shift >= 0 {
		return bucket >> s.shift
	}
	return bucket / s.step
}

// cells are those of a band.
func (s *sketch) cells(band int) []cell {
	if s.bands[band] == nil {
		s.bands[band] = make([]cell, s.size)
	}
	return s.bands[band]
}

// add counts a row of the partition.
func (s *sketch) add(hash uint64, expire uint32, sum uint64) {
	c := &s.cells(s.layout.band(expire))[s.index(s.layout.bucket(hash))]
	c.sum += sum
	c.rows++
}

// merge adds the sums of a partition whose buckets are among these, or takes them away.
func (s *sketch) merge(other *sketch, away bool) {
	for band, from := range other.bands {
		if from == nil {
			continue
		}
		to := s.cells(band)
		for i, c := range from {
			t := &to[(uint32(i)*other.step+other.base)/s.step]
			if away {
				t.sum -= c.sum
				t.rows -= c.rows
			} else {
				t.sum += c.sum
				t.rows += c.rows
			}
		}
	}
}

// sketchVersion begins the encoded form: per band that has rows its index and the number of its buckets that have
// rows, and of those the distance to the one before, the number of rows and the sum.
const sketchVersion = 1

// encode is the form that cursors keep.
func (s *sketch) encode() []byte {
	out := []byte{sketchVersion}
	for band, cells := range s.bands {
		var used uint64
		for _, c := range cells {
			if c != (cell{}) {
				used++
			}
		}
		if used == 0 {
			continue
		}
		out = append(out, byte(band))
		out = binary.AppendUvarint(out, used)
		last := 0
		for i, c := range cells {
			if c != (cell{}) {
				out = binary.AppendUvarint(out, uint64(i-last))
				out = binary.AppendUvarint(out, c.rows)
				out = binary.LittleEndian.AppendUint64(out, c.sum)
				last = i
			}
		}
	}
	return out
}

var errSketch = errors.New("the sums of a partition are damaged")

// decode reads what encode wrote of a sketch like s, which is empty.
func (s *sketch) decode(data []byte) error {
	if len(data) == 0 || data[0] != sketchVersion {
		return errSketch
	}
	data = data[1:]
	number := func() (v uint64) {
		v, n := binary.Uvarint(data)
		if n <= 0 {
			data = nil
			return 1 << 63 // more than anything that is read here may be
		}
		data = data[n:]
		return v
	}
	for len(data) > 0 {
		band := int(data[0])
		data = data[1:]
		used, at := number(), uint64(0)
		if band >= expiryBands || used > uint64(s.size) {
			return errSketch
		}
		for range used {
			at += number()
			rows := number()
			if at >= uint64(s.size) || len(data) < 8 {
				return errSketch
			}
			s.cells(band)[at] = cell{binary.LittleEndian.Uint64(data), rows}
			data = data[8:]
		}
	}
	return nil
}
