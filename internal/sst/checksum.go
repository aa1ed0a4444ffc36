package sst

import (
	"encoding/binary"
	"hash/crc32"
	"math/bits"

	"github.com/cespare/xxhash/v2"
	"github.com/zeebo/xxh3"
)

// checksumType is RocksDB's ChecksumType (include/rocksdb/table.h), as it stands in the footer.
type checksumType uint8

const (
	checksumNone   checksumType = 0
	checksumCRC32c checksumType = 1
	checksumXXH32  checksumType = 2
	checksumXXH64  checksumType = 3
	checksumXXH3   checksumType = 4
)

func (t checksumType) known() bool { return t <= checksumXXH3 }

// sum is what stands in a block's trailer: over the block and the byte behind it that tells the compression. data is both.
func (t checksumType) sum(data []byte) uint32 {
	switch t {
	case checksumCRC32c:
		return maskedCRC(data)
	case checksumXXH32:
		return xxh32(data)
	case checksumXXH64:
		return uint32(xxhash.Sum64(data))
	case checksumXXH3:
		if len(data) == 0 {
			return 0
		}
		// The last byte is mixed in by a multiplication (ModifyChecksumForLastByte of table/format.cc).
		last := len(data) - 1
		return uint32(xxh3.Hash(data[:last])) ^ uint32(data[last])*0x6b9083d9
	default:
		return 0
	}
}

// verify checks the trailer of a block: raw is the block with its trailer, as it stands in the file.
func (t checksumType) verify(raw []byte) error {
	if len(raw) < blockTrailerSize {
		return damaged("a block of %d bytes has no trailer", len(raw))
	}
	if t == checksumNone {
		return nil
	}
	body := raw[:len(raw)-4]
	want, got := binary.LittleEndian.Uint32(raw[len(raw)-4:]), t.sum(body)
	if want != got {
		return damaged("the checksum of a block is %#x, but %#x is written behind it", got, want)
	}
	return nil
}

// maskedCRC is the CRC32c of data, turned and shifted so that a sum over data with sums in it stays good (util/crc32c.h).
// The log format of the MANIFEST has the same.
func maskedCRC(data []byte) uint32 {
	crc := crc32.Checksum(data, crc32.MakeTable(crc32.Castagnoli))
	return bits.RotateLeft32(crc, -15) + 0xa282ead8
}

// xxh32 is XXH32 with seed 0. No library that is kept here has the 32 bit form; RocksDB's old checksum kxxHash is one.
func xxh32(b []byte) uint32 {
	const p1, p2, p3, p4, p5 uint32 = 2654435761, 2246822519, 3266489917, 668265263, 374761393
	h, n := p5, len(b)
	if n >= 16 {
		v := [4]uint32{2654435761, 2246822519, 0, 0}
		v[0] += p2
		v[1] = p2
		v[3] -= p1
		for ; len(b) >= 16; b = b[16:] {
			for i := range v {
				v[i] = bits.RotateLeft32(v[i]+binary.LittleEndian.Uint32(b[4*i:])*p2, 13) * p1
			}
		}
		h = bits.RotateLeft32(v[0], 1) + bits.RotateLeft32(v[1], 7) + bits.RotateLeft32(v[2], 12) + bits.RotateLeft32(v[3], 18)
	}
	h += uint32(n)
	for ; len(b) >= 4; b = b[4:] {
		h = bits.RotateLeft32(h+binary.LittleEndian.Uint32(b)*p3, 17) * p4
	}
	for _, c := range b {
		h = bits.RotateLeft32(h+uint32(c)*p5, 11) * p1
	}
	h ^= h >> 15
	h *= p2
	h ^= h >> 13
	h *= p3
	return h ^ h>>16
}
