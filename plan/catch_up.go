package plan

import (
	"fmt"
	"strings"
	"time"

	"github.com/pegmigrate/pegmigrate/schema"
)

// catchUp is the prediction of the reject window of a copy with source_writes = "catch_up", in its parts: from
// the first rejected write to the end of the catch-up. Lifting comes after that.
type catchUp struct {
	// Spread, Quiesce and Lift are as in Window.
	Spread, Quiesce Estimate
	// Live is the pass before the fence, which no write waits for: a comparison of everything within the
	// declared limits, and the rows that clients changed while the copy ran.
	Live Estimate
	// Compare is one comparison of everything as fast as it goes, Again what is read of it once more where that is
	// by sums and buckets are unequal, Move the copying and deleting of the rows that differ.
	Compare, Again, Move Estimate
	Lift                 time.Duration
	Total                Estimate
	// Minimum is the smallest budget that can work at all, Budget the declared one, or one with room for the
	// high end of everything.
	Minimum, Budget time.Duration
	Declared        bool
	ConfigSync      time.Duration
	Assumed         bool // the servers did not tell ConfigSync
	// LiveRows and Rows are how many rows are expected to differ before and behind the fence, and Known says that
	// this rests on what clients write now.
	LiveRows, Rows uint64
	Known          bool
}

// catchUpWindow predicts the window. The source table has to be there.
func (b *builder) catchUpWindow() catchUp {
	var w catchUp
	rows, bytes := b.expected()
	limits, windows := copyLimits(b.m.Limits), b.m.Limits.Window
	w.ConfigSync, _, _ = b.intervals()
	w.Assumed = b.f.Source.ConfigSync == 0
	w.Spread, w.Lift, w.Quiesce = b.spread(w.ConfigSync), w.ConfigSync, estimateQuiesce()
	w.Compare = estimateMove(rows, bytes, CopyLimits{}, true)
	_, w.Known = b.writesPerSecond()
	mended := b.changedDuring(estimateMove(rows, bytes, limits, false).within(windows), limits)
	w.LiveRows = mended.Rows
	w.Live = withoutRows(estimateMove(rows, bytes, limits, true).Plus(mended)).within(windows)
	w.Move = b.changedDuring(w.Live.Plus(w.Spread), CopyLimits{})
	w.Rows = w.Move.Rows
	if rows > 0 && (w.Rows > 0 || !w.Known) && readTwice(b.f.SourceTable.Partitions, b.partitions) {
		w.Again = Estimate{Duration: w.Compare.Duration, High: 2 * w.Compare.High}
	}
	w.Total = withoutRows(w.Spread.Plus(w.Quiesce).Plus(w.Compare).Plus(w.Again).Plus(w.Move))
	w.Minimum = w.ConfigSync + windowSlack + w.Compare.Low + w.Lift
	w.Budget, w.Declared = b.m.Limits.WriteReject, true
	if w.Budget == 0 {
		w.Budget, w.Declared = roundUp(w.longest(), budgetStep), false
	}
	return w
}

// readTwice says that a comparison of so many partitions with so many is by sums of hashes, which read what is
// unequal a second time, and not by merging: where they have next to no common divisor (internal/differ, byDigests).
func readTwice(n, m int32) bool {
	const workers = 8 // differ.Options.Workers
	g := n
	for rest := m; rest != 0; {
		g, rest = rest, g%rest
	}
	return 4*g < min(workers, max(n, m))
}

// changedDuring predicts the rows that clients change behind the back of a pass over the table, and what it takes to
// bring them over: about one half of what they write while it runs, as it comes by later at the other one.
func (b *builder) changedDuring(pass Estimate, limits CopyLimits) Estimate {
	rows, bytes := b.expected()
	writes, known := b.writesPerSecond()
	if !known {
		return Estimate{High: estimateMove(rows, bytes, limits, false).High}
	}
	size := float64(bytes) / float64(max(rows, 1))
	some := func(changed float64) Estimate {
		n := min(uint64(changed), rows)
		return estimateMove(n, uint64(size*float64(n)), limits, false)
	}
	e := some(writes * pass.Duration.Seconds() / 2)
	e.Low, e.High = 0, some(writes*pass.High.Seconds()).High
	return e
}

// writesPerSecond is what clients write to the source, as far as somebody asked.
func (b *builder) writesPerSecond() (qps float64, known bool) {
	switch f := b.f; {
	case f.Traffic != nil:
		return f.Traffic.WriteQPS, true
	case f.Duplication != nil:
		return f.Duplication.WriteQPS, true
	case f.Files != nil:
		return f.Files.WriteQPS, true
	}
	return 0, false
}

// usual and longest are the budgets that fit usually, and always.
func (w catchUp) usual() time.Duration   { return w.Total.Duration + LiftTime(w.ConfigSync) }
func (w catchUp) longest() time.Duration { return w.Total.High + LiftTime(w.ConfigSync) }

// rejected is for how long clients cannot write.
func (w catchUp) rejected() Estimate {
	return w.Total.Plus(estimateSync(w.Lift))
}

// parts names what the smallest budget is made of.
func (w catchUp) parts() string {
	return strings.Join([]string{"config sync " + Duration(w.ConfigSync), Duration(windowSlack) + " for writes that are queued",
		"comparison " + Duration(w.Compare.Low), "lifting " + Duration(w.Lift)}, " + ")
}

// usually names what the usual window is made of.
func (w catchUp) usually() string {
	s := fmt.Sprintf("fence spread %s, quiesce %s, comparison %s", Duration(w.Spread.Duration), Duration(w.Quiesce.Duration),
		Duration(w.Compare.Duration+w.Again.Duration))
	if !w.Known {
		return s + ", and rows that differ, whose number nobody can tell"
	}
	return s + fmt.Sprintf(", about %s rows that differ %s", Rows(w.Rows), Duration(w.Move.Duration))
}

// caughtUpSteps lists what comes after a copy that ran while clients wrote.
func (b *builder) caughtUpSteps(method *schema.CopyMethod, w catchUp) []Step {
	steps := b.gate(schema.GateFence, "before writes are rejected")
	for _, s := range b.fenceSteps() {
		if f, ok := s.Action.(Fence); ok {
			f.Budget, f.Predicted = w.Budget, w.Total.Duration
			s.Action, s.Why, s.Estimate = f, whyCatchUpFence(s.Why, w), w.Live.Plus(w.Spread)
			s.Impact = "behind that pass writes to " + b.source.String() + " are rejected; reads go on"
		}
		steps = append(steps, s)
	}
	return append(steps, Step{
		ID: "catch-up",
		Action: CatchUp{Source: b.source, Target: b.target, Limits: b.catchUpLimits(w), Options: copyOptions(method),
			Budget: w.Budget},
		Why:      whyCatchUp(copyOptions(method), w),
		Estimate: catchUpEstimate(w),
	})
}

func (b *builder) catchUpLimits(w catchUp) CopyLimits {
	limits := copyLimits(b.m.Limits)
	limits.WriteReject = w.Budget
	return limits
}

// whyCatchUpFence: apply brings the target up to date once before it rejects writes (apply/catch_up.go).
func whyCatchUpFence(fence string, w catchUp) string {
	s := "first a pass over both tables while clients write, for what they changed meanwhile"
	if w.Known {
		s += fmt.Sprintf(" (about %s rows)", Rows(w.LiveRows))
	}
	return s + "; then " + fence
}

func catchUpEstimate(w catchUp) Estimate {
	e := withoutRows(w.Compare.Plus(w.Again).Plus(w.Move))
	e.Rows, e.Bytes = w.Move.Rows, w.Move.Bytes
	return e
}

func whyCatchUp(o CopyOptions, w catchUp) string {
	s := "every row of both tables: " + comparedParts(o) + "; what differs is copied or deleted"
	if w.Known {
		s += fmt.Sprintf(", about %s rows", Rows(w.Rows))
	}
	return s + ", until a comparison finds nothing"
}

// longWindow is the usual window from which on one without a declared budget is no longer taken for meant.
const longWindow = 15 * time.Minute

// checkCatchUp compares the declared budget with what the window needs.
func (b *builder) checkCatchUp() {
	w, place := b.catchUpWindow(), b.atLimits()
	if w.Assumed {
		b.checks.warn(CodeIntervals, place, "look at config_sync_interval_ms of its replica servers",
			"the servers of %s did not tell their intervals; assumed is config sync %s", b.source.Cluster, Duration(w.ConfigSync))
	}
	full := w.longest()
	switch {
	case !w.Declared && w.usual() > longWindow:
		b.checks.list = append(b.checks.list, Check{Code: CodeCatchUpWindow, Severity: Warning, Loud: true, Place: place,
			Hint: "declare in limits.write_reject how long clients may wait; method \"duplication\" compares before it rejects writes",
			Text: fmt.Sprintf("no limits.write_reject is declared, and the window grows with the table: usual are %s (%s; lifting %s), its budget is %s",
				Duration(w.usual()), w.usually(), Duration(w.Lift), Duration(w.Budget))})
	case !w.Declared:
		b.checks.ok("no limits.write_reject is declared: the window gets a budget of %s; the smallest is %s (%s)", Duration(w.Budget),
			Duration(w.Minimum), w.parts())
	case w.Budget < w.Minimum:
		b.checks.fail(CodeCatchUpWindow, place, widerCatchUp(w), "limits.write_reject = %s cannot be kept: the smallest window is %s (%s)",
			Duration(w.Budget), Duration(w.Minimum), w.parts())
	case w.Budget < w.usual():
		b.checks.list = append(b.checks.list, Check{Code: CodeCatchUpWindow, Severity: Warning, Loud: true, Place: place,
			Hint: fmt.Sprintf("most attempts would reject writes for nothing before they are lifted (exit code 6); declare %s, which always fit", Duration(roundUp(full, time.Second))),
			Text: fmt.Sprintf("limits.write_reject = %s will seldom be enough: the usual window is %s (%s; lifting %s)", Duration(w.Budget),
				Duration(w.usual()), w.usually(), Duration(w.Lift))})
	case w.Budget < full:
		b.checks.warn(CodeCatchUpWindow, place,
			fmt.Sprintf("an attempt that does not fit is lifted in time (exit code 6), and apply tries again; %s always fit", Duration(roundUp(full, time.Second))),
			"limits.write_reject = %s is enough for the usual window of %s (%s), not for the longest of %s", Duration(w.Budget),
			Duration(w.usual()), w.usually(), Duration(full))
	default:
		b.checks.ok("the budget of %s has room for the longest window of %s; usual are %s (%s)", Duration(w.Budget), Duration(full),
			Duration(w.usual()), w.usually())
	}
}

// widerCatchUp says what makes a budget that cannot be kept one that can.
func widerCatchUp(w catchUp) string {
	return fmt.Sprintf("raise limits.write_reject to %s or more; method \"duplication\" compares before it rejects writes", Duration(roundUp(w.Minimum, time.Second)))
}
