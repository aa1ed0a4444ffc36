package backup

import (
	"crypto/md5"
	"encoding/hex"
	"io/fs"
	"os"
	"path"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pegmigrate/pegmigrate/internal/blobstore"
	"github.com/pegmigrate/pegmigrate/internal/blobstore/hdfstest"
)

// TestHDFS reads the real backup from a real HDFS, where it has no sidecars, and prepares a bulk load there.
func TestHDFS(t *testing.T) {
	c := hdfstest.Start(t, 1)
	ctx := t.Context()
	s, err := blobstore.OpenHDFS(ctx, blobstore.HDFSOptions{NameNodes: c.NameNodes()})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	err = fs.WalkDir(os.DirFS("testdata/onebox1"), ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil || strings.HasPrefix(path.Base(p), ".") && p != "." {
			return err
		}
		name := path.Join("onebox1", p)
		if d.IsDir() {
			return s.MkdirAll(ctx, name)
		}
		data, err := os.ReadFile("testdata/" + name)
		if err == nil {
			_, err = blobstore.WriteFile(ctx, s, name, data)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	local, dir := golden(t)
	want, err := Read(ctx, local, dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	found, err := Find(ctx, s, "onebox1", "fixture", 14)
	if err != nil || len(found) != 1 {
		t.Fatalf("%v, %v", found, err)
	}
	got, err := Read(ctx, s, found[0], Options{})
	if err != nil || cmp.Diff(want, got) != "" {
		t.Fatalf("%v %s", err, cmp.Diff(want, got))
	}
	if err := Verify(ctx, s, got, VerifyOptions{}); err != nil {
		t.Fatal(err)
	}
	damagedFile := path.Join(got.Partitions[2].Dir, "000014.sst")
	bytes, err := blobstore.ReadFile(ctx, s, damagedFile, 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	bytes[len(bytes)/2] ^= 1
	if _, err := blobstore.WriteFile(ctx, s, damagedFile, bytes); err != nil {
		t.Fatal(err)
	}
	if err := Verify(ctx, s, got, VerifyOptions{}); CodeOf(err) != CodeDamaged || !strings.Contains(err.Error(), damagedFile) {
		t.Fatal(err)
	}

	b := BulkLoad{Root: "bulk", Cluster: "west", Table: "t", AppID: 7, PartitionCount: 2}
	if err := b.Begin(ctx, s, false); err != nil {
		t.Fatal(err)
	}
	for i := range 2 {
		if _, err := blobstore.WriteFile(ctx, s, b.PartitionDir(i)+"/1.sst", bytes); err != nil {
			t.Fatal(err)
		}
		sum := md5.Sum(bytes)
		file := File{"1.sst", int64(len(bytes)), hex.EncodeToString(sum[:])}
		if err := b.WritePartition(ctx, s, i, []File{file}); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Finish(ctx, s); err != nil {
		t.Fatal(err)
	}
	if err := b.Ready(ctx, s); err != nil {
		t.Fatal(err)
	}
}
