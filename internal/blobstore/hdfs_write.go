package blobstore

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"math/rand/v2"
	"path"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/colinmarc/hdfs/v2"

	"github.com/pegmigrate/pegmigrate/internal/atomicfile"
)

// maxUploads is how often a file is sent before it is given up, some 35 seconds of pauses in all, more than a name node that
// looks every few seconds needs to know that a data node is dead. It gives each try new data nodes; the library cannot tell it
// which one is dead, so that it may take one more than once.
const maxUploads = 14

// hdfsWriter keeps what it is given and sends it at the end, under a temporary name that a rename replaces.
type hdfsWriter struct {
	store *HDFS
	name  string
	// upload does Commit's work under the context of Create.
	upload func() (fs.FileInfo, error)
	spool  spool
	sum    hash.Hash
	err    error
	done   bool
}

// Create implements Store.
func (h *HDFS) Create(ctx context.Context, name string) (Writer, error) {
	if err := checkFileName(h, "create", name); err != nil {
		return nil, err
	}
	if err := h.clearFor(ctx, name); err != nil {
		return nil, err
	}
	w := &hdfsWriter{store: h, name: name, spool: spool{dir: h.sessions.setup.spool}, sum: md5.New()}
	w.upload = func() (fs.FileInfo, error) { return w.send(ctx) }
	return w, nil
}

// clearFor removes what killed writers of the name left, and refuses a name that a folder has.
func (h *HDFS) clearFor(ctx context.Context, name string) error {
	dir, base := path.Dir(name), path.Base(name)
	infos, err := h.readDir(ctx, "create in", dir)
	if err != nil {
		return err
	}
	for _, info := range infos {
		if info.Name() == base && info.IsDir() {
			return failed(h, "create", name, CodeInvalid, errIsFolder)
		}
		digits, ok := strings.CutPrefix(info.Name(), atomicfile.TemporaryPrefix(base))
		if !ok || digits == "" || strings.Trim(digits, "0123456789") != "" || info.IsDir() {
			continue
		}
		left := path.Join(h.path(dir), info.Name())
		err := h.delete(ctx, "remove a leftover of", name, func(s *session) error { return s.client.RemoveAll(left) })
		if err != nil {
			return err
		}
	}
	return nil
}

// Write implements io.Writer.
func (w *hdfsWriter) Write(p []byte) (int, error) {
	if err := w.usable(); err != nil {
		return 0, err
	}
	n, err := w.spool.Write(p)
	if err != nil {
		w.err = failed(w.store, "write", w.name, codeOfCause(err), err)
		return n, w.err
	}
	_, _ = w.sum.Write(p) // never fails
	return n, nil
}

func (w *hdfsWriter) usable() error {
	if w.done {
		return failed(w.store, "write", w.name, CodeClosed, errClosed)
	}
	return w.err
}

// Commit implements Writer.
func (w *hdfsWriter) Commit() (Entry, error) {
	if err := w.usable(); err != nil {
		return Entry{}, err
	}
	info, err := w.upload()
	if err != nil {
		w.err = w.store.fail("write", w.name, err)
		return Entry{}, w.err
	}
	w.done = true
	w.spool.close()
	e := entryOf(info)
	e.Name, e.MD5 = path.Base(w.name), hex.EncodeToString(w.sum.Sum(nil))
	return e, nil
}

// Abort implements Writer.
func (w *hdfsWriter) Abort() error {
	w.done = true
	w.spool.close()
	return nil
}

// send uploads under a new temporary name until one try goes through, and renames that.
func (w *hdfsWriter) send(ctx context.Context) (fs.FileInfo, error) {
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval = 200*time.Millisecond, 5*time.Second
	var last error
	info, err := backoff.Retry(ctx, func() (fs.FileInfo, error) {
		info, err := w.sendOnce(ctx)
		if err != nil && (last == nil || ctx.Err() == nil) {
			last = err
		}
		if err != nil && !passesOnHDFS(err) {
			err = backoff.Permanent(err)
		}
		return info, err
	}, backoff.WithBackOff(pause), backoff.WithMaxTries(maxUploads), backoff.WithMaxElapsedTime(0))
	switch {
	case err == nil:
		return info, nil
	case ctx.Err() != nil:
		return nil, ended(ctx)
	case isNoBlock(last):
		return nil, w.store.noBlock(ctx, last)
	}
	return nil, last
}

func (w *hdfsWriter) sendOnce(ctx context.Context) (fs.FileInfo, error) {
	dir, base := path.Split(w.store.path(w.name))
	temporary := dir + atomicfile.TemporaryPrefix(base) + fmt.Sprint(rand.Uint64())
	info, err := use(ctx, w.store.sessions, func(s *session) (fs.FileInfo, error) { return w.fill(s, temporary) })
	if err == nil {
		err = w.rename(ctx, temporary, info)
	}
	if err != nil {
		w.forget(ctx, temporary)
	}
	return info, err
}

// fill writes the temporary file and looks whether it is whole.
func (w *hdfsWriter) fill(s *session, temporary string) (fs.FileInfo, error) {
	f, err := s.client.Create(temporary)
	if err != nil {
		return nil, err
	}
	info, err := s.client.Stat(temporary)
	if err == nil {
		err = plain(info) // a folder may pass erasure coding or encryption on
	}
	if err == nil && w.spool.size > 0 {
		_, err = io.CopyBuffer(struct{ io.Writer }{f}, struct{ io.Reader }{w.spool.reader()}, make([]byte, chunk))
	}
	if err != nil {
		_ = f.Close() // ends what the library has running; the file goes away as a whole
		return nil, err
	}
	if err := closeWriter(s, f, w.store.limits.Stall); err != nil {
		return nil, err
	}
	if info, err = s.client.Stat(temporary); err != nil {
		return nil, err
	}
	if info.Size() != w.spool.size {
		return nil, fmt.Errorf("%w: %d bytes were sent, and the file has %d", io.ErrShortWrite, w.spool.size, info.Size())
	}
	return info, nil
}

// closeWriter waits for the last block to be there in as many copies as the cluster wants at least. When it fails because
// its connection broke, the library leaves a goroutine behind that waits for nothing: one for each failed upload.
func closeWriter(s *session, f *hdfs.FileWriter, limit time.Duration) error {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	for pause := 10 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		err := f.Close()
		if !hdfs.IsErrReplicating(err) {
			return err
		}
		select {
		case <-time.After(pause):
		case <-timer.C:
			return err
		case <-s.conns.over:
			return err
		}
	}
}

// rename puts the file in its place. A try whose answer was lost may have done it: the file's id tells.
func (w *hdfsWriter) rename(ctx context.Context, temporary string, info fs.FileInfo) error {
	final := w.store.path(w.name)
	_, err := retry(ctx, w.store.limits.Call, passesOnHDFS, func(ctx context.Context) (struct{}, error) {
		return use(ctx, w.store.sessions, func(s *session) (struct{}, error) {
			err := s.client.Rename(temporary, final)
			if err == nil || !errors.Is(err, fs.ErrNotExist) {
				return struct{}{}, err
			}
			there, statErr := s.client.Stat(final)
			switch {
			case statErr == nil && identity(there) == identity(info) && there.Size() == info.Size():
				return struct{}{}, nil
			case statErr != nil && !errors.Is(statErr, fs.ErrNotExist):
				return struct{}{}, statErr // whether it was done is not known yet
			}
			return struct{}{}, err
		})
	})
	return err
}

// forget removes a temporary file, as far as that is possible: the next writer of the name does it otherwise.
func (w *hdfsWriter) forget(ctx context.Context, temporary string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), w.store.limits.Try)
	defer cancel()
	_, _ = use(ctx, w.store.sessions, func(s *session) (struct{}, error) { // a leftover is hidden and harmless
		return struct{}{}, s.client.RemoveAll(temporary)
	})
}

// noBlock tells a full HDFS from one without data nodes.
func (h *HDFS) noBlock(ctx context.Context, err error) error {
	space, spaceErr := h.Space(ctx)
	if spaceErr == nil {
		return fmt.Errorf("%w; %d bytes are free of %d: %w", errNoBlock, space.Free, space.Total, readable(err))
	}
	return fmt.Errorf("%w: %w", errNoBlock, readable(err))
}
