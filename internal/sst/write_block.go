package sst

import (
	"encoding/binary"
	"math/bits"
)

// Trailers of internal keys: sequence << 8 | type, little-endian. A row of an external file has sequence 0. A separator
// that is no row's key has the highest sequence and the type that seeks have in 6.6.4 (kValueTypeForSeek of db/dbformat.cc,
// the blob index), so that it stands before any row of the same key.
const (
	valueTrailer = "\x01\x00\x00\x00\x00\x00\x00\x00"
	seekTrailer  = "\x11\xff\xff\xff\xff\xff\xff\xff"
)

// blockBuilder builds a block of any kind (table/block_based/block_builder.cc): entries that leave out what their key
// shares with the one before, then the offsets of those that leave out nothing, then their number.
type blockBuilder struct {
	buf      []byte
	restarts []uint32
	interval int // entries from one whole key to the next
	counter  int // entries since the last whole key
}

func (b *blockBuilder) reset() {
	b.buf, b.restarts, b.counter = b.buf[:0], append(b.restarts[:0], 0), 0
}

// size is what finish would give.
func (b *blockBuilder) size() int { return len(b.buf) + 4*len(b.restarts) + 4 }

// add appends an entry. shared is how many bytes of key the entry before has too; the trailer stands behind the key and is
// never shared.
func (b *blockBuilder) add(shared int, key []byte, trailer string, value []byte) {
	switch {
	case len(b.buf) == 0:
		shared = 0
	case b.counter >= b.interval:
		b.restarts = append(b.restarts, uint32(len(b.buf)))
		b.counter, shared = 0, 0
	}
	own := len(key) - shared + len(trailer)
	if shared|own|len(value) < 0x80 {
		b.buf = append(b.buf, byte(shared), byte(own), byte(len(value)))
	} else {
		b.buf = binary.AppendUvarint(b.buf, uint64(shared))
		b.buf = binary.AppendUvarint(b.buf, uint64(own))
		b.buf = binary.AppendUvarint(b.buf, uint64(len(value)))
	}
	b.buf = append(b.buf, key[shared:]...)
	b.buf = append(b.buf, trailer...)
	b.buf = append(b.buf, value...)
	b.counter++
}

// finish gives the block; it is valid until reset.
func (b *blockBuilder) finish() []byte {
	for _, r := range b.restarts {
		b.buf = binary.LittleEndian.AppendUint32(b.buf, r)
	}
	b.buf = binary.LittleEndian.AppendUint32(b.buf, uint32(len(b.restarts)))
	return b.buf
}

// commonPrefix is how many bytes a and b begin with alike.
func commonPrefix(a, b []byte) int {
	n, i := min(len(a), len(b)), 0
	for ; i+8 <= n; i += 8 {
		if x := binary.LittleEndian.Uint64(a[i:]) ^ binary.LittleEndian.Uint64(b[i:]); x != 0 {
			return i + bits.TrailingZeros64(x)/8
		}
	}
	for i < n && a[i] == b[i] {
		i++
	}
	return i
}

// shortestSeparator shortens a key that is below limit so that it stays at or above itself and below limit
// (BytewiseComparatorImpl of util/comparator.cc). It works in place and gives what is left.
func shortestSeparator(key, limit []byte) []byte {
	i := commonPrefix(key, limit)
	if i >= len(key) || i >= len(limit) {
		return key
	}
	if i < len(limit)-1 || key[i]+1 < limit[i] {
		key[i]++
		return key[:i+1]
	}
	for i++; i < len(key); i++ {
		if key[i] < 0xff {
			key[i]++
			return key[:i+1]
		}
	}
	return key
}

func uvarint(v uint64) string { return string(binary.AppendUvarint(nil, v)) }

func uvarintLen(n int) int { return (bits.Len32(uint32(n)|1) + 6) / 7 }
