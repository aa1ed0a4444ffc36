package atomicfile

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/gofrs/flock"
	"github.com/google/renameio/v2"
)

// OS is the file system of the host. The zero value is ready and makes files for the eyes of their owner only; the
// fields are for files that others have to read.
type OS struct {
	// FileMode replaces Perm, DirMode DirPerm; 0 leaves them. The umask takes bits from DirMode and none from FileMode.
	FileMode, DirMode fs.FileMode
}

var _ FS = OS{}

// ReadFile implements FS.
func (OS) ReadFile(path string) ([]byte, error) { return os.ReadFile(path) }

// List implements FS.
func (OS) List(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	names := make([]string, 0, len(entries))
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	slices.Sort(names)
	return names, nil
}

// Stage implements FS.
func (o OS) Stage(path string) (Staged, error) {
	if err := regularOrAbsent(path); err != nil {
		return nil, err
	}
	pending, err := renameio.NewPendingFile(path,
		renameio.WithTempDir(filepath.Dir(path)), renameio.WithStaticPermissions(cmp.Or(o.FileMode, Perm)))
	if err != nil {
		return nil, err
	}
	return staged{pending}, nil
}

// OpenAppend implements FS.
func (OS) OpenAppend(path string) (Appender, error) {
	if err := regularOrAbsent(path); err != nil {
		return nil, err
	}
	return os.OpenFile(path, os.O_WRONLY|os.O_APPEND, Perm)
}

// Remove implements FS.
func (OS) Remove(path string) error { return os.Remove(path) }

// MkdirAll implements FS. It syncs the parent of every folder on the way that was missing.
func (o OS) MkdirAll(dir string) error {
	dir = filepath.Clean(dir)
	if info, err := os.Stat(dir); err == nil {
		if !info.IsDir() {
			return &fs.PathError{Op: "mkdir", Path: dir, Err: syscall.ENOTDIR}
		}
		return nil
	}
	parent := filepath.Dir(dir)
	if parent != dir {
		if err := o.MkdirAll(parent); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, cmp.Or(o.DirMode, DirPerm)); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return o.SyncDir(parent)
}

// SyncDir implements FS.
func (OS) SyncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	syncErr := f.Sync()
	// Some network file systems cannot sync a folder and say EINVAL; their renames are durable when they return.
	if errors.Is(syncErr, syscall.EINVAL) {
		syncErr = nil
	}
	return errors.Join(syncErr, f.Close())
}

// TryLock implements FS with flock(2).
func (OS) TryLock(path string) (io.Closer, error) {
	if err := regularOrAbsent(path); err != nil {
		return nil, err
	}
	lock := flock.New(path, flock.SetPermissions(Perm))
	ok, err := lock.TryLock()
	switch {
	case errors.Is(err, syscall.ENOLCK), errors.Is(err, syscall.ENOTSUP), errors.Is(err, syscall.ENOSYS),
		errors.Is(err, syscall.EINVAL):
		return nil, fmt.Errorf("%s: %w: %w", path, ErrLockUnsupported, err)
	case err != nil:
		return nil, err
	case !ok:
		return nil, fmt.Errorf("%s: %w", path, ErrLocked)
	}
	return lock, nil
}

// regularOrAbsent looks at the path itself, never through a link.
func regularOrAbsent(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s: %w (%s)", path, ErrNotRegular, info.Mode().Type())
	}
	return nil
}

// staged lends renameio's pending file the names of Staged. CloseAtomicallyReplace syncs once more, which costs nothing
// after a Sync; the separate Sync is what lets a test stop between the two.
type staged struct{ *renameio.PendingFile }

// Commit implements Staged.
func (s staged) Commit() error { return s.CloseAtomicallyReplace() }

// Abort implements Staged.
func (s staged) Abort() error { return s.Cleanup() }
