package apply

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/pegmigrate/pegmigrate/plan"
)

// quiesceLimit bounds the wait for writes that were accepted before the fence: a mutation that two
// replicas do not confirm within seconds makes its primary drop out.
const quiesceLimit = 2 * time.Minute

// quiesceRunner waits until nothing that was accepted before the fence is on its way any more.
type quiesceRunner struct {
	base
	a plan.Quiesce
	// frozen is each partition's first look behind the fence. What clients wrote before it has a
	// decree of at most its Prepared; what comes later are empty writes of an idle primary, which
	// would keep "nothing is prepared anywhere" from ever being true on a table of many partitions.
	frozen map[int32]Decree
	quiet  map[int32]bool
	// since is when this runner first looked: writes that were accepted before the fence may wait in
	// a primary's write queue without a decree, and a mutation that is not in its log yet is not
	// counted as prepared. Decrees frozen earlier than Waits.Settle after it prove nothing.
	since time.Time
}

func (q *quiesceRunner) done(ctx context.Context) (bool, string, error) {
	open, err := q.look(ctx)
	if err != nil {
		return false, "", err
	}
	if len(open) > 0 {
		return false, open[0], nil
	}
	return true, fmt.Sprintf("every decree prepared before is committed on %d partitions", len(q.quiet)), nil
}

// holds asks again after a crash: the fence may have been down in between.
func (q *quiesceRunner) holds(ctx context.Context) (bool, error) {
	err := q.run(ctx)
	var step *StepError
	if errors.As(err, &step) {
		return false, nil
	}
	return err == nil, err
}

func (q *quiesceRunner) run(ctx context.Context) error {
	return q.await(ctx, quiesceLimit, CodeQuiesce, "look at the replica servers of the partition; `pegmigrate rollback` lifts the fence",
		func(ctx context.Context) (bool, string, error) {
			open, err := q.look(ctx)
			if err != nil {
				reason, err := tolerate(ctx, err)
				return false, reason, err
			}
			if len(open) > 0 {
				return false, open[0], nil
			}
			return true, "", nil
		})
}

// settling says that it is too early to freeze decrees.
func (q *quiesceRunner) settling() (string, bool) {
	now := q.r.Now()
	if q.since.IsZero() {
		q.since = now
	}
	left := q.r.Waits.Settle - now.Sub(q.since)
	return fmt.Sprintf("writes that were queued before the fence get %s to be prepared", plan.Duration(left)), left > 0
}

// look lists the partitions with mutations under way. A partition whose primary changed is looked
// at anew: the new one may have mutations prepared that the old one had not committed.
func (q *quiesceRunner) look(ctx context.Context) (open []string, err error) {
	if reason, early := q.settling(); early {
		return []string{reason}, nil
	}
	ctx, cancel := q.call(ctx)
	defer cancel()
	decrees, err := q.r.World.Fences.Decrees(ctx, q.a.Table)
	if err != nil {
		return nil, err
	}
	if len(decrees) == 0 {
		return nil, fmt.Errorf("%s lists no partition", q.a.Table)
	}
	if q.frozen == nil {
		q.frozen, q.quiet = map[int32]Decree{}, map[int32]bool{}
	}
	for _, d := range decrees {
		f, known := q.frozen[d.Partition]
		if !known || f.Ballot != d.Ballot || f.Primary != d.Primary {
			if known && q.r.Waits.Settle > 0 {
				q.since, q.frozen, q.quiet = q.r.Now(), nil, nil
				return []string{fmt.Sprintf("partition %d: its primary changed, what waits in the new one's queue gets its time", d.Partition)}, nil
			}
			f = d
			q.frozen[d.Partition] = d
			delete(q.quiet, d.Partition)
		}
		if d.Committed >= f.Prepared {
			q.quiet[d.Partition] = true
		}
		if !q.quiet[d.Partition] {
			open = append(open, fmt.Sprintf("partition %d: decree %d is prepared, %d committed", d.Partition, f.Prepared, d.Committed))
		}
	}
	return open, nil
}
