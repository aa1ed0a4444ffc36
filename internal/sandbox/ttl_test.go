package sandbox

import (
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/pegkey"
)

func TestDefaultTTL(t *testing.T) {
	c, clock, tc := manual(t)
	tc.put("k", "before", "v", 0)
	if err := c.SetEnvs("t", map[string]string{envDefaultTTL: "1000"}); err != nil {
		t.Fatal(err)
	}
	c.SyncEnvs()
	now := pegkey.ExpireTs(clock.Now())
	tc.put("k", "stamped", "v", 0)
	tc.put("k", "own", "v", 2_000_000_000)
	for sort, want := range map[string]uint32{"before": 0, "stamped": now + 1000, "own": 2_000_000_000} {
		if got := tc.expiry(key("k", sort)); got != want {
			t.Errorf("%s: expiry %d, want %d", sort, got, want)
		}
	}

	// Deleting the env leaves the value in force until the server restarts.
	if err := c.DeleteEnvs("t", envDefaultTTL); err != nil {
		t.Fatal(err)
	}
	c.SyncEnvs()
	tc.put("k", "deleted", "v", 0)
	if tc.expiry(key("k", "deleted")) == 0 {
		t.Error("deleting default_ttl took effect at once")
	}
	for i := range c.nodes {
		if err := c.KillReplica(i); err != nil {
			t.Fatal(err)
		}
		if err := c.RestartReplica(i); err != nil {
			t.Fatal(err)
		}
	}
	tc.conns = map[string]*client{}
	clock.Advance(c.Timing().Inactive)
	tc.put("k", "restarted", "v", 0)
	if tc.expiry(key("k", "restarted")) != 0 {
		t.Error("default_ttl outlived the servers")
	}
}

func TestDefaultTTLZeroTakesItBack(t *testing.T) {
	c, _, tc := manual(t)
	for _, ttl := range []string{"1000", "0"} {
		if err := c.SetEnvs("t", map[string]string{envDefaultTTL: ttl}); err != nil {
			t.Fatal(err)
		}
		c.SyncEnvs()
	}
	tc.put("k", "s", "v", 0)
	if tc.expiry(key("k", "s")) != 0 {
		t.Error("default_ttl 0 has no effect")
	}
}

func TestCompactionSweepsAndStamps(t *testing.T) {
	c, clock, tc := manual(t)
	tc.put("k", "permanent", "v", 0)
	tc.put("k", "dying", "v", int32(pegkey.ExpireTs(clock.Now()))+1)
	clock.Advance(2 * time.Second)
	stored := func() int {
		n := 0
		for _, p := range c.tables[0].partitions {
			p.data.store.tree.Scan(func(r row) bool {
				if len(r.key()) > 0 {
					n++
				}
				return true
			})
		}
		return n
	}
	if stored() != 2 {
		t.Error("an expired row does not stay until it is swept")
	}
	if err := c.SetEnvs("t", map[string]string{envDefaultTTL: "1000"}); err != nil {
		t.Fatal(err)
	}
	c.SyncEnvs()
	if err := c.Sweep("t"); err != nil {
		t.Fatal(err)
	}
	if stored() != 1 || tc.expiry(key("k", "permanent")) != pegkey.ExpireTs(clock.Now())+1000 {
		t.Errorf("%d rows, expiry %d", stored(), tc.expiry(key("k", "permanent")))
	}
}
