package schema

import (
	"math"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"
)

func TestParseDuration(t *testing.T) {
	day := 24 * time.Hour
	for in, want := range map[string]time.Duration{
		"90s": 90 * time.Second, "1h30m": 90 * time.Minute, "7d": 7 * day, "1d12h": 36 * time.Hour, "0s": 0, " 5m ": 5 * time.Minute,
		"1.5h": 90 * time.Minute, "250ms": 250 * time.Millisecond,
	} {
		if got, err := ParseDuration(in); err != nil || got != want {
			t.Errorf("%q: %v %v", in, got, err)
		}
	}
	for _, in := range []string{"", "90", "0", "-5s", "+5s", "d", "1d0", "1d-5s", "5 days", "99999d99999999h", "70000d", "1h2d", "ds"} {
		if got, err := ParseDuration(in); err == nil {
			t.Errorf("%q: %v", in, got)
		}
	}
}

func TestParseSize(t *testing.T) {
	for in, want := range map[string]int64{"64MiB": 64 << 20, "50MB": 50_000_000, "1GiB": 1 << 30, "10": 10, "1.5KiB": 1536, "64 MiB": 64 << 20, "5M": 5_000_000, "0": 0} {
		if got, err := ParseSize(in); err != nil || got != want {
			t.Errorf("%q: %v %v", in, got, err)
		}
	}
	for _, in := range []string{"", "MiB", "-1", "64XB", "9223372036854775808", "99EiB", "1e5", "NaN"} {
		if got, err := ParseSize(in); err == nil {
			t.Errorf("%q: %v", in, got)
		}
	}
}

func TestWindow(t *testing.T) {
	l := newLoader()
	w, ok := l.window(textItem{text: "22:00-06:30 Asia/Shanghai"})
	if !ok || w != (Window{22 * time.Hour, 6*time.Hour + 30*time.Minute, "Asia/Shanghai"}) {
		t.Errorf("%+v %v", w, ok)
	}
	if w, ok = l.window(textItem{text: "00:00-23:59"}); !ok || w.Zone != "UTC" {
		t.Errorf("%+v %v", w, ok)
	}
	for _, bad := range []string{"24:00-06:00", "22:00", "22:00-06:60", "9:00-10:00", "22:00-06:00 a b", ""} {
		if _, ok := l.window(textItem{text: bad}); ok {
			t.Errorf("%q is taken", bad)
		}
	}
}

func TestParseAddress(t *testing.T) {
	for in, want := range map[string]string{
		"10.0.0.1:34601": "10.0.0.1:34601", "Meta.Example.ORG:01": "meta.example.org:1", "localhost:65535": "localhost:65535",
		"meta_1-a:2": "meta_1-a:2", "meta.example.org.:2": "meta.example.org.:2",
	} {
		if got, problem := ParseAddress(in); got != want || problem != "" {
			t.Errorf("%q: %q %s", in, got, problem)
		}
	}
}

func TestSameCluster(t *testing.T) {
	a := &Cluster{MetaServers: []string{"localhost:1", "h:2"}}
	if !sameCluster(a, &Cluster{MetaServers: []string{"127.0.0.1:1"}}) {
		t.Error("localhost is 127.0.0.1")
	}
	if sameCluster(a, &Cluster{MetaServers: []string{"127.0.0.1:2", "g:2"}}) {
		t.Error("nothing is shared")
	}
}

func TestWholeNumber(t *testing.T) {
	if n, ok := wholeNumber(cty.NumberIntVal(math.MaxInt64)); !ok || n != math.MaxInt64 {
		t.Error(n, ok)
	}
	for _, v := range []cty.Value{cty.NumberFloatVal(1.5), cty.PositiveInfinity, cty.NumberUIntVal(math.MaxUint64)} {
		if n, ok := wholeNumber(v); ok {
			t.Error(v, n)
		}
	}
}
