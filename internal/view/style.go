package view

import (
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// Style is how text is laid out for one writer. The zero value is Plain without a width.
type Style struct {
	// Color allows ANSI colours.
	Color bool
	// Terminal says that a person watches: lines may be drawn again, messages are wrapped.
	Terminal bool
	// Width is the number of columns to fill, 0 for plainWidth.
	Width int
}

// Bounds of the width that text is laid out for, in columns. Below minWidth tables turn into
// confetti, above maxWidth eyes lose the line.
const (
	minWidth   = 60
	plainWidth = 120
	maxWidth   = 140
)

// Plain is the style of a file or a pipe: no colour, 120 columns.
func Plain() Style { return Style{Width: plainWidth} }

// StyleFor looks at a writer: a terminal gets colour and its own width, anything else is Plain.
// environ are NAME=VALUE pairs, of which NO_COLOR (set and not empty) and TERM=dumb take colour
// away; a dumb terminal is not drawn on either.
func StyleFor(w io.Writer, environ ...string) Style {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return Plain()
	}
	s := Style{Color: true, Terminal: true, Width: plainWidth}
	if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 0 {
		s.Width = width
	}
	for _, pair := range environ {
		switch name, value, _ := strings.Cut(pair, "="); {
		case name == "NO_COLOR" && value != "":
			s.Color = false
		case name == "TERM" && value == "dumb":
			s.Color, s.Terminal = false, false
		}
	}
	return s
}

// columns is the width that text is laid out for.
func (s Style) columns() int {
	if s.Width <= 0 {
		return plainWidth
	}
	return min(max(s.Width, minWidth), maxWidth)
}

// talkColumns is the width at which messages are wrapped: never on anything but a terminal, so
// that a log or a grep sees one line.
func (s Style) talkColumns() int {
	if !s.Terminal {
		return 0
	}
	return s.columns()
}

func (s Style) paint(code, text string) string {
	if !s.Color || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func (s Style) bold(text string) string   { return s.paint("1", text) }
func (s Style) dim(text string) string    { return s.paint("2", text) }
func (s Style) red(text string) string    { return s.paint("31", text) }
func (s Style) green(text string) string  { return s.paint("32", text) }
func (s Style) yellow(text string) string { return s.paint("33", text) }

// loud is for what must not be missed.
func (s Style) loud(text string) string { return s.paint("1;31", text) }
