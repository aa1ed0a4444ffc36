package sst

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// FS is what the reader needs of a folder with a checkpoint. It must be safe for concurrent use, and it bounds the time of
// its calls: nothing here waits for anything else. A file that is not there gives an error that is fs.ErrNotExist.
type FS interface {
	// ReadFile gives a whole file, and an error when it has more than limit bytes. CURRENT, MANIFEST-* and OPTIONS-* are
	// read so.
	ReadFile(name string, limit int64) ([]byte, error)
	// Open is called for each table file that is read, and for write-ahead logs, to see whether anything is in them.
	Open(name string) (File, error)
	// List gives the names of all files in the folder, in any order.
	List() ([]string, error)
}

// File is one open file. ReadAt may be called from another goroutine than Close, never after it.
type File interface {
	io.ReaderAt
	io.Closer
	// Size in bytes.
	Size() int64
}

// DirFS is the FS of a local folder.
func DirFS(dir string) FS { return dirFS(dir) }

type dirFS string

func (d dirFS) ReadFile(name string, limit int64) (_ []byte, err error) {
	f, err := d.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if f.Size() > limit {
		return nil, fmt.Errorf("%d bytes are more than the %d that are allowed", f.Size(), limit)
	}
	b := make([]byte, f.Size())
	if _, err := io.ReadFull(io.NewSectionReader(f, 0, f.Size()), b); err != nil {
		return nil, err
	}
	return b, nil
}

func (d dirFS) Open(name string) (File, error) {
	f, err := os.Open(filepath.Join(string(d), name))
	if err != nil {
		return nil, err
	}
	st, err := f.Stat()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return dirFile{f, st.Size()}, nil
}

func (d dirFS) List() ([]string, error) {
	entries, err := os.ReadDir(string(d))
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if !e.IsDir() {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

type dirFile struct {
	*os.File
	size int64
}

func (f dirFile) Size() int64 { return f.size }

// readWhole is ReadFile with errors of this package.
func readWhole(f FS, name string, limit int64) ([]byte, error) {
	b, err := f.ReadFile(name, limit)
	if err != nil {
		return nil, fileError(err, name)
	}
	return b, nil
}

// openNamed is Open with errors of this package.
func openNamed(f FS, name string) (File, error) {
	file, err := f.Open(name)
	if err != nil {
		return nil, fileError(err, name)
	}
	return file, nil
}

func fileError(err error, name string) error {
	if errors.Is(err, fs.ErrNotExist) {
		return &Error{Code: CodeMissing, File: name, What: "is not there", Err: err}
	}
	return inFile(err, name)
}
