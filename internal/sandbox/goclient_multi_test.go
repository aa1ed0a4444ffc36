package sandbox

import (
	"fmt"
	"strings"
	"testing"

	"github.com/apache/incubator-pegasus/go-client/pegasus"
)

// rowsText prints rows for comparison.
func rowsText(kvs []*pegasus.KeyValue) string {
	var rows []string
	for _, kv := range kvs {
		rows = append(rows, fmt.Sprintf("%q=%q", kv.SortKey, kv.Value))
	}
	return strings.Join(rows, " ")
}

// texts makes keys or values.
func texts(list ...string) [][]byte {
	var all [][]byte
	for _, s := range list {
		all = append(all, []byte(s))
	}
	return all
}

func TestGoClientMulti(t *testing.T) {
	g := openGoTable(t, 4)
	hash := []byte("h\x00\xff")
	check := func(what, want string, wantAll bool, kvs []*pegasus.KeyValue, all bool, err error) {
		t.Helper()
		g.must(err)
		if got := rowsText(kvs); got != want || all != wantAll {
			t.Errorf("%s: %s, all %v; want %s, all %v", what, got, all, want, wantAll)
		}
	}
	kvs, all, err := g.MultiGet(g.ctx(), hash, nil)
	check("nothing", "", true, kvs, all, err)

	g.must(g.MultiSet(g.ctx(), hash, texts("b", "", "a", "\xff\x00", "ab"), texts("2", "empty", "", "last", "3")))
	g.set("h", "a", "of another hash key")
	kvs, all, err = g.MultiGet(g.ctx(), hash, nil)
	check("everything", `""="empty" "a"="" "ab"="3" "b"="2" "\xff\x00"="last"`, true, kvs, all, err)
	// Chosen rows come in the order of the request.
	kvs, all, err = g.MultiGet(g.ctx(), hash, texts("b", "none", "a"))
	check("chosen", `"b"="2" "a"=""`, true, kvs, all, err)
	kvs, all, err = g.MultiGetRange(g.ctx(), hash, []byte("a"), []byte("b"))
	check("range", `"a"="" "ab"="3"`, true, kvs, all, err)
	n, err := g.SortKeyCount(g.ctx(), hash)
	g.must(err)
	if n != 5 {
		t.Errorf("%d sort keys, want 5", n)
	}

	g.must(g.MultiDel(g.ctx(), hash, texts("a", "none", "")))
	kvs, all, err = g.MultiGet(g.ctx(), hash, nil)
	check("after a deletion", `"ab"="3" "b"="2" "\xff\x00"="last"`, true, kvs, all, err)
	g.wants("h", "a", "of another hash key")
}

func TestGoClientMultiOptions(t *testing.T) {
	g := openGoTable(t, 4)
	hash := []byte("h")
	g.must(g.MultiSet(g.ctx(), hash, texts("a1", "a2", "b1", "b2", "c1"), texts("v1", "v2", "v3", "v4", "v5")))
	for _, c := range []struct {
		name        string
		start, stop string
		change      func(*pegasus.MultiGetOptions)
		want        string
		all         bool
	}{
		{"ends excluded and included", "a1", "b1", func(o *pegasus.MultiGetOptions) { o.StartInclusive, o.StopInclusive = false, true },
			`"a2"="v2" "b1"="v3"`, true},
		{"count limit", "", "", func(o *pegasus.MultiGetOptions) { o.MaxFetchCount = 2 }, `"a1"="v1" "a2"="v2"`, false},
		{"count limit that fits", "", "", func(o *pegasus.MultiGetOptions) { o.MaxFetchCount = 5 },
			`"a1"="v1" "a2"="v2" "b1"="v3" "b2"="v4" "c1"="v5"`, true},
		{"backwards", "", "", func(o *pegasus.MultiGetOptions) { o.Reverse, o.MaxFetchCount = true, 2 }, `"b2"="v4" "c1"="v5"`, false},
		{"size limit", "", "", func(o *pegasus.MultiGetOptions) { o.MaxFetchSize = 7 }, `"a1"="v1" "a2"="v2"`, false},
		{"keys only", "b", "", func(o *pegasus.MultiGetOptions) { o.NoValue = true }, `"b1"="" "b2"="" "c1"=""`, true},
		{"prefix", "", "", filter(pegasus.FilterTypeMatchPrefix, "b"), `"b1"="v3" "b2"="v4"`, true},
		{"postfix", "", "", filter(pegasus.FilterTypeMatchPostfix, "1"), `"a1"="v1" "b1"="v3" "c1"="v5"`, true},
		{"anywhere", "a2", "", filter(pegasus.FilterTypeMatchAnywhere, "2"), `"a2"="v2" "b2"="v4"`, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			options := *pegasus.DefaultMultiGetOptions
			c.change(&options)
			kvs, all, err := g.MultiGetRangeOpt(g.ctx(), hash, []byte(c.start), []byte(c.stop), &options)
			if err != nil {
				t.Fatal(err)
			}
			if got := rowsText(kvs); got != c.want || all != c.all {
				t.Errorf("%s, all %v; want %s, all %v", got, all, c.want, c.all)
			}
		})
	}
}

func filter(kind pegasus.FilterType, pattern string) func(*pegasus.MultiGetOptions) {
	return func(o *pegasus.MultiGetOptions) {
		o.SortKeyFilter = pegasus.Filter{Type: kind, Pattern: []byte(pattern)}
	}
}
