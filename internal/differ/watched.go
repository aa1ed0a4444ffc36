package differ

import (
	"bytes"
	"math/rand/v2"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/pegkey"
	"github.com/pegmigrate/pegmigrate/internal/scan"
)

// How a key is looked at again. Pauses double from firstPause and end at a tenth of Patience; every
// one is drawn between half and one and a half of that, so that no writer keeps step with the looks.
const (
	firstPause = 100 * time.Millisecond
	perPause   = 10
	// sameLooks is how many looks in a row must find the source as it was before it counts as resting:
	// a key that goes back and forth between two values looks still now and then.
	sameLooks = 8
	// openAfter times Patience is the age at which a key that does not rest is left open, after
	// openLooks looks at least.
	openAfter = 2
	openLooks = 2 * sameLooks
	// stares is how often the source is read in quick succession before a difference is told, and
	// starePause the longest pause in between.
	stares     = 8
	starePause = 16 * time.Millisecond
)

// watched is a key that was unequal.
type watched struct {
	unit   *unit
	key    []byte
	weight int64
	// first is when it was met, since when the source was first seen as it is.
	first, since time.Time
	source       seen
	looks, same  int
	pause        time.Duration
	next         time.Time // of the next look
}

// seen is what was read, without its value.
type seen struct {
	found  bool
	expire uint32
	sum    pegkey.Digest
}

// see fingerprints a reading; nil is a row that is not there.
func see(row *scan.Row) seen {
	if row == nil {
		return seen{}
	}
	s := seen{found: true, expire: row.Expire}
	s.sum.Add(row.Key, row.Value, 0)
	return s
}

// newWatched is a key that a scan found unequal. d's rows are valid during the call only.
func newWatched(u *unit, d *Difference, patience time.Duration) *watched {
	now := time.Now()
	k := &watched{unit: u, key: bytes.Clone(d.Key), first: now, since: now, source: see(d.Source),
		pause: min(firstPause, patience/perPause)}
	k.rest(patience)
	return k
}

// rest sets the time of the next look.
func (k *watched) rest(patience time.Duration) {
	k.next = time.Now().Add(k.pause/2 + rand.N(k.pause+1))
	k.pause = min(2*k.pause, patience/perPause)
}

// saw takes a reading of the source into account, which was complete at a moment.
func (k *watched) saw(source *scan.Row, at time.Time) (moved bool) {
	k.looks++
	if s := see(source); s != k.source {
		k.source, k.since, k.same = s, at, 0
		return true
	}
	k.same++
	return false
}

// rested says that the source has not changed for as long as a write may take, as seen by a look
// that began at a moment.
func (k *watched) rested(began time.Time, patience time.Duration) bool {
	return k.same >= sameLooks && began.Sub(k.since) >= patience
}

// restless says that the key was given all the time that a key gets.
func (k *watched) restless(began time.Time, patience time.Duration) bool {
	return k.looks >= openLooks && began.Sub(k.first) >= openAfter*patience
}

// watchQueue is a heap by the time of the next look.
type watchQueue []*watched

// Len implements heap.Interface.
func (q watchQueue) Len() int { return len(q) }

// Less implements heap.Interface.
func (q watchQueue) Less(i, j int) bool { return q[i].next.Before(q[j].next) }

// Swap implements heap.Interface.
func (q watchQueue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }

// Push implements heap.Interface.
func (q *watchQueue) Push(x any) { *q = append(*q, x.(*watched)) }

// Pop implements heap.Interface.
func (q *watchQueue) Pop() any {
	last := len(*q) - 1
	k := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	return k
}
