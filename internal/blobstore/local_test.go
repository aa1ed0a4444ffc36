package blobstore

import (
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/atomicfile"
)

func newLocal(t *testing.T) (*Local, string) {
	t.Helper()
	dir := t.TempDir()
	l, err := OpenLocal(t.Context(), dir, Deadlines{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l, dir
}

func TestLocalDoesWhatAStoreDoes(t *testing.T) {
	l, _ := newLocal(t)
	testStore(t, l, ".")
}

func TestLocalRoot(t *testing.T) {
	dir := t.TempDir()
	_, err := OpenLocal(t.Context(), filepath.Join(dir, "away"), Deadlines{})
	wantCode(t, err, CodeNotFound)
	if _, err := os.Stat(filepath.Join(dir, "away")); !os.IsNotExist(err) {
		t.Fatalf("a root that was away is there: %v", err)
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = OpenLocal(t.Context(), file, Deadlines{})
	wantCode(t, err, CodeInvalid)
	_, err = OpenLocal(t.Context(), "", Deadlines{})
	wantCode(t, err, CodeInvalid)
}

// The bytes, by a file of a real 2.5.0 server: testdata of package backup says where it comes from.
func TestLocalFormIsThatOfTheServers(t *testing.T) {
	golden := filepath.Join("..", "backup", "testdata", "onebox1", "1795224430664")
	want, err := os.ReadFile(filepath.Join(golden, ".backup_info.meta"))
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(golden, "backup_info"))
	if err != nil {
		t.Fatal(err)
	}
	l, dir := newLocal(t)
	if err := l.MkdirAll(t.Context(), "d"); err != nil {
		t.Fatal(err)
	}
	mustPut(t, l, "d/backup_info", data)
	got, err := os.ReadFile(filepath.Join(dir, "d", ".backup_info.meta"))
	if err != nil || string(got) != string(want) {
		t.Fatalf("sidecar %q, %v; a server writes %q", got, err, want)
	}
	for name, mode := range map[string]fs.FileMode{"d": 0o755, "d/backup_info": 0o644, "d/.backup_info.meta": 0o644} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode().Perm()&0o044 == 0 || info.Mode().Perm()&^mode != 0 {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
}

func TestLocalSidecars(t *testing.T) {
	l, dir := newLocal(t)
	const sum = `"d41d8cd98f00b204e9800998ecf8427e"`
	for name, test := range map[string]struct {
		sidecar string
		code    Code // of Stat and Open; "" works
		seen    bool // in listings
	}{
		"good":            {`{"md5":` + sum + `,"size":3}`, "", true},
		"newline":         {`{"md5":` + sum + `,"size":3}` + "\n", "", true},
		"more":            {`{"a":1,"md5":` + sum + `,"size":3}`, "", true},
		"white_space":     {`{"md5": ` + sum + `, "size": 3}`, CodeDamaged, true},
		"other_size":      {`{"md5":` + sum + `,"size":4}`, CodeDamaged, true},
		"no_size":         {`{"md5":` + sum + `}`, CodeDamaged, true},
		"negative":        {`{"md5":` + sum + `,"size":-3}`, CodeDamaged, true},
		"fraction":        {`{"md5":` + sum + `,"size":3.5}`, CodeDamaged, true},
		"no_md5":          {`{"md5":"","size":3}`, CodeDamaged, true},
		"empty":           {``, CodeDamaged, true},
		"cut":             {`{"md5":` + sum, CodeDamaged, true},
		"none":            {"-", CodeNotFound, false},
		"half_a_gigabyte": {string(make([]byte, maxSidecar+1)), CodeDamaged, true},
	} {
		t.Run(name, func(t *testing.T) {
			if err := os.WriteFile(filepath.Join(dir, name), []byte("abc"), 0o600); err != nil {
				t.Fatal(err)
			}
			if test.sidecar != "-" {
				if err := os.WriteFile(filepath.Join(dir, "."+name+".meta"), []byte(test.sidecar), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			_, err := l.Stat(t.Context(), name)
			_, openErr := l.Open(t.Context(), name, 0, -1)
			if test.code == "" {
				if err != nil || openErr != nil {
					t.Fatalf("%v, %v", err, openErr)
				}
			} else {
				wantCode(t, err, test.code)
				wantCode(t, openErr, test.code)
			}
			entries, err := l.List(t.Context(), ".")
			if err != nil || (len(entries) == 1) != test.seen {
				t.Fatalf("listed %+v, %v", entries, err)
			}
			if err := l.Remove(t.Context(), name); err != nil {
				t.Fatal(err)
			}
			if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
				t.Fatalf("left %v, %v", left, err)
			}
		})
	}
}

func TestLocalLeftoversOfKilledWriters(t *testing.T) {
	l, dir := newLocal(t)
	w, err := l.Create(t.Context(), "f")
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Fatalf("%v, %v", left, err)
	}
	wantNames(t, l, ".")
	mustPut(t, l, "f", []byte("x")) // the writer above is as good as dead
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 2 {
		t.Fatalf("left %v, %v; want the file and its sidecar", left, err)
	}
}

func TestLocalRefusals(t *testing.T) {
	for _, test := range []struct {
		err  error
		code Code
	}{
		{syscall.EACCES, CodePermission}, {syscall.EPERM, CodePermission}, {syscall.EROFS, CodePermission},
		{syscall.ENOSPC, CodeNoSpace}, {syscall.EDQUOT, CodeNoSpace}, {syscall.EIO, CodeIO}, {syscall.ENOTCONN, CodeConnection},
	} {
		for _, kind := range []atomicfile.Kind{atomicfile.OpStage, atomicfile.OpWrite, atomicfile.OpSync, atomicfile.OpRename, atomicfile.OpSyncDir} {
			dir := t.TempDir()
			d := newOSDisk()
			l, err := openLocal(t.Context(), dir, Deadlines{}, failingDisk{osDisk: d, FS: atomicfile.Observed(d.OS, func(op atomicfile.Op) error {
				if op.Kind == kind && op.Phase == atomicfile.Before {
					return &fs.PathError{Op: string(op.Kind), Path: op.Path, Err: test.err}
				}
				return nil
			})})
			if err != nil {
				t.Fatal(err)
			}
			_, err = WriteFile(t.Context(), l, "f", []byte("abc"))
			wantCode(t, err, test.code)
			if _, err := os.Stat(filepath.Join(dir, ".f.meta")); !os.IsNotExist(err) {
				t.Errorf("%v at %s: a sidecar is there: %v", test.err, kind, err)
			}
		}
	}
}

// failingDisk changes through FS, and looks through the real one.
type failingDisk struct {
	osDisk
	atomicfile.FS
}

func (d failingDisk) ReadFile(path string) ([]byte, error)             { return d.FS.ReadFile(path) }
func (d failingDisk) List(dir string) ([]string, error)                { return d.FS.List(dir) }
func (d failingDisk) Stage(path string) (atomicfile.Staged, error)     { return d.FS.Stage(path) }
func (d failingDisk) OpenAppend(p string) (atomicfile.Appender, error) { return d.FS.OpenAppend(p) }
func (d failingDisk) Remove(path string) error                         { return d.FS.Remove(path) }
func (d failingDisk) MkdirAll(dir string) error                        { return d.FS.MkdirAll(dir) }
func (d failingDisk) SyncDir(dir string) error                         { return d.FS.SyncDir(dir) }
func (d failingDisk) TryLock(path string) (io.Closer, error)           { return d.FS.TryLock(path) }

// hangingDisk is a mount whose server is gone from some moment on.
type hangingDisk struct {
	osDisk
	gone chan struct{} // closed: nothing answers
	back chan struct{} // closed: everything answers again
}

func (d hangingDisk) hang() {
	select {
	case <-d.gone:
		<-d.back
	default:
	}
}

func (d hangingDisk) Stat(path string) (fs.FileInfo, error) {
	d.hang()
	return d.osDisk.Stat(path)
}

func (d hangingDisk) Open(path string) (diskFile, error) {
	f, err := d.osDisk.Open(path)
	return hangingFile{f, d}, err
}

func (d hangingDisk) Stage(path string) (atomicfile.Staged, error) {
	s, err := d.osDisk.Stage(path)
	return hangingStaged{s, d}, err
}

type hangingFile struct {
	diskFile
	disk hangingDisk
}

func (f hangingFile) ReadAt(p []byte, off int64) (int, error) {
	f.disk.hang()
	return f.diskFile.ReadAt(p, off)
}

type hangingStaged struct {
	atomicfile.Staged
	disk hangingDisk
}

func (s hangingStaged) Write(p []byte) (int, error) {
	s.disk.hang()
	return s.Staged.Write(p)
}

func TestAMountThatHangsIsGivenUp(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		d := hangingDisk{newOSDisk(), make(chan struct{}), make(chan struct{})}
		l, err := openLocal(t.Context(), dir, Deadlines{Call: 5 * time.Second, Stall: 20 * time.Second}, d)
		if err != nil {
			t.Fatal(err)
		}
		mustPut(t, l, "f", noise(1, 3*chunk))
		r, err := l.Open(t.Context(), "f", 0, -1)
		if err != nil {
			t.Fatal(err)
		}
		w, err := l.Create(t.Context(), "g")
		if err != nil {
			t.Fatal(err)
		}
		close(d.gone)
		took := func(want time.Duration, what string, f func() error) {
			t.Helper()
			start := time.Now()
			err := f()
			wantCode(t, err, CodeTimeout)
			if got := time.Since(start); got != want {
				t.Errorf("%s was given up after %v, want %v", what, got, want)
			}
		}
		took(5*time.Second, "stat", func() error { _, err := l.Stat(t.Context(), "f"); return err })
		took(5*time.Second, "list", func() error { _, err := l.List(t.Context(), "."); return err })
		took(20*time.Second, "read", func() error { _, err := io.Copy(io.Discard, r); return err })
		took(20*time.Second, "write", func() error { _, err := w.Write(noise(2, chunk)); return err })
		took(0, "commit", func() error { _, err := w.Commit(); return err })
		if err := w.Abort(); err != nil {
			t.Fatal(err)
		}
		close(d.back)
		synctest.Wait() // what was left behind ends
		_ = r.Close()
		wantNames(t, l, ".", "f")
		if left, err := os.ReadDir(dir); err != nil || len(left) != 2 {
			t.Fatalf("left %v, %v; want the file and its sidecar", left, err)
		}
	})
}

func TestAFileThatShrinksWhileItIsRead(t *testing.T) {
	l, dir := newLocal(t)
	mustPut(t, l, "f", noise(1, 3*chunk))
	r, err := l.Open(t.Context(), "f", 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := os.Truncate(filepath.Join(dir, "f"), chunk+1); err != nil {
		t.Fatal(err)
	}
	n, err := io.Copy(io.Discard, r)
	wantCode(t, err, CodeDamaged)
	if n != chunk+1 {
		t.Fatalf("%d bytes", n)
	}
}

func TestClosedStore(t *testing.T) {
	l, _ := newLocal(t)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	_, err := l.Stat(t.Context(), "f")
	wantCode(t, err, CodeClosed)
}
