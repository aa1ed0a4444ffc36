package state

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// -update writes a fixture for the present format when it has none. It never changes one that exists: the files of users
// do not change either.
var update = flag.Bool("update", false, "write missing fixtures")

func encoded(t testing.TB, d *Document) []byte {
	t.Helper()
	data, _, err := encode(d)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// reseal gives a changed document inside the envelope a checksum that fits.
func reseal(t testing.TB, data []byte, change func(*envelope)) []byte {
	t.Helper()
	var e envelope
	if err := json.Unmarshal(data, &e); err != nil {
		t.Fatal(err)
	}
	change(&e)
	var compact bytes.Buffer
	if err := json.Compact(&compact, e.Document); err != nil {
		t.Fatal(err)
	}
	e.Checksum = checksum(e.FormatVersion, compact.Bytes())
	out, err := marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestUnusableFiles(t *testing.T) {
	good := encoded(t, testDocument())
	replace := func(old, new string) []byte {
		if !bytes.Contains(good, []byte(old)) {
			t.Fatalf("no %q in the document", old)
		}
		return bytes.Replace(good, []byte(old), []byte(new), 1)
	}
	inside := func(old, new string) []byte {
		return reseal(t, replace(old, new), func(*envelope) {})
	}
	other := testDocument()
	other.Migration = "users"
	for name, test := range map[string]struct {
		data   []byte
		reason string
	}{
		"empty":             {nil, "it is empty"},
		"white space":       {[]byte(" \n\t"), "it is empty"},
		"zeros":             {make([]byte, 4096), "it is not JSON"},
		"truncated":         {good[:len(good)/2], "it is truncated"},
		"last byte":         {good[:len(good)-2], "it is truncated"},
		"text":              {[]byte("hello"), "it is not JSON"},
		"foreign":           {[]byte(`{"version":4,"terraform_version":"1.8.0"}`), "not a pegmigrate state document"},
		"array":             {[]byte(`[]`), "not a pegmigrate state document"},
		"null":              {[]byte(`null`), "not a pegmigrate state document"},
		"twice":             {append(bytes.Clone(good), good...), "something follows the document"},
		"no version":        {replace(`"format_version": 1`, `"format_version": 0`), "no valid format version"},
		"no document":       {[]byte(`{"format":"pegmigrate-state","format_version":1}`), "no document in it"},
		"edited":            {replace(`"pending"`, `"done"`), "its checksum does not fit"},
		"other migration":   {encoded(t, other), `it belongs to migration "users", not "orders"`},
		"wrong layout":      {inside(`"serial": 0`, `"serial": "x"`), "does not have the layout of format 1"},
		"unknown status":    {inside(`"pending"`, `"half"`), "contradicts itself"},
		"step twice":        {inside(`"id": "copy"`, `"id": "fence"`), "contradicts itself"},
		"blob without kind": {inside(`"kind": "probe"`, `"kind": ""`), "contradicts itself"},
		"no lineage":        {inside(`11111111-2222-4333-8444-555555555555`, ``), "contradicts itself"},
	} {
		t.Run(name, func(t *testing.T) {
			disk := newDisk()
			must(t, disk.MkdirAll(filepath.Join(testDir, Folder)))
			writeDisk(t, disk, Path(testDir, testName), test.data)
			_, err := ReadOnly(disk, testDir, testName)
			u, ok := errors.AsType[*UnusableError](err)
			if !ok || !strings.Contains(u.Reason, test.reason) {
				t.Fatalf("%v; want %q", err, test.reason)
			}
			if msg := err.Error(); !strings.Contains(msg, Path(testDir, testName)) || !strings.Contains(msg, "apply -adopt") ||
				strings.Contains(msg, "backup") || strings.Contains(msg, "\n") {
				t.Errorf("message %q", msg)
			}
			writeDisk(t, disk, BackupPath(testDir, testName), good)
			if _, err := Open(disk, testDir, testName, testHolder()); err == nil ||
				!strings.Contains(err.Error(), "cp "+BackupPath(testDir, testName)) {
				t.Errorf("the message does not name the backup: %v", err)
			}

			// The failed Open gave the lock back, and -adopt may begin anew and keeps what was there.
			s, err := OpenLost(disk, testDir, testName, testHolder())
			must(t, err)
			if s.Document() != nil {
				t.Error("an unusable document was believed")
			}
			must(t, s.Create(testDocument()))
			mustClose(t, s)
			aside, err := disk.ReadFile(Path(testDir, testName) + ".unusable")
			if err != nil || !bytes.Equal(aside, test.data) {
				t.Errorf("set aside: %q, %v", aside, err)
			}
		})
	}
}

func TestNewerFormatsAreNeverTouched(t *testing.T) {
	data := reseal(t, encoded(t, testDocument()), func(e *envelope) {
		e.FormatVersion, e.ToolVersion, e.Document = 7, "3.2.1", json.RawMessage(`["of another shape"]`)
	})
	disk := newDisk()
	must(t, disk.MkdirAll(filepath.Join(testDir, Folder)))
	writeDisk(t, disk, Path(testDir, testName), data)
	for _, open := range []func() error{
		func() error { _, err := ReadOnly(disk, testDir, testName); return err },
		func() error { _, err := Open(disk, testDir, testName, testHolder()); return err },
		func() error { _, err := OpenLost(disk, testDir, testName, testHolder()); return err },
	} {
		err := open()
		newer, ok := errors.AsType[*NewerError](err)
		if !ok || newer.Version != 7 || newer.Writer != "3.2.1" || !strings.Contains(err.Error(), "use pegmigrate 3.2.1") {
			t.Fatalf("%v", err)
		}
	}
	if got, err := disk.ReadFile(Path(testDir, testName)); err != nil || !bytes.Equal(got, data) {
		t.Fatal("the newer document was touched")
	}
}

func TestAPrettyPrinterDoesNoHarm(t *testing.T) {
	data := encoded(t, testDocument())
	var compact bytes.Buffer
	must(t, json.Compact(&compact, data))
	d, err := decode("", testName, compact.Bytes())
	must(t, err)
	if d.Step("fence").Attempts != 2 {
		t.Fatalf("%+v", d)
	}
}

func TestNothingIsFound(t *testing.T) {
	if _, err := ReadOnly(newDisk(), testDir, testName); !errors.Is(err, ErrNoState) ||
		!strings.Contains(err.Error(), Path(testDir, testName)) {
		t.Fatalf("%v", err)
	}
}

// TestFormat1Fixtures reads every document of format 1 that was ever added, in bytes that releases wrote, and compares
// what is read with what was read then. The fixtures are never changed.
func TestFormat1Fixtures(t *testing.T) {
	dir := filepath.Join("testdata", "state", "v1")
	if *update {
		writeFixtures(t, dir)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.state.json"))
	if err != nil || len(files) < 3 {
		t.Fatalf("%d fixtures, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			name := strings.TrimSuffix(filepath.Base(file), ".state.json")
			data, err := os.ReadFile(file)
			must(t, err)
			d, err := decode(file, name, data)
			must(t, err)
			got, err := json.MarshalIndent(d, "", "  ")
			must(t, err)
			want, err := os.ReadFile(filepath.Join(dir, name+".read.json"))
			must(t, err)
			if !bytes.Equal(append(got, '\n'), want) {
				t.Errorf("read as\n%s\nwant\n%s", got, want)
			}
			_, again, err := encode(d)
			must(t, err)
			if again.Checksum != d.Checksum || !reflect.DeepEqual(again, d) {
				t.Errorf("round trip\n%+v\nwant\n%+v", again, d)
			}
		})
	}
}

func writeFixtures(t *testing.T, dir string) {
	t.Helper()
	full := testDocument()
	full.Migration, full.Serial, full.UpdatedAt = "full", 17, testTime
	full.Steps[1].Cursor = &Blob{
		Kind: journalKind, Version: 1,
		Data: json.RawMessage(`[{"kind":"cursor","key":"0","version":1,"data":{"after":"AAFr"}},{"kind":"cursor","version":2,"data":null}]`),
	}
	ended := testDocument()
	ended.Migration, ended.Serial, ended.Outcome = "ended", 1<<63, OutcomeRolledBack
	ended.Steps[0].Status, ended.Steps[1].Status = Undone, Failed
	smallest := &Document{Migration: "smallest", Lineage: "x"}
	must(t, os.MkdirAll(dir, 0o755))
	for _, d := range []*Document{full, ended, smallest} {
		path := filepath.Join(dir, d.Migration+".state.json")
		if _, err := os.Stat(path); err == nil {
			continue
		}
		data, stored, err := encode(d)
		must(t, err)
		read, err := json.MarshalIndent(stored, "", "  ")
		must(t, err)
		must(t, os.WriteFile(path, data, 0o644))
		must(t, os.WriteFile(filepath.Join(dir, d.Migration+".read.json"), append(read, '\n'), 0o644))
	}
}

func FuzzDecode(f *testing.F) {
	good := encoded(f, testDocument())
	f.Add(good)
	f.Add(good[:len(good)/3])
	f.Add([]byte(`{"format":"pegmigrate-state","format_version":2}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := decode("x", testName, data)
		if err != nil {
			if !isA[*UnusableError](err) && !isA[*NewerError](err) {
				t.Fatalf("error of type %T: %v", err, err)
			}
			return
		}
		checkRoundTrip(t, d)
	})
}

// FuzzDecodeInside gets past the checksum, which FuzzDecode cannot guess.
func FuzzDecodeInside(f *testing.F) {
	var e envelope
	if err := json.Unmarshal(encoded(f, testDocument()), &e); err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(e.Document))
	f.Add([]byte(`{"migration":"orders","lineage":"x","steps":[{"id":"a","status":"done","cursor":{"kind":"k"}}]}`))
	f.Fuzz(func(t *testing.T, document []byte) {
		var compact bytes.Buffer
		if json.Compact(&compact, document) != nil {
			return
		}
		data, err := marshal(map[string]any{
			"format": magic, "format_version": 1, "checksum": checksum(1, compact.Bytes()), "document": json.RawMessage(document),
		})
		if err != nil {
			return
		}
		if d, err := decode("x", testName, data); err == nil {
			checkRoundTrip(t, d)
		}
	})
}

func checkRoundTrip(t *testing.T, d *Document) {
	t.Helper()
	_, again, err := encode(d)
	if err != nil {
		t.Fatalf("what was read cannot be written: %v", err)
	}
	twice, _, err := encode(again)
	if err != nil {
		t.Fatal(err)
	}
	third, err := decode("x", testName, twice)
	if err != nil || !reflect.DeepEqual(third, again) {
		t.Fatalf("%v\n%+v\n%+v", err, third, again)
	}
}
