package schema

import (
	"strconv"
	"unicode"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
)

// count is "1 label", "2 labels", "no label".
func count(n int, noun string) string {
	switch n {
	case 0:
		return "no " + noun
	case 1:
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}

// line is the line number of a range as text.
func line(r hcl.Range) string { return strconv.Itoa(r.Start.Line) }

// where is "file:line" of a range.
func where(r hcl.Range) string { return r.Filename + ":" + line(r) }

// lowerFirst makes a message of another library begin as ours do.
func lowerFirst(s string) string {
	r, n := utf8.DecodeRuneInString(s)
	return string(unicode.ToLower(r)) + s[n:]
}
