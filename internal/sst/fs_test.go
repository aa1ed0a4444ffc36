package sst

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

func TestDirFS(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "CURRENT"), []byte("12345"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "000010.sst"), 0o700); err != nil {
		t.Fatal(err)
	}
	f := DirFS(dir)
	if b, err := f.ReadFile("CURRENT", 5); err != nil || string(b) != "12345" {
		t.Errorf("%q, %v", b, err)
	}
	if _, err := f.ReadFile("CURRENT", 4); err == nil {
		t.Error("more bytes than allowed were read")
	}
	if _, err := f.Open("missing"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing file: %v", err)
	}
	if names, err := f.List(); err != nil || len(names) != 1 || names[0] != "CURRENT" {
		t.Errorf("%q, %v; a folder is no file", names, err)
	}
	if _, err := OpenCheckpoint(DirFS(filepath.Join(dir, "missing")), ReadOptions{}); CodeOf(err) != CodeIO {
		t.Errorf("missing folder: %v", err)
	}
}
