package sandbox

import (
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// blockService is one section [block_service.NAME] of type local_service
// (src/block_service/local/local_service.cpp). It writes in place, file first and sidecar
// second, as the servers do: what a reader sees meanwhile is what it sees on a real store.
// One of type hdfs_service is the same, with the limits of HDFS: its sidecars stand for what
// a name node knows of files.
type blockService struct {
	name, root string
	hdfs       bool
}

// blockService is the provider with a name, nil when servers have no such section or
// cannot make its folder.
func (c *Cluster) blockService(name string) *blockService {
	root, ok := c.cfg.BlockServices[name]
	hdfs := false
	if !ok {
		root, hdfs = c.cfg.HDFSServices[name]
	}
	if root == "" || os.MkdirAll(root, 0o755) != nil {
		return nil
	}
	return &blockService{name: name, root: root, hdfs: hdfs}
}

// joinRemote joins parts of a path on a store, of which any may be empty.
func joinRemote(parts ...string) string { return filepath.Join(parts...) }

// path is where a file of the store lies on this machine. Names never lead out of it.
func (b *blockService) path(name string) string {
	return filepath.Join(b.root, filepath.FromSlash(filepath.Clean("/"+name)))
}

// sidecar is file_metadata.
type sidecar struct {
	MD5  string `json:"md5"`
	Size int64  `json:"size"`
}

func sidecarOf(path string) string {
	return filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".meta")
}

// loadSidecar reads what is beside a file: one token, which white space would cut short.
func loadSidecar(path string) (sidecar, idl.ErrorCode) {
	data, err := os.ReadFile(sidecarOf(path))
	if err != nil {
		return sidecar{}, idl.ErrFSInternal
	}
	fields := bytes.Fields(data)
	var s struct {
		MD5  *string `json:"md5"`
		Size *int64  `json:"size"`
	}
	if len(fields) == 0 || json.Unmarshal(fields[0], &s) != nil || s.MD5 == nil || s.Size == nil {
		return sidecar{}, idl.ErrFSInternal
	}
	return sidecar{MD5: *s.MD5, Size: *s.Size}, idl.ErrOK
}

// has tells whether a file and its sidecar are there.
func (b *blockService) has(name string) bool {
	path := b.path(name)
	return isFile(path) && isFile(sidecarOf(path))
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// hasDir tells whether a folder is there.
func (b *blockService) hasDir(name string) bool {
	info, err := os.Stat(b.path(name))
	return err == nil && info.IsDir()
}

// read gives a whole file, as far as its sidecar says that it goes.
func (b *blockService) read(name string) ([]byte, idl.ErrorCode) {
	if !b.has(name) {
		return nil, idl.ErrObjectNotFound
	}
	side, code := loadSidecar(b.path(name))
	if !code.OK() {
		return nil, code
	}
	data, err := os.ReadFile(b.path(name))
	if err != nil {
		return nil, idl.ErrFSInternal
	}
	return data[:min(int64(len(data)), max(side.Size, 0))], idl.ErrOK
}

// storeFault is what is wrong with a store while a file is written: full means that half
// of it and an empty sidecar arrive and nobody is told, since servers look at no error of
// the stream that they write to; damage flips a byte behind their back.
type storeFault struct{ full, damage bool }

// write makes data the content of a file (local_file_object::write).
func (b *blockService) write(name string, data []byte, fault storeFault) idl.ErrorCode {
	path := b.path(name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return idl.ErrFSInternal
	}
	stored := data
	if fault.full {
		stored = data[:len(data)/2]
	}
	if err := os.WriteFile(path, stored, 0o644); err != nil {
		return idl.ErrFSInternal
	}
	sum := md5.Sum(data)
	return b.seal(path, sidecar{MD5: hex.EncodeToString(sum[:]), Size: int64(len(data))}, fault)
}

// seal writes the sidecar of a file.
func (b *blockService) seal(path string, s sidecar, fault storeFault) idl.ErrorCode {
	text := fmt.Appendf(nil, `{"md5":%q,"size":%d}`, s.MD5, s.Size)
	if fault.full {
		text = nil
	}
	if err := os.WriteFile(sidecarOf(path), text, 0o644); err != nil {
		return idl.ErrFSInternal
	}
	if fault.damage && damage(path) != nil {
		return idl.ErrFSInternal
	}
	return idl.ErrOK
}

// damage flips a bit in the middle of a file.
func damage(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err == nil && info.Size() > 0 {
		b, at := []byte{0}, info.Size()/2
		if _, err = f.ReadAt(b, at); err == nil {
			b[0] ^= 0x20
			_, err = f.WriteAt(b, at)
		}
	}
	return errors.Join(err, f.Close())
}

// beginUpload makes the file as far as it is while it is being uploaded: without sidecar.
func (b *blockService) beginUpload(name string) error {
	path := b.path(name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := os.Remove(sidecarOf(path)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.WriteFile(path, nil, 0o644)
}

// upload copies a local file there (local_file_object::upload).
func (b *blockService) upload(name, local string, s sidecar, fault storeFault) idl.ErrorCode {
	path := b.path(name)
	size := s.Size
	if fault.full {
		size /= 2
	}
	if err := copyFile(path, local, size); err != nil {
		return idl.ErrFSInternal
	}
	return b.seal(path, s, fault)
}

// copyFile copies so many bytes.
func copyFile(to, from string, size int64) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	_, err = io.CopyN(out, in, size)
	return errors.Join(err, out.Close())
}

// sumFile gives size and MD5 of a file's content.
func sumFile(path string) (sidecar, error) {
	f, err := os.Open(path)
	if err != nil {
		return sidecar{}, err
	}
	defer f.Close()
	sum := md5.New()
	size, err := io.Copy(sum, f)
	return sidecar{MD5: hex.EncodeToString(sum.Sum(nil)), Size: size}, err
}

// scratch is the folder for what replicas keep on their own disks, made when it is first
// needed and removed by Close.
func (c *Cluster) scratch(parts ...string) (string, error) {
	c.files.Lock()
	defer c.files.Unlock()
	if c.scratchDir == "" {
		dir, err := os.MkdirTemp("", "pegmigrate-sandbox-"+strings.ReplaceAll(c.cfg.Name, "/", "_")+"-")
		if err != nil {
			return "", fmt.Errorf("sandbox: folder of the replica servers: %w", err)
		}
		c.scratchDir = dir
	}
	dir := filepath.Join(append([]string{c.scratchDir}, parts...)...)
	return dir, os.MkdirAll(dir, 0o755)
}

// removeScratch ends all of it.
func (c *Cluster) removeScratch() error {
	c.files.Lock()
	defer c.files.Unlock()
	if c.scratchDir == "" {
		return nil
	}
	dir := c.scratchDir
	c.scratchDir = ""
	return os.RemoveAll(dir)
}
