package view

import (
	"fmt"
	"strings"

	"github.com/vbauerster/mpb/v8"

	"github.com/pegmigrate/pegmigrate/internal/event"
	"github.com/pegmigrate/pegmigrate/plan"
)

// maxBars bounds how many partitions have a bar of their own; boardRows is what the board may need
// besides them, with a line that the terminal keeps for the cursor.
const (
	maxBars   = 8
	boardRows = 9
)

// board is what the live display shows now.
type board struct {
	style  Style
	filler mpb.BarFiller

	title   string // of the run
	step    *event.StepStarted
	done    int // steps that are done or skipped
	of      int
	move    *event.MoveProgress
	lag     *event.LagProgress
	waiting *event.Waiting
	undo    string
}

// take changes the board by one event.
func (b *board) take(e event.Event) {
	switch e := e.(type) {
	case event.RunStarted:
		b.title, b.of, b.done = clean(e.Command)+" "+clean(e.Migration), len(e.Steps), 0
		if e.Command == "rollback" {
			b.of = 0 // it undoes what was begun, not every step
		}
		b.rest()
	case event.StepStarted:
		b.rest()
		b.step, b.of = &e, e.Of
	case event.StepDone:
		b.finished(e.Index, e.Of)
	case event.StepSkipped:
		b.finished(e.Index, e.Of)
	case event.MoveProgress:
		b.move, b.waiting = &e, nil
	case event.LagProgress:
		b.lag = &e
	case event.Waiting:
		b.waiting = &e
	case event.UndoStarted:
		b.rest()
		b.undo = "undo " + clean(e.Step) + ": " + clean(e.What)
	case event.Repaired:
		b.rest()
	case event.UndoDone, event.UndoFailed, event.StepFailed, event.GateReached, event.Interrupted, event.RunDone:
		b.rest()
	case event.Warning, event.ImpactBegun, event.Verified, event.CaughtUp, event.FenceProven, event.RouteSwitched, event.CutOver, event.RepairPlanned: // told above the board, which stays
	}
}

// rest clears what belongs to one step.
func (b *board) rest() { b.step, b.move, b.lag, b.waiting, b.undo = nil, nil, nil, nil, "" }

func (b *board) finished(index, of int) {
	b.rest()
	b.done, b.of = index, of
}

// draw gives the lines of the board, each at most width columns, at least one line and fewer than
// height.
func (b *board) draw(width, height int) []string {
	width = max(width-1, 20) // a full last column makes some terminals wrap
	lines := []string{b.style.bold(cut(b.head(), width))}
	if b.move != nil {
		lines = append(lines, b.bars(width, min(max(height-boardRows, 0), maxBars))...)
		lines = append(lines, b.totals(width)...)
	}
	if b.lag != nil {
		lines = append(lines, cut("  "+lagLine(*b.lag), width))
	}
	if b.waiting != nil {
		lines = append(lines, b.style.yellow(cut("  "+waitingLine(*b.waiting), width)))
	}
	return lines[:max(min(len(lines), height-1), 1)]
}

func (b *board) head() string {
	switch {
	case b.step != nil:
		return fmt.Sprintf("step %d of %d  %s  %s", b.step.Index, b.step.Of, clean(b.step.Step), clean(b.step.What))
	case b.undo != "":
		return b.undo
	case b.move != nil:
		return clean(b.move.Step)
	case b.lag != nil:
		return clean(b.lag.Step)
	case b.of == 0:
		return b.title
	}
	return fmt.Sprintf("%s  %d of %d steps done", b.title, b.done, b.of)
}

// bars gives one line per active partition and one for those that have no room.
func (b *board) bars(width, room int) []string {
	var lines []string
	active := 0
	for _, p := range b.move.Partitions {
		if !p.Active || p.Done {
			continue
		}
		if active++; active <= room {
			lines = append(lines, b.partition(p, width))
		}
	}
	if rest := active - len(lines); rest > 0 {
		lines = append(lines, b.style.dim(cut(fmt.Sprintf("  … and %s more under way", plural(rest, "partition")), width)))
	}
	return lines
}

func (b *board) partition(p event.PartitionProgress, width int) string {
	return b.row(fmt.Sprintf("p%d", p.Index), p.Rows, p.Estimate, width)
}

// row is a name, a bar when there is an estimate to measure by, and the rows.
func (b *board) row(name string, n, estimate uint64, width int) string {
	const label, text = 10, 34 // "  p12345  " and "  812 M of about 812 M rows"
	head := pad("  "+name, label)
	rows := plan.Rows(n) + " rows"
	if estimate > 0 {
		rows = plan.Rows(n) + " of about " + plan.Rows(estimate) + " rows"
	}
	room := min(width-label-text, 60)
	if room < 10 || estimate == 0 {
		return cut(head+rows, width)
	}
	return head + b.fill(room, n, estimate) + "  " + cut(rows, text-2)
}

// totals says how far and how fast, and what holds it down.
func (b *board) totals(width int) []string {
	p := *b.move
	far := []string{partitionsPart(p)}
	if share := percent(p.Rows, p.RowsEstimate); share != "" {
		far = append(far, share)
	}
	far = given(append(far, plan.Bytes(p.Bytes), timePart(p))...)
	fast := speedPart(p)
	if p.InFlight > 0 {
		fast += fmt.Sprintf(", %d in flight", p.InFlight)
	}
	fast = strings.Join(given(fast, leftPart(p)), ", ")
	lines := []string{
		b.row("all", p.Rows, p.RowsEstimate, width),
		cut("  "+strings.Join(far, ", "), width),
		cut("  "+fast, width),
	}
	if p.Differences > 0 {
		lines = append(lines, b.style.loud(cut(fmt.Sprintf("  %d differences so far", p.Differences), width)))
	}
	if limit := limitPart(p); limit != "" {
		lines = append(lines, b.style.yellow(cut("  "+limit, width)))
	}
	return lines
}
