package differ

import (
	"bytes"
	"context"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/pegmigrate/pegmigrate/internal/pegkey"
	"github.com/pegmigrate/pegmigrate/internal/rowfilter"
	"github.com/pegmigrate/pegmigrate/internal/scan"
	"github.com/pegmigrate/pegmigrate/internal/scan/scantest"
)

// naiveSelected compares by maps what a copy with options should have made. No row expires.
func naiveSelected(src, dst *scantest.Table, sel Selection, allowExtra bool) map[found]int {
	out := map[found]int{}
	s, t := visible(src, SourceSide, map[found]int{}), visible(dst, TargetSide, map[found]int{})
	for k, a := range s {
		hash, sort, _ := pegkey.Decode(a.Key)
		p := pegkey.Partition(pegkey.Hash(hash, sort), src.PartitionCount())
		if len(sel.Partitions) > 0 && !slices.Contains(sel.Partitions, p) || !sel.Filter.Takes(hash, sort, a.Value) {
			delete(s, k)
		}
	}
	for k, a := range s {
		b, ok := t[k]
		expire := a.Expire
		if sel.NoTTL {
			expire = 0
		}
		switch {
		case !ok:
			out[found{kind: Missing, key: k}]++
		case sel.KeepExisting:
		case !sel.KeysOnly && !bytes.Equal(a.Value, b.Value):
			out[found{kind: Changed, key: k}]++
		case expire != b.Expire:
			out[found{kind: Expiry, key: k}]++
		}
	}
	for k := range t {
		if _, ok := s[k]; !ok && !allowExtra {
			out[found{kind: Extra, key: k}]++
		}
	}
	return out
}

// Any copy with options is compared as what it is, by both methods, and by rows.
func TestSelectionProperty(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		now := time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)
		count := rapid.Int32Range(1, 6)
		src, dst := scantest.New(count.Draw(rt, "n")), scantest.New(count.Draw(rt, "m"))
		src.Deaf, dst.Deaf = rapid.Bool().Draw(rt, "deaf source"), rapid.Bool().Draw(rt, "deaf target")
		text := rapid.SampledFrom([]string{"", "a", "b", "ab", "ba", "aab"})
		expire := rapid.SampledFrom([]uint32{0, 0, pegkey.ExpireTs(now.Add(time.Hour)), pegkey.ExpireTs(now.Add(2 * time.Hour))})
		row := func() scan.Row {
			return scan.Row{Key: key(text.Draw(rt, "hash"), text.Draw(rt, "sort")), Value: []byte(text.Draw(rt, "value")), Expire: expire.Draw(rt, "expire")}
		}
		for range rapid.IntRange(0, 60).Draw(rt, "rows") {
			r := row()
			src.Put(r)
			switch rapid.IntRange(0, 4).Draw(rt, "what") {
			case 0:
			case 1:
				dst.Put(row())
			case 2:
				r.Value, r.Expire = nil, 0
				dst.Put(r)
			default:
				dst.Put(r)
			}
		}
		match := func(name string) (m rowfilter.Match) {
			if m.Kind = rapid.SampledFrom([]rowfilter.Kind{0, 0, rowfilter.Anywhere, rowfilter.Prefix, rowfilter.Postfix, rowfilter.Exact}).Draw(rt, name); m.Kind != 0 {
				m.Pattern = []byte(text.Draw(rt, name+" pattern"))
			}
			return m
		}
		sel := Selection{
			Filter:   rowfilter.Filter{HashKey: match("hash filter"), SortKey: match("sort filter"), Value: match("value filter")},
			KeysOnly: rapid.Bool().Draw(rt, "keys only"), NoTTL: rapid.Bool().Draw(rt, "no ttl"), KeepExisting: rapid.Bool().Draw(rt, "keep"),
		}
		for p := range src.PartitionCount() {
			if rapid.Bool().Draw(rt, "partition") {
				sel.Partitions = append(sel.Partitions, p)
			}
		}
		got := map[found]int{}
		opts := Options{
			Method: rapid.SampledFrom([]Method{MethodMerge, MethodDigest, MethodAuto}).Draw(rt, "method"), Selection: sel,
			AllowExtra: rapid.Bool().Draw(rt, "allow extra"), Clock: func() time.Time { return now }, OnDifference: collect(got),
		}
		result, err := Run(context.Background(), src, dst, nil, opts, nil, nil)
		if err != nil {
			rt.Fatal(err)
		}
		if want := naiveSelected(src, dst, sel, opts.AllowExtra); !maps.Equal(got, want) {
			rt.Fatalf("%+v\ngot  %v\nwant %v", result.Counts, got, want)
		}
		rows := 0
		for p := range src.PartitionCount() {
			rows += len(src.Rows(p))
		}
		if len(sel.Partitions) == 0 && src.Deaf && int(result.SourceRows+result.Unselected) != rows {
			rt.Fatalf("%+v of %d rows", result.Counts, rows)
		}
		if sum := result.Equal + result.Missing + result.Value + result.Expiry; sum != result.SourceRows {
			rt.Fatalf("%d rows of the source are judged: %+v", sum, result.Counts)
		}
	})
}

// Rows that the selection does not want are neither read again nor repaired as they are.
func TestWanted(t *testing.T) {
	row := scan.Row{Key: []byte("k"), Value: []byte("v"), Expire: 7}
	for _, c := range []struct {
		sel    Selection
		value  string
		expire uint32
	}{{Selection{}, "v", 7}, {Selection{KeysOnly: true}, "", 7}, {Selection{NoTTL: true}, "v", 0}} {
		if got := c.sel.Wanted(&row); string(got.Value) != c.value || got.Expire != c.expire || string(got.Key) != "k" {
			t.Errorf("%+v: %+v", c.sel, got)
		}
	}
	if _, err := Run(t.Context(), fill(2, 1), fill(2, 1), nil, Options{Selection: Selection{Partitions: []int32{2}}}, nil, nil); err == nil {
		t.Error("a partition that is not there is accepted")
	}
}

// With a default_ttl on the target a copy without expiry has got one there.
func TestNoTTLWithDefaultTTL(t *testing.T) {
	now := time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)
	for _, method := range []Method{MethodMerge, MethodDigest} {
		src, dst := scantest.New(2), scantest.New(2)
		for i, target := range []uint32{0, pegkey.ExpireTs(now) + 995, pegkey.ExpireTs(now) + 5000} {
			row := scan.Row{Key: key("h", string(rune('a'+i))), Value: []byte("v"), Expire: pegkey.ExpireTs(now) + 700}
			src.Put(row)
			row.Expire = target
			dst.Put(row)
		}
		opts := Options{Method: method, StampTTL: 1000, Selection: Selection{NoTTL: true}, Clock: func() time.Time { return now }}
		result, err := Run(t.Context(), src, dst, nil, opts, nil, nil)
		if err != nil || result.Equal != 1 || result.Stamped != 1 || result.Expiry != 1 {
			t.Errorf("%s: %+v, %v", method, result.Counts, err)
		}
	}
}
