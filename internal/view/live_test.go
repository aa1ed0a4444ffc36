package view

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/vbauerster/mpb/v8"

	"github.com/pegmigrate/pegmigrate/internal/event"
)

// The board after every event of the story, at three sizes of a terminal.
func TestBoard(t *testing.T) {
	for _, size := range []struct{ width, height int }{{80, 24}, {140, 40}, {40, 8}} {
		var out bytes.Buffer
		b := &board{filler: barFiller(Style{})}
		last := ""
		for _, s := range story() {
			b.take(s.e)
			lines := b.draw(size.width, size.height)
			if len(lines) == 0 || len(lines) >= size.height {
				t.Errorf("%d lines at height %d", len(lines), size.height)
			}
			for i := range lines {
				if n := visible(lines[i]); n >= size.width {
					t.Errorf("a line of %d columns at width %d: %q", n, size.width, lines[i])
				}
				lines[i] = trimRight(lines[i])
			}
			if now := strings.Join(lines, "\n"); now != last {
				fmt.Fprintf(&out, "--- %s\n%s\n", s.e.Name(), now)
				last = now
			}
		}
		golden(t, fmt.Sprintf("board_%dx%d.txt", size.width, size.height), out.Bytes())
	}
}

func TestBoardOnNothingAtAll(t *testing.T) {
	b := &board{filler: barFiller(Style{})}
	for _, size := range []int{-1, 0, 1, 2, 10} {
		if got := b.draw(size, size); len(got) != 1 {
			t.Errorf("size %d: %q", size, got)
		}
		b.take(event.MoveProgress{Partitions: []event.PartitionProgress{{Active: true, Rows: 1 << 63, Estimate: 1}}})
		if got := b.draw(size, size); len(got) < 1 {
			t.Errorf("size %d: %q", size, got)
		}
		b.take(event.RunDone{})
	}
}

// screen is a terminal as far as the live display uses one.
type screen struct {
	mu       sync.Mutex
	lines    [][]rune
	row, col int
	rest     string // an escape that is not whole yet
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	text := s.rest + string(p)
	s.rest = ""
	for text != "" {
		if rest, ok := strings.CutPrefix(text, "\x1b["); ok {
			end := strings.IndexAny(rest, "AJm")
			if end < 0 {
				s.rest = text
				break
			}
			s.escape(rest[:end], rest[end])
			text = rest[end+1:]
			continue
		}
		r, n := utf8.DecodeRuneInString(text)
		s.put(r)
		text = text[n:]
	}
	return len(p), nil
}

func (s *screen) put(r rune) {
	for len(s.lines) <= s.row {
		s.lines = append(s.lines, nil)
	}
	switch r {
	case '\n':
		s.row, s.col = s.row+1, 0
	case '\r':
		s.col = 0
	default:
		for len(s.lines[s.row]) <= s.col {
			s.lines[s.row] = append(s.lines[s.row], ' ')
		}
		s.lines[s.row][s.col] = r
		s.col++
	}
}

func (s *screen) escape(arg string, kind byte) {
	switch kind {
	case 'A':
		n := 0
		_, _ = fmt.Sscan(arg, &n)
		s.row = max(s.row-n, 0)
	case 'J':
		if s.row < len(s.lines) {
			s.lines[s.row] = s.lines[s.row][:min(s.col, len(s.lines[s.row]))]
			s.lines = s.lines[:s.row+1]
		}
	}
}

func (s *screen) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var b strings.Builder
	for _, l := range s.lines {
		b.WriteString(strings.TrimRight(string(l), " ") + "\n")
	}
	return b.String()
}

// A whole run on a terminal: what remains on the screen is what a file would hold, without the
// progress, and the board is gone.
func TestLiveDisplay(t *testing.T) {
	s := &screen{}
	refresh := make(chan any)
	w := writerFunc(func(b []byte) (int, error) {
		if bytes.Contains(b, []byte("interrupted at")) {
			_, _ = s.Write([]byte("^C")) // the terminal echoes what the operator typed
		}
		return s.Write(b)
	})
	l := newLive(w, Style{}, func() (int, int) { return 100, 30 }, mpb.WithManualRefresh(refresh))
	draw := func() {
		for range 3 { // the third is taken when the second has begun, and so the first has ended
			refresh <- time.Time{}
		}
	}
	seen := false
	n := &narrator{}
	want := ""
	for _, told := range story() {
		l.show(told.e, noon)
		lines, _ := n.tell(told.e)
		for _, line := range lines {
			want += line + "\n"
		}
		draw()
		if strings.Contains(s.text(), "  p3      [") && strings.Contains(s.text(), "120 k rows/s") {
			seen = true
		}
	}
	if !seen {
		t.Error("the bars were never drawn")
	}
	if got := s.text(); !strings.HasPrefix(got, want) {
		t.Errorf("the screen during the run:\n%s\nwant it to begin with:\n%s", got, want)
	}
	l.close()
}

// With the library's own clock, and concurrently: nothing deadlocks, and the end is clean.
func TestLiveDisplayByItself(t *testing.T) {
	s := &screen{}
	v := NewRunView(s, Style{Terminal: true, Color: true}, nil)
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range 100 {
				v.Emit(event.MoveProgress{Step: "copy", Rows: uint64(i), PartitionCount: 4, Partitions: []event.PartitionProgress{{Index: 1, Active: true, Estimate: 10}}})
				if i%10 == 0 {
					v.Emit(event.Warning{Step: fmt.Sprint(g), Text: fmt.Sprint(i)})
				}
			}
		})
	}
	wg.Wait()
	v.Emit(event.RunDone{Migration: "orders", Command: "apply", Elapsed: time.Second, Text: "the end"})
	v.Close()
	v.Close()
	lines := strings.Split(strings.TrimSpace(s.text()), "\n")
	if len(lines) != 41 || lines[40] != "apply orders: done in 1.0 s; the end" {
		t.Errorf("%d lines remain:\n%s", len(lines), s.text())
	}
	for _, l := range lines[:40] {
		if !strings.HasPrefix(l, "warning: ") {
			t.Errorf("left over: %q", l)
		}
	}
}
