package metaproxy

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
)

func TestDecode(t *testing.T) {
	for name, c := range map[string]struct {
		raw     string
		cluster string
		metas   []string
		err     error
	}{
		"plain":      {`{"cluster_name":"c1","meta_addrs":"10.0.0.1:34601,10.0.0.2:34601"}`, "c1", []string{"10.0.0.1:34601", "10.0.0.2:34601"}, nil},
		"other way":  {"{\"meta_addrs\" : \"a:1,b:2\" ,\n \"cluster_name\":\"c\"}\n", "c", []string{"a:1", "b:2"}, nil},
		"twice":      {`{"cluster_name":"c","meta_addrs":"a:1,a:1"}`, "c", []string{"a:1", "a:1"}, nil},
		"escaped":    {`{"cluster_name":"\u0063","meta_addrs":"a:1\u002cb:2","x":[1,{"cluster_name":"no"}]}`, "c", []string{"a:1", "b:2"}, nil},
		"other case": {`{"Cluster_Name":"c","META_ADDRS":"a:1,b:2"}`, "c", []string{"a:1", "b:2"}, nil},
		"ipv6":       {`{"cluster_name":"c","meta_addrs":"[::1]:1,[::1]:2"}`, "c", []string{"[::1]:1", "[::1]:2"}, nil},

		"one":         {`{"cluster_name":"c","meta_addrs":"a:1"}`, "c", []string{"a:1"}, ErrTooFewAddrs},
		"none":        {`{"cluster_name":"c","meta_addrs":""}`, "c", []string{""}, ErrTooFewAddrs},
		"empty":       {``, "", nil, ErrInvalid},
		"no object":   {`["cluster_name","meta_addrs"]`, "", nil, ErrInvalid},
		"cut off":     {`{"cluster_name":"c","meta_addrs":"a:1,b:2"`, "", nil, ErrInvalid},
		"more behind": {`{"cluster_name":"c","meta_addrs":"a:1,b:2"}}`, "", nil, ErrInvalid},
		"no metas":    {`{"cluster_name":"c"}`, "", nil, ErrInvalid},
		"no cluster":  {`{"meta_addrs":"a:1,b:2"}`, "", nil, ErrInvalid},
		"number":      {`{"cluster_name":7,"meta_addrs":"a:1,b:2"}`, "", nil, ErrInvalid},
		"list":        {`{"cluster_name":"c","meta_addrs":["a:1","b:2"]}`, "c", nil, ErrInvalid},
		"named twice": {`{"cluster_name":"c","meta_addrs":"a:1,b:2","Cluster_name":"d"}`, "", nil, ErrInvalid},
		"blank":       {`{"cluster_name":"c","meta_addrs":"a:1, b:2"}`, "c", []string{"a:1", " b:2"}, ErrInvalid},
		"no port":     {`{"cluster_name":"c","meta_addrs":"a,b"}`, "c", []string{"a", "b"}, ErrInvalid},
	} {
		r, err := Decode([]byte(c.raw))
		if !errors.Is(err, c.err) || (c.err == nil) != (err == nil) || r.ClusterName != c.cluster || !slices.Equal(r.MetaAddrs, c.metas) {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
		if string(r.Raw) != c.raw {
			t.Errorf("%s: raw %q", name, r.Raw)
		}
	}
}

func TestWithKeepsEverythingElse(t *testing.T) {
	for name, c := range map[string]struct{ raw, want string }{
		"plain": {`{"cluster_name":"c1","meta_addrs":"a:1,b:2"}`, `{"cluster_name":"new <c>","meta_addrs":"x:1,y:2"}`},
		"fields of others": {
			"{ \"z\": 1.50e+3,\n\t\"meta_addrs\":\"a:1,b:2\" , \"big\":12345678901234567890, \"cluster_name\" : \"c\", \"n\":{\"cluster_name\":\"<&>\"}, \"a\":null } ",
			"{ \"z\": 1.50e+3,\n\t\"meta_addrs\":\"x:1,y:2\" , \"big\":12345678901234567890, \"cluster_name\" : \"new <c>\", \"n\":{\"cluster_name\":\"<&>\"}, \"a\":null } "},
		"other case": {`{"CLUSTER_NAME":"c1","meta_addrs":"a:1,b:2"}`, `{"CLUSTER_NAME":"new <c>","meta_addrs":"x:1,y:2"}`},
		// What MetaProxy does not serve can be made good.
		"one meta": {`{"cluster_name":"c1","meta_addrs":"a:1"}`, `{"cluster_name":"new <c>","meta_addrs":"x:1,y:2"}`},
	} {
		got, err := Record{Raw: []byte(c.raw)}.With("new <c>", []string{"x:1", "y:2"})
		if err != nil || string(got) != c.want {
			t.Errorf("%s: %s, %v", name, got, err)
		}
	}
}

func TestWithRefuses(t *testing.T) {
	r := Record{Raw: []byte(`{"cluster_name":"c1","meta_addrs":"a:1,b:2"}`)}
	for name, c := range map[string]struct {
		cluster string
		metas   []string
	}{
		"no name": {"", []string{"x:1"}}, "no meta": {"c", nil}, "no port": {"c", []string{"x"}}, "comma": {"c", []string{"x:1,y:2"}},
		"blank": {"c", []string{"x:1 "}}, "not UTF-8": {"c\xff", []string{"x:1"}},
	} {
		if got, err := r.With(c.cluster, c.metas); err == nil {
			t.Errorf("%s: %s", name, got)
		}
	}
	got, err := r.With("c", []string{"x:1"})
	if err != nil || string(got) != `{"cluster_name":"c","meta_addrs":"x:1,x:1"}` {
		t.Errorf("a single meta: %s, %v", got, err)
	}
	if _, err := (Record{Raw: []byte(`{}`)}).With("c", []string{"x:1"}); !errors.Is(err, ErrInvalid) {
		t.Errorf("no record: %v", err)
	}
}

// FuzzRecord: whatever is taken for a record is read as MetaProxy reads it, and changing it changes
// the two values and no other byte.
func FuzzRecord(f *testing.F) {
	for _, seed := range []string{
		`{"cluster_name":"c1","meta_addrs":"10.0.0.1:34601,10.0.0.2:34601"}`, `{"Meta_Addrs":"a:1,b:2","x":{"y":[1,2.0,"\ud83d"]},"cluster_name":"\u00e4"}`,
		` { } `, `[]`, `{"cluster_name":null,"meta_addrs":"a:1,b:2"}`, "{\"cluster_name\":\"\xff\",\"meta_addrs\":\"a:1,b:2\"}", `{"ſ":1}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		before := string(raw)
		r, err := Decode(raw)
		if err != nil {
			return
		}
		var proxy struct {
			Name      string `json:"cluster_name"`
			MetaAddrs string `json:"meta_addrs"`
		}
		if err := json.Unmarshal(raw, &proxy); err != nil {
			t.Fatalf("MetaProxy would not read %q: %v", raw, err)
		}
		if proxy.Name != r.ClusterName || proxy.MetaAddrs != strings.Join(r.MetaAddrs, ",") {
			t.Fatalf("MetaProxy reads %+v, we read %+v", proxy, r)
		}
		changed, err := r.With("other", []string{"x:1", "y:2"})
		if err != nil {
			t.Fatalf("%q: %v", raw, err)
		}
		after, err := Decode(changed)
		if err != nil || after.ClusterName != "other" || !slices.Equal(after.MetaAddrs, []string{"x:1", "y:2"}) {
			t.Fatalf("%q became %q: %+v, %v", raw, changed, after, err)
		}
		if string(raw) != before {
			t.Fatal("the record that was read was changed")
		}
		if r.ClusterName == "" {
			return
		}
		back, err := after.With(r.ClusterName, r.MetaAddrs)
		if err != nil {
			t.Fatalf("%q: %v", changed, err)
		}
		// There and back again: the two values may be written in another way, nothing else.
		var a, b map[string]json.RawMessage
		if json.Unmarshal(raw, &a) != nil || json.Unmarshal(back, &b) != nil || len(a) != len(b) {
			t.Fatalf("%q and %q", raw, back)
		}
		for k, v := range a {
			if !strings.EqualFold(k, fieldCluster) && !strings.EqualFold(k, fieldMetas) && string(v) != string(b[k]) {
				t.Fatalf("%q and %q", raw, back)
			}
		}
	})
}
