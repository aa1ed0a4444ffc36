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

// TestDuplicationWarnings: what does not forbid apply, and what the operator should know.
func TestDuplicationWarnings(t *testing.T) {
	method := func(m *schema.Migration) *schema.DuplicationMethod { return m.Method.(*schema.DuplicationMethod) }
	tests := []struct {
		code   string
		loud   bool
		change func(*schema.Migration, *plan.Facts)
	}{
		{plan.CodeDupThrottled, false, func(_ *schema.Migration, f *plan.Facts) {
			f.SourceTable.Envs["replica.write_throttling"] = "20000*delay*100"
		}},
		{plan.CodeDupTTL, false, func(_ *schema.Migration, f *plan.Facts) { f.SourceTable.Envs["default_ttl"] = "3600" }},
		{plan.CodeTTLStamps, false, func(m *schema.Migration, f *plan.Facts) {
			delete(f.SourceTable.Envs, "default_ttl")
			f.SourceTable.PermanentRows = true
			m.Target.Envs = map[string]string{"default_ttl": "60"}
		}},
		{plan.CodeDupRowSize, false, func(_ *schema.Migration, f *plan.Facts) { f.Duplication.LargestRow = 1<<20 - 4000 }},
		{plan.CodeDupRowSize, false, func(_ *schema.Migration, f *plan.Facts) { f.Source.MaxWriteSize = 4 << 20 }},
		{plan.CodeLogDisk, false, func(_ *schema.Migration, f *plan.Facts) { f.Source.Nodes[1].DiskAvailable = 100 << 30 }},
		{plan.CodeDisk, false, func(_ *schema.Migration, f *plan.Facts) { f.SourceTable.Bytes = 2 << 40 }},
		{plan.CodeIntervals, false, func(_ *schema.Migration, f *plan.Facts) { f.Source.GroupCheck = 0 }},
		{plan.CodeIntervals, false, func(_ *schema.Migration, f *plan.Facts) { f.Source.ConfigSync = 0 }},
		{plan.CodeWindowBudget, false, func(m *schema.Migration, _ *plan.Facts) { m.Limits.WriteReject = 250 * time.Second }},
		{plan.CodeNoRoute, false, func(m *schema.Migration, _ *plan.Facts) { method(m).Cutover.MetaProxy = nil }},
		{plan.CodeRouteElsewhere, false, func(_ *schema.Migration, f *plan.Facts) {
			f.Duplication.Route.MetaAddrs = []string{"10.9.0.1:34601", "10.9.0.2:34601"}
			f.Duplication.Route.Proxies = nil
		}},
		{plan.CodeVerifyOff, true, func(m *schema.Migration, _ *plan.Facts) { m.Verify.Mode, m.Verify.When = schema.VerifyOff, "" }},
		{plan.CodeDupFailMode, true, func(m *schema.Migration, _ *plan.Facts) { method(m).FailMode = schema.FailSkip }},
		{plan.CodeDupFailMode, true, func(m *schema.Migration, _ *plan.Facts) { method(m).FailMode = schema.FailFast }},
		{plan.CodeUnfenced, true, func(m *schema.Migration, _ *plan.Facts) { m.After.Source = schema.AfterUnfence }},
	}
	for i, tt := range tests {
		t.Run(fmt.Sprintf("%d %s", i, tt.code), func(t *testing.T) {
			m, f := dupOrders(), dupFacts()
			if quiet := build(t, m, f); slices.Contains(codes(quiet, plan.Warning), tt.code) {
				t.Fatalf("%s is there without a reason", tt.code)
			}
			tt.change(m, &f)
			p := build(t, m, f)
			at := slices.IndexFunc(p.Checks, func(c plan.Check) bool { return c.Code == tt.code })
			if p.HasErrors() || at < 0 {
				t.Fatalf("errors %v, warnings %v, want the warning %s", codes(p, plan.Error), codes(p, plan.Warning), tt.code)
			}
			if c := p.Checks[at]; c.Severity != plan.Warning || c.Loud != tt.loud || c.Hint == "" {
				t.Errorf("%+v", c)
			}
		})
	}
}

// TestNoFalseAlarms: configurations that look unusual and work.
func TestNoFalseAlarms(t *testing.T) {
	tests := map[string]func(*plan.Facts){
		"a cluster does not name itself": func(f *plan.Facts) {
			for _, s := range f.Duplication.SourceConfig {
				delete(s.Clusters, f.Source.Name)
			}
			for _, s := range f.Duplication.TargetConfig {
				delete(s.Clusters, f.Target.Name)
			}
		},
		"addresses are names": func(f *plan.Facts) {
			f.Duplication.SourceConfig[0].Clusters[f.Target.Name] = []string{"meta1.west:34601", "meta2.west:34601"}
		},
		"the declaration has names, the cluster addresses": func(f *plan.Facts) { f.Target.MetaServers = []string{"meta1.west:34601"} },
		"one of several addresses is old": func(f *plan.Facts) {
			f.Duplication.SourceConfig[0].Clusters[f.Target.Name] = append([]string{"10.9.0.1:34601"}, f.Target.MetaServers...)
		},
		"more clusters than two":      func(f *plan.Facts) { f.Duplication.TargetConfig[1].ClusterIDs["north"] = 9 },
		"a dropped table of the name": func(f *plan.Facts) { f.Duplication.TargetDropped = true },
		"from 2.4 to 2.6": func(f *plan.Facts) {
			version(f, "2.4.0")
			for i := range f.Target.Nodes {
				f.Target.Nodes[i].Version = "2.6.0"
			}
		},
		"nobody writes": func(f *plan.Facts) { f.Duplication.WriteQPS, f.Duplication.ReadQPS = 0, 0 },
		"no sizes": func(f *plan.Facts) {
			f.Source.MaxWriteSize, f.Target.MaxWriteSize, f.SourceTable.Rows = 0, 0, 0
		},
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			m, f := dupOrders(), dupFacts()
			change(&f)
			p := build(t, m, f)
			if bad := append(codes(p, plan.Error), codes(p, plan.Warning)...); len(bad) > 0 {
				t.Errorf("%v: %+v", bad, p.Checks)
			}
		})
	}
}

// TestMissingLines: what is printed can be pasted, per server.
func TestMissingLines(t *testing.T) {
	m, f := dupOrders(), dupFacts()
	f.Duplication.SourceConfig[1].ClusterIDs = nil
	f.Duplication.SourceConfig[1].Clusters = nil
	f.Duplication.TargetConfig[2].ClusterIDs[f.Source.Name] = 3
	f.Duplication.TargetConfig[3].Clusters[f.Source.Name] = []string{"10.9.0.1:34601"}
	var hints []string
	for _, c := range build(t, m, f).Checks {
		if c.Code == plan.CodeDupConfig {
			_, lines, _ := strings.Cut(c.Hint, "restart it: ")
			hints = append(hints, lines)
		}
	}
	want := []string{
		"[duplication-group] cluster-east = 1; [duplication-group] cluster-west = 2; [pegasus.clusters] cluster-west = 10.1.0.1:34601",
		"[duplication-group] cluster-east = 1",
		"[pegasus.clusters] cluster-east = 10.0.0.1:34601 (it names 10.9.0.1:34601, which is another cluster)",
	}
	if !slices.Equal(hints, want) {
		t.Errorf("%q", hints)
	}
}

// TestRouteRecordsHaveAddresses: what a declared name stands for is shown and written; a source's names
// are nobody's business without a way back, and no names are without a route.
func TestRouteRecordsHaveAddresses(t *testing.T) {
	m, f := dupOrders(), dupFacts()
	f.Target.MetaNames = []string{"metas.west:34601 is 10.1.0.1:34601"}
	f.Source.MetaUnresolved = []string{"meta2.east:34601: no such host"}
	p := build(t, m, f)
	if p.HasErrors() || !slices.ContainsFunc(p.Checks, func(c plan.Check) bool {
		return c.Severity == plan.OK && strings.Contains(c.Text, "leads to west names 10.1.0.1:34601 (metas.west:34601 is 10.1.0.1:34601)")
	}) {
		t.Errorf("%+v", p.Checks)
	}
	if s, _ := p.Step("switch"); !slices.Equal(s.Action.(plan.SwitchRoute).To.MetaServers, f.Target.MetaServers) {
		t.Errorf("%+v", s.Action)
	}
	m = dupOrders()
	m.Method.(*schema.DuplicationMethod).Cutover.MetaProxy = nil
	f.Target.MetaUnresolved = []string{"meta1.west:34601: no such host"}
	if p := build(t, m, f); p.HasErrors() {
		t.Errorf("%v", codes(p, plan.Error))
	}
}

// TestDuplicationOfAnotherRun: what a run without its state file left is not told as mistakes to mend by
// hand; an operator who takes the fence off or puts the route back would have two sides take writes.
func TestDuplicationOfAnotherRun(t *testing.T) {
	m, f := dupOrders(), dupFacts()
	f.SourceTable.Marker = &plan.MarkerFacts{Lineage: "lost", Migration: "orders", Owner: "ann@desk"}
	f.SourceTable.Envs[plan.EnvDeny] = plan.EvictMode
	f.Duplication.Entries = []plan.DuplicationEntry{{ID: 1700000000, Remote: f.Target.Name, Status: "DS_LOG"}}
	f.Duplication.Route.ClusterName = f.Target.Name
	p := build(t, m, f)
	if got := codes(p, plan.Error); !slices.Equal(got, []string{plan.CodeLostState}) {
		t.Errorf("errors %v", got)
	}
	for _, c := range p.Checks {
		if strings.Contains(c.Hint, "del_app_envs") || strings.Contains(c.Hint, "remove_dup") {
			t.Errorf("%+v", c)
		}
	}
}
