package apply

import (
	"sync"
	"time"

	"github.com/pegmigrate/pegmigrate/plan"
)

// calm is the evidence that nothing is under way in a partition that rejects writes. One look does not
// give it. A primary takes a mutation for prepared once its log has it (replica.cpp,
// last_prepared_decree), and what waits in its queue behind twenty others has no decree at all
// (mutation.cpp, mutation_queue::add_work): a server that stood still for seconds, as one does that
// was stopped or whose disk hangs, acknowledges writes long after it began to reject others. So two
// looks have to find everything committed up to the same decree, with time between them in which the
// server was seen to answer.
type calm struct {
	primary string
	ballot  int64
	decree  int64
	// from is when the last look was answered that found decree, zero for none.
	from time.Time
	// proven says that a second look found it too.
	proven bool
}

const (
	// calmShare is the part of Waits.Settle that has to lie between the two looks.
	calmShare = 6
	// slowLook is how long a look may take that confirms another: one that was kept waiting was answered
	// when the server went on, so that it did nothing since the look before.
	slowLook = time.Second
)

// sight of decrees: when it was asked for, and when it was answered.
type calmSight struct{ asked, answered time.Time }

// rhythm is what is known of the empty writes of an idle primary.
type rhythm struct {
	// empty is how many decrees they may have used up since a partition was proven calm; it stays so, at
	// the decree of then. -1 where empty writes come all the time: then every look gives a new decree.
	empty int64
	// drift is how many they may use up between two looks.
	drift int64
}

// look takes one look in. gap is the time between two looks.
func (c *calm) look(d Decree, s calmSight, gap time.Duration, r rhythm) {
	if c.ballot != d.Ballot || c.primary != d.Primary {
		*c = calm{primary: d.Primary, ballot: d.Ballot}
	}
	grown := max(d.Prepared, d.Committed) - c.decree
	if c.proven && grown <= r.empty {
		return
	}
	switch {
	case d.Prepared != d.Committed:
		c.from, c.proven = time.Time{}, false
	case c.from.IsZero() || grown > r.drift || c.proven && r.drift == 0 || s.answered.Sub(s.asked) > max(slowLook, gap):
		c.decree, c.from, c.proven = d.Committed, s.answered, gap == 0
	case s.asked.Sub(c.from) >= gap:
		c.decree, c.from, c.proven = d.Committed, s.answered, true
	}
}

// disturbed takes note of a look without an answer: the server may have stood still.
func (c *calm) disturbed() {
	if !c.proven {
		c.from = time.Time{}
	}
}

// disturb takes note of it for all partitions: which server did not answer is not known.
func disturb(of map[int32]*calm) {
	for _, c := range of {
		c.disturbed()
	}
}

// frequentChecks is the interval that empty writes are taken to have where servers report a longer one:
// theirs is the longest of the cluster's, and 10 s the shortest in common use (group_check_interval_ms).
const frequentChecks = 10 * time.Second

// hastyChecks is the shortest interval that servers of unknown ones are taken to have.
const hastyChecks = 100 * time.Millisecond

// emptyWrites is how many decrees an idle primary may use up in a while: one per group check
// (replica_check.cpp, broadcast_group_check), and one that was due.
func emptyWrites(while, interval time.Duration) int64 {
	if interval <= 0 {
		return 1
	}
	return 1 + int64(while/interval)
}

// acceptedWrites knows the last probe of each partition that was accepted: a write. No empty write
// follows it sooner than a group check interval, as the primary is not idle for so long.
type acceptedWrites struct {
	mu sync.Mutex
	at map[plan.TableRef]map[int32]Probe
}

// acceptSlack is how long a probe may have been under way before it was answered.
const acceptSlack = 2 * time.Second

func (a *acceptedWrites) note(t plan.TableRef, probes []Probe) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, p := range probes {
		if p.Verdict != Accepted || p.At.IsZero() {
			continue
		}
		if a.at == nil {
			a.at = map[plan.TableRef]map[int32]Probe{}
		}
		if a.at[t] == nil {
			a.at[t] = map[int32]Probe{}
		}
		a.at[t][p.Partition] = p
	}
}

// idle says whether the primary of a rejected probe may have been idle for an interval at that time.
func (a *acceptedWrites) idle(t plan.TableRef, fenced Probe, at time.Time, interval time.Duration) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	p, known := a.at[t][fenced.Partition]
	return !known || p.Ballot != fenced.Ballot || p.Primary != fenced.Primary || !at.Before(p.At.Add(interval-acceptSlack))
}

// calmGap is the time between two looks that prove a partition calm.
func (b base) calmGap() time.Duration { return b.r.Waits.Settle / calmShare }
