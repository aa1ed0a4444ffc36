package blobstore

import (
	"context"
	"errors"
	"io"
	"sync"

	"github.com/colinmarc/hdfs/v2"
)

// hdfsReader reads one file with a session of its own. When that is lost it takes another and goes on where it was, if
// the file is still the same.
type hdfsReader struct {
	store *HDFS
	name  string
	size  int64
	id    uint64
	// within runs one step under the context of whoever opened the file.
	within func(func(context.Context) (int, error)) (int, error)

	mu      sync.Mutex
	session *session
	file    *hdfs.FileReader
	at      int64 // where file stands
	closed  bool
}

// OpenAt implements Store.
func (h *HDFS) OpenAt(ctx context.Context, name string) (ReaderAt, error) {
	if err := checkName(h, "open", name); err != nil {
		return nil, err
	}
	r := &hdfsReader{store: h, name: name, size: -1}
	r.within = func(step func(context.Context) (int, error)) (int, error) {
		return retry(ctx, h.limits.Stall, passesOnHDFS, step)
	}
	_, err := retry(ctx, h.limits.Call, passesOnHDFS, func(ctx context.Context) (struct{}, error) { return struct{}{}, r.reopen(ctx) })
	if err != nil {
		return nil, h.fail("open", name, err)
	}
	return r, nil
}

// reopen makes sure that there is an open file. The caller holds mu, or is the only one that knows r.
func (r *hdfsReader) reopen(ctx context.Context) error {
	if r.file != nil {
		return nil
	}
	s, err := r.store.sessions.take(ctx)
	if err != nil {
		return err
	}
	f, err := during(ctx, s, func() (*hdfs.FileReader, error) { return s.client.Open(r.store.path(r.name)) })
	if err == nil {
		err = r.isTheSame(f)
	}
	if err != nil {
		r.store.sessions.giveAfter(s, err)
		return err
	}
	r.session, r.file, r.at = s, f, 0
	return nil
}

func (r *hdfsReader) isTheSame(f *hdfs.FileReader) error {
	info := f.Stat()
	switch err := plain(info); {
	case info.IsDir():
		return errIsFolder
	case err != nil:
		return err
	case r.size < 0:
		r.size, r.id = info.Size(), identity(info)
	case r.size != info.Size() || r.id != identity(info):
		return errChanged
	}
	return nil
}

// drop lets go of the session after err. The caller holds mu.
func (r *hdfsReader) drop(err error) {
	if r.file == nil {
		return
	}
	_ = r.file.Close() // only read from
	r.store.sessions.giveAfter(r.session, err)
	r.file, r.session = nil, nil
}

// Size implements ReaderAt.
func (r *hdfsReader) Size() int64 { return r.size }

// ReadAt implements io.ReaderAt.
func (r *hdfsReader) ReadAt(p []byte, off int64) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.closed:
		return 0, failed(r.store, "read", r.name, CodeClosed, errClosed)
	case off < 0:
		return 0, failed(r.store, "read", r.name, CodeInvalid, errRange)
	case off >= r.size:
		return 0, io.EOF
	}
	end := min(int64(len(p)), r.size-off)
	n := 0
	for int64(n) < end {
		m, err := r.within(func(ctx context.Context) (int, error) { return r.some(ctx, p[n:end], off+int64(n)) })
		n += m
		if err != nil {
			return n, r.store.fail("read", r.name, err)
		}
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// some reads at least one byte, or fails.
func (r *hdfsReader) some(ctx context.Context, p []byte, off int64) (int, error) {
	if err := r.reopen(ctx); err != nil {
		return 0, err
	}
	n, err := during(ctx, r.session, func() (int, error) {
		if err := r.seek(off); err != nil {
			return 0, err
		}
		return r.file.Read(p)
	})
	r.at += int64(n)
	if n > 0 {
		return n, nil // what else there was shows at the next read
	}
	if err == nil || errors.Is(err, io.EOF) {
		// The place is inside the file, so this end is that of a connection: the library hands it on as it comes.
		err = io.ErrUnexpectedEOF
	}
	r.drop(err)
	return 0, err
}

// seek goes to a place. A seek of the library that stays within a block's stream skips bytes and forgets to count them:
// when the data node fails later, it goes on at the wrong place. A seek to where it stands drops the stream, and the one
// after it begins a new one.
func (r *hdfsReader) seek(off int64) error {
	if off == r.at {
		return nil
	}
	if _, err := r.file.Seek(0, io.SeekCurrent); err != nil {
		return err
	}
	at, err := r.file.Seek(off, io.SeekStart)
	if err == nil {
		r.at = at
	}
	return err
}

// Close implements io.Closer.
func (r *hdfsReader) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	r.drop(nil)
	return nil
}

// Open implements Store.
func (h *HDFS) Open(ctx context.Context, name string, offset, length int64) (io.ReadCloser, error) {
	at, err := h.OpenAt(ctx, name)
	if err != nil {
		return nil, err
	}
	s, err := newStream(h, name, at, offset, length)
	if err != nil {
		_ = at.Close() // only read from
		return nil, err
	}
	return s, nil
}
