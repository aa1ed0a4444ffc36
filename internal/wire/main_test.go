package wire

import (
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"
)

// serverEnv makes the test binary a server, so that benchmarks can count the CPU
// time of the client alone.
const serverEnv = "WIRE_TEST_SERVER"

func TestMain(m *testing.M) {
	if os.Getenv(serverEnv) != "" {
		if err := serveBench(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}
