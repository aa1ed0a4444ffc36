package copier_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/pegmigrate/pegmigrate/internal/scan/benchtest"
)

func TestMain(m *testing.M) {
	benchtest.Serve()
	goleak.VerifyTestMain(m)
}
