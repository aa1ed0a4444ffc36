package marker_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/pegmigrate/pegmigrate/internal/marker"
)

func full() marker.Marker {
	return marker.Marker{
		Lineage: "11111111-2222-4333-8444-555555555555", Migration: "orders", Owner: "ann@ops1",
		Since: time.Date(2026, 11, 21, 3, 0, 0, 0, time.UTC), Role: "source", Peer: "west/orders",
		Prior:           marker.Prior{Had: true, Value: `team "pay" <a&b>`},
		TargetHighestID: 7,
		SourceEnvs:      map[string]marker.Prior{"replica.deny_client_request": {}},
		TargetEnvs:      map[string]marker.Prior{"default_ttl": {Had: true, Value: "86400"}},
	}
}

func TestFormatParse(t *testing.T) {
	for name, prior := range map[string]marker.Prior{
		"absent": {}, "empty": {Had: true}, "text": {Had: true, Value: "owner: pay\nroom 3"},
		"not UTF-8": {Had: true, Value: "\xb6\xa9\xb5\xa5"}, "looks like a marker": {Had: true, Value: `pegmigrate: {"v":1}`},
	} {
		t.Run(name, func(t *testing.T) {
			want := full()
			want.Prior = prior
			text, err := marker.Format(want)
			if err != nil {
				t.Fatal(err)
			}
			got, err := marker.Parse(text)
			if err != nil || got == nil {
				t.Fatalf("%q: %v", text, err)
			}
			want.Version = marker.Version
			if diff := cmp.Diff(want, *got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// The form is read by later versions, and by people with the servers' own shell.
func TestForm(t *testing.T) {
	text, err := marker.Format(full())
	if err != nil {
		t.Fatal(err)
	}
	const want = `pegmigrate: {"v":1,"lineage":"11111111-2222-4333-8444-555555555555","migration":"orders","owner":"ann@ops1",` +
		`"since":"2026-11-21T03:00:00Z","role":"source","peer":"west/orders","prior":{"had":true,"value":"team \"pay\" \u003ca\u0026b\u003e"},` +
		`"target_existed":false,"target_highest_id":7,"source_envs":{"replica.deny_client_request":{"had":false}},` +
		`"target_envs":{"default_ttl":{"had":true,"value":"86400"}}}`
	if diff := cmp.Diff(want, text); diff != "" {
		t.Error(diff)
	}
}

func TestParseOthers(t *testing.T) {
	text, err := marker.Format(full())
	if err != nil {
		t.Fatal(err)
	}
	for _, free := range []string{"", "team pay", "pegmigrate", "Pegmigrate: {}", " " + text} {
		if m, err := marker.Parse(free); m != nil || err != nil {
			t.Errorf("%q is no marker: %v, %v", free, m, err)
		}
	}
	for _, damaged := range []string{"pegmigrate: ", "pegmigrate: {}", "pegmigrate: by hand, ask ann", text[:len(text)-1], text + "x",
		strings.Replace(text, `"v":1`, `"v":2`, 1), strings.Replace(text, "orders", "", 1)} {
		if m, err := marker.Parse(damaged); m != nil || !errors.Is(err, marker.ErrDamaged) {
			t.Errorf("%q is a damaged marker: %v, %v", damaged, m, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	text, err := marker.Format(full())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add("pegmigrate: {\"v\":1")
	f.Add("free text")
	f.Fuzz(func(t *testing.T, text string) {
		m, err := marker.Parse(text)
		if m == nil || err != nil {
			return
		}
		again, err := marker.Format(*m)
		if err != nil {
			return // a time that JSON cannot write
		}
		back, err := marker.Parse(again)
		if err != nil {
			t.Fatalf("%q: %v", again, err)
		}
		if diff := cmp.Diff(m, back, cmpopts.EquateEmpty()); diff != "" {
			t.Error(diff)
		}
	})
}
