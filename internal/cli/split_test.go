package cli

import (
	"bytes"
	"context"
	"path/filepath"
	"strings"
	"testing"
)

// A signal ends a split with the code of what can be gone on with, and says so.
func TestSplitInterrupted(t *testing.T) {
	var out bytes.Buffer
	e := OS("test")
	e.Stdout, e.Stderr = &out, &out
	table, err := filepath.Abs("../backup/testdata/onebox1/1795224430664/fixture_14")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	args := []string{"pegmigrate", "split", "-backup", table, "-out", t.TempDir(), "-target-cluster", "west", "-target-table", "orders",
		"-target-app-id", "7", "-partitions", "4"}
	if code := Run(ctx, args, e); code != ExitInterrupted || !strings.Contains(out.String(), "the same command goes on") {
		t.Fatalf("exit code %d\n%s", code, out.String())
	}
}
