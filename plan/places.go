package plan

import (
	"cmp"
	"strconv"

	"github.com/hashicorp/hcl/v2"

	"github.com/pegmigrate/pegmigrate/schema"
)

// place writes a range of the configuration as "file:line,column".
func (b *builder) place(r hcl.Range) string {
	if r.Filename == "" {
		return ""
	}
	return r.Filename + ":" + strconv.Itoa(r.Start.Line) + "," + strconv.Itoa(r.Start.Column)
}

// atMethod is where the method is declared.
func (b *builder) atMethod() string { return cmp.Or(b.place(b.m.MethodRange), b.place(b.m.Range)) }

// atLimits is where limits are declared, or where they would have to be.
func (b *builder) atLimits() string { return cmp.Or(b.place(b.m.Limits.Range), b.place(b.m.Range)) }

// atVerify is where the comparison is declared, or where it would have to be.
func (b *builder) atVerify() string { return cmp.Or(b.place(b.m.Verify.Range), b.place(b.m.Range)) }

// atAfter is where it is declared what becomes of the source.
func (b *builder) atAfter() string { return cmp.Or(b.place(b.m.After.Range), b.place(b.m.Range)) }

// atRoute is where the MetaProxies are declared.
func (b *builder) atRoute() string {
	if d, ok := b.m.Method.(*schema.DuplicationMethod); ok && d.Cutover.MetaProxy != nil {
		return cmp.Or(b.place(d.Cutover.MetaProxy.Range), b.atMethod())
	}
	return b.atMethod()
}
