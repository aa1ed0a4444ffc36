package differ_test

import (
	"testing"

	"github.com/pegmigrate/pegmigrate/internal/scan/benchtest"
)

func TestMain(m *testing.M) { benchtest.Main(m) }
