package sst

import (
	"encoding/binary"
	"math/bits"
)

// The filter is RocksDB's full Bloom filter of format_version below 5 over whole keys, the one that Pegasus's own tables of
// every release have (pegasus_server_impl.cpp: NewBloomFilterPolicy(10, false), format_version 2). Without it each read of a
// row would look into each ingested file until a compaction writes them anew, and that is right behind a cutover.
// What Pegasus's tables have and this one has not are the hash keys' prefixes: the property prefix.filtering says 0 and no
// prefix extractor is named, so the server reads such files without that shortcut.
const (
	filterPolicy  = "rocksdb.BuiltinBloomFilter"
	filterSeed    = 0xbc9f1d34 // BloomHash of util/hash.h
	filterLine    = 64         // bytes of a cache line; readers work it out from size and number of lines
	filterTrailer = 5          // probes, number of lines

	// maxFilterKeys bounds memory, and the filter's bits to 32 bits. A table with more keys has no filter.
	maxFilterKeys = 1 << 26
	maxFilterBits = 30
)

// filterBuilder gathers hashes of keys.
type filterBuilder struct {
	bits   int // per key; 0 for no filter
	hashes []uint32
}

func (f *filterBuilder) reset(bitsPerKey int) {
	f.bits, f.hashes = min(max(bitsPerKey, 0), maxFilterBits), f.hashes[:0]
}

// add takes in a key. A hash that repeats is kept once, as RocksDB does.
func (f *filterBuilder) add(key []byte) {
	h := filterHash(key)
	if n := len(f.hashes); n > 0 && f.hashes[n-1] == h {
		return
	}
	if len(f.hashes) == maxFilterKeys {
		f.bits, f.hashes = 0, nil
		return
	}
	f.hashes = append(f.hashes, h)
}

// finish gives the filter block, or nil where there is none (LegacyBloomBitsBuilder of filter_policy.cc).
func (f *filterBuilder) finish() []byte {
	if f.bits == 0 || len(f.hashes) == 0 {
		return nil
	}
	lines := uint32((len(f.hashes)*f.bits + filterLine*8 - 1) / (filterLine * 8))
	lines |= 1 // odd, so that more bits of the hash choose the line
	probes := min(max(f.bits*69/100, 1), 30)
	block := make([]byte, int(lines)*filterLine+filterTrailer)
	for _, h := range f.hashes {
		line := block[int(h%lines)*filterLine:][:filterLine]
		delta := bits.RotateLeft32(h, 15)
		for range probes {
			bit := h % (filterLine * 8)
			line[bit/8] |= 1 << (bit % 8)
			h += delta
		}
	}
	tail := block[len(block)-filterTrailer:]
	tail[0] = byte(probes)
	binary.LittleEndian.PutUint32(tail[1:], lines)
	return block
}

// filterHash is the hash of util/hash.cc with the filter's seed. Bytes at the end count with their sign.
func filterHash(b []byte) uint32 {
	const m = 0xc6a4a793
	h := uint32(filterSeed) ^ uint32(len(b))*m
	for ; len(b) >= 4; b = b[4:] {
		h = (h + binary.LittleEndian.Uint32(b)) * m
		h ^= h >> 16
	}
	switch len(b) {
	case 3:
		h += uint32(int8(b[2])) << 16
		fallthrough
	case 2:
		h += uint32(int8(b[1])) << 8
		fallthrough
	case 1:
		h = (h + uint32(int8(b[0]))) * m
		h ^= h >> 24
	}
	return h
}
