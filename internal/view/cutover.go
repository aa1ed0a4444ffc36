package view

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/event"
	"github.com/pegmigrate/pegmigrate/plan"
)

// lagLine tells in one line how far a duplication is behind.
func lagLine(p event.LagProgress) string {
	parts := []string{behindPart(p)}
	if p.Unknown > 0 {
		parts = append(parts, fmt.Sprintf("%d not reported", p.Unknown))
	}
	if p.Behind+p.Unknown > 0 { // a partition at rest counts its last mutation, up to 2.5
		parts = append(parts, "worst "+grouped(p.Worst), grouped(p.Total)+" in all")
	}
	if p.PerSecond >= 1 {
		parts = append(parts, rate(p.PerSecond, plan.Rows)+"/s")
	}
	if p.Forecast > 0 {
		parts = append(parts, about(p.Forecast))
	}
	if p.Elapsed >= time.Second {
		parts = append(parts, took(p.Elapsed)+" so far")
	}
	return clean(p.Step) + ": " + strings.Join(parts, ", ")
}

func behindPart(p event.LagProgress) string {
	if p.Behind == 0 && p.Unknown == 0 {
		return "none of " + plural(p.Partitions, "partition") + " outstanding"
	}
	return fmt.Sprintf("%d of %s outstanding", p.Behind, plural(p.Partitions, "partition"))
}

// grouped writes a number with commas: mutations are compared with a threshold to the last one.
func grouped(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// switchedLine tells where clients are led from now on.
func switchedLine(e event.RouteSwitched, style Style) string {
	return fmt.Sprintf("%s: %s leads to %s, no longer to %s (version %d, read back)", clean(e.Step), clean(e.Path),
		style.yellow(clean(e.To)), clean(e.From), e.Version)
}

// caughtUpLine tells of one pass that brought over what differed.
func caughtUpLine(e event.CaughtUp, style Style) string {
	where := "behind the fence"
	if e.Live {
		where = "while clients write"
	}
	s := fmt.Sprintf("%s: %s compared with %d %s in %s", clean(e.Step), plan.Counted(e.SourceRows, "row"), e.TargetRows, where, took(e.Elapsed))
	if e.Written+e.Deleted == 0 {
		s += ", nothing to bring over"
	} else {
		s += fmt.Sprintf(", %d brought over, %d deleted", e.Written, e.Deleted)
	}
	if e.Left > 0 {
		s += ", " + style.loud(plan.Counted(e.Left, "row")+" different all the same")
	}
	return s
}

// windowLines tell how long clients could not write, and which part took how long.
func windowLines(e event.CutOver, style Style) []string {
	head := windowText(e)
	if e.Budget > 0 && e.Total > e.Budget {
		head = style.loud(head)
	} else {
		head = style.green(head)
	}
	return []string{clean(e.Step) + ": " + head, "  " + windowParts(e)}
}

// windowText is the reject window beside what was allowed and foretold.
func windowText(e event.CutOver) string {
	s := "writes were rejected for " + took(e.Total)
	if e.Budget > 0 {
		word := " of a budget of "
		if e.Total > e.Budget {
			word = ", over the budget of "
		}
		s += word + rounded(e.Budget)
	}
	if e.Predicted > 0 {
		s += ", predicted " + about(e.Predicted)
	}
	return s
}

// windowParts lists the parts in order of time; the route has none in a plan that leads no clients.
func windowParts(e event.CutOver) string {
	parts := []string{"fence spread " + took(e.Spread), "quiesce " + took(e.Quiesce)}
	if e.CatchUp > 0 {
		parts = append(parts, "catch-up "+took(e.CatchUp))
		if e.Lift > 0 {
			parts = append(parts, "lift "+took(e.Lift))
		}
		return strings.Join(parts, ", ")
	}
	parts = append(parts, "drain "+took(e.Drain), "recheck "+took(e.Recheck))
	if e.Switch > 0 || e.Resolve > 0 {
		parts = append(parts, "switch "+took(e.Switch), "proxies "+took(e.Resolve))
	}
	return strings.Join(parts, ", ")
}
