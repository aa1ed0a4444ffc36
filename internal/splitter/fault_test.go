package splitter

import (
	"context"
	"errors"
	"path"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/pegmigrate/pegmigrate/internal/backup"
	"github.com/pegmigrate/pegmigrate/internal/blobstore"
)

// fullStore has room for some bytes.
type fullStore struct {
	blobstore.Store
	room *atomic.Int64
}

func (s fullStore) Create(ctx context.Context, name string) (blobstore.Writer, error) {
	w, err := s.Store.Create(ctx, name)
	return fullWriter{Writer: w, store: s, name: name}, err
}

type fullWriter struct {
	blobstore.Writer
	store fullStore
	name  string
}

func (w fullWriter) Write(p []byte) (int, error) {
	if w.store.room.Add(-int64(len(p))) < 0 {
		return 0, &blobstore.Error{Code: blobstore.CodeNoSpace, Op: "write", Store: w.store.String(), Path: w.name, Err: syscall.ENOSPC}
	}
	return w.Writer.Write(p)
}

// TestDiskFull: at any byte, and then there is room again.
func TestDiskFull(t *testing.T) {
	undisturbed := t.TempDir()
	whole := mustRun(t, mustResumable(t, undisturbed, nil))
	want := tree(t, undisturbed)
	for _, room := range []int64{0, 100, 5000, whole.Bytes / 2, whole.Bytes - 100, whole.Bytes + 1000} {
		root := t.TempDir()
		job := mustResumable(t, root, nil)
		left := new(atomic.Int64)
		left.Store(room)
		job.Store = fullStore{job.Store, left}
		_, err := Run(t.Context(), job)
		var e *blobstore.Error
		if !errors.As(err, &e) || e.Code != blobstore.CodeNoSpace || e.Path == "" {
			t.Fatalf("room for %d bytes: %v", room, err)
		}
		if err := job.Target.Ready(t.Context(), job.Store); err == nil {
			t.Fatalf("room for %d bytes: it can be loaded", room)
		}
		left.Store(1 << 40)
		mustRun(t, job)
		sameTree(t, tree(t, root), want)
	}
}

// lyingStore says of one file that it has another sum than was written.
type lyingStore struct {
	blobstore.Store
	name string
}

func (s lyingStore) Create(ctx context.Context, name string) (blobstore.Writer, error) {
	w, err := s.Store.Create(ctx, name)
	if path.Base(name) != s.name {
		return w, err
	}
	return lyingWriter{w}, err
}

type lyingWriter struct{ blobstore.Writer }

func (w lyingWriter) Commit() (blobstore.Entry, error) {
	e, err := w.Writer.Commit()
	e.MD5 = "00000000000000000000000000000000"
	return e, err
}

type shortWriter struct{ blobstore.Writer }

func (w shortWriter) Commit() (blobstore.Entry, error) {
	e, err := w.Writer.Commit()
	e.Size--
	return e, err
}

type shortStore struct{ blobstore.Store }

func (s shortStore) Create(ctx context.Context, name string) (blobstore.Writer, error) {
	w, err := s.Store.Create(ctx, name)
	if path.Ext(name) != ".sst" {
		return w, err
	}
	return shortWriter{w}, err
}

// TestStoresThatKeptSomethingElse: sizes and sums are compared with what the store has.
func TestStoresThatKeptSomethingElse(t *testing.T) {
	job := mustResumable(t, t.TempDir(), nil)
	job.Store = lyingStore{job.Store, "2.sst"}
	if _, err := Run(t.Context(), job); backup.CodeOf(err) != backup.CodeDamaged {
		t.Errorf("another sum: %v", err)
	}
	job = mustResumable(t, t.TempDir(), nil)
	job.Store = shortStore{job.Store}
	if _, err := Run(t.Context(), job); CodeOf(err) != CodeUnequal {
		t.Errorf("another size: %v", err)
	}
}

// TestSourceFails: an error of reading names the partition, and keeps what it is.
func TestSourceFails(t *testing.T) {
	broken := &blobstore.Error{Code: blobstore.CodeConnection, Op: "read", Store: "x", Path: "y", Err: syscall.ECONNRESET}
	var rows atomic.Int64
	job := mustResumable(t, t.TempDir(), func(context.Context) error {
		if rows.Add(1) == 3000 {
			return broken
		}
		return nil
	})
	if _, err := Run(t.Context(), job); blobstore.CodeOf(err) != blobstore.CodeConnection {
		t.Fatal(err)
	}
	job.Source.Partitions[2].Open = func(context.Context, OpenOptions) (Rows, int, error) { return nil, 0, broken }
	if _, err := Run(t.Context(), job); blobstore.CodeOf(err) != blobstore.CodeConnection {
		t.Fatal(err)
	}
}

// brokenAfter is a store that is gone when the files of a partition are to be written.
func brokenAfter(s blobstore.Store, partition string) blobstore.Store {
	return goneStore{s, partition}
}

type goneStore struct {
	blobstore.Store
	partition string
}

func (s goneStore) Create(ctx context.Context, name string) (blobstore.Writer, error) {
	if path.Base(path.Dir(name)) == s.partition {
		return nil, &blobstore.Error{Code: blobstore.CodeConnection, Op: "create", Store: s.String(), Path: name, Err: syscall.ECONNRESET}
	}
	return s.Store.Create(ctx, name)
}
