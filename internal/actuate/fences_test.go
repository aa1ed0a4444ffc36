package actuate

import (
	"context"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/pegmigrate/pegmigrate/apply"
	"github.com/pegmigrate/pegmigrate/internal/idl"
	"github.com/pegmigrate/pegmigrate/internal/pegasus"
	"github.com/pegmigrate/pegmigrate/internal/sandbox"
	"github.com/pegmigrate/pegmigrate/plan"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// testTimeout bounds every wait of a test.
const testTimeout = 20 * time.Second

// ref is the table of the tests.
func ref() plan.TableRef { return plan.TableRef{Cluster: "east", Table: "orders"} }

// open starts a cluster with a healthy table and connects to it.
func open(t *testing.T, cfg sandbox.Config) (*sandbox.Cluster, *Clusters) {
	t.Helper()
	cfg.TimeFactor, cfg.Seed = 300, 1
	s, err := sandbox.Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	if _, err := s.CreateTable(sandbox.TableSpec{Name: ref().Table}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
	defer cancel()
	if err := s.WaitHealthy(ctx, ref().Table); err != nil {
		t.Fatal(err)
	}
	c, err := pegasus.Open(ctx, pegasus.Config{Name: "east", MetaServers: s.MetaServers()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return s, NewClusters(map[string]*pegasus.Cluster{"east": c})
}

// until polls f until it holds.
func until(t *testing.T, what string, f func() bool) {
	t.Helper()
	deadline := time.Now().Add(testTimeout)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !f() {
		if time.Now().After(deadline) {
			t.Fatal("timed out: " + what)
		}
		<-tick.C
	}
}

// probes gives the verdicts of all four partitions.
func probes(t *testing.T, f *Fences) []apply.Probe {
	t.Helper()
	got, err := f.Probe(t.Context(), ref(), []int32{0, 1, 2, 3})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func all(got []apply.Probe, want apply.Verdict) bool {
	for _, p := range got {
		if p.Verdict != want {
			return false
		}
	}
	return true
}

func TestProbeFollowsTheFence(t *testing.T) {
	s, clusters := open(t, sandbox.Config{})
	f := NewFences(clusters)
	if got := probes(t, f); !all(got, apply.Accepted) {
		t.Fatalf("without a fence: %+v", got)
	}
	if err := s.SetEnvs(ref().Table, map[string]string{plan.EnvDeny: plan.FenceMode}); err != nil {
		t.Fatal(err)
	}
	until(t, "the fence", func() bool { return all(probes(t, f), apply.Rejected) })
	if err := s.DeleteEnvs(ref().Table, plan.EnvDeny); err != nil {
		t.Fatal(err)
	}
	until(t, "the end of the fence", func() bool { return all(probes(t, f), apply.Accepted) })
}

// A primary that was away and is back under a higher ballot accepts writes, which gives the table no
// reason of its own to look at its routes again. The proof must not wait for one.
func TestProbeAcceptsUnderANewBallot(t *testing.T) {
	s, clusters := open(t, sandbox.Config{})
	f := NewFences(clusters)
	before := probes(t, f)[0]
	for first := true; first || s.Primary(ref().Table, 0) != before.Primary; first = false {
		if err := s.MovePrimary(ref().Table, 0); err != nil {
			t.Fatal(err)
		}
		until(t, "a primary", func() bool { return s.Primary(ref().Table, 0) != "" })
	}
	// The meta names a primary a moment before that one takes writes; a probe in between says so.
	var after apply.Probe
	until(t, "a probe that is accepted under the new ballot", func() bool {
		after = probes(t, f)[0]
		return after.Verdict == apply.Accepted
	})
	if after.Ballot <= before.Ballot {
		t.Errorf("before %+v, after %+v", before, after)
	}
}

// A partition that lacks members takes no write, but a fence would have been looked at before.
func TestProbeOfAPartitionThatLacksMembers(t *testing.T) {
	_, clusters := open(t, sandbox.Config{Hook: func(c sandbox.Call) sandbox.Verdict {
		if c.RPC == idl.NameRemove && c.Phase == sandbox.Before && c.Gpid.Partition == 2 {
			return sandbox.Fail(idl.ErrNotEnoughMember)
		}
		return sandbox.Pass()
	}})
	if got := probes(t, NewFences(clusters)); !all(got, apply.Accepted) {
		t.Errorf("%+v", got)
	}
}

func TestConfirmWantsThePrimaryBeforeAndAfter(t *testing.T) {
	const app, node = 7, "10.0.0.1:34801"
	says := func(ballot int64, primary bool) replicaTable {
		return replicaTable{node: {{app, 3}: pegasus.ReplicaInfo{AppID: app, Partition: 3, Ballot: ballot, Primary: primary}}}
	}
	for name, c := range map[string]struct {
		before, after replicaTable
		verdict, want apply.Verdict
	}{
		"primary all the time":        {says(5, true), says(5, true), apply.Rejected, apply.Rejected},
		"made primary while asked":    {says(4, false), says(5, true), apply.Rejected, apply.Unclear},
		"inactive under the ballot":   {says(5, false), says(5, true), apply.Rejected, apply.Unclear},
		"group changed while asked":   {says(4, true), says(5, true), apply.Rejected, apply.Unclear},
		"lost the role":               {says(5, true), says(6, false), apply.Rejected, apply.Unclear},
		"silent before":               {nil, says(5, true), apply.Rejected, apply.Unclear},
		"silent after":                {says(5, true), nil, apply.Rejected, apply.Unclear},
		"accepted needs no vouching":  {nil, nil, apply.Accepted, apply.Accepted},
		"unclear is not made clearer": {says(5, true), says(5, true), apply.Unclear, apply.Unclear},
	} {
		list := []apply.Probe{{Partition: 3, Primary: node, Ballot: 5, Verdict: c.verdict, Detail: string(idl.ErrInvalidState)}}
		if confirm(app, list, c.before, c.after); list[0].Verdict != c.want {
			t.Errorf("%s: verdict %v, want %v", name, list[0].Verdict, c.want)
		}
	}
}
