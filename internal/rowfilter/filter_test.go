package rowfilter

import (
	"bytes"
	"testing"
)

func TestTakes(t *testing.T) {
	for _, test := range []struct {
		filter string
		yes    []string
		no     []string
	}{
		{"", []string{"", "a", "\x00\xff"}, nil},
		{"anywhere:er_", []string{"user_1", "er_", "xer_"}, []string{"", "user-1", "er"}},
		{"prefix:user_", []string{"user_", "user_1"}, []string{"", "user", "xuser_1", "User_1"}},
		{"postfix:_9", []string{"_9", "user_9"}, []string{"", "9", "_91"}},
		{"exact:user_1", []string{"user_1"}, []string{"", "user_", "user_11", "xuser_1"}},
		{"exact:", []string{""}, []string{"a", "\x00"}},
		{`prefix:\x00\xff\\`, []string{"\x00\xff\\", "\x00\xff\\x"}, []string{"\x00\xff", "x"}},
		{"anywhere:a:b", []string{"xa:by"}, []string{"ab"}},
	} {
		m, err := Parse(test.filter)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range test.yes {
			if !m.Takes([]byte(s)) {
				t.Errorf("%q does not take %q", test.filter, s)
			}
		}
		for _, s := range test.no {
			if m.Takes([]byte(s)) {
				t.Errorf("%q takes %q", test.filter, s)
			}
		}
	}
}

func TestFilterWantsAllThree(t *testing.T) {
	f := Filter{
		HashKey: Match{Prefix, []byte("h")}, SortKey: Match{Postfix, []byte("s")}, Value: Match{Anywhere, []byte("v")},
	}
	row := func(h, s, v string) bool { return f.Takes([]byte(h), []byte(s), []byte(v)) }
	if !row("h1", "1s", "1v1") || row("x", "1s", "1v1") || row("h1", "x", "1v1") || row("h1", "1s", "x") {
		t.Error("a row counts when all three matches take it, and only then")
	}
	if f.All() || !(Filter{}).All() || !(Filter{}).Takes(nil, nil, nil) {
		t.Error("the empty filter takes everything")
	}
}

func TestParseRefuses(t *testing.T) {
	for _, s := range []string{"user_", "begin:user_", "prefix", "prefix:", "anywhere:", "postfix:", `prefix:\`, `prefix:\x1`, `prefix:\xzz`, `prefix:\n`, ":a"} {
		if m, err := Parse(s); err == nil {
			t.Errorf("%q was read as %v", s, m)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"", "prefix:a", `exact:\x00\\`, "anywhere:é", `postfix:\xF`, "exact:"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		m, err := Parse(s)
		if err != nil {
			return
		}
		again, err := Parse(m.String())
		if err != nil || again.Kind != m.Kind || !bytes.Equal(again.Pattern, m.Pattern) {
			t.Fatalf("%q is %v, which is written %q and read as %v, %v", s, m, m.String(), again, err)
		}
	})
}
