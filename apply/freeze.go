package apply

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/pegmigrate/pegmigrate/plan"
)

// frozen is a decree behind which a partition holds nothing that a client wrote: it was read from the
// primary that rejects writes, when nothing was under way there any more (calm), and long enough after
// its first rejection.
type frozen struct {
	Partition int32     `json:"partition"`
	Primary   string    `json:"primary"`
	Ballot    int64     `json:"ballot"`
	Decree    int64     `json:"decree"`
	Fenced    time.Time `json:"fenced"`
	At        time.Time `json:"at"`
	// calm is when the look was answered that proved the partition calm.
	calm time.Time
}

// freezer freezes the decrees of a table's partitions, each for itself and as early as it may be: an
// idle primary of 2.4 and 2.5 commits an empty write every one or two group checks, and a decree that
// is frozen after such a write has to wait for the next one (replica_check.cpp,
// broadcast_group_check). It serves one goroutine.
type freezer struct {
	b      base
	table  plan.TableRef
	fenced map[int32]Probe
	calm   map[int32]*calm // of the fenced ones
	done   map[int32]frozen
}

func (r *Run) freezerOf(b base, t plan.TableRef) *freezer {
	if r.freezer == nil {
		r.freezer = &freezer{b: b, table: t, fenced: map[int32]Probe{}, calm: map[int32]*calm{},
			done: map[int32]frozen{}}
	}
	r.freezer.b = b
	return r.freezer
}

// add takes note of rejected probes. Another ballot than the one before means that the primary may
// have moved, and that it may have let writes in meanwhile.
func (f *freezer) add(probes []Probe) {
	for _, p := range probes {
		then, known := f.fenced[p.Partition]
		switch {
		case p.Verdict == Accepted, p.Verdict == Rejected && known && (then.Ballot != p.Ballot || then.Primary != p.Primary):
			f.drop(p.Partition)
			known = false
		}
		if p.Verdict == Rejected && !known {
			f.fenced[p.Partition], f.calm[p.Partition] = p, &calm{}
		}
	}
}

// drop forgets what is known of a partition: its fence has to be proven again.
func (f *freezer) drop(partition int32) {
	delete(f.fenced, partition)
	delete(f.calm, partition)
	delete(f.done, partition)
}

// due says whether a look at decrees brings a partition on.
func (f *freezer) due() bool { return len(f.done) < len(f.fenced) }

// freeze reads decrees once and freezes those of partitions that are calm and whose time has come. One
// that was frozen and has grown by more than empty writes is forgotten: its primary acknowledged
// something since.
func (f *freezer) freeze(ctx context.Context) ([]Decree, error) {
	asked := f.b.r.Now()
	call, cancel := f.b.call(ctx)
	defer cancel()
	decrees, err := f.b.r.World.Fences.Decrees(call, f.table)
	if err != nil {
		disturb(f.calm)
		return nil, err
	}
	sight := calmSight{asked, f.b.r.Now()}
	for _, d := range decrees {
		probe, fenced := f.fenced[d.Partition]
		z, done := f.done[d.Partition]
		switch {
		case !fenced:
		case probe.Ballot != d.Ballot || probe.Primary != d.Primary,
			done && f.b.r.checks[f.table.Cluster] > 0 && max(d.Prepared, d.Committed)-z.Decree > f.emptyWrites(probe, z.calm, sight.answered):
			f.drop(d.Partition)
		case !done:
			c := f.calm[d.Partition]
			c.look(d, sight, f.b.calmGap(), f.rhythm(probe, c.from, sight.answered))
			if c.proven && asked.Sub(probe.At) >= f.b.r.Waits.Settle {
				f.done[d.Partition] = frozen{Partition: d.Partition, Primary: d.Primary, Ballot: d.Ballot, Decree: c.decree,
					Fenced: probe.At, At: asked, calm: c.from}
			}
		}
	}
	return decrees, nil
}

// rhythm is that of a partition's primary since it was looked at. Where empty writes come more often than
// decrees are frozen, or at once where the last mutation is shipped without them, a later decree costs
// nothing.
func (f *freezer) rhythm(fenced Probe, since, now time.Time) rhythm {
	check := f.b.r.checks[f.table.Cluster]
	if check < f.b.r.Waits.Settle {
		return rhythm{empty: -1, drift: emptyWrites(now.Sub(since), cmp.Or(check, hastyChecks))}
	}
	return rhythm{empty: f.emptyWrites(fenced, since, now)}
}

// emptyWrites is how many decrees the empty writes of a primary may have used up between two moments.
func (f *freezer) emptyWrites(fenced Probe, from, to time.Time) int64 {
	interval := min(f.b.r.checks[f.table.Cluster], frequentChecks)
	if !f.b.r.accepted.idle(f.table, fenced, to, interval) {
		return 0
	}
	return emptyWrites(to.Sub(from), interval)
}

// prove probes the partitions whose fence is not proven under their present primary.
func (f *freezer) prove(ctx context.Context, all []int32) error {
	var open []int32
	for _, p := range all {
		if _, ok := f.fenced[p]; !ok {
			open = append(open, p)
		}
	}
	if len(open) == 0 {
		return nil
	}
	probes, err := f.b.probe(ctx, f.table, open)
	if err != nil {
		return err
	}
	f.add(probes)
	return nil
}

// freezeRunner is Quiesce inside a cut-over.
type freezeRunner struct {
	base
	a plan.Quiesce
}

func (q *freezeRunner) done(ctx context.Context) (bool, string, error) {
	open, err := q.look(ctx)
	if err != nil || open != "" {
		return false, open, err
	}
	return true, fmt.Sprintf("decrees of %d partitions are frozen and committed", len(q.r.freezer.done)), nil
}

// holds: decrees are frozen in memory only, a later run freezes them anew.
func (q *freezeRunner) holds(context.Context) (bool, error) { return q.r.freezer != nil, nil }

func (q *freezeRunner) run(ctx context.Context) error {
	return q.await(ctx, quiesceLimit, CodeQuiesce, "look at the replica servers of the partition",
		func(ctx context.Context) (bool, string, error) {
			open, err := q.look(ctx)
			if err != nil {
				reason, err := tolerate(ctx, err)
				return false, reason, err
			}
			return open == "", open, nil
		})
}

// look brings the freezing on and says what is still open, "" for nothing.
func (q *freezeRunner) look(ctx context.Context) (open string, err error) {
	s, err := q.tableOnce(ctx, q.a.Table)
	if err != nil {
		return "", err
	}
	f := q.r.freezerOf(q.base, q.a.Table)
	all := partitionsOf(s)
	if err := f.prove(ctx, all); err != nil {
		return "", err
	}
	decrees, err := f.freeze(ctx)
	if err != nil {
		return "", err
	}
	if n := len(all) - len(f.done); n > 0 {
		return fmt.Sprintf("%d of %d partitions: what was under way when they were fenced gets %s or more to be committed", n, len(all), plan.Duration(q.r.Waits.Settle)), nil
	}
	for _, d := range decrees {
		if z := f.done[d.Partition]; d.Committed < z.Decree {
			return fmt.Sprintf("partition %d: decree %d is prepared, %d committed", d.Partition, z.Decree, d.Committed), nil
		}
	}
	if q.r.handedOver() {
		return "", nil
	}
	return "", q.r.certify(func(c *Certificate) {
		for _, z := range f.done {
			c.Frozen = later(c.Frozen, z.At)
		}
		if !c.Quiesced.After(c.Frozen) { // the drain and the switch look here again: only what was frozen since counts
			c.Quiesced = q.r.Now()
		}
	})
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
