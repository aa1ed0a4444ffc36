package crashfs

import (
	"io/fs"
	"slices"
	"syscall"
)

// handle is an open file that only grows.
type handle struct {
	fs     *FS
	node   *inode
	path   string
	closed bool
}

// Write implements io.Writer.
func (h *handle) Write(p []byte) (int, error) {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	if h.closed {
		return 0, pathError("write", h.path, fs.ErrClosed)
	}
	n := len(p)
	if h.fs.capacity > 0 {
		n = max(0, min(n, h.fs.capacity-h.fs.used()))
	}
	h.node.data = append(h.node.data, p[:n]...)
	if n < len(p) {
		return n, pathError("write", h.path, syscall.ENOSPC)
	}
	return n, nil
}

// used is the sum of the sizes of all files that have a name. The caller holds mu.
func (f *FS) used() int {
	total := 0
	for _, d := range f.folders {
		for _, node := range d.live {
			total += len(node.data)
		}
	}
	return total
}

// Sync implements atomicfile.Appender and atomicfile.Staged.
func (h *handle) Sync() error {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	if h.closed {
		return pathError("sync", h.path, fs.ErrClosed)
	}
	h.node.synced = slices.Clone(h.node.data)
	return nil
}

// Close implements io.Closer.
func (h *handle) Close() error {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	if h.closed {
		return pathError("close", h.path, fs.ErrClosed)
	}
	h.closed = true
	return nil
}

// staged is a temporary file.
type staged struct {
	handle
	folder    *folder
	temporary string
	name      string
}

// Commit implements atomicfile.Staged. Unlike the real one it does not sync, so that a caller that forgot to is found.
func (s *staged) Commit() error {
	if err := s.Close(); err != nil {
		return err
	}
	s.fs.mu.Lock()
	defer s.fs.mu.Unlock()
	if s.folder.live[s.temporary] != s.node {
		return pathError("rename", s.path, fs.ErrNotExist)
	}
	delete(s.folder.live, s.temporary)
	s.folder.live[s.name] = s.node
	return nil
}

// Abort implements atomicfile.Staged.
func (s *staged) Abort() error {
	s.fs.mu.Lock()
	defer s.fs.mu.Unlock()
	s.closed = true
	delete(s.folder.live, s.temporary)
	return nil
}
