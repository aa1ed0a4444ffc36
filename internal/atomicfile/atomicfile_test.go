package atomicfile_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/pegmigrate/pegmigrate/internal/atomicfile"
	"github.com/pegmigrate/pegmigrate/internal/atomicfile/crashfs"
)

// eachFS runs a test on the real file system and on the one in memory: a fake that is not held to what the real one does
// proves nothing.
func eachFS(t *testing.T, test func(t *testing.T, fsys atomicfile.FS, dir string)) {
	t.Run("os", func(t *testing.T) { test(t, atomicfile.OS{}, t.TempDir()) })
	t.Run("crashfs", func(t *testing.T) { test(t, crashfs.New("/disk"), "/disk") })
	t.Run("observed", func(t *testing.T) {
		nothing := func(atomicfile.Op) error { return nil }
		test(t, atomicfile.Observed(atomicfile.OS{}, nothing), t.TempDir())
	})
}

func mustWrite(t *testing.T, fsys atomicfile.FS, path, content string) {
	t.Helper()
	if err := atomicfile.WriteFile(fsys, path, []byte(content)); err != nil {
		t.Fatal(err)
	}
}

func wantContent(t *testing.T, fsys atomicfile.FS, path, want string) {
	t.Helper()
	got, err := fsys.ReadFile(path)
	if err != nil || string(got) != want {
		t.Fatalf("%s: %q, %v; want %q", path, got, err, want)
	}
}

func wantNames(t *testing.T, fsys atomicfile.FS, dir string, want ...string) {
	t.Helper()
	got, err := fsys.List(dir)
	if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
		t.Fatalf("names %q, %v; want %q", got, err, want)
	}
}

func TestReplace(t *testing.T) {
	eachFS(t, func(t *testing.T, fsys atomicfile.FS, dir string) {
		path := filepath.Join(dir, "a.json")
		if _, err := fsys.ReadFile(path); !errors.Is(err, fs.ErrNotExist) {
			t.Fatalf("missing file: %v", err)
		}
		mustWrite(t, fsys, path, "one")
		mustWrite(t, fsys, path, "two")
		wantContent(t, fsys, path, "two")
		wantNames(t, fsys, dir, "a.json")
		if err := atomicfile.RemoveFile(fsys, path); err != nil {
			t.Fatal(err)
		}
		wantNames(t, fsys, dir)
		if err := atomicfile.RemoveFile(fsys, path); !errors.Is(err, fs.ErrNotExist) {
			t.Fatalf("second removal: %v", err)
		}
	})
}

func TestFoldersAreMadeOnceAndRefusedAsFiles(t *testing.T) {
	eachFS(t, func(t *testing.T, fsys atomicfile.FS, dir string) {
		deep := filepath.Join(dir, "x", "y")
		err := atomicfile.WriteFile(fsys, filepath.Join(deep, "f"), nil)
		if !errors.Is(err, fs.ErrNotExist) {
			t.Fatalf("write into a missing folder: %v", err)
		}
		if strings.Count(err.Error(), deep) != 1 { // a temporary file is nobody's business
			t.Errorf("one file is written, and the error names more: %v", err)
		}
		for range 2 {
			if err := fsys.MkdirAll(deep); err != nil {
				t.Fatal(err)
			}
		}
		mustWrite(t, fsys, filepath.Join(deep, "f"), "1")
		wantNames(t, fsys, dir, "x")
		if err := atomicfile.WriteFile(fsys, filepath.Join(dir, "x"), nil); !errors.Is(err, atomicfile.ErrNotRegular) {
			t.Fatalf("replacing a folder: %v", err)
		}
		if _, err := fsys.OpenAppend(filepath.Join(dir, "x")); !errors.Is(err, atomicfile.ErrNotRegular) {
			t.Fatalf("appending to a folder: %v", err)
		}
		if err := fsys.MkdirAll(filepath.Join(deep, "f")); !errors.Is(err, syscall.ENOTDIR) {
			t.Fatalf("a folder in place of a file: %v", err)
		}
	})
}

func TestAppend(t *testing.T) {
	eachFS(t, func(t *testing.T, fsys atomicfile.FS, dir string) {
		path := filepath.Join(dir, "log")
		if _, err := fsys.OpenAppend(path); !errors.Is(err, fs.ErrNotExist) {
			t.Fatalf("append to a missing file: %v", err)
		}
		mustWrite(t, fsys, path, "a")
		f, err := fsys.OpenAppend(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range []string{"b", "c"} {
			if _, err := f.Write([]byte(s)); err != nil {
				t.Fatal(err)
			}
		}
		if err := errors.Join(f.Sync(), f.Close()); err != nil {
			t.Fatal(err)
		}
		wantContent(t, fsys, path, "abc")
		if err := f.Close(); !errors.Is(err, fs.ErrClosed) {
			t.Fatalf("second close: %v", err)
		}
	})
}

func TestModesForTheEyesOfOthers(t *testing.T) {
	for _, test := range []struct {
		fsys         atomicfile.OS
		file, folder fs.FileMode
	}{
		{atomicfile.OS{}, 0o600, 0o700},
		{atomicfile.OS{FileMode: 0o644, DirMode: 0o755}, 0o644, 0o755},
	} {
		dir := filepath.Join(t.TempDir(), "d")
		if err := test.fsys.MkdirAll(dir); err != nil {
			t.Fatal(err)
		}
		mustWrite(t, test.fsys, filepath.Join(dir, "f"), "1")
		for path, want := range map[string]fs.FileMode{dir: test.folder, filepath.Join(dir, "f"): test.file} {
			info, err := os.Stat(path)
			// A stricter umask of whoever runs the test may take bits from the folder.
			if err != nil || info.Mode().Perm()|0o022 != want|0o022 || info.Mode().Perm()&^want != 0 {
				t.Errorf("%s: mode %v, %v; want %v", path, info.Mode().Perm(), err, want)
			}
		}
	}
}

func TestAbortLeavesNothing(t *testing.T) {
	eachFS(t, func(t *testing.T, fsys atomicfile.FS, dir string) {
		path := filepath.Join(dir, "a")
		mustWrite(t, fsys, path, "old")
		staged, err := fsys.Stage(path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := staged.Write([]byte("new")); err != nil {
			t.Fatal(err)
		}
		if err := staged.Abort(); err != nil {
			t.Fatal(err)
		}
		wantContent(t, fsys, path, "old")
		wantNames(t, fsys, dir, "a")
	})
}

// The names of temporary files are renameio's business; this is what notices when it changes them.
func TestLeftoversAreRemovedAndNothingElse(t *testing.T) {
	eachFS(t, func(t *testing.T, fsys atomicfile.FS, dir string) {
		path := filepath.Join(dir, "a.json")
		for _, name := range []string{"a.json", "a.json.backup", ".a.json", ".a.json.7", ".a.jsonx7"} {
			mustWrite(t, fsys, filepath.Join(dir, name), name)
		}
		for _, p := range []string{path, path, path + ".backup"} {
			if _, err := fsys.Stage(p); err != nil { // and then the process is killed
				t.Fatal(err)
			}
		}
		if err := atomicfile.RemoveTemporary(fsys, path); err != nil {
			t.Fatal(err)
		}
		names, err := fsys.List(dir)
		if err != nil || len(names) != 6 {
			t.Fatalf("%q, %v; want the five files and the leftover of the backup", names, err)
		}
		if err := atomicfile.RemoveTemporary(fsys, path+".backup"); err != nil {
			t.Fatal(err)
		}
		wantNames(t, fsys, dir, ".a.json", ".a.json.7", ".a.jsonx7", "a.json", "a.json.backup")
	})
}

func TestLock(t *testing.T) {
	eachFS(t, func(t *testing.T, fsys atomicfile.FS, dir string) {
		path := filepath.Join(dir, "lock")
		first, err := fsys.TryLock(path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := fsys.TryLock(path); !errors.Is(err, atomicfile.ErrLocked) {
			t.Fatalf("second lock: %v", err)
		}
		if err := first.Close(); err != nil {
			t.Fatal(err)
		}
		second, err := fsys.TryLock(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := first.Close(); err != nil { // again: must not give away the lock of another
			t.Fatal(err)
		}
		if _, err := fsys.TryLock(path); !errors.Is(err, atomicfile.ErrLocked) {
			t.Fatalf("third lock: %v", err)
		}
		if err := second.Close(); err != nil {
			t.Fatal(err)
		}
		wantNames(t, fsys, dir, "lock")
	})
}

func TestLinksAreRefused(t *testing.T) {
	dir := t.TempDir()
	target, link := filepath.Join(dir, "target"), filepath.Join(dir, "link")
	mustWrite(t, atomicfile.OS{}, target, "precious")
	if err := os.Symlink(target, link); err != nil {
		t.Fatal(err)
	}
	if err := atomicfile.WriteFile(atomicfile.OS{}, link, nil); !errors.Is(err, atomicfile.ErrNotRegular) {
		t.Fatalf("replacing a link: %v", err)
	}
	if _, err := (atomicfile.OS{}).OpenAppend(link); !errors.Is(err, atomicfile.ErrNotRegular) {
		t.Fatalf("appending through a link: %v", err)
	}
	if _, err := (atomicfile.OS{}).TryLock(link); !errors.Is(err, atomicfile.ErrNotRegular) {
		t.Fatalf("locking through a link: %v", err)
	}
	wantContent(t, atomicfile.OS{}, target, "precious")
}

func TestModesAreForTheOwnerOnly(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0))
	dir := filepath.Join(t.TempDir(), "new")
	fsys := atomicfile.OS{}
	if err := fsys.MkdirAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "f"), nil, 0o666); err != nil {
		t.Fatal(err)
	}
	mustWrite(t, fsys, filepath.Join(dir, "f"), "x")
	lock, err := fsys.TryLock(filepath.Join(dir, "lock"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := lock.Close(); err != nil {
			t.Error(err)
		}
	}()
	for path, want := range map[string]fs.FileMode{"": 0o700, "f": 0o600, "lock": 0o600} {
		info, err := os.Stat(filepath.Join(dir, path))
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%q: %v, %v; want %v", path, info.Mode().Perm(), err, want)
		}
	}
}

// TestEveryOperationIsSeen is the golden trace: a sync in the wrong place is a visible difference.
func TestEveryOperationIsSeen(t *testing.T) {
	var trace bytes.Buffer
	fsys := atomicfile.Observed(crashfs.New("/"), func(op atomicfile.Op) error {
		if op.Phase == atomicfile.Before {
			fmt.Fprintf(&trace, "%s %s\n", op.Kind, op.Path)
		}
		return nil
	})
	if err := fsys.MkdirAll("/d"); err != nil {
		t.Fatal(err)
	}
	mustWrite(t, fsys, "/d/f", "x")
	f, err := fsys.OpenAppend("/d/f")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write([]byte("y")); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(f.Sync(), f.Close(), atomicfile.RemoveFile(fsys, "/d/f")); err != nil {
		t.Fatal(err)
	}
	const want = `mkdir /d
stage /d/f
write /d/f
sync /d/f
rename /d/f
sync-dir /d
append /d/f
append-sync /d/f
remove /d/f
sync-dir /d
`
	if trace.String() != want {
		t.Fatalf("trace:\n%s\nwant:\n%s", trace.String(), want)
	}
}

var errStop = errors.New("stopped by the test")

// stopAt fails operation side k and everything after it, as the end of the process would. hit says whether it came to it.
func stopAt(fsys atomicfile.FS, k int) (_ atomicfile.FS, hit func() bool) {
	n := 0
	return atomicfile.Observed(fsys, func(atomicfile.Op) error {
		n++
		if n > k {
			return errStop
		}
		return nil
	}), func() bool { return n > k }
}

func TestOldOrNewAtEveryCrashPoint(t *testing.T) {
	const path, oldText, newText = "/d/f", "the old content", "the new content, which is longer"
	points := 0
	for k := 0; ; k++ {
		disk := crashfs.New("/d")
		mustWrite(t, disk, path, oldText)
		fsys, hit := stopAt(disk, k)
		err := atomicfile.WriteFile(fsys, path, []byte(newText))
		if hit() == (err == nil) {
			t.Fatalf("point %d: stopped %v, error %v", k, hit(), err)
		}
		for seed := range uint64(50) {
			survivors := []*crashfs.FS{disk.PowerLoss(rand.New(rand.NewPCG(seed, 0)))}
			if seed == 0 {
				survivors = append(survivors, disk.Kill(), disk.PowerLoss(nil))
			}
			for _, after := range survivors {
				got, readErr := after.ReadFile(path)
				if readErr != nil || string(got) != newText && (err == nil || string(got) != oldText) {
					t.Fatalf("point %d, seed %d: %q, %v (write said %v)", k, seed, got, readErr, err)
				}
			}
		}
		if err == nil {
			break
		}
		points++
	}
	if points != 10 { // five operations, two sides each
		t.Fatalf("%d crash points, want 10", points)
	}
}

// The power cut itself must be able to hurt, or the test above proves nothing.
func TestAWriterThatForgetsToSyncIsCaught(t *testing.T) {
	disk := crashfs.New("/d")
	mustWrite(t, disk, "/d/f", "old")
	staged, err := disk.Stage("/d/f")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := staged.Write([]byte("new")); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(staged.Commit(), disk.SyncDir("/d")); err != nil {
		t.Fatal(err)
	}
	wantContent(t, disk.PowerLoss(nil), "/d/f", "")
}

func TestDiskFullLeavesTheOldContent(t *testing.T) {
	disk := crashfs.New("/d")
	mustWrite(t, disk, "/d/f", "old")
	disk.SetCapacity(8)
	err := atomicfile.WriteFile(disk, "/d/f", []byte("much too long"))
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("error %v", err)
	}
	wantContent(t, disk, "/d/f", "old")
	wantNames(t, disk, "/d", "f")
}
