package view

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/event"
	"github.com/pegmigrate/pegmigrate/plan"
	"github.com/pegmigrate/pegmigrate/state"
)

// Status is where one migration stands: what its state document remembers, and what the clusters
// say now. Fields that are zero are not shown.
type Status struct {
	// At is when the clusters were looked at: the time of the JSON line. Zero leaves it out.
	At        time.Time `json:"-"`
	Migration string    `json:"migration"`
	Source    string    `json:"source,omitempty"` // "cluster/table"
	Target    string    `json:"target,omitempty"`
	Method    string    `json:"method,omitempty"`
	// Lineage is "" when the migration has no state document.
	Lineage string `json:"lineage,omitempty"`
	Serial  uint64 `json:"serial,omitempty"`
	// Outcome is one of state's: "" is under way or not begun.
	Outcome   string    `json:"outcome,omitempty"`
	UpdatedAt time.Time `json:"updated_at,omitzero"`
	// Holder is who is at work on it, or was when it died; "" for nobody.
	Holder string       `json:"holder,omitempty"`
	Steps  []StepStatus `json:"steps,omitempty"`
	// PartitionsCopied of PartitionCount source partitions, and the rows of all; 0 of 0 where the
	// servers move the rows.
	PartitionsCopied int    `json:"partitions_copied"`
	PartitionCount   int    `json:"partition_count"`
	RowsCopied       uint64 `json:"rows_copied"`
	// Window is the reject window of a cut-over that is done, nil without one.
	Window *event.CutOver `json:"window,omitempty"`
	// Return says whether there is a way back behind the switch, and until when; "" where none was declared.
	Return string `json:"return,omitempty"`
	// Next says what has to be typed to go on; "" when nothing has, or somebody is at work.
	Next string `json:"next,omitempty"`
	// Live are facts of the clusters, one line each.
	Live []string `json:"live,omitempty"`
}

// StepStatus is one step as the state document remembers it.
type StepStatus struct {
	ID       string    `json:"id"`
	What     string    `json:"what,omitempty"`
	Status   string    `json:"status"` // one of state.Status
	Started  time.Time `json:"started,omitzero"`
	Finished time.Time `json:"finished,omitzero"`
	Attempts int       `json:"attempts,omitempty"`
	Error    string    `json:"error,omitempty"` // of the last attempt that failed
}

// StatusJSON writes the status as one line of type "status". The error is that of w.
func StatusJSON(w io.Writer, s Status) error {
	return writeJSONLine(w, "status", s.At, s)
}

// StatusText writes the status for people. The error is that of w.
func StatusText(w io.Writer, s Status, style Style) error {
	p := newPage(style)
	head := clean(s.Migration)
	if s.Source != "" || s.Target != "" {
		head += "  " + clean(s.Source) + "  ->  " + clean(s.Target)
	}
	p.line(p.bold(head))
	p.hang("  state     ", outcome(p, s), nil)
	if s.Holder != "" {
		p.hang("  lock      ", clean(s.Holder), nil)
	}
	if s.Lineage != "" {
		p.hang("  document  ", fmt.Sprintf("lineage %s, serial %d, last written %s", clean(s.Lineage), s.Serial, stamp(s.UpdatedAt)), nil)
	}
	if s.PartitionCount > 0 {
		p.hang("  copied    ", fmt.Sprintf("%d of %s, %s", s.PartitionsCopied, plural(s.PartitionCount, "source partition"), plan.Counted(s.RowsCopied, "row")), nil)
	}
	if s.Window != nil {
		p.hang("  window    ", windowText(*s.Window)+": "+windowParts(*s.Window), nil)
	}
	if s.Return != "" {
		p.hang("  return    ", clean(s.Return), p.yellow)
	}
	if s.Next != "" {
		p.hang("  next      ", clean(s.Next), nil)
	}
	statusSteps(p, s.Steps)
	if len(s.Live) > 0 {
		p.line("  clusters")
		for _, l := range s.Live {
			p.hang("    ", clean(l), nil)
		}
	}
	return p.writeTo(w)
}

func outcome(p *page, s Status) string {
	switch {
	case s.Lineage == "":
		return "not begun: there is no state document"
	case s.Outcome == state.OutcomeDone:
		return p.green("done")
	case s.Outcome != state.OutcomeOpen:
		return p.yellow(clean(s.Outcome))
	}
	done := 0
	for _, step := range s.Steps {
		if step.Status == string(state.Done) {
			done++
		}
		if step.Status == string(state.Failed) {
			return p.red("stopped by an error at step " + clean(step.ID))
		}
	}
	return p.yellow(fmt.Sprintf("under way, %d of %s done", done, plural(len(s.Steps), "step")))
}

func statusSteps(p *page, steps []StepStatus) {
	if len(steps) == 0 {
		return
	}
	p.line("  steps")
	id := 0
	for _, s := range steps {
		id = max(id, visible(clean(s.ID)))
	}
	number := len(fmt.Sprint(len(steps)))
	for i, s := range steps {
		head := fmt.Sprintf("    %*d  ", number, i+1) + statusWord(p, s.Status) + "  " + pad(clean(s.ID), id) + "  "
		text := stepTimes(s)
		if text == "" {
			text = clean(s.What)
		}
		p.hang(head, text, nil)
		if s.Error != "" {
			p.hang(strings.Repeat(" ", visible(head)), clean(s.Error), p.red)
		}
	}
}

func statusWord(p *page, status string) string {
	word := pad(clean(status), len(state.Intended))
	switch state.Status(status) {
	case state.Done:
		return p.green(word)
	case state.Intended, state.Undone:
		return p.yellow(word)
	case state.Failed:
		return p.loud(word)
	}
	return p.dim(word)
}

// stepTimes says when a step began and how long it took.
func stepTimes(s StepStatus) string {
	if s.Started.IsZero() {
		return ""
	}
	if s.Status == string(state.Undone) && !s.Finished.IsZero() {
		return stamp(s.Finished) // how long it stood is of no use to anybody
	}
	text := stamp(s.Started)
	if !s.Finished.Before(s.Started) {
		text += ", " + took(s.Finished.Sub(s.Started))
	}
	if s.Attempts > 1 {
		text += fmt.Sprintf(", begun %d times", s.Attempts)
	}
	return text
}
