package crashfs

import (
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"syscall"

	"github.com/pegmigrate/pegmigrate/internal/atomicfile"
)

// FS is a file system in memory. It is safe for concurrent use.
type FS struct {
	mu       sync.Mutex
	folders  map[string]*folder // by clean path; making one is durable at once, as atomicfile.FS demands
	locks    map[string]bool
	serial   int // of temporary names
	capacity int
}

// folder holds files by name: as processes see them, and as the disk has them for certain.
type folder struct {
	live, durable map[string]*inode
}

type inode struct {
	data   []byte // as processes see it
	synced []byte // as of the last fsync, nil before the first
}

var _ atomicfile.FS = (*FS)(nil)

// New returns an empty file system, in which only the folder root exists.
func New(root string) *FS {
	f := &FS{folders: make(map[string]*folder), locks: make(map[string]bool)}
	f.folders[filepath.Clean(root)] = newFolder()
	return f
}

func newFolder() *folder {
	return &folder{live: make(map[string]*inode), durable: make(map[string]*inode)}
}

// SetCapacity limits the bytes in all visible files together; a write past it stores what fits and fails with ENOSPC.
// 0 means no limit.
func (f *FS) SetCapacity(bytes int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.capacity = bytes
}

func pathError(op, path string, err error) error { return &fs.PathError{Op: op, Path: path, Err: err} }

// folderOf returns the folder that path is in, and its name there. The caller holds mu.
func (f *FS) folderOf(op, path string) (*folder, string, error) {
	d, ok := f.folders[filepath.Dir(path)]
	if !ok {
		return nil, "", pathError(op, path, fs.ErrNotExist)
	}
	return d, filepath.Base(path), nil
}

func (f *FS) find(op, path string) (*folder, *inode, error) {
	d, name, err := f.folderOf(op, path)
	if err != nil {
		return nil, nil, err
	}
	if err := f.notFolder(path); err != nil {
		return nil, nil, err
	}
	node, ok := d.live[name]
	if !ok {
		return nil, nil, pathError(op, path, fs.ErrNotExist)
	}
	return d, node, nil
}

func (f *FS) notFolder(path string) error {
	if _, ok := f.folders[filepath.Clean(path)]; ok {
		return fmt.Errorf("%s: %w", path, atomicfile.ErrNotRegular)
	}
	return nil
}

// ReadFile implements atomicfile.FS.
func (f *FS) ReadFile(path string) ([]byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, node, err := f.find("open", path)
	if err != nil {
		return nil, err
	}
	return slices.Clone(node.data), nil
}

// List implements atomicfile.FS.
func (f *FS) List(dir string) ([]string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	dir = filepath.Clean(dir)
	d, ok := f.folders[dir]
	if !ok {
		return nil, pathError("open", dir, fs.ErrNotExist)
	}
	names := slices.Collect(maps.Keys(d.live))
	for path := range f.folders {
		if path != dir && filepath.Dir(path) == dir {
			names = append(names, filepath.Base(path))
		}
	}
	slices.Sort(names)
	return names, nil
}

// Stage implements atomicfile.FS.
func (f *FS) Stage(path string) (atomicfile.Staged, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	d, name, err := f.folderOf("open", path)
	if err != nil {
		return nil, err
	}
	if err := f.notFolder(path); err != nil {
		return nil, err
	}
	f.serial++
	temporary := atomicfile.TemporaryPrefix(name) + strconv.Itoa(f.serial)
	node := &inode{}
	d.live[temporary] = node
	return &staged{handle: handle{fs: f, node: node, path: path}, folder: d, temporary: temporary, name: name}, nil
}

// OpenAppend implements atomicfile.FS.
func (f *FS) OpenAppend(path string) (atomicfile.Appender, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, node, err := f.find("open", path)
	if err != nil {
		return nil, err
	}
	return &handle{fs: f, node: node, path: path}, nil
}

// Remove implements atomicfile.FS.
func (f *FS) Remove(path string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	d, _, err := f.find("remove", path)
	if err != nil {
		return err
	}
	delete(d.live, filepath.Base(path))
	return nil
}

// MkdirAll implements atomicfile.FS.
func (f *FS) MkdirAll(dir string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for dir = filepath.Clean(dir); f.folders[dir] == nil; dir = filepath.Dir(dir) {
		if parent := f.folders[filepath.Dir(dir)]; parent != nil && parent.live[filepath.Base(dir)] != nil {
			return pathError("mkdir", dir, syscall.ENOTDIR)
		}
		f.folders[dir] = newFolder()
		if dir == filepath.Dir(dir) {
			break
		}
	}
	return nil
}

// SyncDir implements atomicfile.FS.
func (f *FS) SyncDir(dir string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	d, ok := f.folders[filepath.Clean(dir)]
	if !ok {
		return pathError("open", dir, fs.ErrNotExist)
	}
	d.durable = maps.Clone(d.live)
	return nil
}

// TryLock implements atomicfile.FS.
func (f *FS) TryLock(path string) (io.Closer, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	d, name, err := f.folderOf("open", path)
	if err != nil {
		return nil, err
	}
	if err := f.notFolder(path); err != nil {
		return nil, err
	}
	if f.locks[path] {
		return nil, fmt.Errorf("%s: %w", path, atomicfile.ErrLocked)
	}
	if d.live[name] == nil {
		d.live[name] = &inode{}
	}
	f.locks[path] = true
	return &held{fs: f, path: path}, nil
}

type held struct {
	fs   *FS
	path string
	once sync.Once
}

// Close implements io.Closer.
func (h *held) Close() error {
	h.once.Do(func() {
		h.fs.mu.Lock()
		defer h.fs.mu.Unlock()
		delete(h.fs.locks, h.path)
	})
	return nil
}
