package view

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/event"
	"github.com/pegmigrate/pegmigrate/plan"
)

// kinds of movement have a name and a colour of their own; others share one.
func kindOf(kind string) (name, class string) {
	switch kind {
	case "copy":
		return "copied", "c1"
	case "verify":
		return "compared", "c2"
	case "":
		return "moved", "c4"
	}
	return clean(kind), "c4"
}

// gather makes a line of each name from the events of all segments. pick gives name, class and value of a
// sample, or ok false; a piece ends where key changes.
func gather(a axis, pick func(event.Event) (name, class, key string, value float64, ok bool)) []line {
	found := map[string]*line{}
	var order []string
	for _, s := range a.segments {
		keys := map[string]string{}
		for _, m := range s.run.Events {
			name, class, key, value, ok := pick(m.Event)
			if !ok {
				continue
			}
			l := found[name]
			if l == nil {
				l = &line{name: name, class: class}
				found[name] = l
				order = append(order, name)
			}
			if old, begun := keys[name]; !begun || old != key {
				l.pieces = append(l.pieces, piece{segment: s})
				keys[name] = key
			}
			last := &l.pieces[len(l.pieces)-1]
			last.samples = append(last.samples, sample{at: m.At, value: value})
		}
	}
	out := make([]line, 0, len(order))
	for _, name := range order {
		out = append(out, *found[name])
	}
	return out
}

// charts are the drawings of a run, of which only those are there that have something to show.
func charts(a axis) []*chart {
	moves := func(value func(event.MoveProgress) float64) func(event.Event) (string, string, string, float64, bool) {
		return func(e event.Event) (string, string, string, float64, bool) {
			p, ok := e.(event.MoveProgress)
			name, class := kindOf(p.Kind)
			return name, class, p.Step, value(p), ok
		}
	}
	constant := func(name, class string, value func(event.MoveProgress) float64) []line {
		return gather(a, func(e event.Event) (string, string, string, float64, bool) {
			p, ok := e.(event.MoveProgress)
			v := 0.0
			if ok {
				v = value(p)
			}
			return name, class, p.Step, v, ok && v > 0
		})
	}
	lag := func(name, class string, value func(event.LagProgress) float64) []line {
		return gather(a, func(e event.Event) (string, string, string, float64, bool) {
			p, ok := e.(event.LagProgress)
			return name, class, p.Step, value(p), ok
		})
	}
	flight := gather(a, func(e event.Event) (string, string, string, float64, bool) {
		p, ok := e.(event.MoveProgress)
		return "without acknowledgement", "c3", p.Step, float64(p.InFlight), ok && p.Kind == "copy"
	})
	rows := measure{write: func(v float64) string { return plan.Rows(uint64(v)) }}
	bytes := measure{write: func(v float64) string { return plan.Bytes(uint64(v)) + "/s" }, binary: true}
	all := []*chart{
		newChart(a, "rate", "Rows per second", rows, append(gather(a, moves(func(p event.MoveProgress) float64 { return p.RowsPerSecond })),
			constant("limit in force", "cap", func(p event.MoveProgress) float64 { return p.InForce.RowsPerSecond })...)),
		newChart(a, "bytes", "Bytes per second", bytes, append(gather(a, moves(func(p event.MoveProgress) float64 { return p.BytesPerSecond })),
			constant("limit in force", "cap", func(p event.MoveProgress) float64 { return p.InForce.BytesPerSecond })...)),
		newChart(a, "lag", "Lag: outstanding mutations", rows, append(lag("all partitions", "c1", func(p event.LagProgress) float64 { return float64(p.Total) }),
			lag("worst partition", "c2", func(p event.LagProgress) float64 { return float64(p.Worst) })...)),
		newChart(a, "flight", "Writes in flight", rows, append(flight,
			constant("limit in force", "cap", func(p event.MoveProgress) float64 { return float64(p.InForce.InFlight) })...)),
	}
	return slices.DeleteFunc(all, func(c *chart) bool { return c == nil })
}

// span is a stretch of one run.
type span struct {
	segment  segment
	name     string
	text     string
	from, to time.Time
	class    string
}

// stepSpans are the steps of all segments.
func stepSpans(a axis) []span {
	var out []span
	for _, s := range a.segments {
		open := -1
		end := func(at time.Time, class string) {
			if open >= 0 {
				out[open].to = at
				out[open].class = cmp.Or(class, out[open].class)
			}
			open = -1
		}
		begin := func(step, text string, at time.Time, class string) {
			end(at, "")
			out = append(out, span{segment: s, name: clean(step), text: clean(text), from: at, class: class})
			open = len(out) - 1
		}
		for _, m := range s.run.Events {
			switch e := m.Event.(type) {
			case event.MoveProgress:
				if open < 0 { // a comparison alone is no step of a plan
					begin(cmp.Or(e.Step, e.Kind), "", m.At, "work")
				}
			case event.StepStarted:
				begin(e.Step, e.What, m.At, "work")
			case event.StepDone:
				end(m.At, "done")
			case event.StepFailed:
				end(m.At, "bad")
			case event.UndoStarted:
				begin("undo "+e.Step, e.What, m.At, "undo")
			case event.UndoDone:
				end(m.At, "")
			case event.UndoFailed:
				end(m.At, "bad")
			}
		}
		end(s.to, "")
	}
	return out
}

// bands are the steps behind every chart.
func bands(a axis) []box {
	var out []box
	for i, s := range stepSpans(a) {
		from, to := a.at(s.segment, s.from), a.at(s.segment, s.to)
		out = append(out, box{X: unit(from), W: unit(to - from), Title: s.name, Class: []string{"even", "odd"}[i%2]})
	}
	return out
}

// strip is the row of steps above the charts, or of reasons below them.
func strip(a axis, id, title string, spans []span) *chart {
	if len(spans) == 0 {
		return nil
	}
	const letter = 6.6 // units of an average letter
	c := frame(a, id, title)
	c.Bands = nil
	for _, s := range spans {
		from, to := a.at(s.segment, s.from), a.at(s.segment, s.to)
		label := s.name
		if float64(len([]rune(label)))*letter > to-from-8 {
			label = ""
		}
		about := s.name + ", " + took(s.to.Sub(s.from))
		if s.text != "" {
			about += ": " + s.text
		}
		c.Bands = append(c.Bands, box{X: unit(from), W: unit(max(to-from, 1)), Label: label, Title: about, Class: s.class})
	}
	return c
}

// limitSpans are what bounded the speed, as far as it was said.
func limitSpans(a axis) []span {
	var out []span
	for _, s := range a.segments {
		open := -1
		for _, m := range s.run.Events {
			p, ok := m.Event.(event.MoveProgress)
			if !ok {
				if _, ends := m.Event.(event.StepDone); ends {
					open = -1
				}
				continue
			}
			name := reasonText(p)
			if open >= 0 {
				out[open].to = m.At
			}
			if name == "" {
				open = -1
				continue
			}
			if open < 0 || out[open].name != name {
				out = append(out, span{segment: s, name: name, text: clean(example(p)), from: m.At, to: m.At, class: reasonClass(p)})
				open = len(out) - 1
			}
		}
	}
	return out
}

// reasonText is a reason without its numbers, which change every second.
func reasonText(p event.MoveProgress) string {
	return clean(strings.Join(strings.FieldsFunc(strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return -1
		}
		return r
	}, cmp.Or(p.LimitReason, p.Limit)), func(r rune) bool { return r == ' ' }), " "))
}

func example(p event.MoveProgress) string {
	if p.Limit != "" && p.LimitReason != "" {
		return p.Limit + " (" + p.LimitReason + ")"
	}
	return cmp.Or(p.Limit, p.LimitReason)
}

// reasonClass tells what was declared from what a server asked for.
func reasonClass(p event.MoveProgress) string {
	switch {
	case p.InForce.Held:
		return "held"
	case strings.Contains(p.LimitReason, "ERR_"):
		return "busy"
	}
	return "declared"
}

// bounded is one line of the table below the reasons.
type bounded struct{ What, Took, Class string }

// shownReasons is how many reasons are listed.
const shownReasons = 8

// boundedBy adds up for how long each reason held.
func boundedBy(spans []span) []bounded {
	type sum struct {
		text, class string
		took        time.Duration
	}
	sums := map[string]*sum{}
	for _, s := range spans {
		if sums[s.name] == nil {
			sums[s.name] = &sum{text: cmp.Or(s.text, s.name), class: s.class}
		}
		sums[s.name].took += s.to.Sub(s.from)
	}
	var out []bounded
	for _, s := range slices.SortedFunc(maps.Values(sums), func(x, y *sum) int { return cmp.Or(cmp.Compare(y.took, x.took), cmp.Compare(x.text, y.text)) }) {
		if len(out) == shownReasons {
			out = append(out, bounded{What: fmt.Sprintf("and %d more", len(sums)-shownReasons)})
			break
		}
		out = append(out, bounded{What: s.text, Took: took(s.took), Class: s.class})
	}
	return out
}
