package scan

import (
	"time"

	"github.com/pegmigrate/pegmigrate/internal/pegkey"
)

// bands is the number of bands of expiry: below 1 h, seven that double, and 128 h and later.
const bands = 9

// Digests fingerprints rows in buckets of expiry, so that two readings of the same table at
// different times can be compared although rows expire in between: buckets whose rows may have
// begun to expire are left out. The zero value is usable once Start is set. Not safe for
// concurrent use.
type Digests struct {
	// Start is the moment that the bands count from, as an expiry (seconds since 2016).
	// Digests compare only when their Starts are equal.
	Start uint32 `json:"start"`
	// Never holds the rows without expiry.
	Never pegkey.Digest `json:"never,omitzero"`
	// Bands holds rows by expiry: Bands[0] up to an hour after Start, Bands[i] from
	// 2^(i-1) hours up to 2^i, the last everything later.
	Bands [bands]pegkey.Digest `json:"bands,omitzero"`
}

// NewDigests returns empty Digests whose bands count from start.
func NewDigests(start time.Time) Digests { return Digests{Start: pegkey.ExpireTs(start)} }

// Begin is Start as a time: a second reading with this start compares with the first.
func (d *Digests) Begin() time.Time { return pegkey.ExpireAt(d.Start) }

// Add counts one row. It keeps no reference and does not allocate.
func (d *Digests) Add(row *Row) {
	if row.Expire == 0 {
		d.Never.Add(row.Key, row.Value, 0)
		return
	}
	d.Bands[d.band(row.Expire)].Add(row.Key, row.Value, row.Expire)
}

// AddFingerprint counts a row by its expiry and its fingerprint, as Add does.
func (d *Digests) AddFingerprint(expire uint32, f pegkey.Fingerprint) {
	if expire == 0 {
		d.Never.AddFingerprint(f)
		return
	}
	d.Bands[d.band(expire)].AddFingerprint(f)
}

// band is the index of the band that holds an expiry other than 0.
func (d *Digests) band(expire uint32) int {
	for i := range bands - 1 {
		if uint64(expire) < d.begin(i+1) {
			return i
		}
	}
	return bands - 1
}

// begin is the smallest expiry of band i.
func (d *Digests) begin(i int) uint64 {
	if i == 0 {
		return 0
	}
	return uint64(d.Start) + 3600<<(i-1)
}

// Merge adds the rows of another reading with the same Start.
func (d *Digests) Merge(other *Digests) {
	d.Never.Merge(other.Never)
	for i := range d.Bands {
		d.Bands[i].Merge(other.Bands[i])
	}
}

// Rows is how many rows were added.
func (d *Digests) Rows() uint64 {
	n := d.Never.Rows
	for i := range d.Bands {
		n += d.Bands[i].Rows
	}
	return n
}

// skew is how far the clocks of servers may be ahead of ours when a band counts as untouched.
const skew = time.Minute

// Changed tells whether rows were written to or deleted from the table between two readings,
// the second of which ended at now. Rows without expiry and rows of bands that begin later than
// a minute after now are compared; the others may be missing because they expired. Readings
// with different Starts count as changed, because nothing vouches for them.
func Changed(first, second Digests, now time.Time) bool {
	if first.Start != second.Start || !first.Never.Equal(second.Never) {
		return true
	}
	limit := now.Add(skew).Unix() - pegkey.EpochUnix
	for i := range first.Bands {
		if int64(first.begin(i)) > limit && !first.Bands[i].Equal(second.Bands[i]) {
			return true
		}
	}
	return false
}

// Uncompared is how many rows Changed would leave out at now.
func (d *Digests) Uncompared(now time.Time) uint64 {
	limit := now.Add(skew).Unix() - pegkey.EpochUnix
	var n uint64
	for i := range d.Bands {
		if int64(d.begin(i)) <= limit {
			n += d.Bands[i].Rows
		}
	}
	return n
}
