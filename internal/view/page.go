package view

import (
	"io"
	"strings"
)

// page collects text for one writer. Lines never end in spaces.
type page struct {
	Style
	width int // 0: lines are as long as they are
	text  strings.Builder
}

func newPage(s Style) *page { return &page{Style: s, width: s.columns()} }

// newTalk is a page that wraps on terminals only.
func newTalk(s Style) *page { return &page{Style: s, width: s.talkColumns()} }

// line adds one line as it is.
func (p *page) line(parts ...string) {
	p.text.WriteString(trimRight(strings.Join(parts, "")))
	p.text.WriteByte('\n')
}

// trimRight takes spaces off the end of a line, before a closing colour as well.
func trimRight(s string) string {
	const reset = "\x1b[0m"
	s = strings.TrimRight(s, " ")
	if body, ok := strings.CutSuffix(s, reset); ok {
		return strings.TrimRight(body, " ") + reset
	}
	return s
}

// hang adds a paragraph: head, then text wrapped to the page and indented to the end of head.
// paint colours each line of the text; nil leaves it as it is.
func (p *page) hang(head, text string, paint func(string) string) {
	indent := visible(head)
	room := 0
	if p.width > 0 {
		room = max(p.width-indent, minWidth/3)
	}
	for i, l := range wrap(text, room) {
		if i > 0 {
			head = strings.Repeat(" ", indent)
		}
		if paint != nil {
			l = paint(l)
		}
		p.line(head, l)
	}
}

// writeTo hands everything over in one write.
func (p *page) writeTo(w io.Writer) error {
	_, err := io.WriteString(w, p.text.String())
	return err
}
