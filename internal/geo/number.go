package geo

import (
	"bytes"
	"math"
	"math/big"
	"strconv"
	"strings"
)

// smallestNormal is the smallest double with all its bits, DBL_MIN.
const smallestNormal = 0x1p-1022

// parseDouble reads a number as dsn::buf2double does (utils/string_conv.h): what strtod takes of it must be the
// whole text, blanks in front included, blanks behind not; infinities, NaN, and what strtod reports as out of range
// are refused, results too small for all bits of a double included.
func parseDouble(text []byte) (v float64, ok bool) {
	text = bytes.TrimLeft(text, " \t\n\v\f\r") // isspace of the C locale
	for _, c := range text {
		if !strings.ContainsRune("0123456789abcdefABCDEFxXpP+-.", rune(c)) {
			return 0, false // "inf", "nan", and what Go takes and C does not: '_'
		}
	}
	s := string(text)
	hex := isHex(s)
	if hex && !strings.ContainsAny(s, "pP") {
		s += "p0" // Go wants the exponent that strtod can do without
	}
	v, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return 0, false
	}
	if math.Abs(v) < smallestNormal && !exact(s, v, hex) {
		return 0, false
	}
	return v, true
}

// isHex says whether strtod reads the text as hexadecimal.
func isHex(s string) bool {
	s = strings.TrimLeft(s, "+-")
	return strings.HasPrefix(s, "0x") || strings.HasPrefix(s, "0X")
}

// exact says whether a result below smallestNormal is the number as it is written: strtod reports the others as
// out of range.
func exact(s string, v float64, hex bool) bool {
	if v == 0 {
		mantissa := strings.ToLower(strings.TrimLeft(s, "+-"))
		if hex {
			mantissa, _, _ = strings.Cut(mantissa[2:], "p")
		} else {
			mantissa, _, _ = strings.Cut(mantissa, "e")
		}
		return strings.Trim(mantissa, "0.") == ""
	}
	const bits = 1200 // more than any double below smallestNormal has behind its point
	f, _, err := big.ParseFloat(s, 0, bits, big.ToNearestEven)
	return err == nil && f.Cmp(new(big.Float).SetFloat64(v)) == 0
}
