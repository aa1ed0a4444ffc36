package schema

import (
	"bytes"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
)

// formatRounds bounds how often the formatter of the HCL library is applied until it rests: it
// moves comments and alignment in a second round now and then.
const formatRounds = 4

// Format gives source in the canonical layout. It changes white space only, and formatting twice
// is formatting once. Source that is not HCL comes back as it is.
func Format(src []byte) []byte {
	if !parses(src) {
		return bytes.Clone(src)
	}
	out := src
	for range formatRounds {
		next := hclwrite.Format(out)
		if bytes.Equal(next, out) {
			return next
		}
		out = next
	}
	return bytes.Clone(src) // it never rests: better not to touch the file
}

// parses tells whether the source is HCL within the bounds of a configuration.
func parses(src []byte) bool {
	l := newLoader()
	if len(src) > maxFileSize || !l.bounded(src, "") {
		return false
	}
	_, diags := hclsyntax.ParseConfig(src, "", hcl.InitialPos)
	return !diags.HasErrors()
}
