package pegkey

import "math/bits"

// Digest is an order-free fingerprint of a set of rows: the sum modulo 2^128 of
// one 128-bit hash per row, and their number. Rows may be added in any order and
// digests of parts merged in any order, so parts can be computed in parallel and
// a resumed run continues from a stored value. The zero Digest is that of no rows.
// Not safe for concurrent use.
//
// It compares two copies of a table; it is no defence against someone who chooses
// rows in order to collide.
type Digest struct {
	// Lo and Hi are the halves of the sum.
	Lo uint64 `json:"lo"`
	Hi uint64 `json:"hi"`
	// Rows is how many rows were added, modulo 2^64.
	Rows uint64 `json:"rows"`
}

// Add counts one row: its raw key, the user's value and its expiry (seconds since
// EpochUnix, 0 never). It keeps no reference and does not allocate.
//
// The hash of a row is H(key, seed expiry) + H(value, seed from the former), with
// H = xxh3-128: the seed binds the value to its key, so exchanging the values of
// two rows changes the sum, and no concatenation (hence no copy) is needed to keep
// the border between key and value.
func (d *Digest) Add(raw, value []byte, expire uint32) {
	d.AddFingerprint(FingerprintOf(raw, value, expire))
}

// Merge adds the rows of another digest.
func (d *Digest) Merge(other Digest) {
	d.add(other.Hi, other.Lo)
	d.Rows += other.Rows
}

// Equal tells whether both stand for the same rows.
func (d Digest) Equal(other Digest) bool { return d == other }

// add is the 128-bit addition.
func (d *Digest) add(hi, lo uint64) {
	var carry uint64
	d.Lo, carry = bits.Add64(d.Lo, lo, 0)
	d.Hi, _ = bits.Add64(d.Hi, hi, carry)
}
