package blobstore

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"hash"
	"path/filepath"
	"sync"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/atomicfile"
)

// localWriter writes a temporary file and, at the end, puts it and its sidecar in place.
type localWriter struct {
	store  *Local
	name   string
	path   string
	staged atomicfile.Staged
	// using is held by whatever works on the file, also by what hangs and was left behind.
	using *sync.Mutex
	// step runs one thing that may hang, within the context of the writer.
	step func(func() error) error
	buf  []byte
	sum  hash.Hash
	size int64
	err  error // the first one; nothing goes on after it
	done bool
}

// Create implements Store.
func (l *Local) Create(ctx context.Context, name string) (Writer, error) {
	if err := checkFileName(l, "create", name); err != nil {
		return nil, err
	}
	path := l.Path(name)
	_, err := local(ctx, l, "create", name, func() (struct{}, error) {
		err := atomicfile.RemoveTemporary(l.disk, path)
		if err == nil {
			err = atomicfile.RemoveTemporary(l.disk, sidecarPath(path))
		}
		return struct{}{}, err
	})
	if err != nil {
		return nil, err
	}
	staged, err := await(ctx, l.limits.Call, abortLate, func() (atomicfile.Staged, error) { return l.disk.Stage(path) })
	if err != nil {
		return nil, failed(l, "create", name, codeOfCause(err), err)
	}
	w := &localWriter{store: l, name: name, path: path, staged: staged, using: new(sync.Mutex), sum: md5.New()}
	w.step = func(f func() error) error {
		_, err := await(ctx, l.limits.Stall, nil, func() (struct{}, error) {
			w.using.Lock()
			defer w.using.Unlock()
			return struct{}{}, f()
		})
		return err
	}
	return w, nil
}

func abortLate(s atomicfile.Staged) {
	if s != nil {
		_ = s.Abort() // a leftover is invisible to the servers and cleared by the next writer of the name
	}
}

// Write implements io.Writer.
func (w *localWriter) Write(p []byte) (int, error) {
	if err := w.usable(); err != nil {
		return 0, err
	}
	_, _ = w.sum.Write(p) // never fails
	w.size += int64(len(p))
	for rest := p; len(rest) > 0; {
		if w.buf == nil {
			w.buf = make([]byte, 0, chunk)
		}
		n := min(len(rest), cap(w.buf)-len(w.buf))
		w.buf, rest = append(w.buf, rest[:n]...), rest[n:]
		if len(w.buf) < cap(w.buf) {
			continue
		}
		if err := w.flush(); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

func (w *localWriter) usable() error {
	if w.done {
		return failed(w.store, "write", w.name, CodeClosed, errClosed)
	}
	return w.err
}

func (w *localWriter) flush() error {
	data := w.buf
	w.buf = data[:0]
	return w.do(func() error {
		_, err := w.staged.Write(data)
		return err
	})
}

// do runs a step and keeps its error.
func (w *localWriter) do(f func() error) error {
	if w.err != nil {
		return w.err
	}
	if err := w.step(f); err != nil {
		w.err = failed(w.store, "write", w.name, codeOfCause(err), err)
		w.buf = nil // a write that hangs may still read it
	}
	return w.err
}

// Commit implements Writer. The old sidecar goes before the new content comes, and the new one comes last: at every
// moment the file is the old one, the new one, or does not exist.
func (w *localWriter) Commit() (Entry, error) {
	if err := w.usable(); err != nil {
		return Entry{}, err
	}
	l, side := w.store, sidecar{MD5: hex.EncodeToString(w.sum.Sum(nil)), Size: w.size}
	_ = w.flush()
	for _, f := range []func() error{
		w.staged.Sync,
		func() error { return l.hide(w.path) },
		w.staged.Commit,
		func() error { return l.disk.SyncDir(filepath.Dir(w.path)) },
		func() error { return atomicfile.WriteFile(l.disk, sidecarPath(w.path), side.encode()) },
	} {
		if err := w.do(f); err != nil {
			return Entry{}, fmt.Errorf("finish the file: %w", err)
		}
	}
	w.done = true
	return Entry{Name: filepath.Base(w.path), Size: w.size, MD5: side.MD5, Modified: time.Now()}, nil
}

// Abort implements Writer. Where something hangs the temporary file goes when that ends; nobody waits for it.
func (w *localWriter) Abort() error {
	if w.done {
		return nil
	}
	w.done = true
	limit := w.store.limits.Try
	if CodeOf(w.err) == CodeTimeout {
		limit = 0
	}
	// The caller may abort because its context ended; the file goes all the same.
	_, err := await(context.Background(), limit, nil, func() (struct{}, error) {
		w.using.Lock()
		defer w.using.Unlock()
		return struct{}{}, w.staged.Abort()
	})
	if err != nil && w.err == nil {
		return failed(w.store, "abort", w.name, codeOfCause(err), err)
	}
	return nil
}
