package sandbox

import (
	"bytes"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// mutationLog is the private log of a partition, kept while its table is duplicated and
// forgotten once the meta has stored that a mutation arrived. It is guarded by
// partition.mu.
type mutationLog struct {
	// first is the decree of entries[0]. Every decree has an entry.
	first   int64
	entries []mutation
	lastUs  int64 // timestamp of the newest entry
	// waiting are called once, when something was appended.
	waiting []func()
}

// mutation is one entry. An empty write has no updates, and one that cannot be repeated
// elsewhere (incr, check_and_set, check_and_mutate) is kept without them, too.
type mutation struct {
	// timestampUs is in microseconds since 1970 and unique within the partition.
	timestampUs int64
	updates     []loggedUpdate
}

// loggedUpdate is one client request in a mutation.
type loggedUpdate struct {
	rpc string
	// raw is the argument as it came.
	raw []byte
}

// append adds the entry of a decree, which is the one behind the last.
func (l *mutationLog) append(decree int64, now time.Time, updates []loggedUpdate) {
	if len(l.entries) == 0 {
		l.first = decree
	}
	l.lastUs = max(l.lastUs+1, now.UnixMicro())
	l.entries = append(l.entries, mutation{timestampUs: l.lastUs, updates: updates})
	waiting := l.waiting
	l.waiting = nil
	for _, wake := range waiting {
		wake()
	}
}

// from are the entries of decrees start to end, both included, as far as the log has
// them, and the decree of the first.
func (l *mutationLog) from(start, end int64) ([]mutation, int64) {
	start = max(start, l.first)
	if len(l.entries) == 0 || start > end {
		return nil, start
	}
	return l.entries[start-l.first : end-l.first+1], start
}

// truncate forgets everything up to a decree.
func (l *mutationLog) truncate(decree int64) {
	n := min(decree-l.first+1, int64(len(l.entries)))
	if n <= 0 {
		return
	}
	clear(l.entries[:n])
	l.entries, l.first = l.entries[n:], l.first+n
}

// noteUpdate keeps what a write was asked to do for the log, unless it cannot be
// repeated elsewhere. p.mu must be held and commit must follow.
func (p *partition) noteUpdate(rpc string, raw []byte) {
	if p.log != nil && idempotent(rpc) {
		p.note = append(p.note, loggedUpdate{rpc: rpc, raw: bytes.Clone(raw)})
	}
}

// idempotent tells whether a write does the same when it is done twice.
func idempotent(rpc string) bool {
	switch rpc {
	case idl.NameIncr, idl.NameCheckAndSet, idl.NameCheckAndMutate:
		return false
	default:
		return true
	}
}

// commitOnDisk is the last decree that the log shows as committed: an entry says what
// was committed before it, so that the last one itself is not known to be
// (mutation_log::max_commit_on_disk). From 2.6 on it is the last decree.
func (p *partition) commitOnDisk() int64 {
	if p.shipsLast {
		return p.decree
	}
	return max(p.decree-1, 0)
}
