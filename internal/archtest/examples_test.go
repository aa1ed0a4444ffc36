package archtest

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// TestEveryExampleIsRun: an example that no test runs is wrong sooner or later.
func TestEveryExampleIsRun(t *testing.T) {
	entries, err := os.ReadDir(filepath.Join(root, "examples"))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		n++
		if test, ok := watched()[e.Name()]; ok {
			if text, err := os.ReadFile(filepath.Join(root, test)); err != nil || !bytes.Contains(text, []byte("examples/"+e.Name())) {
				t.Errorf("examples/%s is not held to anything by %s: %v", e.Name(), test, err)
			}
			continue
		}
		for _, file := range []string{"migration.hcl", "README.md"} {
			if _, err := os.Stat(filepath.Join(root, "examples", e.Name(), file)); err != nil {
				t.Errorf("examples/%s has no %s", e.Name(), file)
			}
		}
		if !exercised(t, e.Name()) {
			t.Errorf("examples/%s is run by no test: name it in examples/*_test.go or in a script", e.Name())
		}
	}
	if n == 0 {
		t.Error("there is no example")
	}
}

// watched are examples that declare no migration, with the test that holds each to the program.
func watched() map[string]string {
	return map[string]string{"grafana": "internal/metrics/dashboard_test.go"}
}

// exercised looks for the folder's name in the tests that run examples.
func exercised(t *testing.T, name string) bool {
	t.Helper()
	found := false
	for _, s := range sources(t, source.test) {
		if s.folder() == "examples" && bytes.Contains(s.text, []byte("\""+name+"\"")) {
			found = true
		}
	}
	scripts, err := filepath.Glob(filepath.Join(root, "testdata", "script", "*.txtar"))
	if err != nil {
		t.Fatal(err)
	}
	for _, script := range scripts {
		text, err := os.ReadFile(script)
		if err != nil {
			t.Fatal(err)
		}
		found = found || bytes.Contains(text, []byte("examples/"+name))
	}
	return found
}
