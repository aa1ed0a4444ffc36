package backup

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/pegmigrate/pegmigrate/internal/blobstore"
)

func TestWatch(t *testing.T) {
	s, dir := copyOfGolden(t)
	d := goldenDir(t)
	b, err := Read(t.Context(), s, d, Options{})
	if err != nil {
		t.Fatal(err)
	}
	var lists int64 // the lists of files lie beside them
	for _, p := range b.Partitions {
		e, err := s.Stat(t.Context(), p.Dir+"/"+nameMetadata)
		if err != nil {
			t.Fatal(err)
		}
		lists += e.Size
	}
	want := Progress{Finished: 8, Bytes: b.Size() + lists, Info: true}
	check := func(what string) {
		t.Helper()
		got, err := Watch(t.Context(), s, d, 8)
		if err != nil || got != want {
			t.Fatalf("%s: %+v, %v; want %+v", what, got, err, want)
		}
	}
	check("finished")
	remove := func(name string) int64 {
		t.Helper()
		e, err := s.Stat(t.Context(), name)
		if err == nil {
			err = s.RemoveAll(t.Context(), name)
		}
		if err != nil {
			t.Fatal(err)
		}
		return e.Size
	}
	if err := os.WriteFile(filepath.Join(dir, filepath.Dir(d.info()), ".backup_info.meta"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	want.Info = false
	check("an info whose sidecar is being written")
	if err := os.Remove(filepath.Join(dir, d.info())); err != nil {
		t.Fatal(err)
	}
	check("no info")
	remove(d.current(3))
	want.Finished = 7
	check("a partition without end")
	want.Bytes -= remove(b.Partitions[3].Dir + "/000014.sst")
	check("a file less")
	// One that is being uploaded has no sidecar.
	if err := os.Remove(filepath.Join(dir, b.Partitions[3].Dir, ".000020.sst.meta")); err != nil {
		t.Fatal(err)
	}
	want.Bytes -= 56004
	check("a file that is being uploaded")
	remove(d.String())
	want = Progress{}
	check("nothing")
}

func TestRemoveUnfinished(t *testing.T) {
	s, dir := copyOfGolden(t)
	d := goldenDir(t)
	if err := RemoveUnfinished(t.Context(), s, d); CodeOf(err) != CodeInvalid {
		t.Fatalf("a finished backup: %v", err)
	}
	if _, err := Read(t.Context(), s, d, Options{}); err != nil {
		t.Fatal(err)
	}
	if err := s.Remove(t.Context(), d.info()); err != nil {
		t.Fatal(err)
	}
	other := Dir{d.Root, d.ID, "other", 15}
	if err := s.MkdirAll(t.Context(), other.String()); err != nil {
		t.Fatal(err)
	}
	for range 2 { // a second time nothing is there, and that is no error
		if err := RemoveUnfinished(t.Context(), s, d); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Stat(t.Context(), d.String()); blobstore.CodeOf(err) != blobstore.CodeNotFound {
			t.Fatal(err)
		}
		if _, err := s.Stat(t.Context(), other.String()); err != nil {
			t.Fatalf("another table's folder: %v", err)
		}
	}
	if err := RemoveUnfinished(t.Context(), s, other); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(filepath.Join(dir, "onebox1")); err != nil || len(left) != 0 {
		t.Fatalf("left %v, %v", left, err)
	}
}
