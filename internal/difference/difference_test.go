package difference

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/atomicfile"
)

func header() Header {
	return Header{Migration: "orders", Tool: "test", At: time.Date(2026, 11, 21, 3, 0, 0, 0, time.UTC), Mode: "full",
		Source: Table{Cluster: "a", Table: "orders", AppID: 3, Partitions: 4},
		Target: Table{Cluster: "b", Table: "orders", AppID: 5, Partitions: 8}}
}

func entries(n int) []Entry {
	var out []Entry
	for i := range n {
		out = append(out, Entry{Kind: Kinds()[i%len(Kinds())], SourcePartition: int32(i % 4), TargetPartition: int32(i % 8),
			Key: fmt.Appendf(nil, "\x00\x01k%d\xff", i), HashKey: `"k"`, SortKey: "0x00", SourceExpire: uint32(i), Age: time.Duration(i)})
	}
	return out
}

func write(t testing.TB, list []Entry) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "report.jsonl")
	w, err := Create(atomicfile.OS{}, path, header())
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		if err := w.Add(e); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(path); err == nil {
		t.Fatal("the report has its name before it is complete")
	}
	if _, err := w.Finish(End{SourceRows: 7, At: header().At}); err != nil {
		t.Fatal(err)
	}
	w.Abort() // does nothing
	return path
}

func readAll(in io.Reader) (h Header, list []Entry, end *End, err error) {
	r, err := NewReader(in)
	if err != nil {
		return h, nil, nil, err
	}
	for {
		e, err := r.Next()
		if errors.Is(err, io.EOF) {
			return r.Header(), list, r.End(), nil
		}
		if err != nil {
			return h, list, nil, err
		}
		list = append(list, e)
	}
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	want := entries(100)
	data, err := os.ReadFile(write(t, want))
	if err != nil {
		t.Fatal(err)
	}
	h, got, end, err := readAll(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	for i := range want {
		want[i].Type = typeDifference
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("read %d entries that are not those that were written", len(got))
	}
	if h.Target != header().Target || h.Version != Version || end.Lines != 100 || end.SourceRows != 7 || end.Counts[Missing] != 17 {
		t.Errorf("header %+v, end %+v", h, end)
	}
	if end.Differences() != 100-16 {
		t.Errorf("%d differences: what drifted is none", end.Differences())
	}
}

// TestACutReportIsRefused: whatever is left of a report, at any byte, is not taken for a whole one.
func TestACutReportIsRefused(t *testing.T) {
	data, err := os.ReadFile(write(t, entries(5)))
	if err != nil {
		t.Fatal(err)
	}
	for n := range len(data) - 1 { // the last byte is a line end that nothing depends on
		if _, _, err := Check(bytes.NewReader(data[:n])); err == nil {
			t.Fatalf("the first %d of %d bytes count as a report", n, len(data))
		}
	}
	lines := strings.SplitAfter(string(data), "\n")
	without := strings.Join(append(append([]string{}, lines[:2]...), lines[3:]...), "")
	if _, _, err := Check(strings.NewReader(without)); !errors.Is(err, ErrCut) {
		t.Errorf("a report without one of its lines: %v", err)
	}
	if _, _, err := Check(strings.NewReader(string(data) + lines[1])); err == nil {
		t.Error("a report with something behind its end counts as one")
	}
}

func TestOtherFilesAreRefused(t *testing.T) {
	for _, text := range []string{"", "{}", "[]", "null", `{"type":"header"}`, `{"type":"end"}`, `{"version":1,"type":"verified"}`} {
		if _, err := NewReader(strings.NewReader(text)); err == nil {
			t.Errorf("%q counts as a report", text)
		}
	}
	var newer *NewerError
	if _, err := NewReader(strings.NewReader(`{"type":"header","version":2}`)); !errors.As(err, &newer) {
		t.Errorf("a later form: %v", err)
	}
	head := `{"type":"header","version":1,"source":{"partitions":2},"target":{"partitions":2}}` + "\n"
	for _, line := range []string{
		`{"type":"difference","kind":"odd","key":"AA=="}`, `{"type":"difference","kind":"missing"}`,
		`{"type":"difference","kind":"missing","key":"AA==","source_partition":2}`,
		`{"type":"difference","kind":"missing","key":"AA==","target_partition":-1}`,
		`{"type":"difference","kind":"missing","key":"AA==","side":"left"}`, `{"type":"odd"}`, `1`,
	} {
		if _, _, err := Check(strings.NewReader(head + line + "\n")); err == nil || errors.Is(err, ErrCut) {
			t.Errorf("%s: %v", line, err)
		}
	}
}

// failing fails when it is to write the file.
type failing struct{ atomicfile.FS }

type failingFile struct{ atomicfile.Staged }

func (f failing) Stage(path string) (atomicfile.Staged, error) {
	s, err := f.FS.Stage(path)
	return failingFile{s}, err
}

func (failingFile) Sync() error { return io.ErrShortWrite }

func TestAReportThatCannotBeWrittenLeavesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "report.jsonl")
	w, err := Create(failing{atomicfile.OS{}}, path, header())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Finish(End{}); !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("error is %v", err)
	}
	left, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func FuzzReader(f *testing.F) {
	data, err := os.ReadFile(write(f, entries(3)))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add(data[:len(data)/2])
	f.Add([]byte(`{"type":"header","version":1}` + "\n" + `{"type":"end"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		h, list, end, err := readAll(bytes.NewReader(data))
		if err != nil {
			return
		}
		if end == nil || end.Lines != uint64(len(list)) || h.Version != Version {
			t.Fatalf("%d entries, header %+v, end %+v", len(list), h, end)
		}
		for _, e := range list {
			if len(e.Key) == 0 || e.SourcePartition >= h.Source.Partitions {
				t.Fatalf("an entry that no comparison finds: %+v", e)
			}
		}
	})
}
