package differ

import (
	"math/bits"

	"github.com/pegmigrate/pegmigrate/internal/pegkey"
)

const (
	// maxBuckets bounds the buckets of a comparison: with a hundred million rows one holds some 6,000, which is
	// what a single difference costs beyond the scans of two partitions. The sums of a partition then fit into a
	// processor's cache: with four times as many adding to them took a quarter of all time.
	maxBuckets = 1 << 14
	// minBuckets are used whatever the counts of partitions are, and maxCells bounds the sums that cursors of all
	// partitions keep for one band, some 11 bytes each, as long as there are more.
	minBuckets = 64
	maxCells   = 1 << 18
	// expiryBands is the number of sums that a bucket has at most: of rows without expiry, of those that expire within
	// a minute after the start, within 1 to 2 minutes, and so on up to three days and later. When a comparison ends
	// some bands have expired, and what their sums say is forgotten; what expired midway is unequal in one band.
	expiryBands = 15
)

// layout says which bucket a row belongs to. A bucket is a residue of the hash of the hash key, by a
// modulus that both counts of partitions divide where that can be, so that the rows of one bucket lie in
// one partition of either side.
type layout struct {
	buckets uint32
	mask    uint64 // buckets-1 when that is a power of two, 0 otherwise
	start   uint32 // of the bands, as an expiry
}

// newLayout is the layout of a comparison of n and m partitions.
func newLayout(n, m int32, start uint32) layout {
	l := layout{start: start}
	if unit := uint64(n) / uint64(gcd(n, m)) * uint64(m); unit <= maxBuckets {
		l.buckets = uint32(maxBuckets / unit * unit)
	} else {
		// Every partition has rows of nearly all buckets then.
		for l.buckets = maxBuckets; l.buckets > minBuckets && cells(l.buckets, n)+cells(l.buckets, m) > maxCells; l.buckets /= 2 {
		}
	}
	if l.buckets&(l.buckets-1) == 0 {
		l.mask = uint64(l.buckets) - 1
	}
	return l
}

// cells is how many sums all partitions of a table have per band.
func cells(buckets uint32, count int32) uint64 {
	return uint64(buckets) / uint64(gcd(int32(buckets), count)) * uint64(count)
}

// bucket is the one that a hash belongs to.
func (l *layout) bucket(hash uint64) uint32 {
	if l.mask != 0 {
		return uint32(hash & l.mask)
	}
	return uint32(hash % uint64(l.buckets))
}

// band is the index of the sum that an expiry belongs to.
func (l *layout) band(expire uint32) int {
	switch {
	case expire == 0:
		return 0
	case expire < l.start:
		return 1
	}
	return min(1+bits.Len32((expire-l.start)/60), expiryBands-1)
}

// passed tells whether all rows of a band have expired at a moment.
func (l *layout) passed(band int, horizon uint32) bool {
	if band == 0 || band == expiryBands-1 {
		return false
	}
	return uint64(l.start)+60<<(band-1) <= uint64(horizon)+1
}

// class says that the buckets of a partition are those that are base modulo step.
func (l *layout) class(partition, count int32) (base, step uint32) {
	step = uint32(gcd(int32(l.buckets), count))
	return uint32(partition) % step, step
}

// suspects are buckets that are unequal. Not changed once it is in use.
type suspects struct {
	layout     layout
	base, step uint32
	bits       []uint64
	count      int
}

func newSuspects(s *sketch) *suspects {
	return &suspects{layout: s.layout, base: s.base, step: s.step, bits: make([]uint64, (s.size+63)/64)}
}

// add takes in the i-th bucket of the sketch.
func (s *suspects) add(i uint32) {
	if s.bits[i/64]&(1<<(i%64)) == 0 {
		s.bits[i/64] |= 1 << (i % 64)
		s.count++
	}
}

// has tells whether the row of a raw key lies in such a bucket.
func (s *suspects) has(key []byte) bool {
	b := s.layout.bucket(pegkey.HashRaw(key))
	if b%s.step != s.base {
		return false
	}
	i := b / s.step
	return s.bits[i/64]&(1<<(i%64)) != 0
}

// each calls f with every bucket.
func (s *suspects) each(f func(bucket uint32)) {
	for w, word := range s.bits {
		for ; word != 0; word &= word - 1 {
			f((uint32(w)*64+uint32(bits.TrailingZeros64(word)))*s.step + s.base)
		}
	}
}
