package sandbox

import (
	"bytes"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// maxIterations is rocksdb_max_iteration_count: how many rows one request looks at.
const maxIterations = 1000

// scanContext is a scan with its own snapshot of the partition. All but putAt is
// used by one request at a time.
type scanContext struct {
	putAt time.Time

	it    rowIter
	valid bool // it stands on a row that was not looked at
	kr    keyRange

	hashFilter, sortFilter   idl.FilterType
	hashPattern, sortPattern []byte
	batch                    int // rows per reply
	noValue, expireTs        bool
	countOnly, validate      bool
	check                    *partition // checks hashes, nil when not to be checked
}

// scanLimit bounds one reply.
type scanLimit struct {
	iterations int
	// started and duration end a reply that takes too long; 0 means no limit.
	started  time.Time
	duration time.Duration
	clock    Clock
	now      uint32 // for expiry, seconds since 2016
	// forced makes the reply Incomplete after half of its rows.
	forced bool
}

// tooLong is range_read_limiter::time_check; like it, it looks at the clock only
// ten times per reply.
func (l *scanLimit) tooLong(iterated int) bool {
	module := 1
	if l.iterations > 10 {
		module = l.iterations / 10
	}
	if l.duration == 0 || (iterated+1)%module != 0 {
		return false
	}
	return l.clock.Now().Sub(l.started) > l.duration
}

// scanBatch is the outcome of one step of a scan.
type scanBatch struct {
	count      int  // rows that passed
	complete   bool // the range ended
	incomplete bool // a limit of time ended the reply
	bytes      int
}

// fill looks at the next rows, gives those that pass to emit, and stops at the
// limits. Rows that are expired, filtered or foreign use up iterations without
// giving anything, so that a batch may be short or empty before the end.
func (sc *scanContext) fill(limit *scanLimit, emit func(row)) scanBatch {
	var b scanBatch
	iterated := 0
	for b.count < sc.batch && iterated < limit.iterations && sc.valid {
		if limit.tooLong(iterated) || (limit.forced && iterated >= (sc.batch+1)/2) {
			b.incomplete = true
			break
		}
		r := sc.it.Item()
		if sc.kr.behind(r.key(), false) {
			b.complete = true
			break
		}
		iterated++
		if sc.passes(r, limit.now) {
			b.count++
			if !sc.countOnly {
				b.bytes += len(r.key()) + len(r.value())
				emit(r)
			}
		}
		if bytes.Equal(r.key(), sc.kr.stop) {
			b.complete = true
			break
		}
		sc.valid = sc.it.Next()
	}
	b.incomplete = b.incomplete || limit.forced
	b.complete = b.complete || !sc.valid
	return b
}

// passes is validate_key_value_for_scan.
func (sc *scanContext) passes(r row, now uint32) bool {
	if expired(r.expire(), now) {
		return false
	}
	if sc.check != nil && !sc.check.owns(r.key()) {
		return false
	}
	if sc.hashFilter == idl.FilterNone && sc.sortFilter == idl.FilterNone {
		return true
	}
	hashKey, sortKey := splitKey(r.key())
	return filterMatches(sc.hashFilter, sc.hashPattern, hashKey) && filterMatches(sc.sortFilter, sc.sortPattern, sortKey)
}
