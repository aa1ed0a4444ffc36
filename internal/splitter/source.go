package splitter

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/pegmigrate/pegmigrate/internal/backup"
	"github.com/pegmigrate/pegmigrate/internal/blobstore"
	"github.com/pegmigrate/pegmigrate/internal/sst"
)

// FromBackup is the source that a backup is. The store has to stay open for as long as it is read.
func FromBackup(s blobstore.Store, b *backup.Backup) Source {
	src := Source{
		Name:              s.String() + "/" + b.Dir.String(),
		Fingerprint:       fingerprint(b),
		InitialPartitions: int(b.App.InitialPartitions),
	}
	for _, p := range b.Partitions {
		src.Partitions = append(src.Partitions, Partition{
			Index: p.Index, Bytes: p.Size,
			Open: func(ctx context.Context, o OpenOptions) (Rows, int, error) {
				return openCheckpoint(CheckpointFS(ctx, s, p, o.Read), sst.ReadOptions{Memory: o.Memory})
			},
		})
	}
	return src
}

// fingerprint stands for the content of a backup: the names, sizes and sums of all files. Where it lies is no part of it.
func fingerprint(b *backup.Backup) string {
	h := sha256.New()
	for _, p := range b.Partitions {
		fmt.Fprintf(h, "partition %d decree %d\n", p.Index, p.Decree)
		files := slices.Clone(p.Files)
		slices.SortFunc(files, func(a, b backup.File) int { return strings.Compare(a.Name, b.Name) })
		for _, f := range files {
			fmt.Fprintf(h, "%s %d %s\n", f.Name, f.Size, f.MD5)
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}

func openCheckpoint(f sst.FS, o sst.ReadOptions) (Rows, int, error) {
	c, err := sst.OpenCheckpoint(f, o)
	if err != nil {
		return nil, 0, err
	}
	rows, err := c.Rows()
	if err != nil {
		return nil, 0, err
	}
	return rows, c.Info().DataVersion, nil
}

// CheckpointFS shows the files of one partition of a backup to package sst, only those that the servers listed. The
// context lasts for all reading. read, when not nil, is told how many bytes of tables came from the store, from any goroutine.
func CheckpointFS(ctx context.Context, s blobstore.Store, p backup.Partition, read func(bytes int)) sst.FS {
	names := make(map[string]bool, len(p.Files))
	for _, f := range p.Files {
		names[f.Name] = true
	}
	name := func(file string) (string, error) {
		if !names[file] {
			return "", fmt.Errorf("%s: the backup does not list it: %w", path.Join(p.Dir, file), fs.ErrNotExist)
		}
		return path.Join(p.Dir, file), nil
	}
	return storeFS{
		names: names,
		readFile: func(file string, limit int64) ([]byte, error) {
			where, err := name(file)
			if err != nil {
				return nil, err
			}
			return blobstore.ReadFile(ctx, s, where, limit)
		},
		open: func(file string) (sst.File, error) {
			where, err := name(file)
			if err != nil {
				return nil, err
			}
			at, err := s.OpenAt(ctx, where)
			if err != nil {
				return nil, err
			}
			if read == nil {
				return at, nil
			}
			return storeFile{at, read}, nil
		},
	}
}

// storeFS implements sst.FS.
type storeFS struct {
	names    map[string]bool
	readFile func(name string, limit int64) ([]byte, error)
	open     func(name string) (sst.File, error)
}

// ReadFile implements sst.FS.
func (f storeFS) ReadFile(name string, limit int64) ([]byte, error) { return f.readFile(name, limit) }

// Open implements sst.FS.
func (f storeFS) Open(name string) (sst.File, error) { return f.open(name) }

// List implements sst.FS.
func (f storeFS) List() ([]string, error) {
	var names []string
	for name := range f.names {
		names = append(names, name)
	}
	slices.Sort(names)
	return names, nil
}

// storeFile counts what is read. Reading ahead is done by package sst.
type storeFile struct {
	blobstore.ReaderAt
	read func(int)
}

// ReadAt implements io.ReaderAt.
func (f storeFile) ReadAt(p []byte, off int64) (int, error) {
	n, err := f.ReaderAt.ReadAt(p, off)
	f.read(n)
	return n, err
}
