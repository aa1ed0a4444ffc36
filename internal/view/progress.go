package view

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/event"
	"github.com/pegmigrate/pegmigrate/plan"
)

// moveLine tells a copy or a comparison in one line, for output that is not a terminal.
func moveLine(p event.MoveProgress, style Style) string {
	parts := given(partitionsPart(p), rowsPart(p), leftPart(p), filesPart(p), speedPart(p), timePart(p))
	if p.InFlight > 0 {
		parts = append(parts, fmt.Sprintf("%d in flight", p.InFlight))
	}
	s := clean(p.Step) + ": " + strings.Join(parts, ", ")
	if p.Differences > 0 {
		s += ", " + style.loud(plan.Counted(p.Differences, "difference"))
	}
	if limit := limitPart(p); limit != "" {
		s += "; " + limit
	}
	return s
}

// given leaves out what there is nothing to tell of.
func given(parts ...string) []string {
	return slices.DeleteFunc(parts, func(s string) bool { return s == "" })
}

// filesPart is the size of what is moved, where that is not rows.
func filesPart(p event.MoveProgress) string {
	if p.Bytes == 0 || movesRows(p) {
		return ""
	}
	return plan.Bytes(p.Bytes)
}

// movesRows tells the steps that read rows from servers from those that have other things to count.
func movesRows(p event.MoveProgress) bool { return p.Kind == "copy" || p.Kind == "verify" }

// partitionsPart is "" of what is not done partition by partition.
func partitionsPart(p event.MoveProgress) string {
	if p.PartitionCount == 0 && !movesRows(p) {
		return ""
	}
	return fmt.Sprintf("%d of %s", p.PartitionsDone, plural(p.PartitionCount, "partition"))
}

// ended says that every partition is done: then the estimate has served.
func ended(p event.MoveProgress) bool {
	return p.PartitionCount > 0 && p.PartitionsDone == p.PartitionCount
}

// rowsPart is "" of what counts no rows.
func rowsPart(p event.MoveProgress) string {
	if p.Rows == 0 && p.RowsEstimate == 0 && !movesRows(p) {
		return ""
	}
	s := plan.Rows(p.Rows)
	if ended(p) {
		if p.Rows == 1 {
			return "1 row"
		}
		return s + " rows"
	}
	if p.RowsEstimate > 0 {
		s += " of about " + plan.Rows(p.RowsEstimate)
	}
	s += " rows"
	if share := percent(p.Rows, p.RowsEstimate); share != "" {
		s += " (" + share + ")"
	}
	return s
}

// leftPart counts rows that the options of a copy left out or as they were.
func leftPart(p event.MoveProgress) string {
	var parts []string
	if p.Filtered > 0 {
		parts = append(parts, plan.Rows(p.Filtered)+" left out by filters")
	}
	if p.Kept > 0 {
		parts = append(parts, plan.Rows(p.Kept)+" left as the target had them")
	}
	return strings.Join(parts, ", ")
}

// speedPart is "" while nobody has measured a speed.
func speedPart(p event.MoveProgress) string {
	if p.RowsPerSecond == 0 && p.BytesPerSecond == 0 && !movesRows(p) {
		return ""
	}
	return rate(p.RowsPerSecond, plan.Rows) + " rows/s, " + rate(p.BytesPerSecond, plan.Bytes) + "/s"
}

func timePart(p event.MoveProgress) string {
	if p.Elapsed == 0 && !movesRows(p) {
		return ""
	}
	s := took(p.Elapsed) + " so far"
	switch {
	case p.ETA <= 0 || ended(p):
	case p.ETA < time.Second:
		s += ", eta under a second"
	default:
		s += ", eta " + rounded(p.ETA)
	}
	return s
}

// limitPart says what holds the speed down and why, "" when nothing does.
func limitPart(p event.MoveProgress) string {
	switch {
	case p.Limit == "" && p.LimitReason == "":
		return ""
	case p.LimitReason == "":
		return "limited by " + clean(p.Limit)
	case p.Limit == "paused":
		return "paused: " + clean(strings.TrimPrefix(p.LimitReason, "paused "))
	case p.Limit == "":
		return "limited: " + clean(p.LimitReason)
	}
	return "limited by " + clean(p.Limit) + ": " + clean(p.LimitReason)
}

// waitingLine tells why nothing moves.
func waitingLine(w event.Waiting) string {
	s := clean(w.Step) + ": waiting"
	switch {
	case w.Elapsed < time.Second && w.Limit > 0:
		s += " for at most " + rounded(w.Limit)
	case w.Limit > 0:
		s += " " + took(w.Elapsed) + " of at most " + rounded(w.Limit)
	case w.Elapsed >= time.Second:
		s += " " + took(w.Elapsed)
	}
	if w.Reason != "" {
		s += ": " + clean(w.Reason)
	}
	return s
}
