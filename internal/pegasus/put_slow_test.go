package pegasus

import (
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// A server that needs longer than an attempt is given stores the row each time, and is never heard.
func TestRowsWaitForASlowServer(t *testing.T) {
	const needs = 120 // milliseconds
	k := newCluster(t, 1, 1, 1)
	tab := k.table(func(c *Config) { c.RPCTimeout = 50 * time.Millisecond })
	k.set(func() {
		k.hook = func(r *request) bool {
			if r.Name != idl.NamePut && r.Name != idl.NameMultiPut && r.Name != idl.NameRemove {
				return false
			}
			if r.TimeoutMs >= needs {
				<-time.After(needs * time.Millisecond)
				r.reply(&idl.UpdateResponse{})
			}
			return true
		}
	})
	opts := PutOptions{Deadline: time.Now().Add(20 * time.Second)}
	if err := putWait(t, tab, row("k", "v"), opts); err != nil {
		t.Error(err)
	}
	done := make(chan error, 1)
	tab.MultiPut([]byte("h"), []KV{{[]byte("s"), []byte("v")}, {[]byte("t"), []byte("v")}}, 0, opts, func(err error) { done <- err })
	if err := receive(t, done); err != nil {
		t.Error(err)
	}
	if err := tab.Remove(t.Context(), row("k", "").Key); err != nil {
		t.Error(err)
	}
	// The op of the first row is used again: it begins with the short time-out.
	begun := k.nodes[0].count(idl.NamePut)
	if err := putWait(t, tab, row("l", "v"), opts); err != nil || k.nodes[0].count(idl.NamePut)-begun < 2 {
		t.Errorf("%d attempts, %v", k.nodes[0].count(idl.NamePut)-begun, err)
	}
}
