package plan_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pegmigrate/pegmigrate/internal/view"
	"github.com/pegmigrate/pegmigrate/plan"
	"github.com/pegmigrate/pegmigrate/schema"
)

// dupOrders declares a duplication with a MetaProxy.
func dupOrders() *schema.Migration {
	m := orders()
	m.Method = &schema.DuplicationMethod{FailMode: schema.FailSlow, DropFollower: true, Cutover: &schema.Cutover{
		LagThreshold: 10_000, TrafficProof: 2 * time.Minute,
		MetaProxy: &schema.MetaProxy{Root: "/pegasus-metaproxy", Proxies: []string{"10.3.0.1:34601", "10.3.0.2:34601"}},
	}}
	m.Verify.When = schema.VerifyBeforeFence
	m.After.Source = schema.AfterKeepFenced
	m.Approve = []string{"clients", "cutover"}
	return m
}

// dupFacts are those of two clusters that are ready.
func dupFacts() plan.Facts {
	f := facts()
	f.SourceTable.Envs["manual_compact.once.trigger_time"] = "1700000000"
	config := func(c plan.ClusterFacts) []plan.ServerConfig {
		var out []plan.ServerConfig
		add := func(addr string, meta bool) {
			out = append(out, plan.ServerConfig{Addr: addr, Meta: meta, DuplicationEnabled: true,
				ClusterIDs: map[string]int{f.Source.Name: 1, f.Target.Name: 2},
				Clusters:   map[string][]string{f.Source.Name: f.Source.MetaServers, f.Target.Name: f.Target.MetaServers}})
		}
		for _, m := range c.MetaServers {
			add(m, true)
		}
		for _, n := range c.Nodes {
			add(n.Addr, false)
		}
		return out
	}
	f.Duplication = &plan.DuplicationFacts{
		SourceConfig: config(f.Source), TargetConfig: config(f.Target),
		SourceProbe: plan.DuplicationProbe{Asked: true, Ready: true}, TargetProbe: plan.DuplicationProbe{Asked: true, Ready: true},
		ReadQPS: 20_000, WriteQPS: 3_000, LargestRow: 2_000, BatchBytes: 4096,
		Route: &plan.RouteFacts{ZooKeeper: []string{"10.2.0.1:2181"}, Path: "/pegasus-metaproxy/orders", Exists: true, Writable: true,
			ClusterName: f.Source.Name, MetaAddrs: []string{"10.0.0.1:34601", "10.0.0.1:34601"},
			Proxies: []plan.ProxyFacts{{Addr: "10.3.0.1:34601", AppID: 12, LeadsTo: "source"}, {Addr: "10.3.0.2:34601", AppID: 12, LeadsTo: "source"}}},
	}
	return f
}

func version(f *plan.Facts, v string) {
	for _, c := range []*plan.ClusterFacts{&f.Source, &f.Target} {
		for i := range c.Nodes {
			c.Nodes[i].Version = v
		}
	}
	f.Duplication.RemoteNames = strings.HasPrefix(v, "2.6")
}

// TestGoldenDuplications shows plans as an operator reads them.
func TestGoldenDuplications(t *testing.T) {
	with := func(change func(*schema.Migration, *plan.Facts)) func(t *testing.T) *plan.Plan {
		return func(t *testing.T) *plan.Plan {
			m, f := dupOrders(), dupFacts()
			change(m, &f)
			return build(t, m, f)
		}
	}
	tests := map[string]func(t *testing.T) *plan.Plan{
		"dup_2.5": with(func(*schema.Migration, *plan.Facts) {}),
		"dup_2.4": with(func(_ *schema.Migration, f *plan.Facts) { version(f, "2.4.0") }),
		"dup_2.6": with(func(_ *schema.Migration, f *plan.Facts) { version(f, "2.6.0") }),
		"dup_without_metaproxy": with(func(m *schema.Migration, _ *plan.Facts) {
			m.Method.(*schema.DuplicationMethod).Cutover = &schema.Cutover{LagThreshold: 500}
		}),
		"dup_in_window": with(func(m *schema.Migration, f *plan.Facts) {
			m.Verify.When = schema.VerifyInWindow
			f.SourceTable.Rows, f.SourceTable.Bytes = 3_000_000, 900<<20
		}),
		"dup_return_2.5": with(func(m *schema.Migration, _ *plan.Facts) { ticket(m, 24*time.Hour) }),
		"dup_return_2.4": with(func(m *schema.Migration, f *plan.Facts) { ticket(m, 24*time.Hour); version(f, "2.4.0") }),
		"dup_return_2.6": with(func(m *schema.Migration, f *plan.Facts) { ticket(m, 24*time.Hour); version(f, "2.6.0") }),
		"dup_return_trouble": with(func(m *schema.Migration, f *plan.Facts) {
			ticket(m, time.Minute)
			m.After = schema.After{Source: schema.AfterDrop, Reserve: 7 * 24 * time.Hour}
			m.Limits.WriteReject = 2 * time.Minute
			m.Target.Envs = map[string]string{"default_ttl": "3600"}
			f.Target.GroupCheck = 100 * time.Second
			f.Duplication.WriteQPS = 60_000_000
		}),
		"dup_return_held": func(t *testing.T) *plan.Plan {
			return dupUnderWay(t, "return-ticket", func(m *schema.Migration, f *plan.Facts) {
				f.Duplication.Entries = nil
				f.SourceTable.Duplications = nil
				delete(f.SourceTable.Envs, plan.EnvDeny)
				f.Duplication.TargetEntries = []plan.DuplicationEntry{{ID: 1700000900, Remote: f.Source.Name, Status: "DS_LOG"}}
			})
		},
		"dup_return_back": func(t *testing.T) *plan.Plan { return goingBack(t, func(*schema.Migration, *plan.Facts) {}) },
		"dup_return_back_no_room": func(t *testing.T) *plan.Plan {
			return goingBack(t, func(m *schema.Migration, f *plan.Facts) {
				m.Limits.WriteReject, m.Verify.Mode, m.Verify.When = 90*time.Second, schema.VerifyOff, ""
				f.Target.GroupCheck = 100 * time.Second
			})
		},
		"dup_drop": with(func(m *schema.Migration, _ *plan.Facts) {
			m.After = schema.After{Source: schema.AfterDrop, Reserve: 7 * 24 * time.Hour}
		}),
		"dup_group_check_100s": with(func(m *schema.Migration, f *plan.Facts) {
			f.Source.GroupCheck = 100 * time.Second
			m.Limits.WriteReject = 90 * time.Second
		}),
		"dup_not_configured": with(func(_ *schema.Migration, f *plan.Facts) {
			d := f.Duplication
			d.SourceProbe = plan.DuplicationProbe{Asked: true, Code: "ERR_INVALID_PARAMETERS", Hint: "failed to find cluster[cluster-west]"}
			last := &d.TargetConfig[len(d.TargetConfig)-1]
			last.ClusterIDs = map[string]int{f.Target.Name: 2}
			d.TargetConfig[1].DuplicationEnabled = false
			d.SourceConfig[1].Problem = "connection refused"
			d.Route.Proxies[1] = plan.ProxyFacts{Addr: "10.3.0.2:34601", Problem: "no answer within 3 s"}
		}),
		"dup_budget_tight": with(func(m *schema.Migration, f *plan.Facts) {
			f.Source.GroupCheck = 10 * time.Second
			m.Limits.WriteReject = 90 * time.Second
			delete(f.SourceTable.Envs, "default_ttl")
			delete(f.SourceTable.Envs, "manual_compact.once.trigger_time")
			m.Target.Envs = map[string]string{"default_ttl": "3600", "replica.slow_query_threshold": ""}
		}),
		"dup_unfence": with(func(m *schema.Migration, f *plan.Facts) {
			m.Method.(*schema.DuplicationMethod).Cutover.MetaProxy = nil
			m.Method.(*schema.DuplicationMethod).DropFollower = false
			m.Method.(*schema.DuplicationMethod).FailMode = schema.FailSkip
			m.After.Source, m.Verify.Mode, m.Verify.When = schema.AfterUnfence, schema.VerifyOff, ""
			f.Source.Level, f.Source.GroupCheck, f.Source.ConfigSync = "steady", 0, 0
		}),
		"dup_in_trouble": func(t *testing.T) *plan.Plan {
			return dupUnderWay(t, "compare", func(m *schema.Migration, f *plan.Facts) {
				m.Limits.WriteReject = 2 * time.Minute
				d := f.Duplication
				d.Entries[0].Remote = "north"
				delete(d.TargetConfig[1].ClusterIDs, f.Source.Name)
				d.Route.ClusterName = "north"
				d.Route.Proxies[1].Problem = "no answer within 3 s"
			})
		},
		"dup_drained":       func(t *testing.T) *plan.Plan { return dupUnderWay(t, "recheck", fenced) },
		"dup_following":     func(t *testing.T) *plan.Plan { return dupUnderWay(t, "follow") },
		"dup_after_switch":  func(t *testing.T) *plan.Plan { return dupUnderWay(t, "traffic") },
		"dup_before_window": func(t *testing.T) *plan.Plan { return dupUnderWay(t, "fence-source") },
	}
	for name, make := range tests {
		t.Run(name, func(t *testing.T) {
			p := make(t)
			p.ID = strings.Repeat("0", 64)
			var got bytes.Buffer
			if err := view.PlanText(&got, p, view.Plain()); err != nil {
				t.Fatal(err)
			}
			compareGolden(t, filepath.Join("..", "testdata", "plan", name+".txt"), got.Bytes())
		})
	}
}

// ticket declares a return ticket.
func ticket(m *schema.Migration, d time.Duration) {
	m.Method.(*schema.DuplicationMethod).ReturnTicket = d
}

// goingBack is the plan of a return.
func goingBack(t *testing.T, change func(*schema.Migration, *plan.Facts)) *plan.Plan {
	t.Helper()
	m, f := dupOrders(), dupFacts()
	ticket(m, 24*time.Hour)
	begun := build(t, m, f)
	f.SourceTable.Marker = &plan.MarkerFacts{Lineage: "ours", Migration: "orders", Owner: "ann@desk"}
	f.TargetTable = table(31, 64)
	f.TargetTable.Rows, f.TargetTable.Bytes = 813_000_000, 1_300<<30
	change(m, &f)
	o := plan.BackOptions{Route: plan.RouteEnd{ClusterName: f.Source.Name, MetaServers: []string{"10.0.0.1:34601", "10.0.0.2:34601"}},
		TargetID: 31, Until: time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)}
	p, err := plan.Back(begun, m, f, o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// dupUnderWay is a run that stands before a step, in a world that changed meanwhile.
func dupUnderWay(t *testing.T, next string, changes ...func(*schema.Migration, *plan.Facts)) *plan.Plan {
	t.Helper()
	m, f := dupOrders(), dupFacts()
	if strings.HasPrefix(next, "return") {
		ticket(m, 24*time.Hour)
	}
	begun := build(t, m, f)
	done := slices.IndexFunc(begun.Steps, func(s plan.Step) bool { return s.ID == next })
	f.SourceTable.Marker = &plan.MarkerFacts{Lineage: "ours", Migration: "orders", Owner: "ann@desk"}
	f.TargetTable = table(31, 64)
	f.Owned = &plan.Ownership{Lineage: "ours", Creating: true, Progress: plan.Progress{
		StepsDone: done, StepsAll: len(begun.Steps), Serial: 34, Next: next, PartitionCount: 64}}
	f.SourceTable.Duplications = []string{f.Target.Name}
	f.Duplication.Entries = []plan.DuplicationEntry{{ID: 1700000000, Remote: f.Target.Name, Status: "DS_LOG"}}
	if slices.IndexFunc(begun.Steps, func(s plan.Step) bool { return s.ID == "switch" }) < done {
		f.Duplication.Route.ClusterName = f.Target.Name
		f.SourceTable.Envs[plan.EnvDeny] = plan.EvictMode
	}
	for _, change := range changes {
		change(m, &f)
	}
	p, err := plan.Resume(begun, m, f)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// fenced is a source behind its fence.
func fenced(_ *schema.Migration, f *plan.Facts) { f.SourceTable.Envs[plan.EnvDeny] = plan.FenceMode }

// TestDuplicationRefusals: one fact that is wrong, one code.
func TestDuplicationRefusals(t *testing.T) {
	proxy := func(m *schema.Migration) *schema.Cutover { return m.Method.(*schema.DuplicationMethod).Cutover }
	tests := []struct {
		code   string
		change func(*schema.Migration, *plan.Facts)
	}{
		{plan.CodeVersion, func(_ *schema.Migration, f *plan.Facts) { version(f, "2.3.0") }},
		{plan.CodeMetaName, func(_ *schema.Migration, f *plan.Facts) {
			f.Target.MetaUnresolved = []string{"meta1.west:34601: no such host"}
		}},
		{plan.CodeDupDisabled, func(_ *schema.Migration, f *plan.Facts) {
			f.Duplication.SourceProbe = plan.DuplicationProbe{Asked: true, Code: "ERR_SERVICE_NOT_ACTIVE"}
		}},
		{plan.CodeDupProbe, func(_ *schema.Migration, f *plan.Facts) {
			f.Duplication.TargetProbe = plan.DuplicationProbe{Asked: true, Code: "ERR_INVALID_PARAMETERS"}
		}},
		{plan.CodeDupConfig, func(_ *schema.Migration, f *plan.Facts) {
			delete(f.Duplication.TargetConfig[2].ClusterIDs, f.Source.Name)
		}},
		{plan.CodeDupConfig, func(_ *schema.Migration, f *plan.Facts) { f.Duplication.TargetConfig[2].ClusterIDs[f.Source.Name] = 7 }},
		{plan.CodeDupConfig, func(_ *schema.Migration, f *plan.Facts) { f.Duplication.SourceConfig[0].Clusters = nil }},
		{plan.CodeDupConfig, func(_ *schema.Migration, f *plan.Facts) {
			f.Duplication.SourceConfig[1].Clusters = map[string][]string{f.Source.Name: f.Source.MetaServers, f.Target.Name: {"10.9.0.1:34601"}}
		}},
		{plan.CodeDupUnread, func(_ *schema.Migration, f *plan.Facts) { f.Duplication.TargetConfig[0].Problem = "timeout" }},
		{plan.CodeDupTargetExists, func(_ *schema.Migration, f *plan.Facts) { f.TargetTable = table(31, 64) }},
		{plan.CodeDupName, func(m *schema.Migration, _ *plan.Facts) {
			m.Target.Table = "orders2"
			proxy(m).MetaProxy = nil
		}},
		{plan.CodeDupName, func(m *schema.Migration, _ *plan.Facts) { n := int32(2); m.Target.ReplicaCount = &n }},
		{plan.CodeDupReplicas, func(_ *schema.Migration, f *plan.Facts) { f.SourceTable.Replicas = 1 }},
		{plan.CodeDupPartitions, func(m *schema.Migration, _ *plan.Facts) { n := int32(128); m.Target.PartitionCount = &n }},
		{plan.CodeDupEmpty, func(_ *schema.Migration, f *plan.Facts) { f.Duplication.EmptyPartitions = []int{3} }},
		{plan.CodeDupOther, func(_ *schema.Migration, f *plan.Facts) {
			f.Duplication.Entries = []plan.DuplicationEntry{{ID: 9, Remote: "north", Status: "DS_LOG"}}
		}},
		{plan.CodeDupEnv, func(_ *schema.Migration, f *plan.Facts) { f.SourceTable.Envs[plan.EnvDeny] = "timeout*read" }},
		{plan.CodeDupEnv, func(_ *schema.Migration, f *plan.Facts) { f.SourceTable.Envs[plan.EnvUsageScenario] = "bulk_load" }},
		{plan.CodeNonIdempotent, func(_ *schema.Migration, f *plan.Facts) { f.Duplication.NonIdempotentQPS = 0.4 }},
		{plan.CodeWindowBudget, func(m *schema.Migration, _ *plan.Facts) { m.Limits.WriteReject = 72 * time.Second }},
		{plan.CodeRouteMissing, func(_ *schema.Migration, f *plan.Facts) { f.Duplication.Route.Exists = false }},
		{plan.CodeRouteMissing, func(_ *schema.Migration, f *plan.Facts) { f.Duplication.Route.Problem = "invalid JSON" }},
		{plan.CodeRouteElsewhere, func(_ *schema.Migration, f *plan.Facts) { f.Duplication.Route.ClusterName = "north" }},
		{plan.CodeRouteElsewhere, func(_ *schema.Migration, f *plan.Facts) { f.Duplication.Route.ClusterName = f.Target.Name }},
		{plan.CodeRouteReadOnly, func(_ *schema.Migration, f *plan.Facts) { f.Duplication.Route.Writable = false }},
		{plan.CodeProxyPlan, func(_ *schema.Migration, f *plan.Facts) { f.Duplication.Route.Proxies[0].Problem = "no answer" }},
		{plan.CodeProxyPlan, func(_ *schema.Migration, f *plan.Facts) { f.Duplication.Route.Proxies[0].LeadsTo = "elsewhere" }},
		{plan.CodeReplicasOverNodes, func(_ *schema.Migration, f *plan.Facts) { f.Target.Nodes[0].Alive = false }},
		{plan.CodeSplitting, func(_ *schema.Migration, f *plan.Facts) { f.SourceTable.Splitting = true }},
		{plan.CodeBulkLoading, func(_ *schema.Migration, f *plan.Facts) { f.SourceTable.BulkLoading = true }},
		{plan.CodeDataVersion, func(_ *schema.Migration, f *plan.Facts) { f.SourceTable.DataVersions = map[int32]int{0: 3} }},
		{plan.CodeVersion, func(_ *schema.Migration, f *plan.Facts) { f.Target.Nodes[1].Version = "2.7.0" }},
		{plan.CodeDupVersion, func(_ *schema.Migration, f *plan.Facts) {
			version(f, "2.6.0")
			f.Target.Nodes[2].Version = "2.5.0"
		}},
		{plan.CodeDupSelf, func(_ *schema.Migration, f *plan.Facts) { f.Target.Name = f.Source.Name }},
		{plan.CodeDupUnread, func(_ *schema.Migration, f *plan.Facts) { f.Duplication.SourceProbe = plan.DuplicationProbe{} }},
		{plan.CodeDupUnread, func(_ *schema.Migration, f *plan.Facts) {
			f.Duplication.TargetProbe = plan.DuplicationProbe{Asked: true, Hint: "deadline exceeded"}
		}},
		{plan.CodeDupUnread, func(_ *schema.Migration, f *plan.Facts) { f.Duplication.TargetConfig = nil }},
		{plan.CodeDupUnread, func(_ *schema.Migration, f *plan.Facts) { f.Duplication = nil }},
		{plan.CodeDupConfig, func(_ *schema.Migration, f *plan.Facts) {
			for _, list := range [][]plan.ServerConfig{f.Duplication.SourceConfig, f.Duplication.TargetConfig} {
				for _, s := range list {
					s.ClusterIDs[f.Target.Name] = s.ClusterIDs[f.Source.Name]
				}
			}
		}},
		{plan.CodeDupConfig, func(_ *schema.Migration, f *plan.Facts) {
			f.Duplication.TargetConfig[3].Clusters = map[string][]string{f.Target.Name: f.Target.MetaServers}
		}},
		{plan.CodeDupTargetExists, func(_ *schema.Migration, f *plan.Facts) {
			f.TargetTable = table(31, 64)
			f.TargetTable.Status = "DROPPING"
		}},
		{plan.CodeForeignMarker, func(_ *schema.Migration, f *plan.Facts) {
			f.TargetTable = table(31, 64)
			f.TargetTable.Marker = &plan.MarkerFacts{Lineage: "x", Migration: "other", Owner: "ann@desk"}
		}},
		{plan.CodeReplicasOverLimit, func(_ *schema.Migration, f *plan.Facts) { f.Target.MaxReplicaCount = 2 }},
		{plan.CodeDupEnv, func(_ *schema.Migration, f *plan.Facts) { f.SourceTable.Envs["duplication.master_cluster"] = "north" }},
		{plan.CodeDupEnv, func(_ *schema.Migration, f *plan.Facts) { f.SourceTable.Envs["restore.backup_id"] = "1700000000000" }},
		{plan.CodeDupEnv, func(_ *schema.Migration, f *plan.Facts) { f.SourceTable.Envs["rocksdb.write_buffer_size"] = "1000" }},
		{plan.CodeDupEnv, func(_ *schema.Migration, f *plan.Facts) { f.SourceTable.Envs["rocksdb.num_levels"] = "11" }},
		{plan.CodeDupEnv, func(_ *schema.Migration, f *plan.Facts) { f.SourceTable.Envs["manual_compact.once.of_yore"] = "1" }},
		{plan.CodeDupEnv, func(_ *schema.Migration, f *plan.Facts) { f.SourceTable.Envs["default_ttl"] = "a day" }},
		{plan.CodeDupRowSize, func(_ *schema.Migration, f *plan.Facts) { f.Duplication.LargestRow = 1 << 20 }},
		{plan.CodeRouteMissing, func(_ *schema.Migration, f *plan.Facts) { f.Duplication.Route = nil }},
		{plan.CodeDisk, func(_ *schema.Migration, f *plan.Facts) { f.SourceTable.Bytes = 9 << 40 }},
		{plan.CodeSameTable, func(_ *schema.Migration, f *plan.Facts) { f.Target.PrimaryMeta = f.Source.PrimaryMeta }},
		{plan.CodeUnhealthy, func(_ *schema.Migration, f *plan.Facts) { f.SourceTable.Health.Unhealthy = []int{3} }},
	}
	for i, tt := range tests {
		t.Run(fmt.Sprintf("%d %s", i, tt.code), func(t *testing.T) {
			m, f := dupOrders(), dupFacts()
			tt.change(m, &f)
			p := build(t, m, f)
			if !slices.Contains(codes(p, plan.Error), tt.code) {
				t.Errorf("errors %v, want %s", codes(p, plan.Error), tt.code)
			}
			if len(p.Steps) > 0 {
				t.Error("a refused plan has steps")
			}
			for _, c := range p.Checks {
				if c.Severity == plan.Error && (c.Hint == "" || c.Code == "") {
					t.Errorf("%+v has no code or says not what to do", c)
				}
			}
		})
	}
}

// TestOnlyOld: what servers before 2.6 cannot do is no error on 2.6.
func TestOnlyOld(t *testing.T) {
	m, f := dupOrders(), dupFacts()
	version(&f, "2.6.0")
	n := int32(1)
	m.Target.ReplicaCount = &n
	f.Duplication.EmptyPartitions = []int{3}
	p := build(t, m, f)
	if errs := codes(p, plan.Error); len(errs) > 0 {
		t.Fatalf("errors %v", errs)
	}
	add, _ := p.Step("duplication")
	if got := add.Action.(plan.AddDuplication).Replicas; got != 1 {
		t.Errorf("the follower gets %d replicas", got)
	}
}

// TestSameID: an id that means another table on the target is told.
func TestSameID(t *testing.T) {
	m, f := dupOrders(), dupFacts()
	f.Duplication.SameID = "carts"
	if p := build(t, m, f); !slices.Contains(codes(p, plan.Warning), plan.CodeSameID) || p.HasErrors() {
		t.Errorf("warnings %v, errors %v", codes(p, plan.Warning), codes(p, plan.Error))
	}
}

// TestWindow: the smallest budget is spread + one group check + 3 s + lifting, from live settings.
func TestWindow(t *testing.T) {
	for _, tt := range []struct {
		check, smallest time.Duration
		version         string
	}{{10 * time.Second, 73 * time.Second, "2.5.0"}, {100 * time.Second, 163 * time.Second, "2.5.0"}, {100 * time.Second, 63 * time.Second, "2.6.0"}} {
		for _, less := range []time.Duration{0, time.Second} {
			m, f := dupOrders(), dupFacts()
			version(&f, tt.version)
			f.Source.ConfigSync, f.Source.GroupCheck = 30*time.Second, tt.check
			m.Limits.WriteReject = tt.smallest - less
			p := build(t, m, f)
			if refused := slices.Contains(codes(p, plan.Error), plan.CodeWindowBudget); refused != (less > 0) {
				t.Errorf("%s, group check %s: a budget of %s is refused: %v", tt.version, tt.check, m.Limits.WriteReject, refused)
			}
		}
	}
}

// TestDuplicationPlansCanBeUndone: a fence has an undo, nothing behind the point of no return does, and
// what is saved comes back.
func TestDuplicationPlansCanBeUndone(t *testing.T) {
	for _, after := range []schema.SourceAfter{schema.AfterKeepFenced, schema.AfterUnfence, schema.AfterDrop} {
		for _, routed := range []bool{true, false} {
			m, f := dupOrders(), dupFacts()
			m.After.Source = after
			if !routed {
				m.Method.(*schema.DuplicationMethod).Cutover.MetaProxy = nil
			}
			p := build(t, m, f)
			final := false
			for _, s := range p.Steps {
				if _, ok := s.Action.(plan.Fence); ok && s.Undo == nil {
					t.Error("a fence without undo")
				}
				if final && s.Undo != nil {
					t.Errorf("%s has an undo behind the point of no return", s.ID)
				}
				final = final || s.Final
			}
			if !final {
				t.Error("no point of no return")
			}
			data, err := plan.Encode(p)
			if err != nil {
				t.Fatal(err)
			}
			back, err := plan.Decode(data, "test")
			if err != nil {
				t.Fatal(err)
			}
			a, _ := json.Marshal(p)
			b, _ := json.Marshal(back)
			if diff := cmp.Diff(string(a), string(b)); diff != "" {
				t.Errorf("saved and read back: %s", diff)
			}
		}
	}
}
