package plan

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/pegmigrate/pegmigrate/schema"
)

// Window is the prediction of a cut-over's reject window in its parts, from live settings: from the
// first rejected write to the moment in which clients are led to the target. It is for people, except
// for Budget.
type Window struct {
	// Spread is from the first partition's fence to the last one's: servers take envs over with
	// config sync, each in its own rhythm.
	Spread Estimate
	// Quiesce is what waits in write queues, LastMutation what the last mutation of a partition waits
	// for, Lag the drain of what may be outstanding when the fence goes up. They run side by side, from
	// the last write of each partition on; Drain is the longest of them.
	Quiesce, LastMutation, Lag, Drain Estimate
	Recheck                           Estimate
	// Switch is one compare-and-set, its read-back, the proxies' watches, and the clients that ask again.
	Switch Estimate
	// Lift is what lifting the fence may take; it has to fit into the budget as well.
	Lift  time.Duration
	Total Estimate
	// Minimum is the smallest budget that can work at all: spread, one group check, 3 s, lifting, and what
	// the comparison takes at least when everything is compared inside the window. With a group check that
	// is long beside a config sync it works only when the last write of every partition meets a group
	// check at once: usual is the budget to declare.
	Minimum time.Duration
	// Budget is the declared limits.write_reject, or one that has room for the high end of everything
	// and for lifting the fence after it.
	Budget time.Duration
	// Declared says that the budget is the declared one.
	Declared bool
	// ConfigSync and GroupCheck are the intervals that the window is made of; GroupCheck is 0 where the
	// servers ship the last mutation at once.
	ConfigSync, GroupCheck time.Duration
	// Assumed says that the servers did not tell them.
	Assumed bool
}

// What is assumed of servers that do not tell their intervals: those of the config.ini that Pegasus is
// shipped with (src/server/config.ini), the longest that are in common use.
const (
	assumedConfigSync = 30 * time.Second
	assumedGroupCheck = 100 * time.Second
)

// switchTime is what a compare-and-set, its read-back and the proxies' watches take.
const switchTime = time.Second

// windowSlack is what the smallest budget has besides intervals: quiesce and switch.
const windowSlack = settle

// LiftTime is how long before a budget ends lifting the fence has to begin: one config sync until the
// last server has heard of it, and a fifteenth of that, 2 s at most, for the work that is given up to
// come back, for the request, and for the proof.
func LiftTime(sync time.Duration) time.Duration { return sync + min(sync/15, 2*time.Second) }

// A source ships what is outstanding at about shippedPerSecond mutations of one partition: a batch of
// 4 KiB (duplicate_log_batch_bytes) is under way at a time, and answered after some milliseconds. What
// would take longer than longestDrain is not let into the window: apply measures, and waits on.
const (
	shippedPerSecond = 1000
	longestDrain     = time.Minute
)

// budgetStep is what an undeclared budget is rounded up to.
const budgetStep = 5 * time.Second

// cutoverWindow predicts the window. The source table has to be there.
func (b *builder) cutoverWindow() Window {
	var w Window
	w.ConfigSync, w.GroupCheck, w.Assumed = b.intervals()
	w.Spread, w.Lift = b.spread(w.ConfigSync), w.ConfigSync
	w.Quiesce, w.LastMutation, w.Lag = estimateQuiesce(), b.lastMutation(w.GroupCheck), b.allowedLag()
	w.Drain = longest(w.Quiesce, w.LastMutation, w.Lag)
	w.Recheck = Estimate{Duration: 100 * time.Millisecond, High: 2 * time.Second}
	w.Switch = Estimate{Duration: switchTime / 2, Low: switchTime / 10, High: 3 * switchTime}
	w.Minimum = w.ConfigSync + w.GroupCheck + windowSlack + w.Lift
	if b.comparesInWindow() {
		w.Recheck = estimateMove(b.f.SourceTable.Rows, b.f.SourceTable.Bytes, copyLimits(b.m.Limits), true)
		w.Minimum += w.Recheck.Low
	}
	w.Total = w.Spread.Plus(w.Drain).Plus(w.Recheck).Plus(w.Switch)
	w.Budget, w.Declared = b.m.Limits.WriteReject, true
	if w.Budget == 0 {
		w.Budget, w.Declared = roundUp(w.longest(), budgetStep), false
	}
	return w
}

// usual and longest are the budgets that fit usually, and always.
func (w Window) usual() time.Duration   { return w.Total.Duration + LiftTime(w.ConfigSync) }
func (w Window) longest() time.Duration { return w.Total.High + LiftTime(w.ConfigSync) }

// recheckWhy: apply.Waits.Recompare is what the attempt may cost.
const recheckWhy = "keys that were unequal at the live comparison are read again; the whole table where that takes under 2 s"

func (b *builder) comparesInWindow() bool {
	return b.m.Verify.Mode != schema.VerifyOff && b.m.Verify.When == schema.VerifyInWindow
}

// intervals are those of the source's servers: its envs are the fence, its logs are drained.
func (b *builder) intervals() (sync, check time.Duration, assumed bool) {
	sync, check = b.f.Source.ConfigSync, b.f.Source.GroupCheck
	late := !shipsAtOnce(b.f.Source)
	assumed = sync == 0 || late && check == 0
	if !late {
		return cmp.Or(sync, assumedConfigSync), 0, assumed
	}
	return cmp.Or(sync, assumedConfigSync), cmp.Or(check, assumedGroupCheck), assumed
}

// spread: n servers that ask the meta once in an interval, each at a moment of its own, lie
// (n-1)/(n+1) of it apart on average. Servers that were started together ask together.
func (b *builder) spread(sync time.Duration) Estimate {
	n := max(b.f.Source.Alive(), 1)
	return Estimate{Duration: sync * time.Duration(n-1) / time.Duration(n+1), High: sync}
}

// lastMutation: up to 2.5 a mutation is shipped once a later one has carried its commit into the log
// (load_mutation::run, duplication_pipeline.cpp). Behind a fence that is an empty write of the idle
// primary. It is sent by a group check that comes at least one interval after the last prepare
// (replica::broadcast_group_check, replica_check.cpp), so after one to two intervals; the last of many
// partitions is nearer to two. 10.9 to 11.2 s were seen on a new table with an interval of 10 s.
func (b *builder) lastMutation(check time.Duration) Estimate {
	if check == 0 {
		return Estimate{Duration: 100 * time.Millisecond, High: time.Second}
	}
	last := max(int(b.partitions)/max(b.f.Source.Alive(), 1), 1) // partitions that are fenced last
	e := Estimate{Duration: 2*check - check/time.Duration(last+1), High: 2 * check}
	if d := b.f.Duplication; d != nil && d.WriteQPS > 0 {
		e.Low = check
	}
	return e
}

// allowedLag is the drain of what catch-up lets pass; usually there is next to nothing.
func (b *builder) allowedLag() Estimate {
	d, ok := b.m.Method.(*schema.DuplicationMethod)
	if !ok {
		return Estimate{}
	}
	if d.Cutover.LagThreshold >= shippedPerSecond*int64(longestDrain/time.Second) {
		return Estimate{High: longestDrain}
	}
	return Estimate{High: time.Duration(d.Cutover.LagThreshold) * time.Second / shippedPerSecond}
}

// longest is the estimate of things that run side by side.
func longest(list ...Estimate) Estimate {
	var out Estimate
	for _, e := range list {
		out.Duration, out.Low, out.High = max(out.Duration, e.Duration), max(out.Low, e.Low), max(out.High, e.High)
	}
	return out
}

// less is what of an estimate is left when another, which ran beside it, is over.
func (e Estimate) less(o Estimate) Estimate {
	return Estimate{Duration: max(e.Duration-o.Duration, 0), Low: max(e.Low-o.Low, 0), High: max(e.High-o.High, 0)}
}

func roundUp(d, step time.Duration) time.Duration { return (d + step - 1).Truncate(step) }

// shipsAtOnce says that every living server of the cluster is 2.6 or later (#2048).
func shipsAtOnce(c ClusterFacts) bool {
	alive := 0
	for _, n := range c.Nodes {
		if !n.Alive {
			continue
		}
		if alive++; minor(n.Version) < 6 {
			return false
		}
	}
	return alive > 0
}

// parts names what the smallest budget is made of.
func (w Window) parts() string {
	parts := []string{"config sync " + Duration(w.ConfigSync)}
	if w.GroupCheck > 0 {
		parts = append(parts, "group check "+Duration(w.GroupCheck))
	}
	parts = append(parts, Duration(windowSlack)+" for writes that are queued")
	if low := w.Minimum - w.ConfigSync - w.GroupCheck - windowSlack - w.Lift; low > 0 {
		parts = append(parts, "comparison "+Duration(low))
	}
	return strings.Join(append(parts, "lifting "+Duration(w.Lift)), " + ")
}

// settings names what makes a window shorter.
func (w Window) settings() string {
	if w.GroupCheck == 0 {
		return "config_sync_interval_ms"
	}
	return "group_check_interval_ms (and config_sync_interval_ms)"
}

// checkWindow compares the declared budget with what the window needs.
func (b *builder) checkWindow() {
	w, place := b.cutoverWindow(), b.atLimits()
	if w.Assumed {
		text := fmt.Sprintf("the servers of %s did not tell their intervals; assumed are config sync %s", b.source.Cluster, Duration(w.ConfigSync))
		if w.GroupCheck > 0 {
			text += " and group check " + Duration(w.GroupCheck)
		}
		b.checks.warn(CodeIntervals, place, "look at config_sync_interval_ms and group_check_interval_ms of its replica servers", "%s", text)
	}
	full := w.longest()
	switch {
	case !w.Declared:
		b.checks.ok("no limits.write_reject is declared: the window gets a budget of %s; the smallest is %s (%s)", Duration(w.Budget),
			Duration(w.Minimum), w.parts())
	case w.Budget < w.Minimum:
		hint := fmt.Sprintf("raise limits.write_reject to %s or more, or lower %s of the source's replica servers, which takes a restart of them",
			Duration(roundUp(w.Minimum, time.Second)), w.settings())
		if b.comparesInWindow() {
			hint += "; or leave verify.when out, so that rows are compared before the fence"
		}
		b.checks.fail(CodeWindowBudget, place, hint, "limits.write_reject = %s cannot be kept: the smallest window is %s (%s)", Duration(w.Budget),
			Duration(w.Minimum), w.parts())
	case w.Budget < w.usual():
		hint := fmt.Sprintf("most attempts would reject writes for nothing before they are lifted (exit code 6); declare %s, which always fit", Duration(roundUp(full, time.Second)))
		if w.GroupCheck > w.ConfigSync {
			hint += ", or lower " + w.settings() + " of the source's replica servers, which takes a restart of them"
		}
		b.checks.list = append(b.checks.list, Check{Code: CodeWindowBudget, Severity: Warning, Loud: true, Place: place, Hint: hint,
			Text: fmt.Sprintf("limits.write_reject = %s will seldom be enough: the smallest window is %s, the usual one %s, the longest %s", Duration(w.Budget),
				Duration(w.Minimum), Duration(w.usual()), Duration(full))})
	case w.Budget < full:
		b.checks.warn(CodeWindowBudget, place,
			fmt.Sprintf("an attempt that does not fit is lifted in time (exit code 6), and apply tries again; %s always fit", Duration(roundUp(full, time.Second))),
			"limits.write_reject = %s is enough for the smallest window of %s, not for the longest of %s (usually %s)", Duration(w.Budget),
			Duration(w.Minimum), Duration(full), Duration(w.usual()))
	default:
		b.checks.ok("the budget of %s has room for the longest window of %s; the smallest is %s (%s)", Duration(w.Budget), Duration(full),
			Duration(w.Minimum), w.parts())
	}
}
