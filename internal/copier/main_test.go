package copier_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/pegmigrate/pegmigrate/internal/sandbox"
)

// sandboxEnv makes the test binary a sandbox in the folder that it names, so that the CPU time of
// benchmarks is the client's alone.
const sandboxEnv = "COPIER_TEST_SANDBOX"

func TestMain(m *testing.M) {
	if dir := os.Getenv(sandboxEnv); dir != "" {
		os.Exit(serveSandbox(dir))
	}
	goleak.VerifyTestMain(m)
}

// serveSandbox runs two clusters until standard input ends.
func serveSandbox(dir string) int {
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	if err := sandbox.Up(ctx, sandbox.UpConfig{Dir: dir, TimeFactor: 1000}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}
