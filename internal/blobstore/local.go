package blobstore

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"sync/atomic"
	"syscall"

	"github.com/pegmigrate/pegmigrate/internal/atomicfile"
)

// Local is a directory in the form of local_service: each file has a sidecar, and one without does not exist.
type Local struct {
	root   string
	disk   disk
	limits Deadlines
	closed atomic.Bool
}

var _ Store = (*Local)(nil)

// OpenLocal opens the directory that is the root of a local_service (the first word of its args), as this machine sees
// it. The directory must exist.
func OpenLocal(ctx context.Context, root string, limits Deadlines) (*Local, error) {
	return openLocal(ctx, root, limits, newOSDisk())
}

func openLocal(ctx context.Context, root string, limits Deadlines, d disk) (*Local, error) {
	l := &Local{root: filepath.Clean(root), disk: d, limits: limits.withDefaults()}
	if root == "" {
		return nil, failed(l, "open", ".", CodeInvalid, errEmptyName)
	}
	return l, l.rootIsThere(ctx, "open")
}

func (l *Local) rootIsThere(ctx context.Context, op string) error {
	_, err := local(ctx, l, op, ".", func() (struct{}, error) {
		info, err := l.disk.Stat(l.root)
		if err == nil && !info.IsDir() {
			err = syscall.ENOTDIR
		}
		return struct{}{}, err
	})
	return err
}

// String implements Store.
func (l *Local) String() string { return "local:" + l.root }

// Path tells where a file of the store lies on this machine, for readers that map it into memory. It does not look
// whether it is there.
func (l *Local) Path(name string) string { return filepath.Join(l.root, filepath.FromSlash(name)) }

// Close implements Store.
func (l *Local) Close() error {
	l.closed.Store(true)
	return nil
}

// local runs one look at, or change of, the disk within the limit of a call. What it does must be repeatable: errors of
// network file systems that pass are tried again.
func local[T any](ctx context.Context, l *Local, op, name string, f func() (T, error)) (T, error) {
	var none T
	if l.closed.Load() {
		return none, failed(l, op, name, CodeClosed, errClosed)
	}
	value, err := retry(ctx, l.limits.Call, passes, func(ctx context.Context) (T, error) {
		return await(ctx, l.limits.Call, nil, f)
	})
	if err != nil {
		return none, failed(l, op, name, codeOfCause(err), err)
	}
	return value, nil
}

// passes tells the errors that network file systems give for a moment.
func passes(err error) bool {
	return errors.Is(err, syscall.ESTALE) || errors.Is(err, syscall.EINTR) || errors.Is(err, syscall.EAGAIN)
}

// Stat implements Store.
func (l *Local) Stat(ctx context.Context, name string) (Entry, error) {
	if err := checkName(l, "stat", name); err != nil {
		return Entry{}, err
	}
	return local(ctx, l, "stat", name, func() (Entry, error) { return l.stat(l.Path(name)) })
}

func (l *Local) stat(path string) (Entry, error) {
	info, err := l.disk.Stat(path)
	if err != nil {
		return Entry{}, err
	}
	e := Entry{Name: filepath.Base(path), Dir: info.IsDir(), Modified: info.ModTime()}
	if path == l.root {
		e.Name = "."
	}
	if e.Dir {
		return e, nil
	}
	side, err := l.readSidecar(path)
	if err != nil {
		return Entry{}, err
	}
	e.Size, e.MD5 = info.Size(), side.MD5
	if e.Size != side.Size {
		return Entry{}, sizeError{have: e.Size, said: side.Size}
	}
	return e, nil
}

func (l *Local) readSidecar(path string) (sidecar, error) {
	where := sidecarPath(path)
	info, err := l.disk.Stat(where)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return sidecar{}, errNoSidecar
	case err != nil:
		return sidecar{}, err
	case info.IsDir() || info.Size() > maxSidecar:
		return sidecar{}, errSidecar
	}
	data, err := l.disk.ReadFile(where)
	if err != nil {
		return sidecar{}, err
	}
	return decodeSidecar(data)
}

// List implements Store. Size is that of the file; MD5 is given where the sidecar fits it.
func (l *Local) List(ctx context.Context, dir string) ([]Entry, error) {
	if err := checkName(l, "list", dir); err != nil {
		return nil, err
	}
	return local(ctx, l, "list", dir, func() ([]Entry, error) {
		path := l.Path(dir)
		names, err := l.disk.List(path)
		if err != nil {
			return nil, err
		}
		var entries []Entry
		for _, name := range names {
			e, seen, err := l.listed(filepath.Join(path, name))
			if err != nil {
				return nil, err
			}
			if seen {
				entries = append(entries, e)
			}
		}
		sortEntries(entries)
		return entries, nil
	})
}

// listed gives an entry as a listing of the servers has it. What disappears meanwhile is not seen.
func (l *Local) listed(path string) (e Entry, seen bool, err error) {
	base := filepath.Base(path)
	if isSidecar(base) || isTemporary(base) {
		return Entry{}, false, nil
	}
	info, err := l.disk.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Entry{}, false, nil
	case err != nil:
		return Entry{}, false, err
	}
	e = Entry{Name: base, Dir: info.IsDir(), Modified: info.ModTime()}
	if e.Dir {
		return e, true, nil
	}
	e.Size = info.Size()
	side, err := l.readSidecar(path)
	switch {
	case errors.Is(err, errNoSidecar), errors.Is(err, fs.ErrNotExist):
		return Entry{}, false, nil
	case errors.Is(err, errSidecar):
	case err != nil:
		return Entry{}, false, err
	case side.Size == e.Size:
		e.MD5 = side.MD5
	}
	return e, true, nil
}

// Remove implements Store. The sidecar goes first: what is left by a crash between the two does not exist.
func (l *Local) Remove(ctx context.Context, name string) error {
	if err := checkFileName(l, "remove", name); err != nil {
		return err
	}
	_, err := local(ctx, l, "remove", name, func() (struct{}, error) { return struct{}{}, l.remove(l.Path(name)) })
	return err
}

func (l *Local) remove(path string) error {
	info, err := l.disk.Stat(path)
	if err != nil {
		return err
	}
	if info.IsDir() {
		return atomicfile.RemoveFile(l.disk, path)
	}
	if err := l.hide(path); err != nil {
		return err
	}
	return atomicfile.RemoveFile(l.disk, path)
}

// hide takes the sidecar away, durably, and with it the file from the eyes of the servers.
func (l *Local) hide(path string) error {
	err := atomicfile.RemoveFile(l.disk, sidecarPath(path))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// RemoveAll implements Store.
func (l *Local) RemoveAll(ctx context.Context, name string) error {
	const op = "remove all of"
	if err := checkName(l, op, name); err != nil {
		return err
	}
	if name == "." {
		return failed(l, op, name, CodeInvalid, errRoot)
	}
	path := l.Path(name)
	info, err := local(ctx, l, op, name, func() (fs.FileInfo, error) { return l.disk.Stat(path) })
	switch {
	case CodeOf(err) == CodeNotFound:
		return nil
	case err != nil:
		return err
	case !info.IsDir():
		return l.Remove(ctx, name)
	}
	return l.removeTree(ctx, op, name, path)
}

// removeTree gives every entry a deadline of its own: a folder of any size is no reason to give up.
func (l *Local) removeTree(ctx context.Context, op, name, dir string) error {
	names, err := local(ctx, l, op, name, func() ([]string, error) { return l.disk.List(dir) })
	if err != nil {
		return err
	}
	for _, child := range names {
		path := filepath.Join(dir, child)
		again, err := local(ctx, l, op, name, func() (folder bool, err error) {
			// A link to a folder is removed as what it is: the removal fails only for folders that hold something.
			err = l.disk.Remove(path)
			if errors.Is(err, syscall.ENOTEMPTY) || errors.Is(err, syscall.EEXIST) {
				return true, nil
			}
			if errors.Is(err, fs.ErrNotExist) {
				err = nil
			}
			return false, err
		})
		if err == nil && again {
			err = l.removeTree(ctx, op, name, path)
		}
		if err != nil {
			return err
		}
	}
	_, err = local(ctx, l, op, name, func() (struct{}, error) { return struct{}{}, atomicfile.RemoveFile(l.disk, dir) })
	return err
}

// MkdirAll implements Store.
func (l *Local) MkdirAll(ctx context.Context, dir string) error {
	if err := checkName(l, "mkdir", dir); err != nil {
		return err
	}
	if err := l.rootIsThere(ctx, "mkdir"); err != nil {
		return err
	}
	_, err := local(ctx, l, "mkdir", dir, func() (struct{}, error) { return struct{}{}, l.disk.MkdirAll(l.Path(dir)) })
	return err
}

// Space implements Store.
func (l *Local) Space(ctx context.Context) (Space, error) {
	return local(ctx, l, "ask for the room of", ".", func() (Space, error) { return l.disk.Space(l.root) })
}
