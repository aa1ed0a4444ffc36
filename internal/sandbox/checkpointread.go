package sandbox

import (
	"encoding/binary"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/pegmigrate/pegmigrate/internal/sst"
)

// restoredRows is what a checkpoint holds.
type restoredRows struct {
	store   *store
	decree  int64
	version int
	levels  levels
}

// readCheckpoint reads the rows of a checkpoint whose files are known to be whole. Other
// files of the folder are not looked at.
func readCheckpoint(dir string, names []string) (*restoredRows, error) {
	cp, err := sst.OpenCheckpoint(listedFS{FS: sst.DirFS(dir), names: names}, sst.ReadOptions{})
	if err != nil {
		return nil, err
	}
	info := cp.Info()
	out := &restoredRows{store: newStore(), decree: info.LastFlushedDecree, version: info.DataVersion}
	err = eachRow(cp, func(key, value []byte) {
		expire, user := splitValue(value, out.version)
		out.store.set(key, user, expire)
	})
	out.levels.bottom = 1
	return out, err
}

// eachRow calls f with every visible row.
func eachRow(cp *sst.Checkpoint, f func(key, value []byte)) error {
	rows, err := cp.Rows()
	if err != nil {
		return err
	}
	for rows.Next() {
		f(rows.Key(), rows.Value())
	}
	if err := rows.Err(); err != nil {
		_ = rows.Close() // what went wrong before says more
		return err
	}
	return rows.Close()
}

// splitValue takes a value apart as a server with a data version does, which believes what
// it reads: a value of another version gives a wrong expiry, or a wrong beginning.
func splitValue(value []byte, version int) (expire uint32, user []byte) {
	header := 4
	if version > 0 {
		header = 12
	}
	if len(value) < 4 {
		return 0, nil
	}
	return binary.BigEndian.Uint32(value), value[min(header, len(value)):]
}

// listedFS is a folder of which only some files exist.
type listedFS struct {
	sst.FS
	names []string
}

// ReadFile implements sst.FS.
func (f listedFS) ReadFile(name string, limit int64) ([]byte, error) {
	if !slices.Contains(f.names, name) {
		return nil, fmt.Errorf("%s: %w", name, fs.ErrNotExist)
	}
	return f.FS.ReadFile(name, limit)
}

// Open implements sst.FS.
func (f listedFS) Open(name string) (sst.File, error) {
	if !slices.Contains(f.names, name) {
		return nil, fmt.Errorf("%s: %w", name, fs.ErrNotExist)
	}
	return f.FS.Open(name)
}

// List implements sst.FS.
func (f listedFS) List() ([]string, error) { return f.names, nil }

// ingestFS shows one file that is to be ingested as a database that has nothing else, so
// that it is read by the same code as checkpoints.
type ingestFS struct {
	path string
	meta []byte // MANIFEST
}

// topKey is above every key that a client can write, ingestName the file of an ingestFS.
const (
	topKey     = "\xff\xff"
	ingestName = "000014.sst" // firstRowFile
)

// openIngested opens one file. The bounds of its keys are not known before: the MANIFEST
// gives the widest.
func openIngested(path string) (*sst.Checkpoint, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	m := manifest{next: firstRowFile + 1, last: checkpointSeq}
	m.files = []manifestFile{{number: firstRowFile, size: info.Size(), largest: []byte(topKey), seqno: checkpointSeq}}
	return sst.OpenCheckpoint(ingestFS{path: path, meta: m.encode()}, sst.ReadOptions{})
}

// ReadFile implements sst.FS.
func (f ingestFS) ReadFile(name string, _ int64) ([]byte, error) {
	switch name {
	case "CURRENT":
		return fmt.Appendf(nil, "MANIFEST-%06d\n", manifestNumber), nil
	case fmt.Sprintf("MANIFEST-%06d", manifestNumber):
		return f.meta, nil
	default:
		return nil, fmt.Errorf("%s: %w", name, fs.ErrNotExist)
	}
}

// Open implements sst.FS.
func (f ingestFS) Open(name string) (sst.File, error) {
	if name != ingestName {
		return nil, fmt.Errorf("%s: %w", name, fs.ErrNotExist)
	}
	return sst.DirFS(filepath.Dir(f.path)).Open(filepath.Base(f.path))
}

// List implements sst.FS.
func (f ingestFS) List() ([]string, error) {
	return []string{"CURRENT", fmt.Sprintf("MANIFEST-%06d", manifestNumber), ingestName}, nil
}
