package splitter

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/backup"
	"github.com/pegmigrate/pegmigrate/internal/blobstore"
	"github.com/pegmigrate/pegmigrate/internal/blobstore/hdfstest"
	"github.com/pegmigrate/pegmigrate/internal/sst"
)

// TestHDFS splits the real backup from a real HDFS into the same one, stops in the middle, and goes on: the files are those
// of a split on this machine.
func TestHDFS(t *testing.T) {
	c := hdfstest.Start(t, 1)
	ctx := t.Context()
	s, err := blobstore.OpenHDFS(ctx, blobstore.HDFSOptions{NameNodes: c.NameNodes()})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	const from = "../backup/testdata"
	err = fs.WalkDir(os.DirFS(from), "onebox1", func(name string, d fs.DirEntry, err error) error {
		if err != nil || strings.HasPrefix(path.Base(name), ".") {
			return err
		}
		if d.IsDir() {
			return s.MkdirAll(ctx, name)
		}
		data, err := os.ReadFile(filepath.Join(from, name))
		if err == nil {
			_, err = blobstore.WriteFile(ctx, s, name, data)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	d, err := backup.ParseDir("onebox1/1795224430664/fixture_14")
	if err != nil {
		t.Fatal(err)
	}
	b, err := backup.Read(ctx, s, d, backup.Options{})
	if err != nil {
		t.Fatal(err)
	}
	job := Job{
		Source: FromBackup(s, b), Target: targetOf(16), Store: s, Compression: sst.LZ4, FileSize: 64 << 10,
		DropExpired: true, Now: time.Unix(1795224430, 0),
	}
	here := job
	here.Source, here.Store = golden(t), localStore(t, t.TempDir())
	want := mustRun(t, here)
	if job.Source.Fingerprint != here.Source.Fingerprint {
		t.Fatal("the backup is another one on HDFS")
	}

	broken := job
	broken.Store, broken.Parallel = brokenAfter(s, "5"), 1
	if _, err := Run(ctx, broken); blobstore.CodeOf(err) != blobstore.CodeConnection {
		t.Fatal(err)
	}
	got := mustRun(t, job)
	if got.Counts != want.Counts || got.Files != want.Files || got.Bytes != want.Bytes || got.Kept == 0 || got.Kept == 16 {
		t.Fatalf("%+v on HDFS, %+v here", got, want)
	}
	for i := range 16 {
		files, _, err := here.Target.Partition(ctx, here.Store, i)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			name := path.Join(job.Target.PartitionDir(i), f.Name)
			a, err1 := blobstore.ReadFile(ctx, here.Store, name, 1<<30)
			b, err2 := blobstore.ReadFile(ctx, s, name, 1<<30)
			if err1 != nil || err2 != nil || string(a) != string(b) {
				t.Fatalf("%s: %v, %v, %d and %d bytes", name, err1, err2, len(a), len(b))
			}
		}
	}
}
