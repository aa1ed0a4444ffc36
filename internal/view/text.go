package view

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/mattn/go-runewidth"
)

// clean makes text of unknown origin fit for one line of a terminal: line breaks and tabs become
// spaces, other characters that do not print become escapes.
func clean(s string) string {
	if !needsCleaning(s) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case r == '\n' || r == '\r' || r == '\t':
			b.WriteByte(' ')
		case unicode.IsPrint(r):
			b.WriteRune(r)
		case r < 0x80:
			fmt.Fprintf(&b, `\x%02x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
		i += n
	}
	return b.String()
}

func needsCleaning(s string) bool {
	if !utf8.ValidString(s) {
		return true
	}
	return strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) })
}

// visible is the number of columns that s takes; the colours of Style take none.
func visible(s string) int {
	if !strings.Contains(s, "\x1b") {
		return runewidth.StringWidth(s)
	}
	n := 0
	for s != "" {
		before, rest, found := strings.Cut(s, "\x1b[")
		n += runewidth.StringWidth(before)
		if !found {
			break
		}
		_, s, _ = strings.Cut(rest, "m")
	}
	return n
}

// pad fills s with spaces on the right up to width columns.
func pad(s string, width int) string {
	if n := width - visible(s); n > 0 {
		return s + strings.Repeat(" ", n)
	}
	return s
}

// cut shortens s, which must be without colours, to width columns.
func cut(s string, width int) string {
	return runewidth.Truncate(s, max(width, 0), "…")
}

// wrap breaks text at spaces into lines of at most width columns; a longer word gets a line of
// its own, and a number stays with its unit. Width 0 and below means no limit. The result has at
// least one line.
func wrap(text string, width int) []string {
	words := glue(strings.Fields(text))
	if len(words) == 0 {
		return []string{""}
	}
	lines, used := words[:1:1], visible(words[0])
	for _, word := range words[1:] {
		n := visible(word)
		if width > 0 && used+1+n > width {
			lines, used = append(lines, word), n
			continue
		}
		lines[len(lines)-1] += " " + word
		used += 1 + n
	}
	return lines
}

// glue joins "812" and "M", "17" and "min)": a number that ends a line is read without its unit.
func glue(words []string) []string {
	glued := words[:0:0]
	for _, word := range words {
		last := len(glued) - 1
		if last >= 0 && endsInDigit(glued[last]) && isUnit(strings.TrimRight(word, ",;:)")) {
			glued[last] += " " + word
			continue
		}
		glued = append(glued, word)
	}
	return glued
}

func endsInDigit(s string) bool { return s[len(s)-1] >= '0' && s[len(s)-1] <= '9' }

func isUnit(s string) bool {
	switch s {
	case "ms", "s", "min", "h", "days", "k", "M", "G", "B", "KiB", "MiB", "GiB", "TiB", "PiB", "%":
		return true
	}
	return false
}

// lowerFirst gives a sentence of somebody else our voice: a lower-case start, unless the first
// word is an acronym, and no final stop.
func lowerFirst(s string) string {
	s = strings.TrimSuffix(strings.TrimSpace(s), ".")
	first, n := utf8.DecodeRuneInString(s)
	second, _ := utf8.DecodeRuneInString(s[n:])
	if !unicode.IsUpper(first) || unicode.IsUpper(second) {
		return s
	}
	return string(unicode.ToLower(first)) + s[n:]
}

// plural writes "1 step", "4 steps".
func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// short is the beginning of a hash or a lineage, enough to recognise it.
func short(id string) string {
	id = clean(id)
	if len(id) <= 8 {
		return id
	}
	return id[:8]
}
