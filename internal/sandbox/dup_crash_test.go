package sandbox

import (
	"testing"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// allUp tells whether every replica server runs.
func allUp(c *Cluster) bool {
	for i := range c.nodes {
		if !c.ReplicaUp(i) {
			return false
		}
	}
	return true
}

// TestMisconfiguredClusters: what a wrong [duplication-group] or [pegasus.clusters] does
// to whom.
func TestMisconfiguredClusters(t *testing.T) {
	for name, test := range map[string]struct {
		set func(a, b *Cluster) error
		// dies says on which cluster replica servers end.
		sourceDies, targetDies bool
	}{
		"right": {func(_, _ *Cluster) error { return nil }, false, false},
		"one target server lacks the source's id":  {func(_, b *Cluster) error { return b.SetClusterID("alpha", 0, b.ReplicaServers()...) }, true, false},
		"the target has another id for the source": {func(_, b *Cluster) error { return b.SetClusterID("alpha", 7) }, true, false},
		"ids are exchanged on the target": {func(_, b *Cluster) error {
			if err := b.SetClusterID("alpha", 2); err != nil {
				return err
			}
			return b.SetClusterID("beta", 1)
		}, true, false},
		"the target lacks its own id":            {func(_, b *Cluster) error { return b.SetClusterID("beta", 0) }, false, true},
		"source servers lack the target's id":    {func(a, _ *Cluster) error { return a.SetClusterID("beta", 0, a.ReplicaServers()...) }, true, false},
		"source servers lack their own id":       {func(a, _ *Cluster) error { return a.SetClusterID("alpha", 0, a.ReplicaServers()...) }, true, false},
		"source servers lack the target's metas": {func(a, _ *Cluster) error { return a.SetClusterMetas("beta", nil, a.ReplicaServers()...) }, true, false},
		"only metas of the target lack the id":   {func(_, b *Cluster) error { return b.SetClusterID("alpha", 0, b.MetaServers()...) }, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, b := pair(t)
			if err := test.set(a, b); err != nil {
				t.Fatal(err)
			}
			tc := open(t, a, TableSpec{Name: "t"})
			newTable(t, b, TableSpec{Name: "t"})
			if _, err := a.AddDuplication("t", "beta", false); err != nil {
				t.Fatal(err)
			}
			if !test.sourceDies && !test.targetDies {
				tc.inState(idl.DupLog)
				if err := a.Fill("t", LoadSpec{Rows: 100}); err != nil {
					t.Fatal(err)
				}
				tc.arrived()
				sameRows(t, a, b, "t")
			} else {
				until(t, "a server to die", func() bool {
					// The writes go on without any client.
					_ = a.Fill("t", LoadSpec{Rows: 100})
					return allUp(a) != test.sourceDies && allUp(b) != test.targetDies
				})
			}
			if allUp(a) == test.sourceDies || allUp(b) == test.targetDies {
				t.Errorf("all of the source run: %v, of the target: %v", allUp(a), allUp(b))
			}
		})
	}
}

// TestClonedEnvsCrashTheTarget: facts 14.10.
func TestClonedEnvsCrashTheTarget(t *testing.T) {
	for _, key := range []string{envDefaultTTL, envCompactTrigger} {
		a, b := pair(t)
		tc := loaded(t, a, TableSpec{Name: "t"})
		if err := a.SetEnvs("t", map[string]string{key: "100000"}); err != nil {
			t.Fatal(err)
		}
		tc.add(true)
		until(t, "all servers of the target to die", func() bool {
			return !b.ReplicaUp(0) && !b.ReplicaUp(1) && !b.ReplicaUp(2)
		})
		if !allUp(a) {
			t.Errorf("%s: servers of the source died", key)
		}
		if got := tc.state().Status; got != idl.DupApp {
			t.Errorf("%s: %v", key, got)
		}
	}
}

func TestConfigErrors(t *testing.T) {
	for name, cfg := range map[string]Config{
		"id 0":      {ClusterIDs: map[string]int{"a": 0}},
		"id 128":    {ClusterIDs: map[string]int{"a": 128}},
		"same ids":  {ClusterIDs: map[string]int{"a": 3, "b": 3}},
		"ship rate": {ShipRate: -1},
	} {
		if c, err := Start(t.Context(), cfg); err == nil {
			t.Errorf("%s is accepted", name)
			c.Close()
		}
	}
	a := start(t, fast())
	if err := Link(a, a); err == nil {
		t.Error("two clusters of one name are linked")
	}
	if err := a.SetClusterID("x", 1, "127.0.0.1:1"); err == nil {
		t.Error("a server that does not exist is configured")
	}
	if err := a.SetClusterID("x", 128); err == nil {
		t.Error("id 128 is accepted")
	}
}
