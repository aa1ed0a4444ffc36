package blobstore

import (
	"context"
	"errors"
	"io/fs"
	"math"
	"path"
	"strings"

	"github.com/colinmarc/hdfs/v2"
)

// HDFS is a folder of an HDFS in the form of hdfs_service: plain files, and no sums beside them.
type HDFS struct {
	sessions *sessions
	limits   Deadlines
	name     string
}

var _ Store = (*HDFS)(nil)

// OpenHDFS connects to a name node and looks whether the root is there.
func OpenHDFS(ctx context.Context, o HDFSOptions) (*HDFS, error) {
	h := &HDFS{name: "hdfs://" + strings.Join(o.NameNodes, ",")}
	setup, err := o.setup()
	h.sessions = newSessions(setup)
	h.limits = setup.deadlines
	if err != nil {
		return nil, h.settingsError(err)
	}
	h.name = "hdfs://" + setup.client.User + "@" + strings.Join(setup.client.Addresses, ",") + setup.root
	if err := h.rootIsThere(ctx, "open"); err != nil {
		h.sessions.close()
		return nil, err
	}
	return h, nil
}

func (h *HDFS) settingsError(err error) error {
	if errors.Is(err, errKerberos) {
		return failed(h, "open", ".", CodeUnsupported, err)
	}
	return failed(h, "open", ".", CodeInvalid, err)
}

func (h *HDFS) rootIsThere(ctx context.Context, op string) error {
	info, err := call(ctx, h, op, ".", func(s *session) (fs.FileInfo, error) { return s.client.Stat(h.sessions.setup.root) })
	if err == nil && !info.IsDir() {
		err = failed(h, op, ".", CodeInvalid, errIsFile)
	}
	return err
}

// String implements Store.
func (h *HDFS) String() string { return h.name }

// path gives the place in the file system.
func (h *HDFS) path(name string) string { return path.Join(h.sessions.setup.root, name) }

// Close implements Store.
func (h *HDFS) Close() error {
	h.sessions.close()
	return nil
}

// call runs one exchange with a name node within the limit of a call, again while what fails may pass.
func call[T any](ctx context.Context, h *HDFS, op, name string, f func(*session) (T, error)) (T, error) {
	value, err := retry(ctx, h.limits.Call, passesOnHDFS, func(ctx context.Context) (T, error) { return use(ctx, h.sessions, f) })
	if err != nil {
		var none T
		return none, h.fail(op, name, err)
	}
	return value, nil
}

// Stat implements Store.
func (h *HDFS) Stat(ctx context.Context, name string) (Entry, error) {
	if err := checkName(h, "stat", name); err != nil {
		return Entry{}, err
	}
	info, err := call(ctx, h, "stat", name, func(s *session) (fs.FileInfo, error) { return s.client.Stat(h.path(name)) })
	if err != nil {
		return Entry{}, err
	}
	e := entryOf(info)
	e.Name = path.Base(name)
	return e, nil
}

func entryOf(info fs.FileInfo) Entry {
	e := Entry{Name: info.Name(), Dir: info.IsDir(), Modified: info.ModTime()}
	if !e.Dir {
		e.Size = info.Size()
	}
	return e
}

// plain refuses files whose blocks are not their bytes: the library does not look, and would give other ones.
func plain(info fs.FileInfo) error {
	status, ok := info.Sys().(*hdfs.FileStatus)
	switch {
	case !ok:
		return nil
	case status.GetEcPolicy() != nil:
		return errStriped
	case status.GetFileEncryptionInfo() != nil:
		return errSealed
	}
	return nil
}

// identity tells a file from another one that took its name.
func identity(info fs.FileInfo) uint64 {
	if status, ok := info.Sys().(*hdfs.FileStatus); ok {
		return status.GetFileId()
	}
	return 0
}

// List implements Store.
func (h *HDFS) List(ctx context.Context, dir string) ([]Entry, error) {
	if err := checkName(h, "list", dir); err != nil {
		return nil, err
	}
	infos, err := h.readDir(ctx, "list", dir)
	if err != nil {
		return nil, err
	}
	var entries []Entry
	for _, info := range infos {
		if info.IsDir() || !isTemporary(info.Name()) {
			entries = append(entries, entryOf(info))
		}
	}
	sortEntries(entries)
	return entries, nil
}

func (h *HDFS) readDir(ctx context.Context, op, dir string) ([]fs.FileInfo, error) {
	return call(ctx, h, op, dir, func(s *session) ([]fs.FileInfo, error) {
		f, err := s.client.Open(h.path(dir))
		if err != nil {
			return nil, err
		}
		defer f.Close()
		if !f.Stat().IsDir() {
			return nil, errIsFile
		}
		return f.Readdir(0)
	})
}

// Remove implements Store.
func (h *HDFS) Remove(ctx context.Context, name string) error {
	if err := checkFileName(h, "remove", name); err != nil {
		return err
	}
	return h.delete(ctx, "remove", name, func(s *session) error { return s.client.Remove(h.path(name)) })
}

// RemoveAll implements Store.
func (h *HDFS) RemoveAll(ctx context.Context, name string) error {
	const op = "remove all of"
	if err := checkName(h, op, name); err != nil {
		return err
	}
	if name == "." {
		return failed(h, op, name, CodeInvalid, errRoot)
	}
	err := h.delete(ctx, op, name, func(s *session) error { return s.client.RemoveAll(h.path(name)) })
	if CodeOf(err) == CodeNotFound {
		return nil
	}
	return err
}

// delete takes "not there" for success once a try was lost on the way: that try may have done it.
func (h *HDFS) delete(ctx context.Context, op, name string, f func(*session) error) error {
	lost := false
	_, err := call(ctx, h, op, name, func(s *session) (struct{}, error) {
		err := f(s)
		if err == nil {
			return struct{}{}, nil
		}
		if lost && codeOfHDFS(err) == CodeNotFound {
			return struct{}{}, nil
		}
		lost = lost || passesOnHDFS(err)
		return struct{}{}, err
	})
	return err
}

// MkdirAll implements Store.
func (h *HDFS) MkdirAll(ctx context.Context, dir string) error {
	if err := checkName(h, "mkdir", dir); err != nil {
		return err
	}
	if err := h.rootIsThere(ctx, "mkdir"); err != nil {
		return err
	}
	_, err := call(ctx, h, "mkdir", dir, func(s *session) (struct{}, error) {
		return struct{}{}, s.client.MkdirAll(h.path(dir), dirMode)
	})
	return err
}

// Space implements Store.
func (h *HDFS) Space(ctx context.Context) (Space, error) {
	info, err := call(ctx, h, "ask for the room of", ".", func(s *session) (hdfs.FsInfo, error) { return s.client.StatFs() })
	if err != nil {
		return Space{}, err
	}
	bounded := func(n uint64) int64 { return int64(min(n, math.MaxInt64)) }
	return Space{Total: bounded(info.Capacity), Free: bounded(info.Remaining)}, nil
}
