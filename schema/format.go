package schema

import (
	"bytes"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclwrite"
)

// formatRounds bounds how often the formatter of the HCL library is applied until it rests: it
// moves comments and alignment in a second round now and then.
const formatRounds = 4

// Format gives source in the canonical layout. It changes white space only, and formatting twice
// is formatting once. Source that is not HCL comes back as it is.
func Format(src []byte) []byte {
	if _, diags := CheckSyntax(src, ""); diags.HasErrors() {
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

// CheckSyntax tells what keeps a file from being HCL, as Load would. The Config holds Files only.
func CheckSyntax(src []byte, name string) (*Config, hcl.Diagnostics) {
	l := newLoader()
	if len(src) > maxFileSize {
		l.errorf(CodeTooLarge, hcl.Range{}, "", "%s is larger than 1 MiB", name)
	} else {
		l.parse(src, name)
	}
	return &Config{Files: l.files}, l.sorted()
}
