package atomicfile

import (
	"errors"
	"io"
)

// Perm is the mode of every file that this package makes, unless [OS] says otherwise. State files hold table names, addresses and row keys of
// production clusters; nobody but the operator who runs the migration needs them.
const Perm = 0o600

// DirPerm is the mode of every folder that this package makes, unless [OS] says otherwise.
const DirPerm = 0o700

// ErrLocked says that another process (or another open handle of this one) holds a lock.
var ErrLocked = errors.New("locked by another process")

// ErrLockUnsupported says that the file system of a lock file knows no advisory locks (some network file systems).
var ErrLockUnsupported = errors.New("the file system does not support locks")

// ErrNotRegular says that the path names something that must not be replaced: a folder, a symbolic link, a device.
// A link is refused because a rename would replace the link and leave its target, which somebody cares about, stale.
var ErrNotRegular = errors.New("not a regular file")

// FS is the part of a file system that durable files need. Paths are those of the host. A missing file is an error that
// satisfies errors.Is(err, fs.ErrNotExist). Nothing is durable before the Sync or SyncDir that belongs to it returned
// nil; after a Sync that failed the content of that file is unknown and must be written again to a new one (an fsync
// that is repeated after a failure may succeed without having written anything).
//
// Implementations are safe for concurrent use; the files that they return belong to one goroutine.
type FS interface {
	// ReadFile reads the whole file.
	ReadFile(path string) ([]byte, error)
	// List returns the names (not paths) in a folder, hidden ones included, sorted.
	List(dir string) ([]string, error)
	// Stage makes an empty temporary file in the folder of path, which becomes path by Staged.Commit. Something other
	// than a regular file at path is refused with ErrNotRegular.
	Stage(path string) (Staged, error)
	// OpenAppend opens an existing regular file for writing at its end. It does not create one: a file that is born
	// empty could survive a crash empty.
	OpenAppend(path string) (Appender, error)
	// Remove deletes a file. The deletion is durable after SyncDir.
	Remove(path string) error
	// MkdirAll makes a folder and its parents, durably.
	MkdirAll(dir string) error
	// SyncDir makes renames and removals in the folder durable.
	SyncDir(dir string) error
	// TryLock takes an exclusive advisory lock on path, made when absent, without waiting. ErrLocked when it is held,
	// ErrLockUnsupported when the file system has none. Closing gives it back; so does the end of the process, however
	// it ends. The file stays: deleting a lock file would let two processes lock two files of one name.
	TryLock(path string) (io.Closer, error)
}

// Staged is a temporary file that will replace another.
type Staged interface {
	io.Writer
	// Sync makes the content durable under the temporary name.
	Sync() error
	// Commit closes the file and renames it over its path. Call Sync before and FS.SyncDir after it.
	Commit() error
	// Abort closes and deletes the temporary file. After Commit returned nil it does nothing.
	Abort() error
}

// Appender is a file that only grows.
type Appender interface {
	io.WriteCloser
	// Sync makes what was written durable.
	Sync() error
}
