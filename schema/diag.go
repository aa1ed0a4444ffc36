package schema

import "github.com/hashicorp/hcl/v2"

// Extra is what every diagnostic of this package carries in hcl.Diagnostic.Extra, by value.
type Extra struct {
	// Code is stable over releases: PM1xxx, see Codes.
	Code Code
	// Hint says what to do, in lower case and without a full stop. "" when the message says it.
	Hint string
}

// ExtraOf gives the code and hint of a diagnostic of this package; false for any other.
func ExtraOf(d *hcl.Diagnostic) (Extra, bool) {
	if d == nil {
		return Extra{}, false
	}
	x, ok := d.Extra.(Extra)
	return x, ok
}
