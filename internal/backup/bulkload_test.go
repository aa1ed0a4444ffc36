package backup

import (
	"crypto/md5"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pegmigrate/pegmigrate/internal/blobstore"
)

func put(t *testing.T, s blobstore.Store, name, content string) File {
	t.Helper()
	if _, err := blobstore.WriteFile(t.Context(), s, name, []byte(content)); err != nil {
		t.Fatal(err)
	}
	sum := md5.Sum([]byte(content))
	return File{filepath.Base(name), int64(len(content)), hex.EncodeToString(sum[:])}
}

func wantFile(t *testing.T, dir, name, want string) {
	t.Helper()
	got, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil || string(got) != want {
		t.Fatalf("%s: %q, %v; want %q", name, got, err, want)
	}
}

func TestBulkLoad(t *testing.T) {
	dir := t.TempDir()
	s, ctx := openStore(t, dir), t.Context()
	b := BulkLoad{Root: "/bulk/", Cluster: "west", Table: "t.1", AppID: 7, PartitionCount: 2}
	if err := b.Begin(ctx, s, false); err != nil {
		t.Fatal(err)
	}
	first := []File{put(t, s, "bulk/west/t.1/0/1.sst", "abc"), put(t, s, "bulk/west/t.1/0/2.sst", "de")}
	if err := b.WritePartition(ctx, s, 0, first); err != nil {
		t.Fatal(err)
	}
	wantFile(t, dir, "bulk/west/t.1/0/bulk_load_metadata",
		`{"files":[{"name":"1.sst","size":3,"md5":"900150983cd24fb0d6963f7d28e17f72"},{"name":"2.sst","size":2,"md5":"5f02f0889301fd7be1ac972c11bf3e7d"}],"file_total_size":5}`)
	if err := b.Finish(ctx, s); CodeOf(err) != CodeUnfinished {
		t.Fatalf("Finish with one of two partitions: %v", err)
	}
	if err := b.Ready(ctx, s); blobstore.CodeOf(err) != blobstore.CodeNotFound {
		t.Fatalf("Ready before Finish: %v", err)
	}
	if err := b.WritePartition(ctx, s, 1, []File{put(t, s, "bulk/west/t.1/1/1.sst", "x")}); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(b.Finish(ctx, s), b.Ready(ctx, s)); err != nil {
		t.Fatal(err)
	}
	wantFile(t, dir, "bulk/west/t.1/bulk_load_info", `{"app_id":7,"app_name":"t.1","partition_count":2}`)
	for _, other := range []BulkLoad{
		{Root: "bulk", Cluster: "west", Table: "t.1", AppID: 8, PartitionCount: 2},
		{Root: "bulk", Cluster: "west", Table: "t.1", AppID: 7, PartitionCount: 4},
	} {
		if err := other.Ready(ctx, s); CodeOf(err) != CodeMismatch {
			t.Fatalf("%+v: %v", other, err)
		}
	}
	// Going on keeps what is finished, and cannot be loaded meanwhile.
	if err := b.Begin(ctx, s, true); err != nil {
		t.Fatal(err)
	}
	if _, done, err := b.Partition(ctx, s, 0); !done || err != nil {
		t.Fatalf("%v, %v", done, err)
	}
	if err := b.Ready(ctx, s); blobstore.CodeOf(err) != blobstore.CodeNotFound {
		t.Fatal(err)
	}
	if err := s.Remove(ctx, "bulk/west/t.1/0/2.sst"); err != nil {
		t.Fatal(err)
	}
	if err := b.Finish(ctx, s); CodeOf(err) != CodeDamaged || !strings.Contains(err.Error(), "bulk/west/t.1/0/2.sst") {
		t.Fatal(err)
	}
	// Beginning anew keeps nothing.
	if err := b.Begin(ctx, s, false); err != nil {
		t.Fatal(err)
	}
	if _, done, err := b.Partition(ctx, s, 1); done || err != nil {
		t.Fatalf("%v, %v", done, err)
	}
}

func TestBulkLoadRefuses(t *testing.T) {
	s, ctx := openStore(t, t.TempDir()), t.Context()
	good := BulkLoad{Root: "bulk", Cluster: "west", Table: "t", AppID: 7, PartitionCount: 2}
	if err := good.Begin(ctx, s, false); err != nil {
		t.Fatal(err)
	}
	f := put(t, s, "bulk/west/t/0/1.sst", "abc")
	empty := put(t, s, "bulk/west/t/0/empty.sst", "")
	for name, test := range map[string]struct {
		partition int
		files     []File
		code      Code
	}{
		"no file":         {0, nil, CodeInvalid},
		"no bytes":        {0, []File{empty}, CodeInvalid},
		"partition below": {-1, []File{f}, CodeInvalid},
		"partition above": {2, []File{f}, CodeInvalid},
		"twice":           {0, []File{f, f}, CodeInvalid},
		"no sum":          {0, []File{{f.Name, f.Size, ""}}, CodeInvalid},
		"a path":          {0, []File{{"../0/1.sst", f.Size, f.MD5}}, CodeInvalid},
		"the list itself": {0, []File{{"bulk_load_metadata", f.Size, f.MD5}}, CodeInvalid},
		"not there":       {1, []File{f}, CodeDamaged},
		"another size":    {0, []File{{f.Name, f.Size + 1, f.MD5}}, CodeDamaged},
		"another sum":     {0, []File{{f.Name, f.Size, empty.MD5}}, CodeDamaged},
	} {
		if err := good.WritePartition(ctx, s, test.partition, test.files); CodeOf(err) != test.code {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, change := range []func(*BulkLoad){
		func(b *BulkLoad) { b.Table = "a/b" }, func(b *BulkLoad) { b.Table = ".." }, func(b *BulkLoad) { b.Cluster = "" },
		func(b *BulkLoad) { b.Cluster = "../x" }, func(b *BulkLoad) { b.AppID = 0 }, func(b *BulkLoad) { b.PartitionCount = 0 },
	} {
		b := good
		change(&b)
		if err := errors.Join(b.Begin(ctx, s, false)); CodeOf(err) != CodeInvalid {
			t.Errorf("%+v: %v", b, err)
		}
		if err := b.Finish(ctx, s); CodeOf(err) != CodeInvalid {
			t.Errorf("%+v: %v", b, err)
		}
	}
}
