package schema

import (
	"fmt"
	"slices"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

// copyArguments are the options of a copy, which no other method has.
func copyArguments() []attrSpec {
	return []attrSpec{{name: "partitions"}, {name: "hash_key"}, {name: "sort_key"}, {name: "value"}, {name: "keep_ttl"},
		{name: "overwrite"}, {name: "copy_value"}, {name: "multi_set"}, {name: "multi_set_rows"},
		{name: "multi_set_concurrency"}, {name: "scan_batch"}, {name: "timeout"}}
}

func (l *loader) decodeCopyOptions(c *content) CopyOptions {
	out := CopyOptions{
		Partitions: l.partitions(c),
		HashKey:    l.filter(c, "hash_key"), SortKey: l.filter(c, "sort_key"), Value: l.filter(c, "value"),
		DropTTL: l.declinedBool(c, "keep_ttl"), DropValue: l.declinedBool(c, "copy_value"),
	}
	out.Overwrite, _ = choice(l, c, "overwrite", OverwriteAlways, nil, OverwriteAlways, OverwriteNever, OverwriteNeverUnatomic)
	out.MultiSet, _ = choice(l, c, "multi_set", MultiSetAuto, nil, MultiSetAuto, MultiSetOn, MultiSetOff)
	const own = "leave it out, and it is chosen by what is measured"
	bounded := func(name string, lowest, highest int64) int {
		n, _ := l.integer(c, name, lowest, highest, CodeLimit, own)
		return int(n)
	}
	out.MultiSetRows = bounded("multi_set_rows", 2, maxMultiSetRows)
	out.MultiSetConcurrency = bounded("multi_set_concurrency", 1, maxMultiSetConcurrency)
	out.ScanBatch = bounded("scan_batch", 1, maxScanBatch)
	if d, ok := l.span(c, "timeout", false, `like "5s"`); ok {
		out.Timeout = d
		if d < minTimeout || d > maxTimeout {
			l.errorf(CodeLimit, c.attrs["timeout"].Expr.Range(), `like "5s"`, `"timeout" must be from 100ms to 10m`)
		}
	}
	out.Geo = l.decodeGeo(c.block("geo"))
	return out
}

// declinedBool says that an argument which is true by default is declared false.
func (l *loader) declinedBool(c *content, name string) bool {
	v, _, ok := l.typed(c, name, false, cty.Bool)
	return ok && v.False()
}

// filter gives an argument that is a filter of bytes, "" when it is absent or malformed.
func (l *loader) filter(c *content, name string) string {
	s, at, ok := l.text(c, name, false)
	if !ok {
		return ""
	}
	if problem, hint := filterProblem(s); problem != "" {
		l.errorf(CodeFilter, at, hint, "%q cannot be %q: %s", name, s, problem)
		return ""
	}
	return s
}

// partitions gives the declared partitions of the source, sorted.
func (l *loader) partitions(c *content) []int32 {
	v, at, ok := l.arg(c, "partitions", false)
	if !ok {
		return nil
	}
	t := v.Type()
	if !t.IsTupleType() && !t.IsListType() && !t.IsSetType() {
		l.errorf(CodeType, at, "put it in brackets: partitions = [0, 3]", "%q must be a list of partition numbers, not %s", "partitions", describe(v))
		return nil
	}
	if v.LengthInt() == 0 {
		l.errorf(CodeValue, at, "leave it out to copy all of them", "\"partitions\" lists no partition")
	}
	places := elementRanges(c.attrs["partitions"].Expr, v.LengthInt())
	var out []int32
	i := 0
	for it := v.ElementIterator(); it.Next(); i++ {
		_, e := it.Element()
		place := at
		if places != nil {
			place = places[i]
		}
		conv, err := convert.Convert(e, cty.Number)
		if err != nil || conv.IsNull() {
			l.errorf(CodeType, place, "", "\"partitions\" must be a list of partition numbers; element %d is %s", i+1, describe(e))
			continue
		}
		n, exact := wholeNumber(conv)
		switch {
		case !exact || n < 0 || n > maxPartition:
			l.errorf(CodeValue, place, "partitions are counted from 0 on", "%s is not the number of a partition", numberText(conv))
		case slices.Contains(out, int32(n)):
			l.errorf(CodeValue, place, "remove one", "partition %d is listed twice", n)
		default:
			out = append(out, int32(n))
		}
	}
	slices.Sort(out)
	return out
}

// checkOptions refuses options that exclude each other, and tells of those that do nothing.
func (m *CopyMethod) checkOptions(l *loader, b *hclsyntax.Block) {
	if b == nil {
		return
	}
	declared := b.Body.Attributes
	if m.DropValue && m.Value != "" {
		l.errorf(CodeConflict, declared["copy_value"].NameRange, "remove one of the two",
			"copy_value = false and a filter of values exclude each other: rows would be chosen by what the copy does not have")
	}
	if m.Overwrite != OverwriteAlways && m.MultiSet == MultiSetOn {
		l.errorf(CodeConflict, declared["multi_set"].NameRange, "remove one of the two",
			"multi_set = %q and overwrite = %q exclude each other: a multi_set writes over what is there", MultiSetOn, m.Overwrite)
	}
	for _, name := range []string{"multi_set_rows", "multi_set_concurrency"} {
		why := ""
		switch {
		case m.MultiSet == MultiSetOff:
			why = fmt.Sprintf("with multi_set = %q", MultiSetOff)
		case m.Overwrite != OverwriteAlways && m.MultiSet == MultiSetAuto:
			why = fmt.Sprintf("with overwrite = %q", m.Overwrite)
		}
		if a := declared[name]; a != nil && why != "" {
			l.warnf(CodeNoEffect, a.NameRange, "remove it", "%s has no effect: %s rows are written one by one", name, why)
		}
	}
}
