package apply

import (
	"context"
	"fmt"
	"time"

	"github.com/pegmigrate/pegmigrate/plan"
)

// frozen is a decree behind which a partition holds nothing that a client wrote: it was read from the
// primary that rejects writes, long enough after its first rejection for everything that waited in its
// write queue to have a decree.
type frozen struct {
	Partition int32     `json:"partition"`
	Primary   string    `json:"primary"`
	Ballot    int64     `json:"ballot"`
	Decree    int64     `json:"decree"`
	Fenced    time.Time `json:"fenced"`
	At        time.Time `json:"at"`
}

// freezer freezes the decrees of a table's partitions, each for itself and as early as it may be: an
// idle primary of 2.4 and 2.5 commits an empty write every one or two group checks, and a decree that
// is frozen after such a write has to wait for the next one (replica_check.cpp,
// broadcast_group_check). It serves one goroutine.
type freezer struct {
	b      base
	table  plan.TableRef
	fenced map[int32]Probe
	done   map[int32]frozen
}

func (r *Run) freezerOf(b base, t plan.TableRef) *freezer {
	if r.freezer == nil {
		r.freezer = &freezer{b: b, table: t, fenced: map[int32]Probe{}, done: map[int32]frozen{}}
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
			f.fenced[p.Partition] = p
		}
	}
}

// drop forgets what is known of a partition: its fence has to be proven again.
func (f *freezer) drop(partition int32) {
	delete(f.fenced, partition)
	delete(f.done, partition)
}

// due says whether a partition can be frozen now.
func (f *freezer) due(now time.Time) bool {
	for p, probe := range f.fenced {
		if _, ok := f.done[p]; !ok && now.Sub(probe.At) >= f.b.r.Waits.Settle {
			return true
		}
	}
	return false
}

// freeze reads decrees once and freezes those whose time has come.
func (f *freezer) freeze(ctx context.Context) ([]Decree, error) {
	asked := f.b.r.Now()
	call, cancel := f.b.call(ctx)
	defer cancel()
	decrees, err := f.b.r.World.Fences.Decrees(call, f.table)
	if err != nil {
		return nil, err
	}
	for _, d := range decrees {
		probe, fenced := f.fenced[d.Partition]
		if fenced && (probe.Ballot != d.Ballot || probe.Primary != d.Primary) {
			f.drop(d.Partition)
			continue
		}
		if _, ok := f.done[d.Partition]; ok || !fenced || asked.Sub(probe.At) < f.b.r.Waits.Settle {
			continue
		}
		f.done[d.Partition] = frozen{Partition: d.Partition, Primary: d.Primary, Ballot: d.Ballot, Decree: d.Prepared,
			Fenced: probe.At, At: asked}
	}
	return decrees, nil
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
		return fmt.Sprintf("%d of %d partitions: what waited in their write queues gets %s to be prepared", n, len(all), q.r.Waits.Settle), nil
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
