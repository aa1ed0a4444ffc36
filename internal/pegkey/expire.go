package pegkey

import (
	"math"
	"time"
)

// EpochUnix is 2016-01-01 00:00:00 UTC in Unix seconds, the zero of every expiry
// (src/base/pegasus_utils.h, epoch_begin). An older design text quotes another
// number; servers use this one.
const EpochUnix = 1451606400

// ExpireAt is the moment at which a row with this expiry is gone. An expiry of 0
// means never and gives the zero time.
func ExpireAt(expireTs uint32) time.Time {
	if expireTs == 0 {
		return time.Time{}
	}
	return time.Unix(EpochUnix+int64(expireTs), 0).UTC()
}

// ExpireTs is the expiry for a moment, rounded down to whole seconds. The zero
// time gives 0 (never); a moment at or before the epoch gives 1, which has
// expired, because 0 would make the row live for ever; a moment after 2152 is
// cut to the largest value.
func ExpireTs(t time.Time) uint32 {
	if t.IsZero() {
		return 0
	}
	return uint32(min(max(t.Unix()-EpochUnix, 1), math.MaxUint32))
}

// Expired tells whether a server whose clock shows now hides the row: expiry set
// and at or before now, counted in whole seconds.
func Expired(expireTs uint32, now time.Time) bool {
	return expireTs > 0 && int64(expireTs) <= now.Unix()-EpochUnix
}
