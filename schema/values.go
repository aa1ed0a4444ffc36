package schema

import (
	"fmt"
	"math"
	"math/big"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

// arg evaluates an argument of a block. ok is false when there is nothing to use: the argument is
// absent or null, or a mistake in it has been told. A required one that is null is told here.
func (l *loader) arg(c *content, name string, required bool) (v cty.Value, at hcl.Range, ok bool) {
	attr := c.attrs[name]
	if attr == nil {
		return failed(), c.header, false
	}
	at = attr.Expr.Range()
	v = l.eval(attr.Expr)
	if !v.IsWhollyKnown() {
		return v, at, false
	}
	if v.IsNull() {
		if required {
			l.errorf(CodeMissingArgument, at, "", "%s needs the argument %q, and null is no value", c.what, name)
		}
		return v, at, false
	}
	return v, at, true
}

// typed is arg with a conversion to a primitive type.
func (l *loader) typed(c *content, name string, required bool, want cty.Type) (v cty.Value, at hcl.Range, ok bool) {
	v, at, ok = l.arg(c, name, required)
	if !ok {
		return v, at, false
	}
	conv, err := convert.Convert(v, want)
	if err != nil || conv.IsNull() {
		l.errorf(CodeType, at, "", "%q must be %s, not %s", name, describe(cty.UnknownVal(want)), describe(v))
		return failed(), at, false
	}
	return conv, at, true
}

// describe names a value's type for a sentence.
func describe(v cty.Value) string {
	t := v.Type()
	switch {
	case v.IsKnown() && v.IsNull():
		return "null"
	case t == clusterCapsule:
		return "a cluster"
	case t == providerCapsule:
		return "a provider"
	case t == cty.String:
		return "text"
	case t == cty.Number:
		return "a number"
	case t == cty.Bool:
		return "true or false"
	case t.IsTupleType(), t.IsListType(), t.IsSetType():
		return "a list"
	case t.IsObjectType(), t.IsMapType():
		return "an object"
	}
	return t.FriendlyName()
}

// text gives a string argument.
func (l *loader) text(c *content, name string, required bool) (s string, at hcl.Range, ok bool) {
	v, at, ok := l.typed(c, name, required, cty.String)
	if !ok {
		return "", at, false
	}
	return v.AsString(), at, true
}

func (l *loader) optionalString(c *content, name string) string {
	s, _, _ := l.text(c, name, false)
	return s
}

func (l *loader) optionalBool(c *content, name string) bool {
	v, _, ok := l.typed(c, name, false, cty.Bool)
	return ok && v.True()
}

// integer gives a whole number between lowest and highest; beyond them it reports code.
func (l *loader) integer(c *content, name string, lowest, highest int64, code Code, hint string) (n int64, ok bool) {
	v, at, ok := l.typed(c, name, false, cty.Number)
	if !ok {
		return 0, false
	}
	if !v.AsBigFloat().IsInt() {
		l.errorf(CodeType, at, "", "%q must be a whole number, not %s", name, numberText(v))
		return 0, false
	}
	n, exact := wholeNumber(v)
	if exact && n >= lowest && n <= highest {
		return n, true
	}
	bounds := fmt.Sprintf("from %d to %d", lowest, highest)
	if highest == math.MaxInt64 && exact {
		bounds = fmt.Sprintf("%d or more", lowest)
	}
	l.errorf(code, at, hint, "%q must be %s, not %s", name, bounds, numberText(v))
	return 0, false
}

// wholeNumber gives a number value as int64, when it is one.
func wholeNumber(v cty.Value) (int64, bool) {
	f := v.AsBigFloat()
	n, accuracy := f.Int64()
	return n, accuracy == big.Exact && f.IsInt()
}

// numberText shows a number without writing out the digits of a huge one.
func numberText(v cty.Value) string { return v.AsBigFloat().Text('g', 12) }

// choice gives an argument that is one of a few words; def when it is absent or wrong. Words of the
// language that this release refuses are in later: the caller tells why, hints leave them out.
func choice[T ~string](l *loader, c *content, name string, def T, later []T, allowed ...T) (T, hcl.Range) {
	s, at, ok := l.text(c, name, false)
	if !ok {
		return def, at
	}
	if slices.Contains(allowed, T(s)) || slices.Contains(later, T(s)) {
		return T(s), at
	}
	var words []string
	for _, a := range allowed {
		words = append(words, string(a))
	}
	hint := "one of " + list(words)
	if near := suggest(s, words); near != "" {
		hint = fmt.Sprintf("did you mean %q? %s", near, hint)
	}
	l.errorf(CodeValue, at, hint, "%q cannot be %q", name, s)
	return def, at
}

// textItem is one element of a list or map of texts and its place.
type textItem struct {
	text string
	at   hcl.Range
	null bool // only in maps
}

// textList gives an argument that is a list of texts.
func (l *loader) textList(c *content, name string, required bool) (items []textItem, at hcl.Range, ok bool) {
	v, at, ok := l.arg(c, name, required)
	if !ok {
		return nil, at, false
	}
	t := v.Type()
	if !t.IsTupleType() && !t.IsListType() && !t.IsSetType() {
		l.errorf(CodeType, at, "put it in brackets: "+name+" = [ ... ]", "%q must be a list of texts, not %s", name, describe(v))
		return nil, at, false
	}
	places := elementRanges(c.attrs[name].Expr, v.LengthInt())
	ok = true
	i := 0
	for it := v.ElementIterator(); it.Next(); i++ {
		_, e := it.Element()
		place := at
		if places != nil {
			place = places[i]
		}
		conv, err := convert.Convert(e, cty.String)
		if err != nil || conv.IsNull() {
			l.errorf(CodeType, place, "", "%q must be a list of texts; element %d is %s", name, i+1, describe(e))
			ok = false
			continue
		}
		items = append(items, textItem{text: conv.AsString(), at: place})
	}
	return items, at, ok
}

// elementRanges gives the place of each element of a list that is written out; nil otherwise.
func elementRanges(expr hcl.Expression, n int) []hcl.Range {
	tuple, ok := expr.(*hclsyntax.TupleConsExpr)
	if !ok || len(tuple.Exprs) != n {
		return nil
	}
	out := make([]hcl.Range, n)
	for i, e := range tuple.Exprs {
		out[i] = e.Range()
	}
	return out
}

// textMap gives an argument that is an object or map of primitive values, as texts, with the place
// of each key. An entry may be null.
func (l *loader) textMap(c *content, name string) (entries map[string]textItem, ok bool) {
	v, at, ok := l.arg(c, name, false)
	if !ok {
		return nil, false
	}
	if t := v.Type(); !t.IsObjectType() && !t.IsMapType() {
		l.errorf(CodeType, at, `write it as { "key" = "value" }`, "%q must be an object, not %s", name, describe(v))
		return nil, false
	}
	places := keyRanges(c.attrs[name].Expr)
	entries = map[string]textItem{}
	for it := v.ElementIterator(); it.Next(); {
		k, e := it.Element()
		key := k.AsString()
		place, found := places[key]
		if !found {
			place = at
		}
		if e.IsNull() {
			entries[key] = textItem{at: place, null: true}
			continue
		}
		conv, err := convert.Convert(e, cty.String)
		if err != nil {
			l.errorf(CodeType, place, "", "%q: the value of %q must be text, a number, true or false, not %s", name, key, describe(e))
			continue
		}
		entries[key] = textItem{text: conv.AsString(), at: place}
	}
	return entries, true
}

// keyRanges gives the places of the entries of an object that is written out with constant keys.
func keyRanges(expr hcl.Expression) map[string]hcl.Range {
	object, ok := expr.(*hclsyntax.ObjectConsExpr)
	if !ok {
		return nil
	}
	out := map[string]hcl.Range{}
	for _, item := range object.Items {
		if len(item.KeyExpr.Variables()) > 0 {
			continue
		}
		k, diags := item.KeyExpr.Value(nil)
		if diags.HasErrors() || !k.IsWhollyKnown() || k.IsNull() || k.Type() != cty.String {
			continue
		}
		out[k.AsString()] = hcl.RangeBetween(item.KeyExpr.Range(), item.ValueExpr.Range())
	}
	return out
}
