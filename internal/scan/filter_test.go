package scan

import (
	"bytes"
	"testing"

	"github.com/pegmigrate/pegmigrate/internal/idl"
	"github.com/pegmigrate/pegmigrate/internal/pegkey"
	"github.com/pegmigrate/pegmigrate/internal/rowfilter"
)

// Servers make a key of a prefix, and end by an assertion when it is longer than a hash key may be.
func TestPatternsThatServersSee(t *testing.T) {
	longest := bytes.Repeat([]byte("x"), pegkey.MaxHashKey)
	for name, tc := range map[string]struct {
		match rowfilter.Match
		want  idl.FilterType
	}{
		"exact":    {rowfilter.Match{Kind: rowfilter.Exact, Pattern: longest}, idl.FilterPrefix},
		"too long": {rowfilter.Match{Kind: rowfilter.Prefix, Pattern: append(longest, 'x')}, idl.FilterNone},
		"empty":    {rowfilter.Match{Kind: rowfilter.Exact}, idl.FilterNone},
		"postfix":  {rowfilter.Match{Kind: rowfilter.Postfix, Pattern: []byte("s")}, idl.FilterPostfix},
	} {
		f := pushed(tc.match)
		if f.Type != tc.want || (f.Type == idl.FilterNone) != (len(f.Pattern) == 0) {
			t.Errorf("%s: type %v with %d bytes", name, f.Type, len(f.Pattern))
		}
	}
}
