package view

import (
	"fmt"
	"strings"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/event"
	"github.com/pegmigrate/pegmigrate/plan"
)

// narrator tells events in sentences. It remembers what later sentences refer to, so it serves one
// run and one goroutine.
type narrator struct {
	style    Style
	run      event.RunStarted
	step     event.StepStarted
	verified *event.Verified
}

// tell gives the lines for one event. ok is false for an event that this package does not know,
// which the tests do not let happen. Progress, lag and Waiting are told by moveLine, lagLine and
// waitingLine: how often is for the display to decide.
func (n *narrator) tell(e event.Event) (lines []string, ok bool) {
	switch e := e.(type) {
	case event.RunStarted:
		n.run, n.verified = e, nil
		return n.runStarted(e), true
	case event.StepStarted:
		n.step = e
		return n.stepStarted(e), true
	case event.ImpactBegun:
		return []string{clean(e.Step) + ": " + n.style.yellow("clients: "+clean(e.Impact))}, true
	case event.StepSkipped:
		return []string{position(e.Index, e.Of, e.Step) + n.style.dim("skipped, "+clean(e.Reason))}, true
	case event.StepDone:
		return []string{n.stepDone(e)}, true
	case event.StepFailed:
		return []string{n.stepFailed(e)}, true
	case event.Waiting, event.MoveProgress, event.LagProgress:
		return nil, true
	case event.Warning:
		return n.warning(e), true
	case event.Verified:
		n.verified = &e
		return verifiedLines(e, n.style), true
	case event.CaughtUp:
		return []string{caughtUpLine(e, n.style)}, true
	case event.FenceProven:
		return []string{n.fence(e)}, true
	case event.RouteSwitched:
		return []string{switchedLine(e, n.style)}, true
	case event.CutOver:
		return windowLines(e, n.style), true
	case event.GateReached:
		return n.gate(e), true
	case event.SplitDone:
		return splitLines(e, n.style), true
	case event.RepairPlanned:
		return repairPlanLines(e, n.style), true
	case event.Repaired:
		return repairedLines(e, n.style), true
	}
	return n.tellEnd(e)
}

// tellEnd tells what undoes and ends a run.
func (n *narrator) tellEnd(e event.Event) (lines []string, ok bool) {
	switch e := e.(type) {
	case event.UndoStarted:
		return []string{"undo " + clean(e.Step) + ": " + clean(e.What)}, true
	case event.UndoDone:
		text := "done"
		if e.Detail != "" {
			text += ", " + clean(e.Detail)
		}
		return []string{"undo " + clean(e.Step) + ": " + n.style.green(text)}, true
	case event.UndoFailed:
		return n.undoFailed(e), true
	case event.Interrupted:
		return n.interrupted(e), true
	case event.RunDone:
		return []string{n.runDone(e)}, true
	}
	return nil, false
}

// position is the beginning of every line about a step.
func position(index, of int, step string) string {
	return fmt.Sprintf("step %d/%d %s: ", index, of, clean(step))
}

func (n *narrator) runStarted(e event.RunStarted) []string {
	s := fmt.Sprintf("%s %s: %s, plan %s", clean(e.Command), clean(e.Migration), plural(len(e.Steps), "step"), short(e.PlanID))
	if e.Resumed && e.Command == "apply" {
		s += ", going on where an earlier run stopped"
	}
	return []string{n.style.bold(s)}
}

func (n *narrator) stepStarted(e event.StepStarted) []string {
	lines := []string{position(e.Index, e.Of, e.Step) + clean(e.What)}
	if e.Impact != "" {
		lines = append(lines, n.style.yellow("  clients: "+clean(e.Impact)))
	}
	return lines
}

func (n *narrator) stepDone(e event.StepDone) string {
	s := position(e.Index, e.Of, e.Step) + n.style.green("done") + " in " + took(e.Elapsed)
	if e.Proof != "" {
		s += ": " + clean(e.Proof)
	}
	return s
}

// stepFailed stays short: the command that ran the step prints the failure, with its hint, when
// the run is over.
func (n *narrator) stepFailed(e event.StepFailed) string {
	label := "failed"
	if e.Code != "" {
		label += " " + clean(e.Code)
	}
	return "step " + clean(e.Step) + ": " + n.style.loud(label+": "+clean(e.Error))
}

func (n *narrator) warning(e event.Warning) []string {
	label := "warning"
	if e.Code != "" {
		label += " " + clean(e.Code)
	}
	text := clean(e.Text)
	if e.Step != "" {
		text = clean(e.Step) + ": " + text
	}
	lines := []string{n.style.yellow(label+":") + " " + text}
	if e.Hint != "" {
		lines = append(lines, "  hint: "+clean(e.Hint))
	}
	return lines
}

func (n *narrator) fence(e event.FenceProven) string {
	name := clean(e.Cluster) + "/" + clean(e.Table)
	what := "writes to " + name + " are accepted again"
	if e.Up {
		what = "writes to " + name + " are rejected"
	}
	return fmt.Sprintf("%s: %s, proven on %s in %s (first to last %s)", clean(e.Step), n.style.yellow(what),
		plural(e.Partitions, "partition"), took(e.Took), took(e.Spread))
}

func (n *narrator) gate(e event.GateReached) []string {
	if e.Rollback != "" {
		until := e.Until.UTC().Format(time.RFC3339)
		return []string{
			n.style.yellow(fmt.Sprintf("clients are on the target; the return ticket is valid until %s (step %s)", until, clean(e.Step))),
			"  lead them back with: " + clean(e.Rollback),
			"  end it with: " + clean(e.Command) + ", or apply after that time",
		}
	}
	return []string{
		n.style.yellow(fmt.Sprintf("waiting at gate %q (step %s); nothing after it has begun", clean(e.Gate), clean(e.Step))),
		"  go on with: " + clean(e.Command),
	}
}

// undoFailed is the loudest thing there is: something was left behind on a cluster.
func (n *narrator) undoFailed(e event.UndoFailed) []string {
	bar := strings.Repeat("!", 72)
	lines := []string{bar,
		"!!! UNDO OF STEP " + clean(e.Step) + " FAILED: its change is still on the cluster",
		"!!! error:  " + clean(e.Error)}
	if e.Repair != "" {
		lines = append(lines, "!!! repair: "+clean(e.Repair))
	}
	lines = append(lines, bar)
	for i := range lines {
		lines[i] = n.style.loud(lines[i])
	}
	return lines
}

func (n *narrator) interrupted(e event.Interrupted) []string {
	lines := []string{n.style.yellow("interrupted at step " + clean(e.Step) + "; everything up to here is kept")}
	if e.Note != "" {
		lines = append(lines, n.style.loud("  "+clean(e.Note)))
	}
	if e.Resume != "" {
		lines = append(lines, "  resume with: "+clean(e.Resume))
	}
	return lines
}

// runDone is the last line. It carries the proof when there was one in this run.
func (n *narrator) runDone(e event.RunDone) string {
	s := n.style.green(clean(e.Command)+" "+clean(e.Migration)+": done") + " in " + took(e.Elapsed)
	if e.Rows > 0 {
		s += ", moved " + plan.Counted(e.Rows, "row")
		if e.Bytes > 0 {
			s += " (" + plan.Bytes(e.Bytes) + ")"
		}
	}
	if e.Text != "" {
		s += "; " + clean(e.Text)
	}
	// A run that compared itself has the counts in its text; verify alone has none.
	if n.verified != nil && !strings.Contains(e.Text, "differences") {
		s += ": " + n.style.bold(counts(*n.verified))
	}
	return s
}
