package pegkey

import (
	"math/bits"

	"github.com/zeebo/xxh3"
)

// Fingerprint is what one row adds to a Digest, so that a row can be hashed once and added to several
// sums. Adding is modulo 2^128.
type Fingerprint struct{ Hi, Lo uint64 }

// FingerprintOf hashes one row; see Digest.Add for its parts. It keeps no reference and does not allocate.
func FingerprintOf(raw, value []byte, expire uint32) Fingerprint {
	k := xxh3.Hash128Seed(raw, uint64(expire))
	v := xxh3.Hash128Seed(value, k.Lo^bits.RotateLeft64(k.Hi, 32))
	lo, carry := bits.Add64(k.Lo, v.Lo, 0)
	hi, _ := bits.Add64(k.Hi, v.Hi, carry)
	return Fingerprint{hi, lo}
}

// AddFingerprint counts a row by its fingerprint.
func (d *Digest) AddFingerprint(f Fingerprint) {
	d.add(f.Hi, f.Lo)
	d.Rows++
}
