package view

import (
	"testing"

	"github.com/pegmigrate/pegmigrate/plan"
)

// What rollback does about a step is said in words, not by the name of an action.
func TestUndoText(t *testing.T) {
	for want, a := range map[string]plan.Action{
		"lift the fence":                            plan.LiftFence{Table: ref("east")},
		"put default_ttl back":                      plan.RestoreEnvs{Table: ref("east"), Keys: []string{"default_ttl"}},
		"remove the duplication; west/orders stays": plan.RemoveDuplication{Source: ref("east"), Target: ref("west")},
		"remove the duplication, drop west/orders if it was made by it": plan.RemoveDuplication{Target: ref("west"), DropFollower: true},
		"give east its meta level back":                                 plan.ReleaseBalancer{Cluster: "east", Step: "hold-balancer"},
	} {
		if got := undoText(a); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
