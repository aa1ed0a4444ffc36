package state

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/pegmigrate/pegmigrate/internal/atomicfile"
	"github.com/pegmigrate/pegmigrate/internal/atomicfile/crashfs"
)

var errKilled = errors.New("killed by the test")

// world is what the run believes to be durable, told by return values only.
type world struct {
	rows   int // acknowledged by Sync
	serial uint64
}

const crashRows = 4

// run is a small migration that can be begun again wherever it stopped: create, intend, copy rows with a journal, fold.
// It returns the first error, as a process does that dies of it.
func run(fsys atomicfile.FS, dir string, w *world) (err error) {
	s, err := Open(fsys, dir, testName, testHolder(), WithClock(fixedClock))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if s.Document() == nil {
		doc := testDocument()
		if err := s.Create(doc); err != nil {
			return err
		}
		w.serial = s.Document().Serial
	}
	if s.Document().Step("copy").Status == Done {
		return nil
	}
	if err := s.Update(setStatus("copy", Intended)); err != nil {
		return err
	}
	w.serial = s.Document().Serial
	j := s.Journal("copy")
	row := 0
	err = j.Replay(func(b Blob) error { return json.Unmarshal(b.Data, &row) })
	if err != nil {
		return err
	}
	for row < crashRows {
		row++
		if err := j.Append(keyed("0", fmt.Sprint(row))); err != nil {
			return err
		}
		if err := j.Sync(); err != nil {
			return err
		}
		w.rows = row
	}
	if err := j.Fold(setStatus("copy", Done)); err != nil {
		return err
	}
	w.serial = s.Document().Serial
	return nil
}

// checkSurvivor opens what a crash left and compares it with what the run was told.
func checkSurvivor(t *testing.T, disk *crashfs.FS, w world) {
	t.Helper()
	doc, err := ReadOnly(disk, testDir, testName)
	switch {
	case errors.Is(err, ErrNoState) && w.serial == 0:
		return
	case err != nil:
		t.Fatalf("after the crash: %v", err)
	case doc.Serial < w.serial:
		t.Fatalf("serial %d, but %d was acknowledged", doc.Serial, w.serial)
	case doc.Serial > w.serial+1:
		t.Fatalf("serial %d, more than one after %d", doc.Serial, w.serial)
	}
	records, err := ReadJournal(disk, testDir, testName, "copy")
	if err != nil {
		t.Fatal(err)
	}
	rows := 0
	for _, r := range records {
		must(t, json.Unmarshal(r.Data, &rows))
	}
	if rows < w.rows || rows > w.rows+1 {
		t.Fatalf("row %d, but %d was acknowledged", rows, w.rows)
	}
	if doc.Step("copy").Status == Done && rows != crashRows {
		t.Fatalf("done at row %d", rows)
	}
}

// finish resumes on what a crash left and compares the end with that of the undisturbed run.
func finish(t *testing.T, disk atomicfile.FS, dir string) {
	t.Helper()
	must(t, run(disk, dir, &world{}))
	doc, err := ReadOnly(disk, dir, testName)
	must(t, err)
	records, err := Records(doc.Step("copy").Cursor)
	must(t, err)
	if doc.Step("copy").Status != Done || len(records) != 1 || string(records[0].Data) != fmt.Sprint(crashRows) {
		t.Fatalf("end state %+v %v", doc.Step("copy"), records)
	}
	names, err := disk.List(filepath.Join(dir, Folder))
	must(t, err)
	for _, name := range names {
		// A crash between the last write and the removals behind it may leave the journal and the record; they say
		// nothing that is not in the document.
		if strings.HasPrefix(name, ".") {
			t.Fatalf("temporary file left: %s", names)
		}
	}
}

// TestCrashAtEveryOperation kills the run before and after every operation that changes the disk, looks at the disk as a
// kill and as power cuts leave it, and resumes on each.
func TestCrashAtEveryOperation(t *testing.T) {
	points := 0
	for ; ; points++ {
		disk, w, n := newDisk(), world{}, 0
		err := run(atomicfile.Observed(disk, func(atomicfile.Op) error {
			if n++; n > points {
				return errKilled
			}
			return nil
		}), testDir, &w)
		if err == nil {
			break
		}
		if !errors.Is(err, errKilled) {
			t.Fatalf("point %d: %v", points, err)
		}
		survivors := []*crashfs.FS{disk.Kill(), disk.PowerLoss(nil)}
		for seed := range uint64(8) {
			survivors = append(survivors, disk.PowerLoss(rand.New(rand.NewPCG(seed, uint64(points)))))
		}
		for i, survivor := range survivors {
			t.Run(fmt.Sprintf("point %d survivor %d", points, i), func(t *testing.T) {
				checkSurvivor(t, survivor, w)
				finish(t, survivor, testDir)
			})
		}
	}
	t.Logf("%d crash points, 10 disks each", points)
	if points < 90 {
		t.Errorf("only %d crash points: the run does less than it did, or is not observed", points)
	}
}

// TestCrashTwice kills the resumed run as well, wherever it is.
func TestCrashTwice(t *testing.T) {
	source := rand.New(rand.NewPCG(1, 2))
	for range 150 {
		disk := newDisk()
		for crashes := 0; ; crashes++ {
			n, at := 0, source.IntN(60)
			err := run(atomicfile.Observed(disk, func(atomicfile.Op) error {
				if n++; n > at {
					return errKilled
				}
				return nil
			}), testDir, &world{})
			if err == nil {
				break
			}
			if !errors.Is(err, errKilled) {
				t.Fatalf("crash %d at %d: %v", crashes, at, err)
			}
			disk = disk.PowerLoss(source)
		}
		finish(t, disk, testDir)
	}
}

// TestDiskFullAtEveryOperation fails one operation and lets the disk recover: the run stops with an error that says so,
// and the next one finishes.
func TestDiskFullAtEveryOperation(t *testing.T) {
	for point := 0; ; point++ {
		disk, w, n := newDisk(), world{}, 0
		err := run(atomicfile.Observed(disk, func(op atomicfile.Op) error {
			if n++; n == point+1 {
				return syscall.ENOSPC
			}
			return nil
		}), testDir, &w)
		if n <= point {
			must(t, err)
			return
		}
		if !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("point %d: %v", point, err)
		}
		checkSurvivor(t, disk.Kill(), w)
		finish(t, disk.Kill(), testDir)
	}
}
