package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/idl"
	"github.com/pegmigrate/pegmigrate/internal/sandbox"
	"github.com/pegmigrate/pegmigrate/internal/sandboxtest"
)

// faultRows is enough for a copy to meet every fault many times.
const faultRows = 20_000

// TestFaultMatrix copies a table while something goes wrong all the time, and expects an ordinary
// end: exit code 0 and equal rows, seen with the sandbox's own eyes.
func TestFaultMatrix(t *testing.T) {
	tests := []struct {
		name   string
		source []sandbox.Fault
		target []sandbox.Fault
		writes string
	}{
		{name: "primaries move every second", writes: "fenced",
			source: []sandbox.Fault{{Kind: sandbox.FaultMovePrimary, Every: 200 * time.Millisecond}},
			target: []sandbox.Fault{{Kind: sandbox.FaultMovePrimary, Every: 200 * time.Millisecond}}},
		{name: "replica servers are killed and restarted", writes: "stopped",
			source: []sandbox.Fault{{Kind: sandbox.FaultBounceReplica, Delay: 300 * time.Millisecond, Every: 1500 * time.Millisecond}},
			target: []sandbox.Fault{{Kind: sandbox.FaultBounceReplica, Delay: 300 * time.Millisecond, Every: 1500 * time.Millisecond}}},
		{name: "meta leaders are lost", writes: "fenced",
			source: []sandbox.Fault{{Kind: sandbox.FaultLoseLeader, Every: 400 * time.Millisecond}},
			target: []sandbox.Fault{{Kind: sandbox.FaultLoseLeader, Every: 400 * time.Millisecond}}},
		{name: "one reply of a hundred is dropped", writes: "stopped",
			source: []sandbox.Fault{{Kind: sandbox.FaultDrop, Share: 0.01, After: true}},
			target: []sandbox.Fault{{Kind: sandbox.FaultDrop, Share: 0.01, After: true}}},
		{name: "one request of a hundred meets ERR_BUSY", writes: "fenced",
			source: []sandbox.Fault{{Kind: sandbox.FaultFail, Share: 0.01, Code: idl.ErrBusy}},
			target: []sandbox.Fault{{Kind: sandbox.FaultFail, Share: 0.01, Code: idl.ErrBusy}}},
		{name: "scan contexts are lost", writes: "stopped",
			source: []sandbox.Fault{{Kind: sandbox.FaultLoseScans, Share: 0.3}},
			target: []sandbox.Fault{{Kind: sandbox.FaultLoseScans, Share: 0.3}}},
		{name: "scans end incomplete", writes: "stopped",
			source: []sandbox.Fault{{Kind: sandbox.FaultIncomplete, Share: 0.2}},
			target: []sandbox.Fault{{Kind: sandbox.FaultIncomplete, Share: 0.2}}},
		{name: "connections are cut in mid-frame", writes: "fenced",
			source: []sandbox.Fault{{Kind: sandbox.FaultCut, Share: 0.005, After: true}},
			target: []sandbox.Fault{{Kind: sandbox.FaultCut, Share: 0.0005, After: true}}},
		{name: "the target takes 200 ms for each write", writes: "stopped",
			target: []sandbox.Fault{{Kind: sandbox.FaultDelay, RPC: "put", Delay: 200 * time.Millisecond},
				{Kind: sandbox.FaultDelay, RPC: "multi_put", Delay: 200 * time.Millisecond}}},
		{name: "everything at once", writes: "fenced",
			source: []sandbox.Fault{
				{Kind: sandbox.FaultMovePrimary, Every: 500 * time.Millisecond}, {Kind: sandbox.FaultLoseLeader, Every: time.Second},
				{Kind: sandbox.FaultFail, Share: 0.005}, {Kind: sandbox.FaultLoseScans, Share: 0.05}, {Kind: sandbox.FaultCut, Share: 0.001, After: true}},
			target: []sandbox.Fault{
				{Kind: sandbox.FaultMovePrimary, Every: 500 * time.Millisecond}, {Kind: sandbox.FaultLoseLeader, Every: time.Second},
				{Kind: sandbox.FaultFail, Share: 0.005}, {Kind: sandbox.FaultDrop, Share: 0.0005, After: true}, {Kind: sandbox.FaultCut, Share: 0.0002, After: true}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := newPair(t, faultRows)
			for cluster, faults := range map[*sandbox.Cluster][]sandbox.Fault{p.a: tt.source, p.b: tt.target} {
				for _, f := range faults {
					if _, err := cluster.Inject(f); err != nil {
						t.Fatal(err)
					}
				}
			}
			out := p.apply(t, tt.writes)
			for _, c := range []*sandbox.Cluster{p.a, p.b} {
				if err := c.Clear(0); err != nil {
					t.Error(err)
				}
			}
			if !strings.Contains(out, "0 differences") {
				t.Errorf("the run does not say that there are no differences:\n%s", out)
			}
			p.compare(t, out)
		})
	}
}

// pair is two clusters and a filled source table "t".
type pair struct {
	a, b  *sandbox.Cluster
	dir   string
	after string // an after block, "" for none
}

func newPair(t *testing.T, rows int) *pair {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	p := &pair{dir: t.TempDir()}
	for i, c := range []**sandbox.Cluster{&p.a, &p.b} {
		started, err := sandbox.Start(ctx, sandbox.Config{Name: []string{"a", "b"}[i], Metas: 3, Replicas: 4, TimeFactor: 100, Seed: uint64(i + 1)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = started.Close() })
		*c = started
	}
	if _, err := p.a.CreateTable(sandbox.TableSpec{Name: "t", Partitions: 8, Replicas: 3}); err != nil {
		t.Fatal(err)
	}
	if err := p.a.WaitHealthy(ctx, "t"); err != nil {
		t.Fatal(err)
	}
	if err := p.a.Load("t", sandboxtest.Rows(rows, sandboxtest.Later())); err != nil {
		t.Fatal(err)
	}
	return p
}

// apply runs pegmigrate as a user does, with an apply again for what may rightly stop a run (a
// cluster that cannot be looked at), at most five times.
func (p *pair) apply(t *testing.T, writes string) string {
	t.Helper()
	list := func(metas []string) string { return `"` + strings.Join(metas, `", "`) + `"` }
	config := fmt.Sprintf(`
cluster "a" { meta_servers = [%s] }
cluster "b" { meta_servers = [%s] }
migration "m" {
  source {
    cluster = cluster.a
    table   = "t"
  }
  target {
    cluster         = cluster.b
    partition_count = 4
  }
  method "copy" { source_writes = %q }
  %s
}
`, list(p.a.MetaServers()), list(p.b.MetaServers()), writes, p.after)
	if err := os.WriteFile(filepath.Join(p.dir, "migration.hcl"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	var out []byte
	for attempt := range 5 {
		exe, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
		cmd := exec.CommandContext(ctx, exe, "apply", "-auto-approve")
		cmd.Args[0] = "mortal"
		cmd.Dir = p.dir
		cmd.Env = append(os.Environ(), envTransient+"=30s")
		out, err = cmd.CombinedOutput()
		cancel()
		if err == nil {
			if attempt > 0 {
				t.Logf("the run ended well at attempt %d", attempt+1)
			}
			return string(out)
		}
		t.Logf("attempt %d: %v\n%s", attempt+1, err, tail(out))
	}
	t.Fatalf("five runs did not bring it to an end; the last one:\n%s", out)
	return ""
}

func tail(out []byte) string {
	lines := bytes.Split(bytes.TrimSpace(out), []byte("\n"))
	return string(bytes.Join(lines[max(0, len(lines)-8):], []byte("\n")))
}

// compare looks at both tables without the tool.
func (p *pair) compare(t *testing.T, out string) {
	t.Helper()
	rows := func(c *sandbox.Cluster) map[string]string {
		m := map[string]string{}
		if err := c.Dump("t", func(r sandbox.Row) error {
			m[string(r.Key)] = fmt.Sprintf("%d %s", r.Expire, r.Value)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		return m
	}
	source, target := rows(p.a), rows(p.b)
	bad := 0
	for k, v := range source {
		if target[k] != v {
			bad++
		}
	}
	for k := range target {
		if _, ok := source[k]; !ok {
			bad++
		}
	}
	if bad > 0 || len(source) == 0 {
		t.Errorf("%d rows on the source, %d on the target, %d differ\n%s", len(source), len(target), bad, out)
	}
	t.Logf("%d rows on both sides, 0 differences", len(source))
}
