package state

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/pegmigrate/pegmigrate/internal/atomicfile"
)

func TestLifeOfADocument(t *testing.T) {
	disk := newDisk()
	s := mustOpen(t, disk)
	if s.Document() != nil {
		t.Fatal("a document out of nothing")
	}
	if err := s.Update(setStatus("copy", Done)); !errors.Is(err, ErrNoState) {
		t.Fatalf("update of nothing: %v", err)
	}
	must(t, s.Create(testDocument()))
	created := s.Document()
	want := testDocument()
	want.FormatVersion, want.Serial, want.UpdatedAt, want.Checksum = FormatVersion, 1, testTime, created.Checksum
	if !reflect.DeepEqual(created, want) {
		t.Fatalf("created\n%+v\nwant\n%+v", created, want)
	}
	if err := s.Create(testDocument()); !errors.Is(err, ErrExists) {
		t.Fatalf("second create: %v", err)
	}
	must(t, s.Update(setStatus("copy", Intended)))
	must(t, s.Update(setStatus("copy", Done)))
	mustClose(t, s)
	if err := s.Update(setStatus("copy", Failed)); !errors.Is(err, ErrClosed) {
		t.Fatalf("update after close: %v", err)
	}

	again, err := ReadOnly(disk, testDir, testName)
	must(t, err)
	if again.Serial != 3 || again.Step("copy").Status != Done || !reflect.DeepEqual(again, s.Document()) {
		t.Fatalf("read back %+v", again)
	}
	old, err := disk.ReadFile(BackupPath(testDir, testName))
	must(t, err)
	backup, err := decode("", testName, old)
	must(t, err)
	if backup.Serial != 2 || backup.Step("copy").Status != Intended {
		t.Fatalf("backup %+v", backup)
	}
	names, err := disk.List(filepath.Join(testDir, Folder))
	must(t, err)
	if got := strings.Join(names, " "); got != "orders.lock orders.state.json orders.state.json.backup" {
		t.Fatalf("files left: %s", got)
	}
}

func TestANewRunAfterTheEnd(t *testing.T) {
	disk := newDisk()
	s := mustOpen(t, disk)
	must(t, s.Create(testDocument()))
	j := s.Journal("copy")
	must(t, j.Append(keyed("0", `1`)))
	must(t, j.Sync())
	must(t, s.Update(func(d *Document) error { d.Outcome = OutcomeDone; return nil }))
	if err := s.Create(testDocument()); err == nil {
		t.Fatal("a new run took the lineage of the old one")
	}
	next := testDocument()
	next.Lineage = ""
	must(t, s.Create(next))
	if d := s.Document(); d.Lineage == "" || d.Lineage == testDocument().Lineage || d.Outcome != OutcomeOpen {
		t.Fatalf("new document %+v", d)
	}
	// The old cursors speak of another target, through the old handle too.
	must(t, j.Replay(func(b Blob) error { return errors.New("a record of the run before") }))
	must(t, j.Append(keyed("1", `2`)))
	must(t, j.Sync())
	must(t, j.Fold(nil))
	mustClose(t, s)
}

func TestACopyIsACopy(t *testing.T) {
	s := mustOpen(t, newDisk())
	defer mustClose(t, s)
	must(t, s.Create(testDocument()))
	d := s.Document()
	d.Step("fence").Prior.Data[0] = 'X'
	d.Step("copy").Status = Failed
	d.Approved[0] = "other"
	d.Plan.Kind = "other"
	if got := s.Document(); got.Step("fence").Prior.Data[0] != 'n' || got.Step("copy").Status != Pending ||
		got.Approved[0] != "clients" || got.Plan.Kind != "plan" {
		t.Fatalf("changed from outside: %+v", got)
	}
}

func TestAChangeThatIsRefusedTouchesNothing(t *testing.T) {
	disk := newDisk()
	s := mustOpen(t, disk)
	defer mustClose(t, s)
	must(t, s.Create(testDocument()))
	before, err := disk.ReadFile(s.Path())
	must(t, err)
	mine := errors.New("mine")
	for name, change := range map[string]func(*Document) error{
		"error of the caller": func(d *Document) error { d.Outcome = OutcomeDone; return mine },
		"migration":           func(d *Document) error { d.Migration = "other"; return nil },
		"lineage":             func(d *Document) error { d.Lineage = "other"; return nil },
		"status":              setStatus("copy", "half"),
		"outcome":             func(d *Document) error { d.Outcome = "great"; return nil },
		"two steps":           func(d *Document) error { d.Steps = append(d.Steps, Step{ID: "copy", Status: Pending}); return nil },
		"step name":           func(d *Document) error { d.Steps[0].ID = "../fence"; return nil },
		"data":                func(d *Document) error { d.Owner = blob("marker", `{"open":`); return nil },
		"kind":                func(d *Document) error { d.Step("copy").Cursor = blob("", `1`); return nil },
		"time":                func(d *Document) error { d.Step("copy").Started = testTime.AddDate(9000, 0, 0); return nil },
	} {
		if err := s.Update(change); err == nil || name == "error of the caller" && !errors.Is(err, mine) {
			t.Errorf("%s: %v", name, err)
		}
	}
	after, err := disk.ReadFile(s.Path())
	must(t, err)
	if string(before) != string(after) || s.Document().Serial != 1 {
		t.Fatal("a refused change was written")
	}
	must(t, s.Update(setStatus("copy", Done)))
}

func TestAfterAFailedWriteNothingMoreIsAccepted(t *testing.T) {
	disk := newDisk()
	var broken error
	s := mustOpen(t, atomicfile.Observed(disk, func(op atomicfile.Op) error {
		if op.Phase == atomicfile.After && op.Kind == atomicfile.OpRename && op.Path == Path(testDir, testName) {
			return broken // the worst case: the change has arrived and is reported as failed
		}
		return nil
	}))
	must(t, s.Create(testDocument()))
	broken = syscall.EIO
	err := s.Update(setStatus("copy", Intended))
	if !isA[*WriteError](err) || !errors.Is(err, syscall.EIO) {
		t.Fatalf("failed write: %v", err)
	}
	if d := s.Document(); d.Serial != 1 || d.Step("copy").Status != Pending {
		t.Fatalf("the document in memory moved: %+v", d)
	}
	broken = nil
	if err := s.Update(setStatus("copy", Done)); !isA[*WriteError](err) {
		t.Fatalf("a change after a failed write: %v", err)
	}
	broken = syscall.EIO
	if err := s.Recover(); !isA[*WriteError](err) {
		t.Fatalf("recovery of a broken disk: %v", err)
	}
	broken = nil
	must(t, s.Recover())
	must(t, s.Recover())
	d, err := ReadOnly(disk, testDir, testName)
	must(t, err)
	if d.Serial != 4 || d.Step("copy").Status != Pending {
		t.Fatalf("after recovery: serial %d, %+v", d.Serial, d.Step("copy"))
	}
	must(t, s.Update(setStatus("copy", Done)))
	mustClose(t, s)
}

func TestTheFirstWriteMayFailToo(t *testing.T) {
	disk := newDisk()
	s := mustOpen(t, disk)
	disk.SetCapacity(300)
	if err := s.Create(testDocument()); !isA[*WriteError](err) || !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("create on a full disk: %v", err)
	}
	if err := s.Create(testDocument()); !isA[*WriteError](err) {
		t.Fatalf("create again: %v", err)
	}
	disk.SetCapacity(0)
	must(t, s.Recover())
	must(t, s.Create(testDocument()))
	mustClose(t, s)
}

func TestConcurrentUse(t *testing.T) {
	s := mustOpen(t, newDisk())
	defer mustClose(t, s)
	must(t, s.Create(testDocument()))
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 20 {
				if err := s.Update(func(d *Document) error { d.Step("copy").Attempts++; return nil }); err != nil {
					t.Error(err)
				}
				s.Document()
			}
		})
	}
	group.Wait()
	if d := s.Document(); d.Step("copy").Attempts != 160 || d.Serial != 161 {
		t.Fatalf("%d attempts, serial %d", d.Step("copy").Attempts, d.Serial)
	}
}

func TestNamesThatAreNoFileNames(t *testing.T) {
	for _, name := range []string{"", ".", "..", ".hidden", "a/b", `a\b`, "a@b", "a:b", "a\x00", "a\n", "\xff", strings.Repeat("x", 101)} {
		if _, err := Open(newDisk(), testDir, name, testHolder()); err == nil {
			t.Errorf("opened %q", name)
		}
		if _, err := ReadOnly(newDisk(), testDir, name); err == nil || errors.Is(err, ErrNoState) {
			t.Errorf("read %q: %v", name, err)
		}
	}
	s, err := Open(newDisk(), testDir, "заказы-2 (v1.0)", testHolder())
	must(t, err)
	mustClose(t, s)
}

func TestEverythingIsForTheOwnerOnly(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0))
	dir := t.TempDir()
	s, err := Open(atomicfile.OS{}, dir, testName, Self("pegmigrate apply", testTime))
	must(t, err)
	must(t, s.Create(testDocument()))
	j := s.Journal("copy")
	must(t, j.Append(keyed("1", `1`)))
	must(t, j.Sync())
	must(t, s.Update(setStatus("copy", Intended)))
	entries, err := os.ReadDir(filepath.Join(dir, Folder))
	must(t, err)
	if len(entries) != 5 { // document, backup, journal, lock, holder
		t.Fatalf("%d files: %v", len(entries), entries)
	}
	for _, e := range entries {
		if info, err := e.Info(); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", e.Name(), info.Mode(), err)
		}
	}
	mustClose(t, s)
}

func TestLineage(t *testing.T) {
	d := testDocument()
	must(t, d.SameLineage(d.Lineage))
	err := d.SameLineage("other")
	if !isA[*LineageError](err) || !strings.Contains(err.Error(), d.Lineage) || !strings.Contains(err.Error(), "other") {
		t.Fatalf("%v", err)
	}
	if a, b := NewLineage(), NewLineage(); a == b || len(a) != 36 {
		t.Fatalf("%q, %q", a, b)
	}
}
