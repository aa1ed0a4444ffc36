package plan_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/pegmigrate/pegmigrate/plan"
	"github.com/pegmigrate/pegmigrate/schema"
)

// anyDuplication draws a declaration and facts, mostly good ones.
func anyDuplication(t *rapid.T) (*schema.Migration, plan.Facts) {
	m, f := dupOrders(), dupFacts()
	version(&f, rapid.SampledFrom([]string{"2.4.0", "2.5.0", "2.6.0"}).Draw(t, "version"))
	d := m.Method.(*schema.DuplicationMethod)
	d.DropFollower = rapid.Bool().Draw(t, "drop_follower")
	d.FailMode = rapid.SampledFrom([]schema.FailMode{schema.FailSlow, schema.FailSkip, schema.FailFast}).Draw(t, "fail_mode")
	d.Cutover.LagThreshold = rapid.Int64Range(1, 1<<62).Draw(t, "lag")
	if rapid.Bool().Draw(t, "no route") {
		d.Cutover.MetaProxy = nil
	}
	m.Verify.Mode = rapid.SampledFrom([]schema.VerifyMode{schema.VerifyFull, schema.VerifyOff}).Draw(t, "verify")
	m.Verify.When = rapid.SampledFrom([]schema.VerifyWhen{schema.VerifyBeforeFence, schema.VerifyInWindow}).Draw(t, "when")
	m.After.Source = rapid.SampledFrom([]schema.SourceAfter{schema.AfterKeepFenced, schema.AfterUnfence, schema.AfterDrop}).Draw(t, "after")
	m.Approve = rapid.SampledFrom([][]string{nil, {"clients"}, {"cutover"}, {"clients", "cutover"}}).Draw(t, "approve")
	m.Limits.WriteReject = time.Duration(rapid.SampledFrom([]int{0, 30, 80, 200, 100_000}).Draw(t, "budget")) * time.Second
	m.Target.Envs = rapid.MapOf(rapid.SampledFrom([]string{"default_ttl", "replica.slow_query_threshold", "manual_compact.disabled"}),
		rapid.SampledFrom([]string{"", "0", "100"})).Draw(t, "declared envs")
	f.SourceTable.Envs = rapid.MapOf(
		rapid.SampledFrom([]string{"default_ttl", "manual_compact.once.trigger_time", "manual_compact.periodic.trigger_time", "business.info",
			"rocksdb.allow_ingest_behind", "replica.write_throttling", "replica.slow_query_threshold", "no.such.env"}),
		rapid.SampledFrom([]string{"3:00", "0", "100", "true"})).Draw(t, "envs")
	f.Source.GroupCheck = time.Duration(rapid.IntRange(0, 300).Draw(t, "group check")) * time.Second
	f.Source.ConfigSync = time.Duration(rapid.IntRange(0, 60).Draw(t, "config sync")) * time.Second
	f.Duplication.WriteQPS = rapid.Float64Range(0, 1e6).Draw(t, "writes")
	f.SourceTable.Rows = rapid.Uint64Range(0, 1e9).Draw(t, "rows")
	return m, f
}

func TestDuplicationProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m, f := anyDuplication(t)
		first, err := plan.Build(m, f, plan.Options{ToolVersion: "test"})
		if err != nil {
			t.Fatal(err)
		}
		second, err := plan.Build(m, f, plan.Options{ToolVersion: "test"})
		if err != nil {
			t.Fatal(err)
		}
		a := encode(t, first)
		if !bytes.Equal(a, encode(t, second)) {
			t.Fatal("two plans of the same facts differ")
		}
		back, err := plan.Decode(a, "test")
		if err != nil {
			t.Fatalf("decode: %v", err)
		}
		if diff := cmp.Diff(string(a), string(encode(t, back))); diff != "" {
			t.Fatalf("round trip: %s", diff)
		}
		if moved := first.Stale(f); len(moved) > 0 {
			t.Fatalf("stale against its own facts: %v", moved)
		}
		for _, c := range first.Checks {
			if c.Severity != plan.OK && (c.Code == "" || c.Hint == "") {
				t.Fatalf("%+v has no code or says not what to do", c)
			}
		}
		if !first.HasErrors() {
			checkDuplicationSteps(t, m, f, first)
		}
	})
}

// checkDuplicationSteps holds what must be true of the steps of any duplication.
func checkDuplicationSteps(t *rapid.T, m *schema.Migration, f plan.Facts, p *plan.Plan) {
	at := func(id string) int { return slices.Index(ids(p), id) }
	ordered := []string{"approve-clients", "own", "park-envs", "duplication", "follow", "unpark-envs", "target-envs", "drop-envs", "catch-up", "compare",
		"approve-cutover", "hold-balancer", "fence-source", "quiesce-source", "drain", "recheck", "switch", "evict", "traffic", "end-duplication",
		"follower-envs", "release-balancer", "unfence-source", "approve-complete", "drop-source", "disown"}
	if got := slices.DeleteFunc(slices.Clone(ordered), func(id string) bool { return at(id) < 0 }); !slices.Equal(got, ids(p)) {
		t.Fatalf("steps %v", ids(p))
	}
	for _, pair := range [][2]string{{"park-envs", "unpark-envs"}, {"hold-balancer", "release-balancer"}, {"duplication", "end-duplication"}, {"switch", "evict"}, {"own", "disown"}} {
		if (at(pair[0]) < 0) != (at(pair[1]) < 0) {
			t.Fatalf("one without the other: %v", pair)
		}
	}
	finals := 0
	for _, s := range p.Steps {
		if finals > 0 && s.Undo != nil {
			t.Fatalf("step %q after the point of no return has an undo", s.ID)
		}
		if s.Final {
			finals++
		}
		switch s.Action.(type) {
		case plan.Fence, plan.ParkEnvs, plan.AddDuplication, plan.HoldBalancer, plan.Own:
			if s.Undo == nil {
				t.Fatalf("%s has no undo", s.ID)
			}
		}
	}
	if finals != 1 {
		t.Fatalf("%d points of no return", finals)
	}
	checkParked(t, f, p)
	checkWindowOf(t, m, p)
}

// checkParked: nothing that crashes a server is cloned, and all of it comes back.
func checkParked(t *rapid.T, f plan.Facts, p *plan.Plan) {
	var want []string
	for k := range f.SourceTable.Envs {
		if k == "default_ttl" || strings.HasPrefix(k, "manual_compact.") {
			want = append(want, k)
		}
	}
	slices.Sort(want)
	var parked, back []string
	if s, ok := p.Step("park-envs"); ok {
		parked = s.Action.(plan.ParkEnvs).Keys
	}
	if s, ok := p.Step("unpark-envs"); ok {
		back = s.Action.(plan.UnparkEnvs).Keys
	}
	if !slices.Equal(want, parked) || !slices.Equal(want, back) {
		t.Fatalf("parked %v, put back %v, want %v", parked, back, want)
	}
}

// checkWindowOf: the budget is never below what the window needs, and never boundless.
func checkWindowOf(t *rapid.T, m *schema.Migration, p *plan.Plan) {
	fence := fenceOf(t, p)
	if m.Limits.WriteReject > 0 && fence.Budget != m.Limits.WriteReject {
		t.Fatalf("a budget of %s instead of the declared one", fence.Budget)
	}
	if m.Limits.WriteReject == 0 && (fence.Budget < fence.Predicted || fence.Budget%(5*time.Second) != 0) {
		t.Fatalf("a budget of %s for %s", fence.Budget, fence.Predicted)
	}
	if m.Verify.When == schema.VerifyBeforeFence && fence.Predicted > 15*time.Minute {
		t.Fatalf("predicted %s", fence.Predicted)
	}
	if slices.Contains(codes(p, plan.Error), plan.CodeWindowBudget) {
		t.Fatal("steps of a refused budget")
	}
}

// TestDuplicationGoesStale: what a saved plan rests on is named when it moved; rates are not.
func TestDuplicationGoesStale(t *testing.T) {
	m, f := dupOrders(), dupFacts()
	p := build(t, m, f)
	f = dupFacts()
	f.Duplication.WriteQPS, f.Duplication.ReadQPS, f.Duplication.LargestRow = 9, 9, 9
	if moved := p.Stale(f); len(moved) > 0 {
		t.Errorf("rates moved: %v", moved)
	}
	f.Source.GroupCheck, f.Source.ConfigSync = 10*time.Second, 20*time.Second
	f.SourceTable.Duplications = []string{"north"}
	f.Duplication.SourceProbe.Ready, f.Duplication.TargetProbe.Ready = false, false
	f.Duplication.TargetConfig[3].ClusterIDs = nil
	f.Duplication.EmptyPartitions = []int{4}
	f.Duplication.NonIdempotentQPS = 3
	f.Duplication.Route.ClusterName, f.Duplication.Route.MetaAddrs = "north", []string{"10.9.0.1:34601"}
	f.Duplication.Route.Proxies[1].LeadsTo = "elsewhere"
	var got []string
	for _, moved := range p.Stale(f) {
		got = append(got, moved.String())
	}
	want := []string{
		"duplication.empty_partitions: 0 when planned, 1 now",
		"duplication.non_idempotent_writes: false when planned, true now",
		"duplication.source_ready: true when planned, false now",
		"duplication.target_ready: true when planned, false now",
		"duplication.target_servers: 4 of 4 configured when planned, 3 of 4 configured now",
		"route.cluster: cluster-east when planned, north now",
		"route.metas: 10.0.0.1:34601,10.0.0.1:34601 when planned, 10.9.0.1:34601 now",
		"route.proxy[10.3.0.2:34601]: source when planned, elsewhere now",
		"source.config_sync: 30s when planned, 20s now",
		"source.group_check: 1m40s when planned, 10s now",
		"source.table.duplications: none when planned, north now",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("moved facts (-want +got):\n%s", diff)
	}
}
