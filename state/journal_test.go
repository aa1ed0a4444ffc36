package state

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/pegmigrate/pegmigrate/internal/atomicfile"
)

func writeDisk(t *testing.T, fsys atomicfile.FS, path string, data []byte) {
	t.Helper()
	must(t, atomicfile.WriteFile(fsys, path, data))
}

// replayed is what Replay gives, as one line.
func replayed(t *testing.T, j *Journal) string {
	t.Helper()
	var parts []string
	must(t, j.Replay(func(b Blob) error {
		parts = append(parts, b.Key+"="+string(b.Data))
		return nil
	}))
	return strings.Join(parts, " ")
}

func wantReplay(t *testing.T, j *Journal, want string) {
	t.Helper()
	if got := replayed(t, j); got != want {
		t.Fatalf("replayed %q, want %q", got, want)
	}
}

func openWithSteps(t *testing.T, fsys atomicfile.FS) (*Store, *Journal) {
	t.Helper()
	s := mustOpen(t, fsys)
	if s.Document() == nil {
		must(t, s.Create(testDocument()))
	}
	return s, s.Journal("copy")
}

func TestJournalKeepsTheLatest(t *testing.T) {
	disk := newDisk()
	s, j := openWithSteps(t, disk)
	wantReplay(t, j, "")
	must(t, j.Sync())
	if _, err := disk.ReadFile(j.path); err == nil {
		t.Fatal("a journal without a record was made")
	}
	for i := range 3 {
		must(t, j.Append(keyed("0", fmt.Sprint(i))))
		must(t, j.Append(keyed("1", fmt.Sprint(10*i))))
		must(t, j.Sync())
	}
	must(t, j.Append(Blob{Kind: "other", Key: "0", Data: []byte{}}))
	wantReplay(t, j, "0=2 1=20 0=null")
	must(t, j.Sync())
	must(t, j.Append(keyed("0", "99"))) // never synced
	mustClose(t, s)

	got, err := ReadJournal(disk, testDir, testName, "copy")
	if err != nil || len(got) != 3 || string(got[0].Data) != "2" {
		t.Fatalf("%v, %v", got, err)
	}
	s, j = openWithSteps(t, disk)
	defer mustClose(t, s)
	wantReplay(t, j, "0=2 1=20 0=null")
}

func TestFoldMovesTheRecordsIntoTheDocument(t *testing.T) {
	disk := newDisk()
	s, j := openWithSteps(t, disk)
	must(t, s.Update(func(d *Document) error {
		d.Step("copy").Cursor = blob("old-cursor", `"kept"`)
		return nil
	}))
	must(t, j.Append(keyed("0", `{"after": "x"}`)))
	must(t, j.Sync())
	must(t, j.Append(keyed("1", `2`))) // Fold syncs
	must(t, j.Fold(setStatus("copy", Done)))
	d := s.Document()
	records, err := Records(d.Step("copy").Cursor)
	if err != nil || len(records) != 3 || records[0].Kind != "old-cursor" || string(records[1].Data) != `{"after":"x"}` {
		t.Fatalf("%v, %v", records, err)
	}
	if d.Step("copy").Status != Done || d.Serial != 3 {
		t.Fatalf("not one change: %+v", d)
	}
	if _, err := disk.ReadFile(j.path); err == nil {
		t.Fatal("the journal is still there")
	}
	wantReplay(t, j, `="kept" 0={"after":"x"} 1=2`)
	must(t, j.Append(keyed("1", `3`)))
	must(t, j.Sync())
	wantReplay(t, j, `="kept" 0={"after":"x"} 1=3`)
	must(t, j.Fold(nil))
	wantReplay(t, j, `="kept" 0={"after":"x"} 1=3`)
	must(t, j.Append(keyed("1", `4`)))
	must(t, j.Discard())
	wantReplay(t, j, "")
	if s.Document().Step("copy").Cursor != nil {
		t.Fatal("the cursor outlived Discard")
	}
	mustClose(t, s)
}

func TestAFoldThatFailsLosesNothing(t *testing.T) {
	disk := newDisk()
	s, j := openWithSteps(t, disk)
	must(t, j.Append(keyed("0", `1`)))
	mine := errors.New("mine")
	if err := j.Fold(func(*Document) error { return mine }); !errors.Is(err, mine) {
		t.Fatal(err)
	}
	must(t, j.Sync())
	mustClose(t, s)
	s, j = openWithSteps(t, disk)
	defer mustClose(t, s)
	wantReplay(t, j, "0=1")
	if err := s.Journal("no-such-step").Fold(nil); err == nil {
		t.Fatal("folded into a step that does not exist")
	}
}

func TestTornTailIsForgottenAndRepaired(t *testing.T) {
	disk := newDisk()
	s, j := openWithSteps(t, disk)
	must(t, j.Append(keyed("0", `1`)))
	must(t, j.Sync())
	must(t, j.Append(keyed("0", `2`)))
	must(t, j.Sync())
	mustClose(t, s)
	whole, err := disk.ReadFile(j.path)
	must(t, err)
	second := bytes.LastIndexByte(whole[:len(whole)-1], '\n') + 1
	holed := bytes.Clone(whole)
	clear(holed[second+5 : len(holed)-1])
	tails := [][]byte{holed}
	for cut := second + 1; cut < len(whole); cut++ {
		tails = append(tails, whole[:cut])
	}
	for _, data := range tails {
		disk := newDisk()
		s, j := openWithSteps(t, disk)
		writeDisk(t, disk, j.path, data)
		wantReplay(t, j, "0=1")
		must(t, j.Append(keyed("1", `7`)))
		must(t, j.Sync()) // must not append to the torn line
		mustClose(t, s)
		s, j = openWithSteps(t, disk)
		wantReplay(t, j, "0=1 1=7")
		mustClose(t, s)
	}
}

func TestDamageInTheMiddleIsAnError(t *testing.T) {
	disk := newDisk()
	s, j := openWithSteps(t, disk)
	for i := range 3 {
		must(t, j.Append(keyed("0", fmt.Sprint(i))))
		must(t, j.Sync())
	}
	mustClose(t, s)
	whole, err := disk.ReadFile(j.path)
	must(t, err)
	lines := bytes.SplitAfter(whole, []byte("\n"))
	other := bytes.Replace(whole, lines[0], mustLine(t, journalHeader{
		Format: journalMagic, FormatVersion: 1, Lineage: "other", Migration: testName, Step: "copy",
	}), 1)
	for name, test := range map[string]struct {
		data   []byte
		reason string
	}{
		"second line": {bytes.Replace(whole, lines[1], append([]byte("X"), lines[1]...), 1), "line 2 is damaged"},
		"header":      {bytes.Replace(whole, lines[0], []byte("hello\n"), 1), "does not begin like a journal"},
		"empty":       {nil, "does not begin like a journal"},
		"lineage":     {other, "belongs to another run"},
		"no records":  {append(bytes.Clone(lines[0]), mustLine(t, "text")...), "no list of records"},
		"bad record":  {append(bytes.Clone(lines[0]), mustLine(t, []Blob{{}})...), "no kind"},
		"version 0":   {mustLine(t, journalHeader{Format: journalMagic}), "no valid format version"},
	} {
		t.Run(name, func(t *testing.T) {
			disk := newDisk()
			s, j := openWithSteps(t, disk)
			defer mustClose(t, s)
			writeDisk(t, disk, j.path, test.data)
			must(t, j.Append(keyed("0", `5`)))
			for _, err := range []error{j.Replay(nil), j.Sync(), j.Fold(nil)} {
				if !isA[*UnusableError](err) || !strings.Contains(err.Error(), test.reason) ||
					!strings.Contains(err.Error(), "delete it") {
					t.Fatalf("%v; want %q", err, test.reason)
				}
			}
			must(t, j.Discard())
			wantReplay(t, j, "")
		})
	}
	_, err = parseJournal("x", mustLine(t, journalHeader{Format: journalMagic, FormatVersion: 2}))
	if !isA[*NewerError](err) {
		t.Fatalf("newer journal: %v", err)
	}
}

func mustLine(t testing.TB, v any) []byte {
	t.Helper()
	line, err := appendLine(nil, v)
	if err != nil {
		t.Fatal(err)
	}
	return line
}

func TestMalformedRecords(t *testing.T) {
	s, j := openWithSteps(t, newDisk())
	defer mustClose(t, s)
	for _, b := range []Blob{{}, {Kind: "k", Data: []byte(`{`)}, {Kind: "k\xff"}, {Kind: "k", Key: "\xff"}} {
		if err := j.Append(b); err == nil {
			t.Errorf("accepted %+v", b)
		}
	}
	for _, step := range []string{"", "../x", "a@b"} {
		if err := s.Journal(step).Sync(); err == nil {
			t.Errorf("a journal of step %q", step)
		}
	}
	must(t, j.Sync())
}

func TestJournalNeedsADocument(t *testing.T) {
	s := mustOpen(t, newDisk())
	j := s.Journal("copy")
	must(t, j.Append(keyed("0", `1`)))
	if err := j.Sync(); !errors.Is(err, ErrNoState) {
		t.Fatal(err)
	}
	mustClose(t, s)
	if err := j.Sync(); !errors.Is(err, ErrClosed) {
		t.Fatal(err)
	}
}

func TestJournalIsWrittenAnewAfterAFailure(t *testing.T) {
	disk := newDisk()
	s, j := openWithSteps(t, disk)
	must(t, j.Append(keyed("0", `1`)))
	must(t, j.Sync())
	var size int
	names, err := disk.List(filepath.Join(testDir, Folder))
	must(t, err)
	for _, name := range names {
		data, err := disk.ReadFile(filepath.Join(testDir, Folder, name))
		must(t, err)
		size += len(data)
	}
	disk.SetCapacity(size + 20) // the line is cut in the middle
	must(t, j.Append(keyed("1", `2`)))
	if err := j.Sync(); !isA[*WriteError](err) || !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	if err := j.Sync(); !isA[*WriteError](err) { // nothing new to say, and still not saved
		t.Fatal(err)
	}
	disk.SetCapacity(0)
	must(t, j.Append(keyed("2", `3`)))
	must(t, j.Sync())
	mustClose(t, s)
	s, j = openWithSteps(t, disk)
	defer mustClose(t, s)
	wantReplay(t, j, "0=1 1=2 2=3")
}

// A copy of 1,024 partitions that saves every second for days must not fill the disk.
func TestJournalStaysSmall(t *testing.T) {
	disk := newDisk()
	s, j := openWithSteps(t, disk)
	defer mustClose(t, s)
	largest, rounds := 0, 80
	for round := range rounds {
		for p := range 1024 {
			must(t, j.Append(keyed(fmt.Sprint(p), fmt.Sprintf(`{"after":"%064d","rows":%d}`, p, round))))
		}
		must(t, j.Sync())
		data, err := disk.ReadFile(j.path)
		must(t, err)
		largest = max(largest, len(data))
	}
	if largest > compactAt {
		t.Fatalf("%d rounds grew the journal to %d bytes", rounds, largest)
	}
	n := 0
	must(t, j.Replay(func(b Blob) error {
		if !strings.HasSuffix(string(b.Data), fmt.Sprintf(`"rows":%d}`, rounds-1)) {
			return fmt.Errorf("stale record %s", b.Data)
		}
		n++
		return nil
	}))
	if n != 1024 {
		t.Fatalf("%d records", n)
	}
}

func TestJournalConcurrently(t *testing.T) {
	disk := newDisk()
	s, j := openWithSteps(t, disk)
	var group sync.WaitGroup
	for p := range 8 {
		group.Go(func() {
			for i := range 50 {
				if err := j.Append(keyed(fmt.Sprint(p), fmt.Sprint(i))); err != nil {
					t.Error(err)
				}
				if i%10 == p {
					if err := errors.Join(j.Sync(), j.Fold(nil)); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	group.Wait()
	must(t, j.Fold(nil))
	mustClose(t, s)
	records, err := ReadJournal(disk, testDir, testName, "copy")
	if err != nil || len(records) != 8 {
		t.Fatalf("%v, %v", records, err)
	}
	for _, r := range records {
		if string(r.Data) != "49" {
			t.Errorf("partition %s: %s", r.Key, r.Data)
		}
	}
}

func FuzzJournal(f *testing.F) {
	header := mustLine(f, journalHeader{Format: journalMagic, FormatVersion: 1, Lineage: "l", Migration: testName, Step: "copy"})
	good := append(header, mustLine(f, []Blob{keyed("0", `1`), keyed("1", `{"a":[]}`)})...)
	f.Add(good)
	f.Add(good[:len(good)-3])
	f.Add(append(bytes.Clone(good), good...))
	f.Add([]byte("00000000 \n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := parseJournal("x", data)
		if err != nil {
			if !isA[*UnusableError](err) && !isA[*NewerError](err) {
				t.Fatalf("error of type %T: %v", err, err)
			}
			return
		}
		var latest records
		latest.put(c.blobs...)
		again := append(mustLine(t, c.header), mustLine(t, latest.blobs)...)
		d, err := parseJournal("x", again)
		if err != nil || d.torn || len(d.blobs) != len(latest.blobs) {
			t.Fatalf("does not survive being written anew: %v", err)
		}
		// Whatever is cut off its end, a journal is read as a beginning of itself.
		cut, err := parseJournal("x", again[:len(again)-1])
		if err != nil || !cut.torn || len(cut.blobs) != 0 {
			t.Fatalf("cut: %v", err)
		}
	})
}
