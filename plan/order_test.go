package plan_test

import (
	"slices"
	"testing"

	"github.com/pegmigrate/pegmigrate/plan"
	"github.com/pegmigrate/pegmigrate/schema"
)

// TestWritesThatOvertakeEachOther are told of where many writes share a block of the log and nothing
// compares what was written last.
func TestWritesThatOvertakeEachOther(t *testing.T) {
	busy := func(_ *schema.Migration, f *plan.Facts) { f.Duplication.WriteQPS = 64 * 250 }
	for name, tt := range map[string]struct {
		change func(*schema.Migration, *plan.Facts)
		told   bool
	}{
		"few writes": {func(*schema.Migration, *plan.Facts) {}, false},
		"many":       {busy, true},
		"many, compared in the window": {func(m *schema.Migration, f *plan.Facts) {
			busy(m, f)
			m.Verify.When = schema.VerifyInWindow
		}, false},
		"many, compared before": {func(m *schema.Migration, f *plan.Facts) {
			busy(m, f)
			m.Verify.When = schema.VerifyBeforeFence
		}, true},
		"many, in one request": {func(m *schema.Migration, f *plan.Facts) {
			busy(m, f)
			f.Duplication.BatchBytes = 256 << 10
		}, false},
	} {
		m, f := dupOrders(), dupFacts()
		tt.change(m, &f)
		if p := build(t, m, f); slices.Contains(codes(p, plan.Warning), plan.CodeDupOrder) != tt.told {
			t.Errorf("%s: %v", name, codes(p, plan.Warning))
		}
	}
}
