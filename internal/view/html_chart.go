package view

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"time"
)

// chart is one drawing over the common axis, ready for the template.
type chart struct {
	ID, Title, Summary string
	Width              float64
	Height             int
	Top, Bottom        string
	Left, Right        string
	LabelX, LabelY     string
	PlotHeight         string
	Bands              []box
	Grid               []mark
	Ticks, Breaks      []mark
	Curves             []curve
	Legend             []legend
	// Hover is the curves as JSON, for the script.
	Hover string
}

// box is a rectangle over a span of time.
type box struct{ X, W, Label, Title, Class string }

// curve is one line, or a point when there is one sample only.
type curve struct {
	Class, Points string
	Dot           bool
	X, Y          string
}

// legend names a class of curves.
type legend struct{ Class, Name string }

// line is a named series of samples, cut where nothing was measured.
type line struct {
	name, class string
	pieces      []piece
}

// piece are samples without a gap, of one segment.
type piece struct {
	segment segment
	samples []sample
}

type sample struct {
	at    time.Time
	value float64
}

// highest is the largest sample and when it was.
func (l line) highest() (v float64, at time.Time) {
	for _, p := range l.pieces {
		for _, s := range p.samples {
			if s.value > v {
				v, at = s.value, s.at
			}
		}
	}
	return v, at
}

// gridLines is how many parts the value axis has.
const gridLines = 4

// measure is how values are written, and counted: bytes go by 1024.
type measure struct {
	write  func(float64) string
	binary bool
}

// newChart draws lines; nil when none of them has a value above 0.
func newChart(a axis, id, title string, unitOf measure, lines []line) *chart {
	write := unitOf.write
	top := 0.0
	var used []line
	for _, l := range lines {
		if v, _ := l.highest(); v > 0 {
			top = max(top, v)
			used = append(used, l)
		}
	}
	if top == 0 {
		return nil
	}
	scale := unitOf.step(top)
	c := frame(a, id, title)
	y := func(v float64) float64 {
		return chartBottom - (chartBottom-chartTop)*min(v/(scale*gridLines), 1)
	}
	for i := range gridLines + 1 {
		v := scale * float64(i)
		c.Grid = append(c.Grid, mark{At: unit(y(v)), Label: write(v)})
	}
	hover := make([]hoverLine, 0, len(used))
	var said []string
	for _, l := range used {
		c.Legend = append(c.Legend, legend{Class: l.class, Name: l.name})
		h := hoverLine{Name: l.name, Class: l.class}
		for _, p := range l.pieces {
			c.Curves = append(c.Curves, draw(a, l.class, p, y))
			h.add(a, p, y, write)
		}
		hover = append(hover, h)
		v, at := l.highest()
		said = append(said, fmt.Sprintf("%s: highest %s at %s", l.name, write(v), at.UTC().Format(time.TimeOnly)))
	}
	c.Summary = strings.Join(said, "; ")
	if text, err := json.Marshal(hover); err == nil { // strings and numbers
		c.Hover = string(text)
	}
	return c
}

// frame is a chart without content.
func frame(a axis, id, title string) *chart {
	return &chart{ID: id, Title: title, Width: chartWidth, Height: chartHeight, Top: unit(chartTop), Bottom: unit(chartBottom),
		Left: unit(chartLeft), Right: unit(chartRight), LabelX: unit(chartLeft - 8), LabelY: unit(chartBottom + 18),
		PlotHeight: unit(chartBottom - chartTop), Bands: bands(a), Ticks: a.ticks(), Breaks: a.breaks()}
}

func draw(a axis, class string, p piece, y func(float64) float64) curve {
	if len(p.samples) == 1 {
		return curve{Class: class, Dot: true, X: unit(a.at(p.segment, p.samples[0].at)), Y: unit(y(p.samples[0].value))}
	}
	var b strings.Builder
	for _, s := range p.samples {
		fmt.Fprintf(&b, "%s,%s ", unit(a.at(p.segment, s.at)), unit(y(s.value)))
	}
	return curve{Class: class, Points: strings.TrimSpace(b.String())}
}

// hoverLine is what the script shows of a line: places, and the words for them.
type hoverLine struct {
	Name  string    `json:"name"`
	Class string    `json:"class"`
	X     []float64 `json:"x"`
	Y     []float64 `json:"y"`
	When  []string  `json:"when"`
	What  []string  `json:"what"`
}

func (h *hoverLine) add(a axis, p piece, y func(float64) float64, write func(float64) string) {
	tenth := func(v float64) float64 { return math.Round(v*10) / 10 }
	for _, s := range p.samples {
		h.X = append(h.X, tenth(a.at(p.segment, s.at)))
		h.Y = append(h.Y, tenth(y(s.value)))
		h.When = append(h.When, s.at.UTC().Format("15:04:05"))
		h.What = append(h.What, write(s.value))
	}
}

// step is the distance of grid lines below top: a round number of the unit that top is written in.
func (m measure) step(top float64) float64 {
	factor := 1.0
	for m.binary && top >= 1024*factor {
		factor *= 1024
	}
	return factor * niceCeiling(top/gridLines/factor)
}

// niceCeiling is the next of 1, 2, 2.5, 5 times a power of ten.
func niceCeiling(v float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(v)))
	for _, m := range []float64{1, 2, 2.5, 5} {
		if v <= m*power {
			return m * power
		}
	}
	return 10 * power
}
