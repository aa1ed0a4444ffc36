package apply

import "time"

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
	// from is when the first look was answered that found decree, zero for none.
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

// look takes one look in. gap is the time between two looks, empty the interval of empty writes, 0
// when it is not known. An idle primary's empty write does not disturb what is proven.
func (c *calm) look(d Decree, s calmSight, gap, empty time.Duration) {
	if c.ballot != d.Ballot || c.primary != d.Primary {
		*c = calm{primary: d.Primary, ballot: d.Ballot}
	}
	if c.proven && max(d.Prepared, d.Committed)-c.decree <= emptyWrites(s.answered.Sub(c.from), empty) {
		return
	}
	switch {
	case d.Prepared != d.Committed:
		c.from, c.proven = time.Time{}, false
	case c.from.IsZero() || c.decree != d.Committed || c.proven || s.answered.Sub(s.asked) > max(slowLook, gap):
		c.decree, c.from, c.proven = d.Committed, s.answered, gap == 0
	default:
		c.proven = s.asked.Sub(c.from) >= gap
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

// emptyWrites is how many decrees an idle primary may use up in a while: one per group check
// (replica_check.cpp, broadcast_group_check), and one that was due.
func emptyWrites(while, interval time.Duration) int64 {
	if interval <= 0 {
		return 1
	}
	return 1 + int64(while/interval)
}

// calmGap is the time between two looks that prove a partition calm.
func (b base) calmGap() time.Duration { return b.r.Waits.Settle / calmShare }
