package apply_test

import (
	"flag"
	"testing"

	"go.uber.org/goleak"
)

// update writes golden files anew: go test ./apply -update.
var update = flag.Bool("update", false, "write golden files anew")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
