package sandbox

import (
	"testing"
	"time"
)

// TestCompactStampsTheDefaultTTL: old rows get an expiry that no client wrote, once
// the env has reached the primary, and nothing tells clients of it.
func TestCompactStampsTheDefaultTTL(t *testing.T) {
	c, clock, tc := manual(t)
	tc.put("old", "s", "v", 0)
	tc.put("dead", "s", "v", int32(expireIn(clock, time.Minute)))
	if err := c.SetEnvs("t", map[string]string{envDefaultTTL: "3600"}); err != nil {
		t.Fatal(err)
	}
	if err := c.Compact("t"); err != nil {
		t.Fatal(err)
	}
	if got := tc.expiry(key("old", "s")); got != 0 {
		t.Errorf("stamped before the env came: %d", got)
	}
	c.SyncEnvs()
	clock.Advance(2 * time.Minute)
	if _, err := c.Inject(Fault{Kind: FaultCompact, Table: "t"}); err != nil {
		t.Fatal(err)
	}
	if got, want := tc.expiry(key("old", "s")), expireIn(clock, time.Hour); got != want {
		t.Errorf("expiry %d, want %d", got, want)
	}
	p := c.tables[0].partitions[partitionOfRow("dead", "s", tc.count)].data
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, ok := p.store.find(key("dead", "s")); ok {
		t.Error("the expired row is still stored")
	}
}
