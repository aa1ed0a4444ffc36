package view

import (
	"io"
	"strings"
)

// Failure is an error ready to be shown. Whoever knows the error types fills it in, so that this
// package need not import the packages that fail.
type Failure struct {
	Code  string // "PM2101", "" when there is none
	Place string // "file:line,column", "" when the mistake is in no file
	Text  string // what is wrong; lower case, no final stop
	Hint  string // what to do, "" when the text says it
	// Details are further lines below the text: the facts that moved, what each address answered.
	Details []string
}

// PrintFailure writes an error: code and text on the first line, then place, details and hint on
// lines of their own. On a terminal long lines are wrapped.
func PrintFailure(w io.Writer, f Failure, style Style) {
	p := newTalk(style)
	p.message("error", f.Code, f.Text, p.loud)
	if f.Place != "" {
		p.hang("  at ", clean(f.Place), nil)
	}
	for _, d := range f.Details {
		p.hang("  - ", clean(d), nil)
	}
	p.hint(f.Hint)
	_ = p.writeTo(w) // talk: there is nobody to tell
}

// message adds "error PM2101: text". Further lines of the text, which joined errors have, are
// indented below it.
func (p *page) message(severity, code, text string, paint func(string) string) {
	label := severity
	if code != "" {
		label += " " + clean(code)
	}
	first, rest, _ := strings.Cut(strings.TrimSpace(text), "\n")
	lines := wrap(clean(first), max(p.width-len(label)-2, 0))
	p.line(paint(label+":"), " ", lines[0])
	for _, l := range lines[1:] {
		p.line("  ", l)
	}
	for l := range strings.Lines(rest) {
		if l = strings.TrimSpace(l); l != "" {
			p.hang("  ", clean(l), nil)
		}
	}
}

func (p *page) hint(text string) {
	if text != "" {
		p.hang("  hint: ", clean(text), nil)
	}
}
