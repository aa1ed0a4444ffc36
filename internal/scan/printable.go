package scan

import (
	"encoding/hex"
	"strconv"
	"unicode/utf8"

	"github.com/pegmigrate/pegmigrate/internal/pegkey"
)

// shown is how many bytes of a key Printable shows at most.
const shown = 128

// PrintableKey is the hash key and the sort key of a raw key in a form fit for terminals and
// logs, see Printable. A malformed key is given whole as the hash key.
func PrintableKey(raw []byte) (hashKey, sortKey string) {
	h, s, err := pegkey.Decode(raw)
	if err != nil {
		return Printable(raw), Printable(nil)
	}
	return Printable(h), Printable(s)
}

// Printable quotes text and writes anything else as 0x… in hex. Keys beyond 128 bytes are cut
// and end with their length.
func Printable(b []byte) string {
	cut := b[:min(len(b), shown)]
	var s string
	if text(b) {
		s = strconv.Quote(string(cut))
	} else {
		s = "0x" + hex.EncodeToString(cut)
	}
	if len(cut) < len(b) {
		s += "… (" + strconv.Itoa(len(b)) + " bytes)"
	}
	return s
}

// text tells whether b is UTF-8 of printable characters.
func text(b []byte) bool {
	for i := 0; i < len(b); {
		r, n := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && n == 1 || !strconv.IsPrint(r) {
			return false
		}
		i += n
	}
	return true
}
