package rowfilter

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// names are what the shell's copy_data calls the kinds.
func names() map[string]Kind {
	return map[string]Kind{"anywhere": Anywhere, "prefix": Prefix, "postfix": Postfix, "exact": Exact}
}

// Parse reads "prefix:user_". The part before the first colon is anywhere, prefix, postfix or exact; the rest is the
// pattern, in which \xHH is a byte and \\ a backslash. The empty text is the Match that takes everything. A pattern that
// is empty by mistake would silently take everything, so only exact may have one.
func Parse(s string) (Match, error) {
	if s == "" {
		return Match{}, nil
	}
	name, rest, found := strings.Cut(s, ":")
	kind, known := names()[name]
	if !found || !known {
		return Match{}, fmt.Errorf("%q is not anywhere:PATTERN, prefix:PATTERN, postfix:PATTERN or exact:PATTERN", s)
	}
	pattern, err := unescape(rest)
	if err != nil {
		return Match{}, fmt.Errorf("%q: %w", s, err)
	}
	if len(pattern) == 0 && kind != Exact {
		return Match{}, fmt.Errorf("%q has no pattern, and would take everything", s)
	}
	return Match{Kind: kind, Pattern: pattern}, nil
}

// String is the form that Parse reads, the same for equal matches.
func (m Match) String() string {
	for name, kind := range names() {
		if kind == m.Kind {
			return name + ":" + escape(m.Pattern)
		}
	}
	return ""
}

var errEscape = errors.New(`a backslash begins \xHH, a byte, or is written twice`)

func unescape(s string) ([]byte, error) {
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] != '\\':
			out = append(out, s[i])
		case strings.HasPrefix(s[i:], `\\`):
			out = append(out, '\\')
			i++
		case strings.HasPrefix(s[i:], `\x`) && len(s)-i >= len(`\xHH`):
			b, err := hex.DecodeString(s[i+2 : i+4])
			if err != nil {
				return nil, errEscape
			}
			out = append(out, b...)
			i += 3
		default:
			return nil, errEscape
		}
	}
	return out, nil
}

func escape(pattern []byte) string {
	var b strings.Builder
	for _, c := range pattern {
		switch {
		case c == '\\':
			b.WriteString(`\\`)
		case c < ' ' || c > '~':
			fmt.Fprintf(&b, `\x%02x`, c)
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}
