package view

import (
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/term"

	"github.com/pegmigrate/pegmigrate/internal/event"
)

// RunView shows a run to a person. On a terminal a few lines at the bottom are drawn again and
// again while the rest scrolls above them; elsewhere progress is one plain line per second at
// most. Safe for concurrent use. A writer that is stuck holds up Emit for a second at most.
type RunView struct {
	queue *queue
	close func()
}

// NewRunView writes to w as style allows: the live display needs style.Terminal. now is the clock
// by which progress lines are spaced; nil means time.Now. Call Close when the run is over.
func NewRunView(w io.Writer, style Style, now func() time.Time) *RunView {
	if style.Terminal {
		live := newLive(w, style, terminalSize(w))
		return &RunView{queue: newQueue(now, live.show), close: live.close}
	}
	return &RunView{queue: newQueue(now, newLineLog(w, style).show), close: func() {}}
}

// Emit implements event.Sink.
func (v *RunView) Emit(e event.Event) { v.queue.emit(e) }

// Close waits until everything is shown, for a second or so at most, and takes the live display
// off the terminal. Do not emit afterwards. It may be called again.
func (v *RunView) Close() {
	if v.queue.flush() {
		v.close()
	}
}

// terminalSize asks the terminal behind w each time, because people resize windows.
func terminalSize(w io.Writer) func() (width, height int) {
	return func() (int, int) {
		if f, ok := w.(*os.File); ok {
			if width, height, err := term.GetSize(int(f.Fd())); err == nil {
				return width, height
			}
		}
		return plainWidth, 24
	}
}

// Spacing of lines that are no news by themselves, for output that is not a terminal.
const (
	moveEvery = time.Second
	// waitEvery is how often an unchanged reason is told again; a new one is told after moveEvery.
	waitEvery = 10 * time.Second
)

// lineLog tells a run in plain lines.
type lineLog struct {
	w io.Writer
	n narrator
	// told is when the last progress or waiting line was written, reason what it said.
	told   time.Time
	reason string
}

func newLineLog(w io.Writer, style Style) *lineLog {
	return &lineLog{w: w, n: narrator{style: style}}
}

func (l *lineLog) show(e event.Event, at time.Time) {
	switch e := e.(type) {
	case event.MoveProgress:
		if l.due(at, moveEvery) {
			l.reason = ""
			l.print(at, moveLine(e, l.n.style))
		}
		return
	case event.LagProgress:
		every := moveEvery
		if e.Elapsed > waitEvery { // a drain is short, a lag may last for hours
			every = waitEvery
		}
		if l.due(at, every) {
			l.reason = ""
			l.print(at, lagLine(e))
		}
		return
	case event.Waiting:
		every := waitEvery
		if e.Reason != l.reason {
			every = moveEvery
		}
		if l.due(at, every) {
			l.reason = e.Reason
			l.print(at, waitingLine(e))
		}
		return
	}
	lines, _ := l.n.tell(e)
	for _, line := range lines {
		_, _ = fmt.Fprintln(l.w, trimRight(line)) // talk: there is nobody to tell
	}
	if _, ok := e.(event.StepStarted); ok {
		l.told, l.reason = time.Time{}, ""
	}
}

func (l *lineLog) due(at time.Time, every time.Duration) bool {
	return l.told.IsZero() || at.Sub(l.told) >= every
}

func (l *lineLog) print(at time.Time, line string) {
	l.told = at
	_, _ = fmt.Fprintln(l.w, trimRight(line))
}
