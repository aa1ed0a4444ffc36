package blobstore

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/pegmigrate/pegmigrate/internal/atomicfile"
	"github.com/pegmigrate/pegmigrate/internal/atomicfile/crashfs"
)

// crashDisk is a disk in memory that can lose power; observed sees each change before and after it.
type crashDisk struct {
	atomicfile.FS
	memory *crashfs.FS
}

func (d crashDisk) Stat(path string) (fs.FileInfo, error) {
	if data, err := d.memory.ReadFile(path); err == nil {
		return memoryInfo{name: filepath.Base(path), size: int64(len(data))}, nil
	}
	if _, err := d.memory.List(path); err != nil {
		return nil, err
	}
	return memoryInfo{name: filepath.Base(path), dir: true}, nil
}

func (d crashDisk) Open(path string) (diskFile, error) {
	data, err := d.memory.ReadFile(path)
	return memoryFile{bytes.NewReader(data)}, err
}

func (crashDisk) Space(string) (Space, error) { return Space{}, errors.ErrUnsupported }

type memoryFile struct{ io.ReaderAt }

func (memoryFile) Close() error { return nil }

type memoryInfo struct {
	name string
	size int64
	dir  bool
}

func (i memoryInfo) Name() string     { return i.name }
func (i memoryInfo) Size() int64      { return i.size }
func (memoryInfo) ModTime() time.Time { return time.Time{} }
func (i memoryInfo) IsDir() bool      { return i.dir }
func (memoryInfo) Sys() any           { return nil }
func (i memoryInfo) Mode() fs.FileMode {
	if i.dir {
		return fs.ModeDir | 0o755
	}
	return 0o644
}

var errKilled = errors.New("killed")

// TestACrashLeavesNoHalfFile: whatever was written when, a process that is killed and a machine that loses power at any
// operation leave under the name the old file, the new one, or none; and the bytes are those that the sidecar promises.
func TestACrashLeavesNoHalfFile(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		disk := crashfs.New("/s")
		old := rapid.SliceOfN(rapid.Byte(), 0, 2000).Draw(rt, "old")
		fresh := rapid.SliceOfN(rapid.Byte(), 0, 2000).Draw(rt, "fresh")
		exists := rapid.Bool().Draw(rt, "there is an old one")
		if exists {
			writeIn(rt, crashDisk{disk, disk}, old)
		}
		at, n := rapid.IntRange(0, 40).Draw(rt, "operation"), 0
		var found *crashfs.FS
		lose := rapid.IntRange(0, 2).Draw(rt, "0 kill, 1 power, 2 power with luck")
		seed := rapid.Uint64().Draw(rt, "seed")
		observed := atomicfile.Observed(disk, func(atomicfile.Op) error {
			n++
			if n-1 != at {
				return nil
			}
			switch lose {
			case 0:
				found = disk.Kill()
			case 1:
				found = disk.PowerLoss(nil)
			default:
				found = disk.PowerLoss(rand.New(rand.NewPCG(seed, 1)))
			}
			return errKilled
		})
		done := writeIn(rt, crashDisk{observed, disk}, fresh) == nil
		if found == nil {
			found = disk.PowerLoss(nil)
			if !done {
				rt.Fatal("nothing failed and the write did")
			}
		}
		l, err := openLocal(t.Context(), "/s", Deadlines{}, crashDisk{found, found})
		if err != nil {
			rt.Fatal(err)
		}
		got, err := ReadFile(t.Context(), l, "f", 1<<20)
		switch {
		case err == nil && bytes.Equal(got, fresh), err == nil && exists && bytes.Equal(got, old):
		case CodeOf(err) == CodeNotFound && !done:
		default:
			rt.Fatalf("after operation %d of %d: %d bytes, %v", at, n, len(got), err)
		}
		if done && (err != nil || !bytes.Equal(got, fresh)) {
			rt.Fatalf("the write was done, and then %d bytes, %v", len(got), err)
		}
		if e, err := l.Stat(t.Context(), "f"); err == nil && e.MD5 != sumOf(got) {
			rt.Fatalf("the sidecar promises %s, the bytes are %s", e.MD5, sumOf(got))
		}
		// Whoever goes on after the crash gets its file, and no leftovers stay.
		if err := writeIn(rt, crashDisk{found, found}, fresh); err != nil {
			rt.Fatal(err)
		}
		if names, err := found.List("/s"); err != nil || len(names) != 2 {
			rt.Fatalf("left %q, %v", names, err)
		}
	})
}

func writeIn(rt *rapid.T, d crashDisk, data []byte) error {
	l, err := openLocal(rt.Context(), "/s", Deadlines{}, d)
	if err != nil {
		rt.Fatal(err)
	}
	_, err = WriteFile(rt.Context(), l, "f", data)
	if err != nil && !errors.Is(err, errKilled) {
		rt.Fatal(err)
	}
	return err
}

func FuzzSidecar(f *testing.F) {
	f.Add([]byte(`{"md5":"3171920c798f509da6d30cbc08a2b9b9","size":106}`)) // of a real backup
	f.Add([]byte(`{"md5": "3171920c798f509da6d30cbc08a2b9b9","size":106}`))
	f.Add([]byte(`{"size":18446744073709551615,"md5":""}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := decodeSidecar(data)
		if err != nil {
			return
		}
		again, err := decodeSidecar(s.encode())
		if err != nil || again != s {
			t.Fatalf("%q: %+v, then %+v, %v", data, s, again, err)
		}
	})
}
