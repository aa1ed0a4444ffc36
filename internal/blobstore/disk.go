package blobstore

import (
	"io"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"github.com/pegmigrate/pegmigrate/internal/atomicfile"
)

// Modes of what a local store makes. The servers read it, and need not run as the user that wrote it.
const (
	fileMode fs.FileMode = 0o644
	dirMode  fs.FileMode = 0o755
)

// disk is the part of a file system that a local store needs; tests give one that fails, hangs or loses power.
type disk interface {
	atomicfile.FS
	Stat(path string) (fs.FileInfo, error)
	Open(path string) (diskFile, error)
	Space(path string) (Space, error)
}

type diskFile interface {
	io.ReaderAt
	io.Closer
}

type osDisk struct{ atomicfile.OS }

func newOSDisk() osDisk {
	return osDisk{atomicfile.OS{FileMode: fileMode, DirMode: dirMode}}
}

func (osDisk) Stat(path string) (fs.FileInfo, error) { return os.Stat(path) }

func (osDisk) Open(path string) (diskFile, error) { return os.Open(path) }

func (osDisk) Space(path string) (Space, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err != nil {
		return Space{}, &fs.PathError{Op: "statfs", Path: path, Err: err}
	}
	block := int64(st.Bsize) //nolint:unconvert // its type differs between platforms
	return Space{Total: int64(st.Blocks) * block, Free: int64(st.Bavail) * block}, nil
}
