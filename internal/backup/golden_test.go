package backup

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pegmigrate/pegmigrate/internal/blobstore"
)

// goldenPath is a real backup: testdata/README.md.
const goldenPath = "onebox1/1795224430664/fixture_14"

func golden(t *testing.T) (blobstore.Store, Dir) {
	t.Helper()
	return openStore(t, "testdata"), goldenDir(t)
}

func goldenDir(t *testing.T) Dir {
	t.Helper()
	d, err := ParseDir(goldenPath)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func openStore(t *testing.T, root string) blobstore.Store {
	t.Helper()
	s, err := blobstore.OpenLocal(t.Context(), root, blobstore.Deadlines{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// copyOfGolden is a store with the backup that a test may damage.
func copyOfGolden(t *testing.T) (blobstore.Store, string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("testdata")); err != nil {
		t.Fatal(err)
	}
	return openStore(t, dir), dir
}

func TestReadGolden(t *testing.T) {
	s, d := golden(t)
	b, err := Read(t.Context(), s, d, Options{})
	if err != nil {
		t.Fatal(err)
	}
	wantApp := App{
		Status: "app_status::AS_AVAILABLE", Name: "fixture", ID: 14, PartitionCount: 8, InitialPartitions: 8, MaxReplicaCount: 3,
		Envs: map[string]string{}, Created: time.Unix(1795224185, 0),
	}
	wantInfo := &Info{ID: 1795224430664, Started: time.UnixMilli(1795224430664), Tables: map[int32]string{14: "fixture"}}
	if diff := cmp.Diff(wantApp, b.App) + cmp.Diff(wantInfo, b.Info); diff != "" {
		t.Fatal(diff)
	}
	if len(b.Partitions) != 8 {
		t.Fatalf("%d partitions", len(b.Partitions))
	}
	p := b.Partitions[3]
	if p.Index != 3 || p.Dir != goldenPath+"/3/chkpt_127.0.0.1_34802" || p.Decree != 2246 || p.Size != 330138 ||
		!p.Taken.Equal(time.UnixMilli(1795224431672)) || len(p.Files) != 14 ||
		p.Files[0] != (File{"000015.sst", 1060, "e2256de8cad178951e6bb24b9737cc97"}) {
		t.Fatalf("partition 3: %+v", p)
	}
	var read atomic.Int64
	if err := Verify(t.Context(), s, b, VerifyOptions{Read: func(n int64) { read.Add(n) }}); err != nil {
		t.Fatal(err)
	}
	if read.Load() != b.Size() || b.Size() < 2<<20 || b.FileCount() != 8*14 {
		t.Fatalf("%d bytes read of %d in %d files", read.Load(), b.Size(), b.FileCount())
	}
}

func TestFind(t *testing.T) {
	s, d := golden(t)
	for _, test := range []struct {
		root, table string
		id          int32
		want        []Dir
	}{
		{"onebox1", "fixture", 14, []Dir{d}},
		{"/onebox1/", "fixture", 0, []Dir{d}},
		{"onebox1", "fixture", 15, nil},
		{"onebox1", "fix", 0, nil},
		{"onebox2", "fixture", 0, nil},
	} {
		got, err := Find(t.Context(), s, test.root, test.table, test.id)
		if err != nil || cmp.Diff(test.want, got) != "" {
			t.Errorf("%+v: %v, %v", test, got, err)
		}
	}
	s, dir := copyOfGolden(t)
	for _, more := range []string{"1795224430665/fixture_14", "1795224430663/fixture_9", "1795224430665/fixture_x_14", "nine/fixture_14"} {
		if err := os.MkdirAll(filepath.Join(dir, "onebox1", more), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	found, err := Find(t.Context(), s, "onebox1", "fixture", 0)
	if err != nil || len(found) != 3 || found[0].ID != 1795224430665 || found[1] != d || found[2].AppID != 9 {
		t.Fatalf("%v, %v", found, err)
	}
	if _, err := Read(t.Context(), s, found[0], Options{}); blobstore.CodeOf(err) != blobstore.CodeNotFound {
		t.Fatalf("a folder without anything in it: %v", err)
	}
}

// change edits a file of a copy; the sidecar follows when follow is set, as if a server had written it.
func change(t *testing.T, dir, name string, follow bool, edit func(string) string) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	changed := edit(string(data))
	if changed == string(data) {
		t.Fatalf("%s was not changed", name)
	}
	if follow {
		if _, err := blobstore.WriteFile(context.Background(), openStore(t, dir), filepath.ToSlash(name), []byte(changed)); err != nil {
			t.Fatal(err)
		}
		return
	}
	if err := os.WriteFile(filepath.Join(dir, name), []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
}

func replace(old, new string) func(string) string {
	return func(s string) string { return strings.Replace(s, old, new, 1) }
}

func TestReadRefuses(t *testing.T) {
	const (
		checkpoint = goldenPath + "/3/chkpt_127.0.0.1_34802"
		metadata   = checkpoint + "/backup_metadata"
		info       = "onebox1/1795224430664/backup_info"
		app        = goldenPath + "/meta/app_metadata"
	)
	remove := func(name string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			if err := openStore(t, dir).RemoveAll(t.Context(), name); err != nil {
				t.Fatal(err)
			}
		}
	}
	edit := func(name, old, new string) func(*testing.T, string) {
		return func(t *testing.T, dir string) { change(t, dir, name, true, replace(old, new)) }
	}
	for name, test := range map[string]struct {
		damage func(t *testing.T, dir string)
		code   Code
		path   string
	}{
		"no info":                 {remove(info), CodeUnfinished, info},
		"a partition without end": {remove(goldenPath + "/5/current_checkpoint"), CodeUnfinished, goldenPath + "/5/current_checkpoint"},
		"a partition is away":     {remove(goldenPath + "/5"), CodeUnfinished, goldenPath + "/5/current_checkpoint"},
		"no metadata":             {remove(metadata), CodeDamaged, metadata},
		"no checkpoint":           {remove(checkpoint), CodeDamaged, metadata},
		"no file":                 {remove(checkpoint + "/000014.sst"), CodeDamaged, checkpoint + "/000014.sst"},
		"another table's info":    {edit(info, `"app_id":14`, `"app_id":15`), CodeMismatch, info},
		"another backup's info":   {edit(info, `1795224430664`, `1795224430665`), CodeMismatch, info},
		"another table":           {edit(app, `"app_name":"fixture"`, `"app_name":"other"`), CodeMismatch, app},
		"another id":              {edit(app, `"app_id":14`, `"app_id":13`), CodeMismatch, app},
		"more partitions":         {edit(app, `"partition_count":8`, `"partition_count":9`), CodeUnfinished, goldenPath + "/8/current_checkpoint"},
		"fewer partitions":        {edit(app, `"partition_count":8`, `"partition_count":7`), CodeMismatch, goldenPath + "/7"},
		"no partition":            {edit(app, `"partition_count":8`, `"partition_count":0`), CodeDamaged, app},
		"a key that is unknown and one that is missing": {edit(app, `"app_id"`, `"app_idd"`), CodeDamaged, app},
		"a key that comes twice":                        {edit(app, `"envs":{}`, `"app_id":14`), CodeDamaged, app},
		"a path in current_checkpoint":                  {edit(goldenPath+"/3/current_checkpoint", "chkpt_", "chkpt_/../../4/chkpt_"), CodeDamaged, goldenPath + "/3/current_checkpoint"},
		"nothing in current_checkpoint":                 {edit(goldenPath+"/3/current_checkpoint", "chkpt_127.0.0.1_34802", ""), CodeDamaged, goldenPath + "/3/current_checkpoint"},
		"a path in the list":                            {edit(metadata, `"CURRENT"`, `"../CURRENT"`), CodeDamaged, metadata},
		"no CURRENT in the list":                        {edit(metadata, `"CURRENT"`, `"IDENTITY2"`), CodeDamaged, metadata},
		"a file twice":                                  {edit(metadata, `"000019.sst"`, `"000015.sst"`), CodeDamaged, metadata},
		"another total":                                 {edit(metadata, `330138`, `330139`), CodeDamaged, metadata},
		"half a list":                                   {edit(metadata, `"files":[`, `"files":[]}`), CodeDamaged, metadata},
		"another sum":                                   {edit(metadata, `e2256de8`, `f2256de8`), CodeDamaged, checkpoint + "/000015.sst"},
		"a file grew": {func(t *testing.T, dir string) {
			change(t, dir, checkpoint+"/000014.sst", true, func(s string) string { return s + "x" })
		}, CodeDamaged, checkpoint + "/000014.sst"},
		"a file was cut after it was written": {func(t *testing.T, dir string) {
			change(t, dir, checkpoint+"/000014.sst", false, func(s string) string { return s[:len(s)-1] })
		}, CodeDamaged, checkpoint + "/000014.sst"},
		"a file was written anew": {func(t *testing.T, dir string) {
			change(t, dir, checkpoint+"/000014.sst", true, func(s string) string { return "x" + s[1:] })
		}, CodeDamaged, checkpoint + "/000014.sst"},
	} {
		t.Run(name, func(t *testing.T) {
			s, dir := copyOfGolden(t)
			test.damage(t, dir)
			_, err := Read(t.Context(), s, goldenDir(t), Options{})
			var e *Error
			if !errors.As(err, &e) || e.Code != test.code || e.Path != test.path || e.Hint == "" {
				t.Fatalf("error %v; want code %s, a hint, and the path %s", err, test.code, test.path)
			}
		})
	}
}

func TestReadWithoutInfo(t *testing.T) {
	s, dir := copyOfGolden(t)
	if err := os.Remove(filepath.Join(dir, "onebox1/1795224430664/backup_info")); err != nil {
		t.Fatal(err)
	}
	b, err := Read(t.Context(), s, goldenDir(t), Options{WithoutInfo: true})
	if err != nil || b.Info != nil {
		t.Fatalf("%+v, %v", b, err)
	}
}

// TestVerifyFindsWhatSizesDoNotTell: one bit in one byte, at any place of any file.
func TestVerifyFindsWhatSizesDoNotTell(t *testing.T) {
	s, dir := copyOfGolden(t)
	for _, name := range []string{"/3/chkpt_127.0.0.1_34802/000014.sst", "/5/chkpt_127.0.0.1_34801/MANIFEST-000004"} {
		change(t, dir, goldenPath+name, false, func(s string) string {
			b := []byte(s)
			b[len(b)/2] ^= 4
			return string(b)
		})
	}
	b, err := Read(t.Context(), s, goldenDir(t), Options{})
	if err != nil {
		t.Fatal(err)
	}
	err = Verify(t.Context(), s, b, VerifyOptions{})
	var d *Damage
	if !errors.As(err, &d) || len(d.Problems) != 2 || CodeOf(err) != CodeDamaged ||
		!strings.Contains(d.Problems[0].Error(), "/3/") || !strings.Contains(d.Problems[1].Error(), "/5/") {
		t.Fatalf("%v", err)
	}
	if err := openStore(t, dir).Remove(t.Context(), goldenPath+"/0/"+filepath.Base(b.Partitions[0].Dir)+"/CURRENT"); err != nil {
		t.Fatal(err)
	}
	if err = Verify(t.Context(), s, b, VerifyOptions{}); !errors.As(err, &d) || len(d.Problems) != 3 {
		t.Fatalf("%v", err)
	}
}

// brokenStore is a store that fails in the middle of reading.
type brokenStore struct{ blobstore.Store }

func (b brokenStore) Open(context.Context, string, int64, int64) (io.ReadCloser, error) {
	return nil, &blobstore.Error{Code: blobstore.CodeConnection, Op: "open", Store: "x", Path: "y", Err: fs.ErrInvalid}
}

func TestAStoreThatIsAwayIsNoDamage(t *testing.T) {
	s, d := golden(t)
	b, err := Read(t.Context(), s, d, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := Verify(t.Context(), brokenStore{s}, b, VerifyOptions{}); blobstore.CodeOf(err) != blobstore.CodeConnection {
		t.Fatal(err)
	}
	if _, err := Read(t.Context(), brokenStore{s}, d, Options{}); blobstore.CodeOf(err) != blobstore.CodeConnection {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Verify(ctx, s, b, VerifyOptions{}); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
}
