package apply_test

import (
	"flag"
	"testing"

	"go.uber.org/goleak"
)

// update writes golden files anew: go test ./apply -update.
var update = flag.Bool("update", false, "write golden files anew")

// exhaustive makes the crash loops stop at every point: go test ./apply -exhaustive.
var exhaustive = flag.Bool("exhaustive", false, "crash at every point instead of every n-th")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
