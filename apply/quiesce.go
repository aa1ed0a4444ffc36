package apply

import (
	"context"
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
}

func (q *quiesceRunner) done(ctx context.Context) (bool, string, error) {
	open, n, err := q.look(ctx)
	if err != nil {
		return false, "", err
	}
	if len(open) > 0 {
		return false, open[0], nil
	}
	return true, fmt.Sprintf("prepared equals committed on %d partitions", n), nil
}

// holds asks again after a crash: the fence may have been down in between.
func (q *quiesceRunner) holds(ctx context.Context) (bool, error) {
	ok, _, err := q.done(ctx)
	return ok, err
}

func (q *quiesceRunner) run(ctx context.Context) error {
	return q.await(ctx, quiesceLimit, CodeQuiesce, "look at the replica servers of the partition; `pegmigrate rollback` lifts the fence",
		func(ctx context.Context) (bool, string, error) {
			open, _, err := q.look(ctx)
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

// look lists the partitions with mutations under way. Every partition counts once it was seen
// quiet after the fence; an idle primary's empty write that shows up meanwhile is not a client's.
func (q *quiesceRunner) look(ctx context.Context) (open []string, n int, err error) {
	ctx, cancel := q.call(ctx)
	defer cancel()
	decrees, err := q.r.World.Fences.Decrees(ctx, q.a.Table)
	if err != nil {
		return nil, 0, err
	}
	for _, d := range decrees {
		if d.Prepared != d.Committed {
			open = append(open, fmt.Sprintf("partition %d: decree %d is prepared, %d committed", d.Partition, d.Prepared, d.Committed))
		}
	}
	return open, len(decrees), nil
}
