package plan_test

import (
	"slices"
	"testing"

	"github.com/pegmigrate/pegmigrate/plan"
)

// TestSourceThatIsDuplicatedInto: what another cluster ships into the source is not shipped on.
func TestSourceThatIsDuplicatedInto(t *testing.T) {
	for qps, refused := range map[float64]bool{0: false, 0.1: true} {
		m, f := dupOrders(), dupFacts()
		f.Duplication.ArrivingQPS = qps
		if p := build(t, m, f); slices.Contains(codes(p, plan.Error), plan.CodeDupOther) != refused {
			t.Errorf("%v per second: %v", qps, codes(p, plan.Error))
		}
	}
}
