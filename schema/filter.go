package schema

import (
	"encoding/hex"
	"fmt"
	"strings"
)

// filterKinds are how a filter compares; the first three are what servers know.
func filterKinds() []string { return []string{"anywhere", "prefix", "postfix", "exact"} }

// filterProblem says what is wrong with a filter, "" for nothing, and what to do about it. The form is that of
// internal/rowfilter, which this package must not import; a test holds the two against each other.
func filterProblem(s string) (problem, hint string) {
	const example = `like "prefix:user_" (the whole text counts, spaces as well); leave it out to take everything`
	kind, pattern, found := strings.Cut(s, ":")
	if !found {
		return "it is not KIND:PATTERN", example
	}
	known := false
	for _, k := range filterKinds() {
		known = known || k == kind
	}
	if !known {
		hint := "one of " + list(filterKinds())
		if near := suggest(kind, filterKinds()); near != "" {
			hint = fmt.Sprintf("did you mean %q? %s", near, hint)
		}
		return fmt.Sprintf("there is no filter %q", kind), hint
	}
	if pattern == "" && kind != "exact" {
		return "an empty pattern takes everything", `leave it out; only "exact:" means the empty text`
	}
	for rest := pattern; rest != ""; {
		at := strings.IndexByte(rest, '\\')
		if at < 0 {
			break
		}
		rest = rest[at:]
		switch {
		case strings.HasPrefix(rest, `\\`):
			rest = rest[2:]
		case strings.HasPrefix(rest, `\x`) && len(rest) >= 4 && isHex(rest[2:4]):
			rest = rest[4:]
		default:
			return `a backslash in it begins \xHH, a byte, or is written twice`, `in quotes of HCL every backslash is written twice again: "prefix:\\xff"`
		}
	}
	return "", ""
}

func isHex(s string) bool {
	_, err := hex.DecodeString(s)
	return err == nil
}
