package cli

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/atomicfile"
	"github.com/pegmigrate/pegmigrate/internal/difference"
	"github.com/pegmigrate/pegmigrate/internal/event"
	"github.com/pegmigrate/pegmigrate/schema"
)

func TestShareOfASample(t *testing.T) {
	for text, want := range map[string]float64{"1%": 0.01, "0.5": 0.5, " 12.5 % ": 0.125, "0.001%": 0.00001} {
		if got, err := share(text); err != nil || got < want*0.999 || got > want*1.001 {
			t.Errorf("%q is %g, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "0", "1", "100%", "-1%", "nan", "inf", "1%%", "x", "101%"} {
		if got, err := share(text); err == nil {
			t.Errorf("%q is %g", text, got)
		}
	}
}

// resumes is a comparison of one migration at a moment.
func resumes(dir string, now *time.Time, change func(*verification)) (*resumable, *[]event.Event) {
	var told []event.Event
	v := &verification{session: &session{dir: dir, migration: &schema.Migration{Name: "orders"},
		env: Env{FS: atomicfile.OS{}, Now: func() time.Time { return *now }, Stderr: io.Discard}}}
	v.header = difference.Header{Migration: "orders", At: *now, Source: difference.Table{AppID: 1, Partitions: 4}, Target: difference.Table{AppID: 2, Partitions: 4}}
	if change != nil {
		change(v)
	}
	return v.resumable(event.SinkFunc(func(e event.Event) { told = append(told, e) })), &told
}

// Cursors of an earlier comparison count when they are of the same tables, compared in the same way, and not too old.
func TestComparisonGoesOnFromWhatFits(t *testing.T) {
	dir, now := t.TempDir(), time.Date(2026, 11, 21, 3, 0, 0, 0, time.UTC)
	first, _ := resumes(dir, &now, nil)
	if first.before != nil {
		t.Fatal("there was something to go on with")
	}
	if err := first.save(json.RawMessage(`{"n":1}`)); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(first.path); err == nil {
		t.Error("a short comparison leaves a file")
	}
	now = now.Add(3 * time.Second)
	if err := first.save(json.RawMessage(`{"n":2}`)); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		after   time.Duration
		change  func(*verification)
		goesOn  bool
		warning string
	}{
		"the same":          {time.Hour, nil, true, ""},
		"later":             {25 * time.Hour, nil, false, "begun"},
		"another table":     {0, func(v *verification) { v.header.Target.AppID = 3 }, false, "other tables"},
		"another selection": {0, func(v *verification) { v.header.Rows = "hash_key prefix:x" }, false, "other options"},
		"clients write":     {0, func(v *verification) { v.feed.patience = time.Second }, false, "other options"},
		"-restart":          {0, func(v *verification) { v.o.restart = true }, false, ""},
	} {
		at := now.Add(test.after)
		r, told := resumes(dir, &at, test.change)
		var text string
		for _, e := range *told {
			text += e.(event.Warning).Text
		}
		if goes := string(r.before) == `{"n":2}`; goes != test.goesOn || !strings.Contains(text, test.warning) || (text != "") != (test.warning != "") {
			t.Errorf("%s: goes on %t, told %q", name, goes, text)
		}
	}
	if err := os.WriteFile(first.path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if r, told := resumes(dir, &now, nil); r.before != nil || len(*told) != 1 {
		t.Errorf("half a file: %s, %v", r.before, *told)
	}
	first.remove()
	if _, err := os.Stat(first.path); err == nil {
		t.Error("a finished comparison leaves a file")
	}
}

// fullDisk cannot take another file.
type fullDisk struct{ atomicfile.FS }

func (fullDisk) Stage(string) (atomicfile.Staged, error) {
	return nil, errors.New("no space left on device")
}

func TestComparisonWithoutAPlaceForItsCursors(t *testing.T) {
	now := time.Now()
	r, told := resumes(t.TempDir(), &now, func(v *verification) { v.env.FS = fullDisk{v.env.FS} })
	for range 3 {
		now = now.Add(time.Minute)
		if err := r.save(json.RawMessage(`{}`)); err != nil {
			t.Errorf("it ends the comparison: %v", err)
		}
	}
	if len(*told) != 1 || !strings.Contains((*told)[0].(event.Warning).Text, "no space left") {
		t.Errorf("told %v", *told)
	}
}

// A report is taken for one of these tables only.
func TestReportBelongs(t *testing.T) {
	now := time.Now()
	r, _ := resumes(t.TempDir(), &now, nil)
	v := r.v
	v.o.from = "found.jsonl"
	if err := v.belongs(v.header); err != nil {
		t.Error(err)
	}
	for name, change := range map[string]func(*difference.Header){
		"migration": func(h *difference.Header) { h.Migration = "others" },
		"source":    func(h *difference.Header) { h.Source.AppID++ },
		"target":    func(h *difference.Header) { h.Target.Partitions++ },
		"cluster":   func(h *difference.Header) { h.Target.Name = "c" },
		"made anew": func(h *difference.Header) { h.Source.CreatedAt = now },
		"rows":      func(h *difference.Header) { h.Rows = "keys alone" },
	} {
		h := v.header
		change(&h)
		var f *failure
		if err := v.belongs(h); !errors.As(err, &f) || f.Code != codeReportOther || f.Hint == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	path := filepath.Join(t.TempDir(), "found.jsonl")
	if err := os.WriteFile(path, []byte(`{"type":"header","version":9}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := v.readReport(newListed(path)); err == nil || !strings.Contains(err.Error(), "version 9") {
		t.Errorf("a later form: %v", err)
	}
}
