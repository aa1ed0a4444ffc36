package plan_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pegmigrate/pegmigrate/plan"
	"github.com/pegmigrate/pegmigrate/schema"
)

// TestResumeTakesWhatMayChange: what the identity of a declaration leaves out is taken from the
// declaration of now, not from the one that the run began with.
func TestResumeTakesWhatMayChange(t *testing.T) {
	before := build(t, dupOrders(), dupFacts())
	p := dupUnderWay(t, "compare", func(m *schema.Migration, _ *plan.Facts) {
		c := m.Method.(*schema.DuplicationMethod).Cutover
		c.LagThreshold, c.TrafficProof = 7, 5*time.Minute
		c.MetaProxy.Proxies = []string{"10.3.0.2:34601"}
	})
	action := func(p *plan.Plan, id string) plan.Action {
		s, ok := p.Step(id)
		if !ok {
			t.Fatalf("no step %s", id)
		}
		return s.Action
	}
	if got := action(p, "catch-up").(plan.AwaitLag).Threshold; got != 7 {
		t.Errorf("threshold %d", got)
	}
	if got := action(p, "traffic").(plan.ProveTraffic).For; got != 5*time.Minute {
		t.Errorf("traffic proof %s", got)
	}
	for id, route := range map[string]plan.Route{"switch": action(p, "switch").(plan.SwitchRoute).Route, "evict": action(p, "evict").(plan.Evict).Route} {
		if diff := cmp.Diff([]string{"10.3.0.2:34601"}, route.Proxies); diff != "" {
			t.Errorf("%s: %s", id, diff)
		}
	}
	for id, want := range map[string]string{"catch-up": "lag under 7 mutations", "evict": "every proxy (1)", "traffic": "for 5 min"} {
		s, _ := p.Step(id)
		if old, _ := before.Step(id); s.Why == old.Why || !strings.Contains(s.Why, want) {
			t.Errorf("%s says %q", id, s.Why)
		}
	}
}

// TestResumeLeavesThePlanThatWasBegun: it is in the state document, and what changes is for this run.
func TestResumeLeavesThePlanThatWasBegun(t *testing.T) {
	begun, m, f := build(t, dupOrders(), dupFacts()), dupOrders(), dupFacts()
	f.SourceTable.Marker = &plan.MarkerFacts{Lineage: "ours", Migration: "orders", Owner: "ann@desk"}
	f.Owned = &plan.Ownership{Lineage: "ours", Creating: true, Progress: plan.Progress{StepsAll: len(begun.Steps), Next: "own", PartitionCount: 64}}
	m.Method.(*schema.DuplicationMethod).Cutover.MetaProxy.Proxies = []string{"10.3.0.2:34601"}
	if _, err := plan.Resume(begun, m, f); err != nil {
		t.Fatal(err)
	}
	if s, _ := begun.Step("evict"); len(s.Action.(plan.Evict).Route.Proxies) != 2 {
		t.Errorf("the plan that was begun is changed: %+v", s.Action)
	}
}
