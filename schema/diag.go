package schema

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
)

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

// report gathers diagnostics: loading goes on after a mistake, so that all are told at once.
type report struct {
	diags hcl.Diagnostics
}

// errorf adds an error. A zero range means that the mistake has no place in a file.
func (r *report) errorf(code Code, at hcl.Range, hint, format string, args ...any) {
	r.add(hcl.DiagError, code, at, hint, fmt.Sprintf(format, args...))
}

// warnf adds a warning: the configuration is usable.
func (r *report) warnf(code Code, at hcl.Range, hint, format string, args ...any) {
	r.add(hcl.DiagWarning, code, at, hint, fmt.Sprintf(format, args...))
}

func (r *report) add(severity hcl.DiagnosticSeverity, code Code, at hcl.Range, hint, summary string) {
	d := &hcl.Diagnostic{Severity: severity, Summary: summary, Extra: Extra{Code: code, Hint: hint}}
	if at != (hcl.Range{}) {
		d.Subject = at.Ptr()
	}
	r.diags = append(r.diags, d)
}

// adopt takes over diagnostics of the HCL library. Expression and EvalContext are dropped: a
// renderer would print the values of variables from them, sensitive ones included.
func (r *report) adopt(code Code, hint string, diags hcl.Diagnostics) {
	for _, d := range diags {
		r.diags = append(r.diags, &hcl.Diagnostic{
			Severity: d.Severity,
			Summary:  lowerFirst(d.Summary),
			Detail:   d.Detail,
			Subject:  d.Subject,
			Context:  d.Context,
			Extra:    Extra{Code: code, Hint: hint},
		})
	}
}

// sorted gives the diagnostics in the order of the files: those without a place first.
func (r *report) sorted() hcl.Diagnostics {
	place := func(d *hcl.Diagnostic) hcl.Range {
		if d.Subject == nil {
			return hcl.Range{}
		}
		return *d.Subject
	}
	slices.SortStableFunc(r.diags, func(a, b *hcl.Diagnostic) int {
		pa, pb := place(a), place(b)
		return cmp.Or(cmp.Compare(pa.Filename, pb.Filename), cmp.Compare(pa.Start.Byte, pb.Start.Byte))
	})
	return r.diags
}

// hide replaces every occurrence of the secrets in what will be shown.
func (r *report) hide(secrets []string) {
	const mask = "(sensitive)"
	for _, s := range secrets {
		for _, d := range r.diags {
			d.Summary = strings.ReplaceAll(d.Summary, s, mask)
			d.Detail = strings.ReplaceAll(d.Detail, s, mask)
			if x, ok := ExtraOf(d); ok {
				x.Hint = strings.ReplaceAll(x.Hint, s, mask)
				d.Extra = x
			}
		}
	}
}
