package blobstore

import (
	"cmp"
	"context"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"
	"unicode"
)

// Entry describes a file or a folder of a store.
type Entry struct {
	// Name is the last part of the path.
	Name string
	Dir  bool
	// Size of a file in bytes; 0 for folders.
	Size int64
	// MD5 in lower-case hex, where the store keeps one: local_service does, in sidecars, HDFS does not (""). It is what
	// the writer said, not what the bytes have now; [Sum] reads them.
	MD5 string
	// Modified is the time of the last change, by the clock of the store.
	Modified time.Time
}

// Space is the room of a store in bytes, as far as it tells: HDFS counts raw bytes, before replication.
type Space struct{ Total, Free int64 }

// Store is a block service. All methods are safe for concurrent use; the readers and writers that they give belong to one
// goroutine. Every error is an [*Error].
type Store interface {
	// String names the store for people: local:/srv/backup, hdfs://user@nn1:8020,nn2:8020/root.
	String() string
	// Stat looks at a file or folder. CodeNotFound when there is none. On a local store a file without sidecar, or with
	// a sidecar that says another size, is told as the servers see it (CodeNotFound, CodeDamaged).
	Stat(ctx context.Context, name string) (Entry, error)
	// List gives what is in a folder, sorted by name, in the servers' view: sidecars and files without one are left out
	// on a local store, temporary files of ours on both.
	List(ctx context.Context, dir string) ([]Entry, error)
	// Open streams length bytes of a file from offset on; a negative length means to its end. A range outside the file
	// is CodeInvalid. The context lasts for the whole reading: when it ends, reading ends. Lost connections are made
	// anew at the place that was reached.
	Open(ctx context.Context, name string, offset, length int64) (io.ReadCloser, error)
	// OpenAt opens a file for reads at any place. The context lasts until Close: when it ends, reading ends.
	OpenAt(ctx context.Context, name string) (ReaderAt, error)
	// Create begins a file, in a folder that exists. Nothing is seen under the name before Writer.Commit; what was there
	// before stays until then. A name has one writer at a time; leftovers of killed ones are cleared away here.
	Create(ctx context.Context, name string) (Writer, error)
	// Remove deletes a file, or an empty folder (CodeNotEmpty otherwise). CodeNotFound when there is none.
	Remove(ctx context.Context, name string) error
	// RemoveAll deletes a file, or a folder and everything in it. What is not there is no error. The root is refused.
	RemoveAll(ctx context.Context, name string) error
	// MkdirAll makes a folder and those above it, below the root; one that exists is no error. The root itself is never
	// made: one that is missing is a mount that is away, or a mistake.
	MkdirAll(ctx context.Context, dir string) error
	// Space tells how much room there is.
	Space(ctx context.Context) (Space, error)
	// Close gives up connections. Calls after it are CodeClosed.
	Close() error
}

// ReaderAt reads a file at any place. It is safe for concurrent use; on HDFS concurrent reads wait for each other.
type ReaderAt interface {
	io.ReaderAt
	io.Closer
	// Size of the file when it was opened, in bytes.
	Size() int64
}

// Writer is a file that does not exist yet. One of Commit and Abort must be called; both are allowed, the second does
// nothing.
type Writer interface {
	io.Writer
	// Commit makes the file appear under its name, durably (on HDFS: as durable as data nodes make a file that is closed),
	// and tells its size and MD5. On HDFS the bytes travel now.
	// After an error the name holds what it held before, the whole new file, or nothing; never a part.
	Commit() (Entry, error)
	// Abort throws away what was written.
	Abort() error
}

// ReadFile reads a whole file of at most limit bytes; a larger one is CodeTooLarge.
func ReadFile(ctx context.Context, s Store, name string, limit int64) ([]byte, error) {
	e, err := s.Stat(ctx, name)
	if err != nil {
		return nil, err
	}
	if e.Dir {
		return nil, failed(s, "read", name, CodeInvalid, errIsFolder)
	}
	if e.Size > limit {
		return nil, failed(s, "read", name, CodeTooLarge, tooLarge{size: e.Size, limit: limit})
	}
	r, err := s.Open(ctx, name, 0, e.Size)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	data := make([]byte, e.Size)
	if _, err := io.ReadFull(r, data); err != nil {
		return nil, failed(s, "read", name, CodeIO, err)
	}
	return data, nil
}

// WriteFile makes data the content of a file, atomically.
func WriteFile(ctx context.Context, s Store, name string, data []byte) (Entry, error) {
	w, err := s.Create(ctx, name)
	if err != nil {
		return Entry{}, err
	}
	defer w.Abort() //nolint:errcheck // after Commit it does nothing, and before it there is an error already
	if _, err := w.Write(data); err != nil {
		return Entry{}, err
	}
	return w.Commit()
}

// checkName refuses what is no name below a root. op is for the error.
func checkName(s Store, op, name string) error {
	switch {
	case name == "":
		return failed(s, op, name, CodeInvalid, errEmptyName)
	case !fs.ValidPath(name):
		return failed(s, op, name, CodeInvalid, errBadName)
	case strings.ContainsFunc(name, unicode.IsControl):
		return failed(s, op, name, CodeInvalid, errBadName)
	}
	return nil
}

// checkFileName refuses what cannot be a file of ours: the root, and names that are temporary or sidecars.
func checkFileName(s Store, op, name string) error {
	if err := checkName(s, op, name); err != nil {
		return err
	}
	if base := path.Base(name); base == "." || isSidecar(base) || isTemporary(base) {
		return failed(s, op, name, CodeInvalid, errReservedName)
	}
	return nil
}

// Join builds a name from parts, each of which may hold slashes, leading and trailing ones included, as paths in the
// configuration of servers do. Empty parts vanish.
func Join(parts ...string) string {
	return cmp.Or(strings.Trim(path.Join(parts...), "/"), ".")
}

func sortEntries(entries []Entry) {
	slices.SortFunc(entries, func(a, b Entry) int { return cmp.Compare(a.Name, b.Name) })
}
