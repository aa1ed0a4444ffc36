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
	// skew is Options.ExpirySkew.
	skew       uint32
	selection  Selection
	pick       *picker // of the source
	allowExtra bool
	tolerance  time.Duration
	eager      bool // Options.Eager
	clock      func() time.Time
	live       bool // clients write meanwhile, so that drift need not come from compactions alone
}

// newRules takes over what options say; LiveOptions has more.
func newRules(o *Options) rules {
	return rules{
		sourceTTL: o.SourceTTL, targetTTL: o.StampTTL, skew: o.ExpirySkew, selection: o.Selection, pick: o.Selection.source(),
		allowExtra: o.AllowExtra, tolerance: o.Tolerance, eager: o.Eager, clock: o.Clock,
	}
}

// verdict is what two readings of one key amount to.
type verdict int

const (
	equal   verdict = iota // the same row on both sides
	absent                 // on neither side
	stamped                // equal but for an expiry that the default_ttl of one side gave
	drifted                // equal but for what default_ttl, or a client that writes twice, did to the expiry
	expired                // what they disagree about has expired or does so now
	allowed                // only the target has it, and may
	unequal
)

// settle counts a key that is no difference.
func (c *Counts) settle(v verdict) {
	switch v {
	case equal:
		c.Equal++
	case stamped:
		c.Stamped++
	case drifted:
		c.Drifted++
	case expired:
		c.Expired++
	case allowed:
		c.AllowedExtra++
	case absent, unequal:
	}
}

// horizon is the moment up to which expiry counts as passed.
func (r *rules) horizon() time.Time { return r.clock().Add(r.tolerance) }

// gone is the moment at or before which a row must expire to be no part of its table, for a horizon.
func (r *rules) gone(horizon time.Time) time.Time {
	if r.eager {
		return horizon.Add(-2 * r.tolerance)
	}
	return horizon
}

// judge compares two readings of one key, the source's whether the selection takes it or not; nil is a
// row that is not there. kind is meant for unequal and drift only.
func (r *rules) judge(s, t *scan.Row) (v verdict, kind Kind) {
	if s != nil && !r.pick.takes(s) {
		s = nil
	}
	if s == nil && t == nil {
		return absent, ""
	}
	return r.compare(s, t, r.horizon())
}

// compare judges two readings, one at least, of a key that the selection takes.
func (r *rules) compare(s, t *scan.Row, horizon time.Time) (verdict, Kind) {
	var kind Kind
	switch {
	case t == nil:
		kind = Missing
	case s == nil:
		kind = Extra
	case r.selection.KeepExisting:
		return equal, ""
	case !r.selection.KeysOnly && !bytes.Equal(s.Value, t.Value):
		kind = Changed
	default:
		switch v := r.expiries(s.Expire, t.Expire, horizon); v {
		case unequal:
			kind = Expiry
		case equal:
			return v, ""
		default:
			return v, Drift
		}
	}
	switch gone := r.gone(horizon); {
	case over(s, gone) && over(t, gone):
		return expired, ""
	case kind == Extra && r.allowExtra:
		return allowed, ""
	}
	return unequal, kind
}

// expiries judges those of a row that is equal otherwise.
func (r *rules) expiries(source, target uint32, horizon time.Time) verdict {
	if r.selection.NoTTL {
		source = 0
	}
	switch {
	case source == target:
		return equal
	case !r.live && target == 0 && stampedBy(source, r.sourceTTL, horizon),
		!r.live && source == 0 && stampedBy(target, r.targetTTL, horizon):
		return stamped
	case r.drifted(source, target, horizon):
		return drifted
	}
	return unequal
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
