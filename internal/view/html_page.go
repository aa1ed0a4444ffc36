package view

import (
	"fmt"
	"html/template"
	"strings"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/event"
	"github.com/pegmigrate/pegmigrate/internal/history"
	"github.com/pegmigrate/pegmigrate/plan"
	"github.com/pegmigrate/pegmigrate/state"
)

// pageModel is the page in words, ready for the template.
type pageModel struct {
	Policy string
	CSS    template.CSS
	JS     template.JS

	Title, Source, Target, Method string
	State, StateClass             string
	Facts                         []pair
	Tiles                         []tile
	StepStrip                     *chart
	Charts                        []*chart
	ReasonStrip                   *chart
	Bounded                       []bounded
	Days, NoCharts                string
	LeftOut                       string
	Steps                         []stepRow
	Windows                       []windowModel
	Certificates                  []certificateModel
	Compared                      *tableModel
	Differing                     *tableModel
	Repairs                       *tableModel
	Notes                         *tableModel
	Ends                          *tableModel
	Checks                        *tableModel
	Observed                      *tableModel
	Runs                          *tableModel
	Sources                       []pair
	Made                          string
}

// pair is a name and what there is to say of it.
type pair struct{ Name, Text string }

// tile is one number at the top.
type tile struct{ Name, Value, Note, Class string }

// tableModel is a table with its title. Class is that of each row, "" for none; Number marks columns that
// are aligned to the right.
type tableModel struct {
	Head   []string
	Number []bool
	Rows   []tableRow
	Note   string
}

type tableRow struct {
	Class string
	Cells []cell
}

// cell is one value; Head is the name of its column, for narrow screens.
type cell struct {
	Text   string
	Number bool
}

// table makes the model of a table; columns whose name begins with "#" hold numbers.
func table(note string, head ...string) *tableModel {
	t := &tableModel{Note: note}
	for _, h := range head {
		name, number := strings.CutPrefix(h, "#")
		t.Head, t.Number = append(t.Head, name), append(t.Number, number)
	}
	return t
}

func (t *tableModel) row(class string, texts ...string) {
	r := tableRow{Class: class}
	for i, text := range texts {
		r.Cells = append(r.Cells, cell{Text: clean(text), Number: t.Number[i]})
	}
	t.Rows = append(t.Rows, r)
}

// orNil leaves out a table without rows.
func (t *tableModel) orNil() *tableModel {
	if len(t.Rows) == 0 {
		return nil
	}
	return t
}

// stepRow is one step of the plan.
type stepRow struct {
	Number, ID, Why, Status, Class, Started, Took, Proof, Error, Impact string
	Attempts                                                            string
}

// certificateModel is the evidence of one cut-over.
type certificateModel struct {
	Title    string
	Sections []sectionModel
}

// model puts everything into words.
func model(p RunPage) pageModel {
	m := pageModel{Title: clean(p.Plan.Migration), Source: clean(p.Plan.Source.TableRef.String()), Target: clean(p.Plan.Target.TableRef.String()),
		Method: clean(p.Plan.Method), Made: stamp(p.Made) + " by pegmigrate " + clean(p.Version)}
	m.State, m.StateClass = stateWords(p)
	m.Facts = []pair{
		{"plan", clean(p.Plan.ID)}, {"lineage", clean(p.Lineage)}, {"declaration", clean(p.Plan.ConfigFingerprint)},
		{"begun", stamp(p.Created)}, {"last change", stamp(p.Updated)}, {"written by", "pegmigrate " + clean(p.WrittenBy)},
	}
	m.Steps = stepRows(p)
	m.Windows = windows(p)
	for _, c := range p.Certificates {
		m.Certificates = append(m.Certificates, certificateModel{Title: clean(certificateTitle(c)), Sections: shownSections(c)})
	}
	m.Ends, m.Checks, m.Observed = ends(p.Plan), checks(p.Plan), observed(p.Plan)
	var runs []history.Run
	if p.History != nil {
		runs = p.History.Runs
	}
	m.timeline(p, runs)
	m.Compared, m.Differing = comparisons(runs)
	m.Repairs = repairs(runs)
	m.Notes = notes(runs)
	m.Runs = runTable(runs)
	m.Tiles = tiles(p, runs)
	m.Sources = origins()
	return m
}

// sectionModel is a part of a certificate, ready for the template.
type sectionModel struct {
	Title string
	Lines []string
	Head  []string
	Rows  [][]string
}

func shownSections(c Certificate) []sectionModel {
	var out []sectionModel
	for _, s := range certificateSections(c) {
		shown := sectionModel{Title: s.title, Head: s.head}
		for _, l := range s.lines {
			shown.Lines = append(shown.Lines, clean(l))
		}
		for _, row := range s.rows {
			cells := make([]string, len(row))
			for i, text := range row {
				cells[i] = clean(text)
			}
			shown.Rows = append(shown.Rows, cells)
		}
		out = append(out, shown)
	}
	return out
}

// stateWords says where the migration stands, as the state remembers it.
func stateWords(p RunPage) (words, class string) {
	switch p.Outcome {
	case state.OutcomeDone:
		return "finished", "good"
	case state.OutcomeRolledBack:
		return "rolled back", "quiet"
	}
	for _, s := range p.Steps {
		if s.Status == string(state.Failed) {
			return "stopped at " + clean(s.ID), "bad"
		}
	}
	for _, s := range p.Steps {
		if s.Status == string(state.Intended) {
			return "under way: " + clean(s.ID), "busy"
		}
	}
	return "not finished", "busy"
}

// timeline fills in what is drawn, or says why nothing is.
func (m *pageModel) timeline(p RunPage, runs []history.Run) {
	if p.History == nil {
		m.NoCharts = clean(p.NoHistory)
		return
	}
	a := newAxis(runs)
	m.Days = a.days()
	m.StepStrip = strip(a, "steps", "Steps", stepSpans(a))
	m.Charts = charts(a)
	limits := limitSpans(a)
	m.ReasonStrip, m.Bounded = strip(a, "reasons", "What bounded the speed", limits), boundedBy(limits)
	if len(m.Charts) == 0 {
		m.NoCharts = "No run has reported rates or lag yet."
	}
	var left []string
	if n := len(runs); n > len(a.segments) {
		left = append(left, fmt.Sprintf("%d of %s are drawn, the last ones that had something to show", len(a.segments), plural(n, "run")))
	}
	if n := p.History.DroppedRuns; n > 0 {
		left = append(left, plural(n, "older run")+" left the history because there were too many")
	}
	if n := p.History.Unreadable; n > 0 {
		left = append(left, plural(n, "line")+" of the history cannot be read")
	}
	m.LeftOut = strings.Join(left, "; ")
}

func stepRows(p RunPage) []stepRow {
	words := map[string]plan.Step{}
	for _, from := range []*plan.Plan{p.Plan, p.Back} {
		if from == nil {
			continue
		}
		for _, s := range from.Steps {
			if _, known := words[s.ID]; !known {
				words[s.ID] = s
			}
		}
	}
	proofs := proofsOf(p.History)
	var out []stepRow
	for i, s := range p.Steps {
		r := stepRow{Number: fmt.Sprint(i + 1), ID: clean(s.ID), Why: clean(words[s.ID].Why), Impact: clean(words[s.ID].Impact),
			Status: s.Status, Class: statusClass(s.Status), Proof: clean(s.Proof)}
		if r.Proof == "" && s.Status == string(state.Done) {
			r.Proof = clean(proofs[s.ID])
		}
		if !s.Started.IsZero() {
			r.Started = stamp(s.Started)
		}
		if s.Finished.After(s.Started) && !s.Started.IsZero() {
			r.Took = took(s.Finished.Sub(s.Started))
		}
		if s.Attempts > 1 {
			r.Attempts = plural(s.Attempts, "attempt")
		}
		if s.Status == string(state.Failed) || s.Status == string(state.Intended) {
			r.Error = clean(s.Error)
		}
		out = append(out, r)
	}
	return out
}

// proofsOf are the proofs that runs have told, for steps whose record holds other evidence.
func proofsOf(h *history.History) map[string]string {
	out := map[string]string{}
	if h == nil {
		return out
	}
	for _, r := range h.Runs {
		for _, m := range r.Events {
			if e, ok := m.Event.(event.StepDone); ok {
				out[e.Step] = e.Proof
			}
		}
	}
	return out
}

func statusClass(status string) string {
	switch state.Status(status) {
	case state.Done:
		return "good"
	case state.Failed:
		return "bad"
	case state.Intended:
		return "busy"
	case state.Pending, state.Undone:
	}
	return "quiet"
}

// windowModel is a reject window, drawn as parts of one bar.
type windowModel struct {
	Text, Title string
	Over        bool
	Parts       []windowPart
	// BudgetX is where the budget ends on the bar, "" when it is off the bar or none was declared.
	BudgetX string
}

type windowPart struct{ X, W, Name, Took, Class string }

// barWidth is the width of the bar of a window, in units of its viewBox.
const barWidth = 1000.0

func windows(p RunPage) []windowModel {
	var out []windowModel
	for i, c := range p.Certificates {
		if c.Window == nil {
			continue
		}
		w := windowOf(*c.Window)
		w.Title = "the cut-over"
		if i > 0 {
			w.Title = "the return"
		}
		out = append(out, w)
	}
	return out
}

func windowOf(e event.CutOver) windowModel {
	w := windowModel{Text: windowText(e), Over: e.Budget > 0 && e.Total > e.Budget}
	whole := max(e.Total, time.Millisecond)
	if e.Budget > 0 && e.Budget <= 4*whole { // else the parts would be a hair at the left
		whole = max(whole, e.Budget)
		w.BudgetX = unit(barWidth * e.Budget.Seconds() / whole.Seconds())
	}
	x := 0.0
	for i, part := range []struct {
		name string
		d    time.Duration
	}{{"fence spread", e.Spread}, {"quiesce", e.Quiesce}, {"drain", e.Drain}, {"recheck", e.Recheck}, {"switch", e.Switch}, {"proxies", e.Resolve}} {
		if part.d <= 0 {
			continue
		}
		width := barWidth * part.d.Seconds() / whole.Seconds()
		w.Parts = append(w.Parts, windowPart{X: unit(x), W: unit(max(width, 1)), Name: part.name, Took: took(part.d), Class: fmt.Sprintf("w%d", i+1)})
		x += width
	}
	return w
}
