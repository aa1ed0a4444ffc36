package differ

import (
	"bytes"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/pegkey"
	"github.com/pegmigrate/pegmigrate/internal/scan"
)

// rules say when two readings of a key agree.
type rules struct {
	// sourceTTL and targetTTL are the default_ttl of the tables in seconds, 0 for none.
	sourceTTL, targetTTL uint32
	// skew is LiveOptions.ExpirySkew.
	skew      uint32
	tolerance time.Duration
	clock     func() time.Time
}

// verdict is what two readings of one key amount to.
type verdict int

const (
	equal   verdict = iota // the same row on both sides
	absent                 // on neither side
	drifted                // equal but for what default_ttl, or a client that writes twice, did to the expiry
	expired                // what they disagree about has expired or does so now
	unequal
)

// settle counts a key that is no difference.
func (c *Counts) settle(v verdict) {
	switch v {
	case equal:
		c.Equal++
	case drifted:
		c.Drifted++
	case expired:
		c.Expired++
	case absent, unequal:
	}
}

// horizon is the moment up to which expiry counts as passed.
func (r *rules) horizon() time.Time { return r.clock().Add(r.tolerance) }

// judge compares two readings of one key; nil is a row that is not there. kind is meant for unequal
// only.
func (r *rules) judge(s, t *scan.Row) (v verdict, kind Kind) {
	horizon := r.horizon()
	switch {
	case s == nil && t == nil:
		return absent, ""
	case t == nil:
		kind = Missing
	case s == nil:
		kind = Extra
	case !bytes.Equal(s.Value, t.Value):
		kind = Changed
	case s.Expire == t.Expire:
		return equal, ""
	case r.drifted(s.Expire, t.Expire, horizon):
		return drifted, ""
	default:
		kind = Expiry
	}
	if over(s, horizon) && over(t, horizon) {
		return expired, ""
	}
	return unequal, kind
}

// over tells whether a row is not there or will not be there any more.
func over(row *scan.Row, horizon time.Time) bool {
	return row == nil || pegkey.Expired(row.Expire, horizon)
}

// drifted says that default_ttl explains a difference in expiry. A write without expiry is shipped
// as one without: each cluster stamps it by its own default_ttl at the moment when the write arrives
// there (server/rocksdb_wrapper.cpp, db_expire_ts), or later when it compacts, or never while it has
// none. An expiry that the client chose is the same on both sides, unless it wrote both itself.
func (r *rules) drifted(source, target uint32, horizon time.Time) bool {
	if source != 0 && target != 0 && max(source, target)-min(source, target) <= r.skew {
		return true
	}
	return stampedBy(source, r.sourceTTL, horizon) && stampedBy(target, r.targetTTL, horizon)
}

// stampedBy says that a row which was written without expiry may have this one now.
func stampedBy(expire, ttl uint32, horizon time.Time) bool {
	return expire == 0 || ttl > 0 && uint64(expire) <= uint64(pegkey.ExpireTs(horizon))+uint64(ttl)
}
