package plan

import (
	"fmt"
	"time"

	"github.com/pegmigrate/pegmigrate/schema"
)

// Window is the prediction of a cut-over's reject window in its parts, from live settings.
type Window struct {
	// Spread is from the first partition's fence to the last one's: servers take envs over with
	// config sync, each in its own rhythm.
	Spread Estimate
	// Quiesce is what waits in write queues; it overlaps with Drain.
	Quiesce Estimate
	// Drain is until the last mutation of every partition is shipped. On 2.4 and 2.5 that one waits for
	// an empty write, which an idle primary commits at a group check that comes at least one interval
	// after its last mutation: one to two intervals (replica_check.cpp, broadcast_group_check).
	Drain   Estimate
	Recheck Estimate
	// Switch is one compare-and-set, its read-back, and the proxies' watches.
	Switch Estimate
	// Lift is what lifting the fence may take; it has to fit into the budget as well.
	Lift  time.Duration
	Total Estimate
	// Minimum is the smallest budget that can work: spread, one group check, 3 s, lifting.
	Minimum time.Duration
	// Budget is the declared limits.write_reject, or one that has room for the high end of everything.
	Budget time.Duration
	// Declared says that the budget is the declared one.
	Declared bool
}

// switchTime is what a compare-and-set, its read-back and the proxies' watches take.
const switchTime = time.Second

// windowSlack is what the smallest budget has besides intervals: quiesce and switch.
const windowSlack = 3 * time.Second

// cutoverWindow predicts the window.
func (b *builder) cutoverWindow() Window {
	sync := b.f.Source.ConfigSync
	check := b.groupCheck()
	w := Window{
		Spread:  Estimate{Duration: sync * 3 / 4, High: sync},
		Quiesce: estimateQuiesce(),
		Drain:   Estimate{Duration: check, Low: 0, High: 2 * check},
		Recheck: Estimate{Duration: 100 * time.Millisecond, High: 2 * time.Second},
		Switch:  Estimate{Duration: switchTime / 2, Low: switchTime / 10, High: 3 * switchTime},
		Lift:    sync,
	}
	if b.m.Verify.Mode != schema.VerifyOff && b.m.Verify.When == schema.VerifyInWindow {
		w.Recheck = estimateMove(b.f.SourceTable.Rows, b.f.SourceTable.Bytes, copyLimits(b.m.Limits), true)
	}
	w.Total = w.Spread.Plus(w.Quiesce).Plus(w.Drain).Plus(w.Recheck).Plus(w.Switch)
	w.Minimum = sync + check + windowSlack + w.Lift
	if b.m.Verify.When == schema.VerifyInWindow {
		w.Minimum += w.Recheck.Low
	}
	if w.Budget = b.m.Limits.WriteReject; w.Budget > 0 {
		w.Declared = true
		return w
	}
	w.Budget = (w.Total.High + w.Lift + 5*time.Second - 1).Truncate(5 * time.Second)
	return w
}

// groupCheck is how long the last mutation of an idle partition may wait for the next empty write; 0
// where the servers ship it at once (2.6).
func (b *builder) groupCheck() time.Duration {
	if shipsAtOnce(b.f.Source) {
		return 0
	}
	return b.f.Source.GroupCheck
}

// shipsAtOnce says that every server of the cluster is 2.6 or later (#2048).
func shipsAtOnce(c ClusterFacts) bool {
	for _, n := range c.Nodes {
		if n.Alive && minor(n.Version) < 6 {
			return false
		}
	}
	return len(c.Nodes) > 0
}

// checkWindow compares the declared budget with what the window needs.
func (b *builder) checkWindow() {
	w := b.cutoverWindow()
	place := b.place(b.m.Range)
	parts := fmt.Sprintf("config sync %s + group check %s + %s + lifting %s", Duration(b.f.Source.ConfigSync), Duration(b.groupCheck()),
		Duration(windowSlack), Duration(w.Lift))
	switch {
	case b.f.Source.ConfigSync == 0 || b.groupCheck() == 0 && !shipsAtOnce(b.f.Source):
		b.checks.warn(CodeIntervals, place, "look at config_sync_interval_ms and group_check_interval_ms of the source's replica servers",
			"the servers of %s did not tell their intervals: the window cannot be predicted", b.source.Cluster)
	case w.Declared && w.Budget < w.Minimum:
		b.checks.fail(CodeWindowBudget, place,
			"raise limits.write_reject to "+Duration(w.Minimum)+" or more, or lower group_check_interval_ms (and config_sync_interval_ms) of the source's replica servers, which takes a restart",
			"limits.write_reject = %s cannot be kept: the smallest window is %s (%s)", Duration(w.Budget), Duration(w.Minimum), parts)
	case w.Declared && w.Budget < w.Total.High+w.Lift:
		b.checks.warn(CodeWindowBudget, place, "an attempt that does not fit is lifted in time (exit code 6), and apply tries again",
			"limits.write_reject = %s fits the usual window of %s, not the longest of %s", Duration(w.Budget), Duration(w.Total.Duration),
			Duration(w.Total.High+w.Lift))
	case !w.Declared:
		b.checks.ok("no limits.write_reject is declared: the window gets a budget of %s (%s at least)", Duration(w.Budget), Duration(w.Minimum))
	default:
		b.checks.ok("the budget of %s has room for the window: %s", Duration(w.Budget), parts)
	}
}
