package view

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/mattn/go-runewidth"

	"github.com/pegmigrate/pegmigrate/schema"
)

// Diagnostics writes what is wrong with a configuration: for each finding the stable code, the
// place as file:line,column, the lines with a caret below the mistake, and the hint. files are
// the parsed files by name, as schema.Config.Files; a snippet is left out when its file is not
// among them.
func Diagnostics(w io.Writer, diags hcl.Diagnostics, files map[string]*hcl.File, style Style) {
	p := newTalk(style)
	for i, d := range diags {
		if d == nil {
			continue
		}
		if i > 0 {
			p.line()
		}
		p.diagnostic(d, files)
	}
	_ = p.writeTo(w) // talk: there is nobody to tell
}

func (p *page) diagnostic(d *hcl.Diagnostic, files map[string]*hcl.File) {
	severity, paint := "error", p.loud
	if d.Severity == hcl.DiagWarning {
		severity, paint = "warning", p.yellow
	}
	extra, _ := schema.ExtraOf(d)
	p.message(severity, string(extra.Code), lowerFirst(d.Summary), paint)
	if d.Detail != "" {
		p.hang("  ", clean(lowerFirst(d.Detail)), nil)
	}
	if d.Subject != nil {
		p.line("  at ", clean(d.Subject.Filename), fmt.Sprintf(":%d,%d", d.Subject.Start.Line, d.Subject.Start.Column))
		if f := files[d.Subject.Filename]; f != nil {
			p.snippet(f.Bytes, *d.Subject)
		}
	}
	p.hint(extra.Hint)
}

// snippetLines bounds how much of a long construct is shown.
const snippetLines = 4

// snippet shows the lines of a range with carets below the range. Positions are taken from byte
// offsets; those of a range that does not lie in the file show nothing.
func (p *page) snippet(src []byte, r hcl.Range) {
	start, end := r.Start.Byte, max(r.End.Byte, r.Start.Byte)
	if start < 0 || end > len(src) {
		return
	}
	number := len(fmt.Sprint(max(r.End.Line, r.Start.Line)))
	from := bytes.LastIndexByte(src[:start], '\n') + 1
	for i := 0; i < snippetLines; i++ {
		to := len(src)
		if n := bytes.IndexByte(src[from:], '\n'); n >= 0 {
			to = from + n
		}
		marked := [2]int{max(start, from) - from, min(max(end, start+1), to) - from}
		if i > 0 { // not below the indentation
			marked[0] = len(src[from:to]) - len(bytes.TrimLeft(src[from:to], " \t"))
		}
		p.source(fmt.Sprintf("  %*d | ", number, r.Start.Line+i), string(src[from:to]), marked)
		from = to + 1
		if from > len(src) || from >= end {
			return
		}
	}
	p.line("  ", strings.Repeat(" ", number), " | …")
}

// source adds one line of a file and the carets below it. A line that is too long for the page is
// cut on both sides of the mark.
func (p *page) source(gutter, line string, marked [2]int) {
	from := min(max(marked[0], 0), len(line))
	to := min(max(marked[1], from), len(line))
	before, mid := expand(line[:from]), expand(line[from:to])
	after := expand(line[to:])
	if room := p.snippetRoom(gutter); visible(before)+visible(mid)+visible(after) > room {
		mid = cut(mid, room*2/3)
		before = tail(before, max(room-visible(mid), 0)/2)
		after = cut(after, room-visible(mid)-visible(before))
	}
	p.line(gutter, before, p.bold(mid), after)
	blank := strings.Repeat(" ", max(len(gutter)-2, 0)) + "| " + strings.Repeat(" ", visible(before))
	p.line(blank, p.red(strings.Repeat("^", max(visible(mid), 1))))
}

// snippetRoom is what a source line may take; also without a terminal, because a line of a
// configuration may be a megabyte.
func (p *page) snippetRoom(gutter string) int { return p.columns() - len(gutter) }

// expand shows a part of a source line: tabs as two spaces, the rest as clean does.
func expand(s string) string {
	return clean(strings.ReplaceAll(strings.TrimSuffix(s, "\r"), "\t", "  "))
}

// tail keeps the last columns of s.
func tail(s string, width int) string {
	used, from := 0, len(s)
	for from > 0 {
		r, n := utf8.DecodeLastRuneInString(s[:from])
		if used += runewidth.RuneWidth(r); used > width-1 {
			return "…" + s[from:]
		}
		from -= n
	}
	return s
}
