package view

import (
	"bytes"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/pegmigrate/pegmigrate/internal/event"
)

// redraw is the time between two drawings of the live display: fast enough to look alive, slow
// enough for a terminal behind a thin line.
const redraw = 200 * time.Millisecond

// live draws the run on a terminal. The library owns the terminal: it draws the board, and prints
// lines above it. Methods run on the queue's goroutine, drawing on the library's.
type live struct {
	n    narrator
	w    io.Writer
	size func() (width, height int)
	bars *mpb.Progress
	bar  *mpb.Bar

	// mu guards board. It is never held while the library is called, which would wait for a
	// drawing that waits for mu.
	mu    sync.Mutex
	board board
	// below are the lines after the first, from one drawing; used on the library's goroutine only.
	below []string
}

// newLive starts to draw on w at once. options are for tests.
func newLive(w io.Writer, style Style, size func() (width, height int), options ...mpb.ContainerOption) *live {
	l := &live{n: narrator{style: style}, w: w, size: size, board: board{style: style, filler: barFiller(style)}}
	options = append([]mpb.ContainerOption{mpb.WithOutput(w), mpb.WithAutoRefresh(), mpb.WithRefreshRate(redraw)}, options...)
	l.bars = mpb.New(options...)
	// One bar stands for the whole board: its own line is the first, its extension the others. So
	// the number of lines follows what there is to show, without bars that come and go.
	l.bar, _ = l.bars.Add(0, mpb.BarFillerFunc(l.first), mpb.BarFillerTrim(), mpb.BarExtender(mpb.BarFillerFunc(l.others), false))
	return l
}

// barFiller draws the bar of one partition.
func barFiller(style Style) mpb.BarFiller {
	return mpb.BarStyle().FillerMeta(style.green).TipMeta(style.green).PaddingMeta(style.dim).Build()
}

func (l *live) first(w io.Writer, s decor.Statistics) error {
	width, height := l.size()
	if s.AvailableWidth > 0 {
		width = min(width, s.AvailableWidth)
	}
	l.mu.Lock()
	lines := l.board.draw(width, height)
	l.mu.Unlock()
	l.below = lines[1:]
	_, err := io.WriteString(w, "\r"+lines[0])
	return err
}

func (l *live) others(w io.Writer, _ decor.Statistics) error {
	for _, line := range l.below {
		if _, err := io.WriteString(w, line+"\n"); err != nil {
			return err
		}
	}
	return nil
}

// show prints what is news above the board and changes the board.
func (l *live) show(e event.Event, _ time.Time) {
	l.mu.Lock()
	l.board.take(e)
	l.mu.Unlock()
	lines, _ := l.n.tell(e)
	if len(lines) == 0 {
		return
	}
	var text bytes.Buffer
	text.WriteByte('\r') // over the ^C that the terminal echoed
	for _, line := range lines {
		text.WriteString(trimRight(line) + "\n")
	}
	if _, err := l.bars.Write(text.Bytes()); err != nil {
		// The library gave up on the terminal; what is told must still be readable.
		_, _ = io.WriteString(l.w, text.String())
	}
}

// close draws a last time, without the board.
func (l *live) close() {
	if l.bar != nil {
		l.bar.Abort(true)
	}
	l.bars.Wait()
}

// fill draws a bar of the given width for a share of a total.
func (b *board) fill(width int, current, total uint64) string {
	var out strings.Builder
	stat := decor.Statistics{AvailableWidth: width, Total: 1000, Current: thousandths(current, total)}
	if err := b.filler.Fill(&out, stat); err != nil {
		return ""
	}
	return out.String()
}

// thousandths is the share of current in total. Totals are estimates, so it stays below 1000.
func thousandths(current, total uint64) int64 {
	if total == 0 {
		return 0
	}
	return int64(min(float64(current)/float64(total)*1000, 990))
}
