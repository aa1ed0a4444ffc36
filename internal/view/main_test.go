package view

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

var update = flag.Bool("update", false, "write the golden files instead of comparing with them")

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

// golden compares got with testdata/name, or writes it with -update. No line of ours ends in
// spaces, so that is checked here for every output.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	for i, line := range strings.Split(string(got), "\n") {
		if strings.TrimRight(line, " \t") != line {
			t.Errorf("%s: line %d ends in spaces: %q", name, i+1, line)
		}
	}
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v (go test -update writes it)", err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs (go test -update accepts it)\n--- got\n%s\n--- want\n%s", name, got, want)
	}
}

// fits fails for lines that are wider than a page.
func fits(t *testing.T, name string, got []byte, width int) {
	t.Helper()
	for i, line := range strings.Split(string(got), "\n") {
		if n := visible(line); n > width {
			t.Errorf("%s: line %d has %d columns, the page %d: %q", name, i+1, n, width, line)
		}
	}
}
