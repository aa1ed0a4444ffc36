package plan_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/pegmigrate/pegmigrate/plan"
)

// A cluster of many servers of another release is one mistake, not one per server; names stay readable.
func TestServersOfAnotherReleaseAreToldOnce(t *testing.T) {
	m, f := orders(), facts()
	f.Target.Nodes = nil
	for i := range 9 {
		f.Target.Nodes = append(f.Target.Nodes, plan.NodeFacts{Addr: fmt.Sprintf("10.1.0.%d:34801", i), Alive: true, Version: "2.6.0"})
	}
	var told []string
	for _, c := range build(t, m, f).Checks {
		if c.Code == plan.CodeVersion {
			told = append(told, c.Text)
		}
	}
	const want = "west: replica servers 10.1.0.0:34801, 10.1.0.1:34801, 10.1.0.2:34801, 10.1.0.3:34801, 10.1.0.4:34801 and 4 more run 2.6.0"
	if strings.Join(told, "\n") != want {
		t.Errorf("%q, want %q", told, want)
	}
}
