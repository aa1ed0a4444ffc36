package schema

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestLoadDuplication(t *testing.T) {
	cfg := mustLoad(t, "testdata/ok/duplication.hcl", Vars{})
	east, west := cfg.Clusters["east"], cfg.Clusters["west"]
	plain := func(name string) *Migration {
		return &Migration{Name: name, Source: Source{Cluster: east, Table: name},
			Target: Target{Cluster: west, Table: name, IfExists: IfExistsFail},
			Method: &DuplicationMethod{FailMode: FailSlow, Cutover: &Cutover{LagThreshold: 10000}},
			Verify: Verify{Mode: VerifyFull, When: VerifyBeforeFence}, After: After{Source: AfterKeepFenced}}
	}
	orders, carts, items := plain("orders"), plain("carts"), plain("items")
	orders.Target.PartitionCount, orders.Target.ReplicaCount = new(int32(64)), new(int32(3))
	orders.Target.Envs = map[string]string{"replica.slow_query_threshold": "100"}
	orders.Method = &DuplicationMethod{FailMode: FailSkip, DropFollower: true, Cutover: &Cutover{LagThreshold: 5000, TrafficProof: 5 * time.Minute,
		MetaProxy: &MetaProxy{ZooKeeper: []string{"10.2.0.1:2181", "10.2.0.2:2181"}, Root: "/pegasus/metaproxy",
			Proxies: []string{"10.3.0.1:34601", "proxy2.example.org:34601"}}}}
	orders.Limits = Limits{WriteReject: 90 * time.Second, RowsPerSecond: 200000, BytesPerSecond: 64 << 20}
	orders.Verify.When = VerifyInWindow
	orders.After = After{Source: AfterDrop, Reserve: 72 * time.Hour}
	orders.Approve = []string{GateClients, GateCutover}
	carts.Method = &DuplicationMethod{FailMode: FailSlow, Cutover: &Cutover{LagThreshold: 10000, TrafficProof: 2 * time.Minute,
		MetaProxy: &MetaProxy{Root: "/pegasus-metaproxy", Proxies: []string{"10.3.0.1:34601"}}}}
	carts.Verify = Verify{Mode: VerifyOff}
	carts.After = After{Source: AfterDrop, Reserve: 7 * 24 * time.Hour}
	items.Target.Table = "items.v2"
	items.Method = &DuplicationMethod{FailMode: FailFast, Cutover: &Cutover{LagThreshold: 1}}
	items.After = After{Source: AfterUnfence}

	ignoreRanges := cmp.FilterPath(func(p cmp.Path) bool { return p.Last().Type().String() == "hcl.Range" }, cmp.Ignore())
	want := []*Migration{orders, plain("users"), carts, items}
	if diff := cmp.Diff(want, cfg.Migrations, ignoreRanges, cmpopts.IgnoreFields(Migration{}, "Fingerprint", "IdentityFingerprint")); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// routed is a configuration of one migration whose clients are led by a MetaProxy.
func routed() string {
	return strings.Replace(small("", ""), "method \"copy\" {\n    \n  }", `method "duplication" {
  }
  limits {
    write_reject = "90s"
  }
  cutover {
    metaproxy {
      zookeeper = ["10.2.0.1:2181", "10.2.0.2:2181"]
      root      = "/pegasus-metaproxy"
      proxies   = ["10.3.0.1:34601", "10.3.0.2:34601"]
    }
  }`, 1)
}

func TestFingerprintsOfDuplication(t *testing.T) {
	base := routed()
	whole, identity := prints(t, base)
	change := func(old, new string) string {
		t.Helper()
		out := strings.Replace(base, old, new, 1)
		if out == base {
			t.Fatalf("%q does not occur", old)
		}
		return out
	}
	block, cut := "method \"duplication\" {\n", "cutover {\n"
	for name, tc := range map[string]struct {
		src                     string
		sameWhole, sameIdentity bool
	}{
		"defaults written": {change(block, "verify {\n when = \"before_fence\"\n }\n after {\n source = \"keep_fenced\"\n }\n"+block+" fail_mode = \"slow\"\n drop_follower = false\n"), true, true},
		"slash at the end": {change(`"/pegasus-metaproxy"`, `"/pegasus-metaproxy/"`), true, true},
		"proxies reorder":  {change(`"10.3.0.1:34601", "10.3.0.2:34601"`, `"10.3.0.2:34601", "10.3.0.1:34601"`), true, true},
		"keepers reorder":  {change(`"10.2.0.1:2181", "10.2.0.2:2181"`, `"10.2.0.2:2181", "10.2.0.1:2181"`), true, true},
		"limit":            {change(`"90s"`, `"91s"`), false, true},
		"gates":            {change(block, "approve = [\"clients\"]\n"+block), false, true},
		"lag threshold":    {change(cut, cut+"lag_threshold = 7\n"), false, true},
		"traffic proof":    {change(cut, cut+"traffic_proof = \"3m\"\n"), false, true},
		"drop follower":    {change(block, block+"drop_follower = true\n"), false, false},
		"a proxy less":     {change(`, "10.3.0.2:34601"`, ""), false, true},
		"a keeper less":    {change(`, "10.2.0.2:2181"`, ""), false, false},
		"own keeper":       {change(`zookeeper = ["10.2.0.1:2181", "10.2.0.2:2181"]`, ""), false, false},
		"root":             {change("pegasus-metaproxy", "pegasus"), false, false},
		"fail mode":        {change(block, block+"fail_mode = \"skip\"\n"), false, false},
		"when":             {change(block, "verify {\n when = \"in_window\"\n }\n"+block), false, false},
		"not compared":     {change(block, "verify {\n mode = \"off\"\n }\n"+block), false, false},
		"end of source":    {change(block, "after {\n source = \"unfence\"\n }\n"+block), false, false},
		"reserve":          {change(block, "after {\n source = \"drop\"\n reserve = \"1d\"\n }\n"+block), false, false},
		"target envs":      {change("cluster.west\n", "cluster.west\n envs = { default_ttl = 5 }\n"), false, false},
	} {
		t.Run(name, func(t *testing.T) {
			w, i := prints(t, tc.src)
			if (w == whole) != tc.sameWhole || (i == identity) != tc.sameIdentity {
				t.Errorf("whole same: %v, identity same: %v", w == whole, i == identity)
			}
		})
	}
	if _, copied := prints(t, small("", "")); copied == identity {
		t.Error("the method is no part of the identity")
	}
	head, _, _ := strings.Cut(base, "  cutover {")
	if _, unrouted := prints(t, head+"}\n"); unrouted == identity {
		t.Error("whether there is a route is no part of the identity")
	}
}

// TestFingerprintFormatOfDuplicationIsFrozen: a run that is under way must be found again by a
// later release.
func TestFingerprintFormatOfDuplicationIsFrozen(t *testing.T) {
	whole, identity := prints(t, routed())
	const wantWhole, wantIdentity = "a83943f922eb4f897678f145597fd496e1ee420fc7ea5f60481aa0796b628a7b", "19b0b02f6cfac0af6f7ac5740af60b499f1f10345e4027a22a8af9c6a7557ad3"
	if whole != wantWhole || identity != wantIdentity {
		t.Errorf("whole %s identity %s", whole, identity)
	}
}

func TestRoot(t *testing.T) {
	for given, want := range map[string]string{
		"/a": "/a", "/a/": "/a", "/a/b-c_d.e:f": "/a/b-c_d.e:f", "/pégase": "/pégase", "/...": "/...",
		"": "", "/": "", "//": "", "a": "", "a/b": "", "/a//b": "", "//a": "", "/a//": "", "/.": "", "/a/../b": "", "/a/./b": "",
		"/a b": "", "/a\x00": "", "/a\n": "", "/\xff": "", "/\ufff0": "", "/" + strings.Repeat("a", 1024): "",
	} {
		got, problem := parseRoot(given)
		if got != want || (problem == "") != (want != "") {
			t.Errorf("%q: %q, %q", given, got, problem)
		}
	}
}
