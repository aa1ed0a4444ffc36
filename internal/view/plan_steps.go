package view

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/pegmigrate/pegmigrate/plan"
)

// sideBySide is the width of the text columns from which notes stand beside a step instead of
// below it.
const sideBySide = 70

// planSteps writes the numbered steps, or why there are none.
func planSteps(page *page, p *plan.Plan) {
	if len(p.Steps) == 0 {
		if text := nothingToDo(p); text != "" {
			page.line()
			page.hang("", text, page.green)
		}
		return
	}
	next := nextStep(p)
	page.line()
	if p.Progress == nil {
		page.line(page.bold("steps"))
	} else {
		page.hang(page.bold("steps")+"  ", progressLine(p, next), nil)
	}
	layout := layoutSteps(page, p)
	for i, s := range p.Steps {
		status := ""
		switch {
		case p.Progress == nil:
		case i < next:
			status = "done"
		case i == next:
			status = "next"
		}
		layout.step(page, p, i, s, status)
	}
}

// nothingToDo explains a plan without steps. A plan that has errors is explained by them.
func nothingToDo(p *plan.Plan) string {
	switch {
	case p.HasErrors():
		return ""
	case p.Progress != nil && p.Progress.RolledBack:
		return "nothing to do: the migration was rolled back"
	case p.Progress != nil && p.Progress.Finished:
		return "nothing to do: the migration is finished"
	}
	return "nothing to do"
}

// nextStep is the index of the step that apply would go on with: everything before it is done.
func nextStep(p *plan.Plan) int {
	if p.Progress == nil {
		return 0
	}
	for i, s := range p.Steps {
		if s.ID == p.Progress.Next {
			return i
		}
	}
	return min(max(p.Progress.StepsDone, 0), len(p.Steps))
}

func progressLine(p *plan.Plan, next int) string {
	s := fmt.Sprintf("%d of %d done", next, len(p.Steps))
	if next < len(p.Steps) {
		s += ", apply goes on with " + clean(p.Steps[next].ID)
	}
	if n := p.Progress.PartitionCount; n > 0 && Copies(p) {
		s += fmt.Sprintf("; %d of %s copied, %s", p.Progress.PartitionsCopied,
			plural(n, "source partition"), plan.Counted(p.Progress.RowsCopied, "row"))
	}
	return s
}

// Copies says whether rows are moved by a step of ours, whose progress is counted in partitions.
func Copies(p *plan.Plan) bool {
	return slices.ContainsFunc(p.Steps, func(s plan.Step) bool {
		_, ok := s.Action.(plan.Copy)
		return ok
	})
}

// stepLayout is where the columns of the steps are.
type stepLayout struct {
	number, status, id int // widths; status 0 without the column
	indent             int // where the text begins
	text, notes        int // widths of the text columns; notes 0 when they stand below
}

func layoutSteps(page *page, p *plan.Plan) stepLayout {
	l := stepLayout{number: len(fmt.Sprint(len(p.Steps)))}
	if p.Progress != nil {
		l.status = len("done") + 2
	}
	longest := 0
	for _, s := range p.Steps {
		l.id = max(l.id, visible(clean(s.ID)))
		longest = max(longest, visible(clean(s.Why)))
	}
	l.indent = 2 + l.number + 2 + l.status + 1 + 2 + l.id + 2
	room := page.width - l.indent
	if room >= sideBySide {
		l.text = min(longest, room*11/20)
		l.notes = room - l.text - 2
	} else {
		l.text = room
	}
	return l
}

// step writes one step: number, symbol, id, text, and its notes beside or below.
func (l stepLayout) step(page *page, p *plan.Plan, i int, s plan.Step, status string) {
	text := wrap(clean(s.Why), max(l.text, minWidth/3))
	notes := stepNotes(s)
	switch status {
	case "done": // what it costs and waits for is behind us
		notes = undoNote(s)
	case "next":
		notes = append(notes, progressNote(p, s)...)
	}
	var beside []string
	if l.notes > 0 {
		beside = wrap(strings.Join(notes, "; "), l.notes)
	}
	paint := l.painter(page, s, status)
	for row := range max(len(text), len(beside)) {
		head := strings.Repeat(" ", l.indent)
		if row == 0 {
			head = fmt.Sprintf("  %*d  ", l.number, i+1) + pad(l.mark(page, status), l.status) +
				paint(plan.Symbol(s.Action)) + "  " + paint(pad(clean(s.ID), l.id)) + "  "
		}
		page.line(head, pad(at(text, row), l.text), "  ", page.dim(at(beside, row)))
	}
	if l.notes == 0 {
		for _, note := range notes {
			page.hang(strings.Repeat(" ", l.indent)+"  ", note, page.dim)
		}
	}
}

func (l stepLayout) mark(page *page, status string) string {
	switch status {
	case "done":
		return page.green(status)
	case "next":
		return page.yellow(status)
	}
	return status
}

// painter colours a step's symbol and name: green creates, red removes, bold red is noticed.
func (l stepLayout) painter(page *page, s plan.Step, status string) func(string) string {
	if status == "done" {
		return page.dim
	}
	switch plan.Symbol(s.Action) {
	case "+":
		return page.green
	case "~", "=":
		return page.yellow
	case "-":
		return page.red
	case "!":
		return page.loud
	}
	return page.bold
}

func at(lines []string, i int) string {
	if i < len(lines) {
		return lines[i]
	}
	return ""
}

// stepNotes is what there is to say about a step besides what it does.
func stepNotes(s plan.Step) []string {
	var notes []string
	if s.Impact != "" {
		notes = append(notes, clean(s.Impact))
	}
	if s.Estimate.Duration >= time.Second || s.Estimate.High >= time.Second {
		notes = append(notes, estimate(s.Estimate))
	}
	if s.Gate != "" {
		notes = append(notes, "pegmigrate apply -approve "+clean(s.Gate))
	}
	notes = append(notes, undoNote(s)...)
	if s.Final {
		notes = append(notes, "point of no return")
	}
	return notes
}

func undoNote(s plan.Step) []string {
	if s.Undo == nil {
		return nil
	}
	return []string{"undo: " + undoText(s.Undo)}
}

func progressNote(p *plan.Plan, s plan.Step) []string {
	if _, ok := s.Action.(plan.Copy); !ok || p.Progress.PartitionCount == 0 {
		return nil
	}
	return []string{fmt.Sprintf("%d of %s copied", p.Progress.PartitionsCopied, plural(p.Progress.PartitionCount, "partition"))}
}

// undoText says what rollback does about a step.
func undoText(a plan.Action) string {
	switch a := a.(type) {
	case plan.LiftFence:
		return "lift the fence"
	case plan.DropTable:
		return "drop " + clean(a.Table.String()) + ", if this run created it"
	case plan.RestoreEnvs:
		return "put " + clean(strings.Join(a.Keys, ", ")) + " back"
	case plan.Disown:
		return "take the marker out"
	case plan.RemoveDuplication:
		if a.DropFollower {
			return "remove the duplication, drop " + clean(a.Target.String()) + " if it was made by it"
		}
		return "remove the duplication; " + clean(a.Target.String()) + " stays"
	case plan.ReleaseBalancer:
		return "give " + clean(a.Cluster) + " its meta level back"
	case plan.RemoveReturn:
		return "remove the duplication"
	}
	return undoFiles(a)
}

// undoFiles says what rollback does about a step of a method that goes through files.
func undoFiles(a plan.Action) string {
	switch a := a.(type) {
	case plan.RestoreRate:
		return "give every server of " + clean(a.Cluster) + " its rate back"
	case plan.RemoveBackup:
		return "remove the backup, if this run made it"
	case plan.RemoveStaging:
		return "remove what was written for the bulk load"
	case plan.RestoreUsage:
		return "give rocksdb.usage_scenario its prior value back"
	case plan.CancelBulkLoad:
		return "cancel the bulk load and give the meta level back"
	}
	return clean(a.Kind())
}
