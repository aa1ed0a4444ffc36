package blobstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
)

// chunk is how much is read from, or written to, a disk at once: the price of the goroutine that may be left behind is
// small beside it.
const chunk = 256 << 10

// localReader reads a file of a local store.
type localReader struct {
	size int64
	read func(p []byte, off int64) (int, error)
	file diskFile
}

// OpenAt implements Store.
func (l *Local) OpenAt(ctx context.Context, name string) (ReaderAt, error) {
	e, err := l.openable(ctx, name)
	if err != nil {
		return nil, err
	}
	file, err := await(ctx, l.limits.Call, closeLate, func() (diskFile, error) { return l.disk.Open(l.Path(name)) })
	if err != nil {
		return nil, failed(l, "open", name, codeOfCause(err), err)
	}
	return &localReader{size: e.Size, file: file, read: l.reading(ctx, name, file)}, nil
}

func closeLate(f diskFile) {
	if f != nil {
		_ = f.Close() // nobody waits for it any more
	}
}

func (l *Local) openable(ctx context.Context, name string) (Entry, error) {
	e, err := l.Stat(ctx, name)
	if err == nil && e.Dir {
		err = failed(l, "open", name, CodeInvalid, errIsFolder)
	}
	return e, err
}

// reading gives a read that ends with the context and the limit. Bytes arrive in a buffer of its own, because a read that
// hangs may still write into it later.
func (l *Local) reading(ctx context.Context, name string, file diskFile) func([]byte, int64) (int, error) {
	pool := sync.Pool{New: func() any { return new([]byte) }}
	return func(p []byte, off int64) (int, error) {
		own := pool.Get().(*[]byte)
		if cap(*own) < len(p) {
			*own = make([]byte, len(p))
		}
		buf := (*own)[:len(p)]
		type result struct {
			n   int
			eof bool
		}
		r, err := await(ctx, l.limits.Stall, nil, func() (result, error) {
			n, err := file.ReadAt(buf, off)
			if errors.Is(err, io.EOF) {
				return result{n, true}, nil
			}
			return result{n, false}, err
		})
		if err != nil {
			return 0, failed(l, "read", name, codeOfCause(err), err) // the buffer may be in use and is let go
		}
		copy(p, buf[:r.n])
		pool.Put(own)
		if r.n < len(p) && !r.eof {
			return r.n, failed(l, "read", name, CodeIO, io.ErrNoProgress)
		}
		if r.eof && r.n < len(p) {
			return r.n, io.EOF
		}
		return r.n, nil
	}
}

// ReadAt implements io.ReaderAt.
func (r *localReader) ReadAt(p []byte, off int64) (int, error) { return r.read(p, off) }

// Size implements ReaderAt.
func (r *localReader) Size() int64 { return r.size }

// Close implements io.Closer.
func (r *localReader) Close() error { return r.file.Close() }

// Open implements Store.
func (l *Local) Open(ctx context.Context, name string, offset, length int64) (io.ReadCloser, error) {
	at, err := l.OpenAt(ctx, name)
	if err != nil {
		return nil, err
	}
	s, err := newStream(l, name, at, offset, length)
	if err != nil {
		_ = at.Close() // only read from
		return nil, err
	}
	return s, nil
}

// stream reads a range of a file in order. A file that ends before the range does is an error, never an end.
type stream struct {
	at        ReaderAt
	next, end int64
	buf       []byte // read and not yet given
	space     []byte
	fail      func(error) error
}

func newStream(s Store, name string, at ReaderAt, offset, length int64) (*stream, error) {
	if length < 0 {
		length = at.Size() - offset
	}
	if offset < 0 || length < 0 || offset > at.Size() || length > at.Size()-offset {
		err := fmt.Errorf("%w: %d bytes from %d on, of %d", errRange, length, offset, at.Size())
		return nil, failed(s, "open", name, CodeInvalid, err)
	}
	return &stream{at: at, next: offset, end: offset + length, fail: func(err error) error {
		return failed(s, "read", name, codeOfCause(err), err)
	}}, nil
}

// Read implements io.Reader.
func (s *stream) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if len(s.buf) == 0 {
		if s.next == s.end {
			return 0, io.EOF
		}
		if s.space == nil {
			s.space = make([]byte, min(chunk, s.end-s.next))
		}
		want := s.space[:min(int64(len(s.space)), s.end-s.next)]
		n, err := s.at.ReadAt(want, s.next)
		if n == 0 && (err == nil || errors.Is(err, io.EOF)) {
			err = errShrunk
		}
		if n == 0 {
			return 0, s.fail(err)
		}
		s.buf, s.next = want[:n], s.next+int64(n)
	}
	n := copy(p, s.buf)
	s.buf = s.buf[n:]
	return n, nil
}

// Close implements io.Closer.
func (s *stream) Close() error { return s.at.Close() }
