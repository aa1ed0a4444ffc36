package apply

import (
	"testing"

	"github.com/pegmigrate/pegmigrate/plan"
)

// The last line of a run must not claim more than was compared: a copy of some rows, or without their expiry, does
// not make two tables that hold the same.
func TestClosingClaimsWhatWasCompared(t *testing.T) {
	a, b := plan.TableRef{Cluster: "a", Table: "t"}, plan.TableRef{Cluster: "b", Table: "u"}
	for _, tc := range []struct {
		verify plan.Verify
		want   string
	}{
		{plan.Verify{Mode: plan.VerifyFull}, "a/t and b/u hold the same rows"},
		{plan.Verify{AllowExtra: true}, "b/u holds every row of a/t"},
		{plan.Verify{AllowExtra: true, Options: plan.CopyOptions{HashKey: "prefix:x"}}, "b/u holds what this copy takes from a/t"},
		{plan.Verify{Options: plan.CopyOptions{DropTTL: true}}, "b/u holds what this copy takes from a/t"},
		{plan.Verify{Mode: plan.VerifySample, Sample: 0.5}, "a/t and b/u were compared in part"},
	} {
		if got := compared(a, b, tc.verify); got != tc.want {
			t.Errorf("%+v: %q, want %q", tc.verify, got, tc.want)
		}
	}
}
