package view

import (
	"fmt"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/history"
)

// Measures of a chart, in units of its viewBox; at full width a unit is about a pixel.
const (
	chartWidth  = 1000.0
	chartLeft   = 66.0
	chartRight  = 990.0
	chartTop    = 12.0
	chartBottom = 158.0
	chartHeight = 186
	// runGap separates runs: the time between them is left out.
	runGap = 16.0
	// labelRoom is the least distance of two labels of the time axis.
	labelRoom = 84.0
	// shownRuns is how many runs are drawn; the others are in the table.
	shownRuns = 12
)

// axis lays runs side by side: what a migration did on Monday and on Thursday is drawn without the days
// between.
type axis struct {
	segments []segment
	scale    float64 // units per second
	severalD bool    // days
}

// segment is one run on the axis.
type segment struct {
	run      history.Run
	number   int // from 1, of all runs
	from, to time.Time
	x        float64
}

// newAxis lays out the last runs that have something to show.
func newAxis(runs []history.Run) axis {
	var a axis
	for i, r := range runs {
		if len(r.Events) == 0 {
			continue
		}
		s := segment{run: r, number: i + 1, from: r.Opened, to: later(r.Closed, r.Events[len(r.Events)-1].At)}
		if !s.to.After(s.from.Add(time.Second)) { // clocks are set back
			s.to = s.from.Add(time.Second)
		}
		a.segments = append(a.segments, s)
	}
	if n := len(a.segments) - shownRuns; n > 0 {
		a.segments = a.segments[n:]
	}
	if len(a.segments) == 0 {
		return a
	}
	total := 0.0
	for _, s := range a.segments {
		total += s.to.Sub(s.from).Seconds()
	}
	a.scale = (chartRight - chartLeft - runGap*float64(len(a.segments)-1)) / total
	x := chartLeft
	for i := range a.segments {
		a.segments[i].x = x
		x = a.end(a.segments[i]) + runGap
	}
	first, last := a.segments[0].from.UTC(), a.segments[len(a.segments)-1].to.UTC()
	a.severalD = first.Format(time.DateOnly) != last.Format(time.DateOnly)
	return a
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// at is where a moment of a segment is drawn.
func (a axis) at(s segment, t time.Time) float64 {
	return min(max(s.x+t.Sub(s.from).Seconds()*a.scale, s.x), a.end(s))
}

func (a axis) end(s segment) float64 { return s.x + s.to.Sub(s.from).Seconds()*a.scale }

// mark is a place on an axis with its label.
type mark struct{ At, Label string }

// tickSteps are what people count time in, in seconds.
func tickSteps() []int {
	return []int{1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800}
}

// ticks are the labels of the time axis.
func (a axis) ticks() []mark {
	step := time.Duration(0)
	for _, seconds := range tickSteps() {
		step = time.Duration(seconds) * time.Second
		if step.Seconds()*a.scale >= labelRoom {
			break
		}
	}
	layout := "15:04"
	switch {
	case step < time.Minute:
		layout = "15:04:05"
	case a.severalD:
		layout = "01-02 15:04"
	}
	var marks []mark
	last := -labelRoom
	put := func(s segment, t time.Time) {
		if x := a.at(s, t); x-last >= labelRoom && x < chartRight-20 {
			marks = append(marks, mark{At: unit(x), Label: t.UTC().Format(layout)})
			last = x
		}
	}
	for _, s := range a.segments {
		t := s.from.Truncate(step)
		for t.Before(s.from) {
			t = t.Add(step)
		}
		if len(a.segments) > 1 || t.After(s.to) {
			put(s, s.from)
		}
		for ; !t.After(s.to); t = t.Add(step) {
			put(s, t)
		}
	}
	return marks
}

// breaks are where one run ends and another begins.
func (a axis) breaks() []mark {
	var marks []mark
	for _, s := range a.segments[min(1, len(a.segments)):] {
		marks = append(marks, mark{At: unit(s.x - runGap/2), Label: fmt.Sprintf("run %d", s.number)})
	}
	return marks
}

// days names the days that the axis covers.
func (a axis) days() string {
	if len(a.segments) == 0 {
		return ""
	}
	first := a.segments[0].from.UTC().Format(time.DateOnly)
	if last := a.segments[len(a.segments)-1].to.UTC().Format(time.DateOnly); last != first {
		return first + " to " + last
	}
	return first
}

// unit writes a coordinate.
func unit(x float64) string { return fmt.Sprintf("%.1f", x) }
