package actuate

import (
	"context"
	"fmt"
	"time"

	"github.com/pegmigrate/pegmigrate/apply"
	"github.com/pegmigrate/pegmigrate/plan"
)

// Shipping is how long a duplication needs to carry a write over.
type Shipping struct {
	// Patience is the time after which a write that is not on the target is not on its way either.
	Patience time.Duration
	// Behind is how many mutations wait to be shipped beyond the one per partition that waits for an empty write, and
	// Worst how many of one partition.
	Behind, Worst int64
	// Held says that a partition does not ship, "" when all do.
	Held string
}

// lagSpan is the time between two looks at what was shipped, from which the rate is known.
const lagSpan = time.Second

// Shipping looks at the lag of every partition of a table's duplication, twice. An idle partition of 2.4 and 2.5 keeps
// its last mutation until an empty write comes, which takes two group checks at most; a primary that moved hears of the
// duplication with the next sync of duplications, and of the table with the next config sync. On top of that comes what
// waits at present, by the rate of the slowest partition.
func (l *Live) Shipping(ctx context.Context, table plan.TableRef, id int32, duplicationSync time.Duration) (Shipping, error) {
	dups := NewDuplications(l.engine.clusters)
	check, err := dups.GroupCheck(ctx, table.Cluster)
	if err != nil {
		return Shipping{}, fmt.Errorf("read the group check interval of %s: %w", table.Cluster, err)
	}
	sync, err := NewFences(l.engine.clusters).SyncInterval(ctx, table.Cluster)
	if err != nil {
		return Shipping{}, fmt.Errorf("read the config sync interval of %s: %w", table.Cluster, err)
	}
	out := Shipping{Patience: 2*check + duplicationSync + sync}
	first, err := dups.Lag(ctx, table, id)
	if err != nil {
		return out, fmt.Errorf("read the lag of %s: %w", table, err)
	}
	out.take(first)
	if out.Behind == 0 || out.Held != "" {
		return out, nil
	}
	timer := time.NewTimer(lagSpan)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return out, ctx.Err()
	}
	second, err := dups.Lag(ctx, table, id)
	if err != nil {
		return out, fmt.Errorf("read the lag of %s: %w", table, err)
	}
	out.take(second)
	out.Patience += backlog(first, second)
	return out, nil
}

// take sums up one look.
func (s *Shipping) take(lags []apply.Lag) {
	s.Behind, s.Worst, s.Held = 0, 0, ""
	for _, l := range lags {
		if l.Shipped < 0 {
			s.Held = fmt.Sprintf("partition %d: %s", l.Partition, l.Problem)
			continue
		}
		n := waiting(l)
		s.Behind += n
		s.Worst = max(s.Worst, n)
	}
}

// waiting is what a partition has to ship beyond the mutation that waits for the next write.
func waiting(l apply.Lag) int64 { return max(l.Committed-l.Shipped-1, 0) }

// backlog is the time in which the slowest partition ships what waits. One that ships nothing for a moment is taken to
// ship one mutation in it.
func backlog(first, second []apply.Lag) time.Duration {
	var longest time.Duration
	for i, l := range second {
		if i >= len(first) || l.Shipped < 0 || first[i].Shipped < 0 || waiting(l) == 0 {
			continue
		}
		shipped := max(l.Shipped-first[i].Shipped, 1)
		longest = max(longest, time.Duration(float64(waiting(l))/float64(shipped)*float64(lagSpan)))
	}
	return min(longest, maxBacklog)
}

// maxBacklog is the longest backlog that is waited for: whoever is further behind is better compared later.
const maxBacklog = time.Hour
