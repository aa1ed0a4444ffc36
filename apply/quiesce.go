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
	// calm is what is known of each partition, one by one: empty writes of idle primaries would keep
	// "nothing is prepared anywhere" from ever being true on a table of many partitions.
	calm  map[int32]*calm
	quiet map[int32]bool // those that were calm after since and Waits.Settle
	// since is when this runner first looked. What is calm earlier than Waits.Settle after it is looked
	// at again.
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
	return true, fmt.Sprintf("every decree prepared before is committed on %d partitions", len(q.calm)), nil
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
	return q.await(ctx, quiesceLimit, CodeQuiesce, "look at the replica servers of the partition",
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

// settling says that it is too early to believe that partitions are calm.
func (q *quiesceRunner) settling(now time.Time) (string, bool) {
	if q.since.IsZero() {
		q.since = now
	}
	left := q.r.Waits.Settle - now.Sub(q.since)
	return fmt.Sprintf("writes that were queued before the fence get %s to be prepared", plan.Duration(left)), left > 0
}

// look lists the partitions with mutations under way. When the primary of one changed all are looked
// at anew: the new one may have mutations prepared that the old one had not committed.
func (q *quiesceRunner) look(ctx context.Context) (open []string, err error) {
	asked := q.r.Now()
	call, cancel := q.call(ctx)
	defer cancel()
	decrees, err := q.r.World.Fences.Decrees(call, q.a.Table)
	if err != nil {
		disturb(q.calm)
		return nil, err
	}
	if len(decrees) == 0 {
		return nil, fmt.Errorf("%s lists no partition", q.a.Table)
	}
	if q.calm == nil {
		q.calm, q.quiet = map[int32]*calm{}, map[int32]bool{}
	}
	sight := calmSight{asked, q.r.Now()}
	reason, early := q.settling(asked)
	for _, d := range decrees {
		c, known := q.calm[d.Partition]
		if !known {
			c = &calm{primary: d.Primary, ballot: d.Ballot}
			q.calm[d.Partition] = c
		}
		if c.ballot != d.Ballot || c.primary != d.Primary {
			q.since, q.calm = asked, nil
			return []string{fmt.Sprintf("partition %d: its primary changed, what waits in the new one's queue gets its time", d.Partition)}, nil
		}
		c.look(d, sight, q.calmGap(), rhythm{empty: -1, drift: emptyWrites(sight.answered.Sub(c.from), hastyChecks)})
		switch {
		case c.proven || q.quiet[d.Partition]:
			q.quiet[d.Partition] = !early
		case d.Prepared != d.Committed:
			open = append(open, fmt.Sprintf("partition %d: decree %d is prepared, %d committed", d.Partition, d.Prepared, d.Committed))
		default:
			open = append(open, fmt.Sprintf("partition %d: decree %d is looked at once more", d.Partition, d.Committed))
		}
	}
	if early {
		return []string{reason}, nil
	}
	return open, nil
}
