package history

import (
	"bytes"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/atomicfile"
	"github.com/pegmigrate/pegmigrate/internal/atomicfile/crashfs"
	"github.com/pegmigrate/pegmigrate/internal/event"
)

const folder = "/m/.pegmigrate"

func newFS(t *testing.T) *crashfs.FS {
	t.Helper()
	f := crashfs.New("/m")
	if err := f.MkdirAll(folder); err != nil {
		t.Fatal(err)
	}
	return f
}

// quiet fails the test when recording ends.
func quiet(t *testing.T) Options {
	return Options{Warn: func(err error) { t.Errorf("recording ended: %v", err) }}
}

func move(rows uint64) event.MoveProgress {
	return event.MoveProgress{Step: "copy", Kind: "copy", Rows: rows, RowsPerSecond: 1000, Limit: "rows_per_second 1000", LimitReason: "declared limits",
		InForce: event.Caps{RowsPerSecond: 1000}, Partitions: []event.PartitionProgress{{Index: 1, Rows: rows}}}
}

func read(t *testing.T, f atomicfile.FS) *History {
	t.Helper()
	h, err := Read(f, folder, "orders")
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// names are the events of a run.
func names(r Run) (out []string) {
	for _, m := range r.Events {
		out = append(out, m.Event.Name())
	}
	return out
}

// Several runs append, and each is read back as it was told.
func TestRunsAreReadBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFS(t)
		for run := range 3 {
			r := Open(f, folder, "orders", Opening{Command: "apply", Version: "1", Host: "h", PID: run + 1}, quiet(t))
			r.Emit(event.RunStarted{Migration: "orders", Steps: []string{"copy"}})
			r.Emit(event.StepStarted{Step: "copy", Index: 1, Of: 1})
			for i := range 5 {
				r.Emit(move(uint64(i)))
				time.Sleep(2 * time.Second)
			}
			r.Emit(event.Verified{Step: "verify", Differences: 1, FirstDiffering: make([]event.Difference, 50)})
			r.Emit(event.StepDone{Step: "copy", Proof: "it is there"})
			r.Close()
			time.Sleep(time.Hour)
		}
		h := read(t, f)
		if h.Migration != "orders" || len(h.Runs) != 3 || h.Unreadable != 0 {
			t.Fatalf("%+v", h)
		}
		for i, r := range h.Runs {
			want := "run_started step_started progress progress progress progress progress verified step_done"
			if got := strings.Join(names(r), " "); got != want || r.Opening.PID != i+1 || r.Closed.Sub(r.Opened) != 10*time.Second {
				t.Errorf("run %d: %s, %+v, closed after %v", i, got, r.Opening, r.Closed.Sub(r.Opened))
			}
			p := r.Events[2].Event.(event.MoveProgress)
			if p.RowsPerSecond != 1000 || p.InForce.RowsPerSecond != 1000 || p.Partitions != nil {
				t.Errorf("%+v", p)
			}
			if v := r.Events[7].Event.(event.Verified); len(v.FirstDiffering) != shownRows || v.Differences != 1 {
				t.Errorf("%d rows are kept", len(v.FirstDiffering))
			}
		}
	})
}

// Samples that come faster than once a second wait, and the newest one is there when something else happens.
func TestTheNewestSampleIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFS(t)
		r := Open(f, folder, "orders", Opening{}, quiet(t))
		for i := range 100 {
			r.Emit(move(uint64(i)))
			time.Sleep(100 * time.Millisecond)
		}
		r.Emit(event.StepDone{Step: "copy"})
		r.Close()
		run := read(t, f).Runs[0]
		last := run.Events[len(run.Events)-2].Event.(event.MoveProgress)
		if last.Rows != 99 || len(run.Events) != 12 {
			t.Errorf("%d events, the last sample has %d rows", len(run.Events), last.Rows)
		}
	})
}

// A migration of a long time stays in its bounds, and nothing but samples is given up.
func TestALongRunIsThinned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFS(t)
		r := Open(f, folder, "orders", Opening{Command: "apply"}, quiet(t))
		const day = 24 * 3600
		for i := range day / 8 {
			r.Emit(move(uint64(i)))
			if i%1000 == 0 {
				r.Emit(event.Warning{Text: fmt.Sprint(i)})
			}
			time.Sleep(8 * time.Second)
		}
		r.Close()
		data, err := f.ReadFile(Path(folder, "orders"))
		if err != nil {
			t.Fatal(err)
		}
		if len(data) > fileBytes {
			t.Errorf("the file has %d bytes", len(data))
		}
		// What is read may have more than what is kept; the next run begins with what is kept.
		Open(f, folder, "orders", Opening{Command: "apply"}, quiet(t)).Close()
		run := read(t, f).Runs[0]
		samples, warnings, widest := 0, 0, time.Duration(0)
		var last time.Time
		for _, m := range run.Events {
			switch m.Event.(type) {
			case event.MoveProgress:
				if samples++; !last.IsZero() {
					widest = max(widest, m.At.Sub(last))
				}
				last = m.At
			case event.Warning:
				warnings++
			}
		}
		if samples < seriesCap/2 || warnings != day/8/1000+1 {
			t.Errorf("%d samples, %d warnings", samples, warnings)
		}
		if widest > 3*day*time.Second/(seriesCap/2) {
			t.Errorf("a gap of %v", widest)
		}
	})
}

// The book itself: whatever is added, it stays within its bounds and keeps its counts.
func TestTheBookStaysWithinItsBounds(t *testing.T) {
	b := newBook()
	line := bytes.Repeat([]byte("x"), 400)
	for run := range 300 {
		b.run++
		for i := range 700 {
			b.add(line, fmt.Sprint("s", i%3))
		}
		for range 20 {
			b.add(line, "")
		}
		if b.bytes > keptBytes {
			t.Fatalf("run %d: %d bytes", run, b.bytes)
		}
	}
	sum, bytes := map[seriesKey]int{}, 0
	for _, k := range b.lines {
		bytes += len(k.line)
		if k.series != "" {
			sum[seriesKey{k.run, k.series}]++
		}
	}
	for key, n := range b.counts {
		if sum[key] != n {
			t.Errorf("%v: %d lines, %d counted", key, sum[key], n)
		}
	}
	if bytes != b.bytes || b.dropped == 0 || b.lines[len(b.lines)-1].run != b.run {
		t.Errorf("%d bytes, %d counted, %d runs dropped", bytes, b.bytes, b.dropped)
	}
	// One run that says the same for ever gives up its middle, not its beginning.
	b = newBook()
	b.add([]byte("first"), "")
	for range 3 * keptBytes / len(line) {
		b.add(line, "")
	}
	if b.bytes > keptBytes || string(b.lines[0].line) != "first" {
		t.Errorf("%d bytes", b.bytes)
	}
}

// A torn last line is left out, and what comes later is readable.
func TestATornLineIsTolerated(t *testing.T) {
	f := newFS(t)
	r := Open(f, folder, "orders", Opening{Command: "apply"}, quiet(t))
	r.Emit(event.Warning{Text: "one"})
	r.Close()
	data, err := f.ReadFile(Path(folder, "orders"))
	if err != nil {
		t.Fatal(err)
	}
	for cut := bytes.IndexByte(data, '\n') + 1; cut < len(data); cut++ {
		f := newFS(t)
		if err := atomicfile.WriteFile(f, Path(folder, "orders"), data[:cut]); err != nil {
			t.Fatal(err)
		}
		if h := read(t, f); h.Unreadable != 0 {
			t.Fatalf("cut at %d: %d lines are unreadable", cut, h.Unreadable)
		}
		r := Open(f, folder, "orders", Opening{Command: "rollback"}, quiet(t))
		r.Emit(event.Warning{Text: "two"})
		r.Close()
		h := read(t, f)
		last := h.Runs[len(h.Runs)-1]
		if h.Unreadable != 0 || last.Opening.Command != "rollback" || len(last.Events) != 1 {
			t.Fatalf("cut at %d: %+v", cut, h)
		}
	}
}

// A killed process leaves what it had written, and the next one goes on.
func TestAKilledRunIsWithoutAnEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFS(t)
		r := Open(f, folder, "orders", Opening{Command: "apply"}, quiet(t))
		r.Emit(event.Warning{Text: "one"})
		time.Sleep(3 * time.Second)
		r.Emit(event.Warning{Text: "lost"})
		after := f.Kill()
		r.Close()
		next := Open(after, folder, "orders", Opening{Command: "apply"}, quiet(t))
		next.Close()
		h := read(t, after)
		if len(h.Runs) != 2 || !h.Runs[0].Closed.IsZero() || len(h.Runs[0].Events) != 1 || h.Runs[1].Closed.IsZero() {
			t.Errorf("%+v", h)
		}
	})
}

// What stands in the way is told once, and the run goes on.
func TestNothingMakesARunFail(t *testing.T) {
	for name, prepare := range map[string]func(*testing.T, *crashfs.FS){
		"another process": func(t *testing.T, f *crashfs.FS) {
			l, err := f.TryLock(Path(folder, "orders") + ".lock")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = l.Close() })
		},
		"a newer version": func(t *testing.T, f *crashfs.FS) {
			write(t, f, `{"kind":"pegmigrate-history","version":2,"migration":"orders"}`+"\n")
		},
		"not a history": func(t *testing.T, f *crashfs.FS) { write(t, f, "important\n") },
		"a full disk":   func(_ *testing.T, f *crashfs.FS) { f.SetCapacity(10) },
	} {
		t.Run(name, func(t *testing.T) {
			f := newFS(t)
			prepare(t, f)
			before, _ := f.ReadFile(Path(folder, "orders"))
			var told []error
			r := Open(f, folder, "orders", Opening{}, Options{Warn: func(err error) { told = append(told, err) }, Flush: time.Millisecond})
			for range 1000 {
				r.Emit(event.Warning{Text: "x"})
			}
			r.Close()
			if len(told) != 1 {
				t.Errorf("told %v", told)
			}
			if after, _ := f.ReadFile(Path(folder, "orders")); !bytes.Equal(before, after) {
				t.Errorf("the file was changed: %q", after)
			}
		})
	}
}

// A disk that fills up while a run is under way ends the recording once.
func TestADiskThatFillsUp(t *testing.T) {
	f := newFS(t)
	var told []error
	r := Open(f, folder, "orders", Opening{}, Options{Warn: func(err error) { told = append(told, err) }})
	f.SetCapacity(200)
	for range 100 {
		r.Emit(event.Warning{Text: "x"})
	}
	r.Close()
	if len(told) != 1 {
		t.Errorf("told %v", told)
	}
	f.SetCapacity(0)
	Open(f, folder, "orders", Opening{}, quiet(t)).Close()
	if h := read(t, f); len(h.Runs) != 2 {
		t.Errorf("%d runs", len(h.Runs))
	}
}

func write(t *testing.T, f atomicfile.FS, text string) {
	t.Helper()
	if err := atomicfile.WriteFile(f, Path(folder, "orders"), []byte(text)); err != nil {
		t.Fatal(err)
	}
}

func TestReadErrors(t *testing.T) {
	f := newFS(t)
	if _, err := Read(f, folder, "orders"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v", err)
	}
	var newer *NewerError
	if _, err := Decode([]byte(`{"kind":"pegmigrate-history","version":7}` + "\n")); !errors.As(err, &newer) || newer.Version != 7 {
		t.Errorf("%v", err)
	}
	for _, text := range []string{"", "x", "{}\n", `{"kind":"pegmigrate-history"}` + "\n"} {
		if _, err := Decode([]byte(text)); !errors.Is(err, ErrNotHistory) {
			t.Errorf("%q: %v", text, err)
		}
	}
	h, err := Decode([]byte(`{"kind":"pegmigrate-history","version":1,"migration":"m","dropped_runs":4}
garbage
{"at":"2026-11-21T03:00:00Z","type":"from_the_future","data":{"x":1}}
{"at":"2026-11-21T03:00:00Z","type":"progress","data":{"rows":"many"}}
{"at":"2026-11-21T03:00:01Z","type":"warning","data":{"text":"w","more":true}}
`))
	if err != nil || h.Unreadable != 2 || h.DroppedRuns != 4 || len(h.Runs) != 1 || len(h.Runs[0].Events) != 1 {
		t.Errorf("%v, %+v", err, h)
	}
}

// What JSON cannot write does not cost the sample.
func TestRatesThatAreNoNumbers(t *testing.T) {
	f := newFS(t)
	r := Open(f, folder, "orders", Opening{}, quiet(t))
	p := move(1)
	p.RowsPerSecond, p.BytesPerSecond = math.NaN(), math.Inf(1)
	r.Emit(p)
	r.Emit(event.LagProgress{Step: "follow", PerSecond: math.NaN()})
	r.Close()
	if got := names(read(t, f).Runs[0]); len(got) != 2 {
		t.Errorf("%v", got)
	}
}

// Every event of package event can be read back: its source says which there are.
func TestEveryEventIsKnown(t *testing.T) {
	files, err := filepath.Glob("../event/*.go")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(node ast.Node) bool {
			f, ok := node.(*ast.FuncDecl)
			if !ok || f.Name.Name != "Name" || f.Recv == nil || f.Body == nil {
				return true
			}
			kind := strings.Trim(f.Body.List[0].(*ast.ReturnStmt).Results[0].(*ast.BasicLit).Value, `"`)
			n++
			if e, err := decodeEvent(kind, []byte("{}")); err != nil || e == nil || e.Name() != kind {
				t.Errorf("%s: %v, %v", kind, e, err)
			}
			return false
		})
	}
	if n < 15 {
		t.Errorf("only %d events were found in the source", n)
	}
}

// The host's file system: the file is for the eyes of its owner, and a lock outlives nobody.
func TestOnTheHost(t *testing.T) {
	dir := filepath.Join(t.TempDir(), ".pegmigrate")
	for range 2 {
		r := Open(atomicfile.OS{}, dir, "orders", Opening{Command: "apply"}, quiet(t))
		r.Emit(event.Warning{Text: "x"})
		r.Close()
	}
	info, err := os.Stat(Path(dir, "orders"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v, %v", info, err)
	}
	h, err := Read(atomicfile.OS{}, dir, "orders")
	if err != nil || len(h.Runs) != 2 {
		t.Errorf("%v, %+v", err, h)
	}
}

// FuzzDecode: no file makes a reader panic, and what a Recorder takes in of it is readable.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"kind":"pegmigrate-history","version":1,"migration":"m"}` + "\n" +
		`{"at":"2026-11-21T03:00:00Z","type":"opened","data":{"command":"apply"}}` + "\n" +
		`{"at":"2026-11-21T03:00:01Z","type":"progress","data":{"step":"copy","kind":"copy","rows":1,"in_force":{"held":true}}}` + "\n" +
		`{"at":"2026-11-21T03:00:01Z","type":"closed","data":{}}` + "\n"))
	f.Add([]byte("{\"kind\":\"pegmigrate-history\",\"version\":1}\n\x00\x00\x00\n{\"type\":\"lag\"}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		h, err := Decode(data)
		if err != nil {
			return
		}
		fsys := crashfs.New("/m")
		if err := fsys.MkdirAll(folder); err != nil {
			t.Fatal(err)
		}
		if err := atomicfile.WriteFile(fsys, Path(folder, "orders"), data); err != nil {
			t.Fatal(err)
		}
		r := Open(fsys, folder, "orders", Opening{Command: "apply"}, Options{Warn: func(err error) { t.Error(err) }})
		r.Close()
		after, err := Read(fsys, folder, "orders")
		if err != nil {
			t.Fatal(err)
		}
		if len(after.Runs) != len(h.Runs)+1 || after.Runs[len(h.Runs)].Opening.Command != "apply" {
			t.Errorf("%d runs before, %d after", len(h.Runs), len(after.Runs))
		}
	})
}

// Emit is called where rows are moved: it must stay far below what one batch of them costs.
func BenchmarkEmit(b *testing.B) {
	f := crashfs.New("/m")
	if err := f.MkdirAll(folder); err != nil {
		b.Fatal(err)
	}
	r := Open(f, folder, "orders", Opening{}, Options{})
	defer r.Close()
	p := move(1)
	p.Partitions = make([]event.PartitionProgress, 1024)
	b.ReportAllocs()
	for b.Loop() {
		r.Emit(p)
	}
}
