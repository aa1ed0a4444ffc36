package plan_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/plan"
	"github.com/pegmigrate/pegmigrate/schema"
)

// TestResumedBudget: limits come from the declaration, which may change on the way; what is not declared
// follows the live intervals until the fence goes up, and stays what it is behind it.
func TestResumedBudget(t *testing.T) {
	const begun = 270 * time.Second // what the facts of dupFacts give
	slower := func(_ *schema.Migration, f *plan.Facts) { f.Source.GroupCheck = 200 * time.Second }
	declared := func(m *schema.Migration, _ *plan.Facts) { m.Limits.WriteReject = 5 * time.Minute }
	little := func(m *schema.Migration, _ *plan.Facts) { m.Limits.WriteReject = time.Minute }
	tests := []struct {
		name    string
		next    string
		changes []func(*schema.Migration, *plan.Facts)
		want    time.Duration
		refused bool
	}{
		{"nothing changed", "compare", nil, begun, false},
		{"declared on the way", "compare", []func(*schema.Migration, *plan.Facts){declared}, 5 * time.Minute, false},
		{"declared behind the fence", "drain", []func(*schema.Migration, *plan.Facts){fenced, declared}, 5 * time.Minute, false},
		{"slower servers", "compare", []func(*schema.Migration, *plan.Facts){slower}, 470 * time.Second, false},
		{"slower servers behind the fence", "drain", []func(*schema.Migration, *plan.Facts){fenced, slower}, begun, false},
		{"a fence that may have come down", "drain", []func(*schema.Migration, *plan.Facts){slower}, begun, false},
		{"too little", "compare", []func(*schema.Migration, *plan.Facts){little}, time.Minute, true},
		{"too little, the fence going up", "fence-source", []func(*schema.Migration, *plan.Facts){fenced, little}, time.Minute, false},
		{"too little, behind the fence", "drain", []func(*schema.Migration, *plan.Facts){fenced, little}, time.Minute, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := dupUnderWay(t, tt.next, tt.changes...)
			if got := fenceOf(t, p).Budget; got != tt.want {
				t.Errorf("budget %s, want %s", got, tt.want)
			}
			if lag, _ := p.Step("catch-up"); lag.Action.(plan.AwaitLag).Budget != tt.want {
				t.Errorf("catch-up: %+v", lag.Action)
			}
			if refused := slices.Contains(codes(p, plan.Error), plan.CodeWindowBudget); refused != tt.refused {
				t.Errorf("refused: %v, errors %v", refused, codes(p, plan.Error))
			}
			if want := fmt.Sprintf("budget %s)", plan.Duration(tt.want)); !strings.Contains(p.Clients, want) {
				t.Errorf("%q is not in %q", want, p.Clients)
			}
		})
	}
}

// TestResumedChecks: what must not be begun is an error; behind the fence, where a refusal would leave
// clients rejected, everything is a warning.
func TestResumedChecks(t *testing.T) {
	elsewhere := func(_ *schema.Migration, f *plan.Facts) { f.Duplication.Route.ClusterName = "north" }
	forgot := func(_ *schema.Migration, f *plan.Facts) {
		delete(f.Duplication.TargetConfig[1].ClusterIDs, f.Source.Name)
	}
	removed := func(_ *schema.Migration, f *plan.Facts) { f.Duplication.Entries = nil }
	silent := func(_ *schema.Migration, f *plan.Facts) {
		f.Duplication.Route = &plan.RouteFacts{Path: "/pegasus-metaproxy/orders", Problem: "no ZooKeeper server answers"}
	}
	gone := func(_ *schema.Migration, f *plan.Facts) {
		f.Duplication.Route = &plan.RouteFacts{Path: "/pegasus-metaproxy/orders"}
	}
	dead := func(_ *schema.Migration, f *plan.Facts) { f.Duplication.Route.Proxies[0].Problem = "no answer" }
	switched := func(_ *schema.Migration, f *plan.Facts) { f.Duplication.Route.ClusterName = f.Target.Name }
	tests := []struct {
		next     string
		code     string // "" for none of those below
		severity plan.Severity
		changes  []func(*schema.Migration, *plan.Facts)
	}{
		{"duplication", plan.CodeDupConfig, plan.Error, []func(*schema.Migration, *plan.Facts){forgot}},
		{"follow", plan.CodeDupConfig, plan.Warning, []func(*schema.Migration, *plan.Facts){forgot}},
		{"follower-envs", "", "", []func(*schema.Migration, *plan.Facts){forgot, removed}},
		{"duplication", "", "", []func(*schema.Migration, *plan.Facts){removed}},
		{"follow", plan.CodeDupGone, plan.Warning, []func(*schema.Migration, *plan.Facts){removed}},
		{"drain", plan.CodeDupGone, plan.Warning, []func(*schema.Migration, *plan.Facts){removed, fenced}},
		{"traffic", plan.CodeDupGone, plan.Warning, []func(*schema.Migration, *plan.Facts){removed}},
		{"end-duplication", "", "", []func(*schema.Migration, *plan.Facts){removed}},
		{"compare", plan.CodeRouteElsewhere, plan.Error, []func(*schema.Migration, *plan.Facts){elsewhere}},
		{"compare", plan.CodeRouteElsewhere, plan.Error, []func(*schema.Migration, *plan.Facts){switched}},
		{"fence-source", plan.CodeRouteElsewhere, plan.Warning, []func(*schema.Migration, *plan.Facts){elsewhere, fenced}},
		{"drain", plan.CodeRouteElsewhere, plan.Warning, []func(*schema.Migration, *plan.Facts){elsewhere, fenced}},
		{"switch", plan.CodeRouteElsewhere, plan.Warning, []func(*schema.Migration, *plan.Facts){elsewhere, fenced}},
		{"switch", "", "", []func(*schema.Migration, *plan.Facts){switched, fenced}},
		{"evict", "", "", nil},
		{"evict", plan.CodeRouteElsewhere, plan.Warning, []func(*schema.Migration, *plan.Facts){elsewhere}},
		{"disown", plan.CodeRouteElsewhere, plan.Warning, []func(*schema.Migration, *plan.Facts){elsewhere}},
		{"compare", plan.CodeRouteMissing, plan.Warning, []func(*schema.Migration, *plan.Facts){silent}},
		{"switch", plan.CodeRouteMissing, plan.Warning, []func(*schema.Migration, *plan.Facts){silent, fenced}},
		{"compare", plan.CodeRouteMissing, plan.Warning, []func(*schema.Migration, *plan.Facts){gone}},
		{"compare", plan.CodeProxyPlan, plan.Warning, []func(*schema.Migration, *plan.Facts){dead}},
		{"traffic", "", "", []func(*schema.Migration, *plan.Facts){dead}},
	}
	for i, tt := range tests {
		t.Run(fmt.Sprintf("%d %s %s", i, tt.next, tt.code), func(t *testing.T) {
			p := dupUnderWay(t, tt.next, tt.changes...)
			var found []string
			for _, c := range p.Checks {
				if c.Severity != plan.OK {
					found = append(found, fmt.Sprintf("%s %s", c.Severity, c.Code))
				}
				if c.Severity == plan.Error && tt.severity != plan.Error {
					t.Errorf("%+v", c)
				}
			}
			switch {
			case tt.code == "" && len(found) > 0:
				t.Errorf("found %v", found)
			case tt.code != "" && !slices.Contains(found, fmt.Sprintf("%s %s", tt.severity, tt.code)):
				t.Errorf("found %v, want %s %s", found, tt.severity, tt.code)
			}
		})
	}
}

// TestResumedAfterDrop: a source that is gone as declared leaves nothing to predict.
func TestResumedAfterDrop(t *testing.T) {
	m, f := dupOrders(), dupFacts()
	m.After = schema.After{Source: schema.AfterDrop, Reserve: time.Hour}
	begun := build(t, m, f)
	f.SourceTable, f.TargetTable = nil, table(31, 64)
	f.Owned = &plan.Ownership{Lineage: "ours", Creating: true, Progress: plan.Progress{StepsDone: len(begun.Steps) - 1, StepsAll: len(begun.Steps), Next: "disown"}}
	p, err := plan.Resume(begun, m, f)
	if err != nil || p.HasErrors() || len(p.Steps) != len(begun.Steps) {
		t.Errorf("%v, %+v", err, p.Checks)
	}
}

// TestResumedHeader: what clients notice and what can be undone is told from where the run stands.
func TestResumedHeader(t *testing.T) {
	for next, want := range map[string][2]string{
		"drain":    {"writes rejected about", "every step can be undone until step 16"},
		"switch":   {"writes rejected about", "every step can be undone until step 16"},
		"evict":    {"led to west/orders since step 16", "nothing can be undone any more: step 16 was the point of no return"},
		"disown":   {"led to west/orders since step 16", "nothing can be undone any more: step 16 was the point of no return"},
		"catch-up": {"writes rejected about", "every step can be undone until step 16"},
	} {
		p := dupUnderWay(t, next)
		if !strings.HasPrefix(p.Clients, want[0]) || p.Return != want[1] {
			t.Errorf("%s: %q, %q", next, p.Clients, p.Return)
		}
	}
}
