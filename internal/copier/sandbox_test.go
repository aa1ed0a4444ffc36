package copier_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/copier"
	"github.com/pegmigrate/pegmigrate/internal/differ"
	"github.com/pegmigrate/pegmigrate/internal/idl"
	"github.com/pegmigrate/pegmigrate/internal/pegasus"
	"github.com/pegmigrate/pegmigrate/internal/sandbox"
	"github.com/pegmigrate/pegmigrate/internal/scan"
)

// Whatever goes wrong on the way, a copy that ends is complete: the comparison that follows finds
// no difference.
func TestCopyIsCompleteUnderFaults(t *testing.T) {
	everywhere := func(f sandbox.Fault) map[string][]sandbox.Fault {
		return map[string][]sandbox.Fault{"a": {f}, "b": {f}}
	}
	for name, faults := range map[string]map[string][]sandbox.Fault{
		"none":             nil,
		"primaries move":   everywhere(sandbox.Fault{Kind: sandbox.FaultMovePrimary, Every: 200 * time.Millisecond}),
		"servers restart":  everywhere(sandbox.Fault{Kind: sandbox.FaultBounceReplica, Every: 300 * time.Millisecond, Delay: 100 * time.Millisecond}),
		"leaders get lost": everywhere(sandbox.Fault{Kind: sandbox.FaultLoseLeader, Every: 300 * time.Millisecond}),
		"requests dropped": everywhere(sandbox.Fault{Kind: sandbox.FaultDrop, Share: 0.01}),
		"replies dropped":  everywhere(sandbox.Fault{Kind: sandbox.FaultDrop, Share: 0.01, After: true}),
		"busy":             everywhere(sandbox.Fault{Kind: sandbox.FaultFail, Share: 0.01, Code: idl.ErrBusy}),
		"scans get lost":   {"a": {{Kind: sandbox.FaultLoseScans, Share: 0.3}}},
		"incomplete pages": {"a": {{Kind: sandbox.FaultIncomplete, Share: 0.3}}},
		"cut in a frame":   everywhere(sandbox.Fault{Kind: sandbox.FaultCut, Share: 0.002, After: true}),
		"slow writes": {"b": {
			{Kind: sandbox.FaultDelay, RPC: "put", Delay: 200 * time.Millisecond},
			{Kind: sandbox.FaultDelay, RPC: "multi_put", Delay: 200 * time.Millisecond},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			a, src := startTable(ctx, t, "a", 8)
			b, dst := startTable(ctx, t, "b", 4)
			const rows = 20_000
			if err := a.Fill("t", sandbox.LoadSpec{Rows: rows, ValueSize: 100, MinSortKeys: 1, MaxSortKeys: 50, TTLShare: 0.3}); err != nil {
				t.Fatal(err)
			}
			for cluster, list := range faults {
				for _, f := range list {
					if _, err := map[string]*sandbox.Cluster{"a": a, "b": b}[cluster].Inject(f); err != nil {
						t.Fatal(err)
					}
				}
			}
			result, err := copier.Run(ctx, scan.Table(src), dst, nil, copier.Options{RowsPerSecond: rows}, func([]copier.Cursor) error { return nil }, nil)
			if err != nil {
				t.Fatal(err)
			}
			verdict, err := differ.Run(ctx, scan.Table(src), scan.Table(dst), nil, differ.Options{Start: result.Cursors[0].Digests.Begin()}, nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			if verdict.Differences() != 0 || verdict.Equal != rows || result.Rows != rows {
				t.Errorf("copied %d rows; %+v", result.Rows, verdict.Counts)
			}
			for p := range verdict.Digests {
				if copier.Changed(result.Cursors[p].Digests, verdict.Digests[p], time.Now()) {
					t.Errorf("partition %d looks as if it had been written to", p)
				}
			}
		})
	}
}

// A copy whose target has died is stopped in time, and goes on where it was when the target is back.
func TestCopyStopsAndGoesOnWithADeadTarget(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	a, src := startTable(ctx, t, "a", 4)
	b, dst := startTable(ctx, t, "b", 8)
	const rows = 30_000
	if err := a.Fill("t", sandbox.LoadSpec{Rows: rows, ValueSize: 100}); err != nil {
		t.Fatal(err)
	}
	saved := map[int32]copier.Cursor{}
	save := func(cursors []copier.Cursor) error {
		for _, c := range cursors {
			saved[c.Partition] = c
		}
		return nil
	}
	first, stop := context.WithCancel(ctx)
	defer stop()
	var killed, stopped time.Time
	report := copier.ReporterFunc(func(p copier.Progress) {
		switch {
		case p.Rows > 0 && killed.IsZero():
			killed = time.Now()
			for i := range b.ReplicaServers() {
				if err := b.KillReplica(i); err != nil {
					t.Error(err)
				}
			}
		case !killed.IsZero() && stopped.IsZero() && time.Since(killed) > 500*time.Millisecond:
			stopped = time.Now()
			stop()
		}
	})
	opts := copier.Options{RowsPerSecond: 10_000, ReportEvery: 20 * time.Millisecond, SaveEvery: 100 * time.Millisecond}
	_, err := copier.Run(first, scan.Table(src), dst, nil, opts, save, report)
	if took := time.Since(stopped); !errors.Is(err, context.Canceled) || took > 2*time.Second {
		t.Fatalf("%v, %v after the interrupt", err, took)
	}
	var cursors []copier.Cursor
	var before uint64
	for _, c := range saved {
		cursors = append(cursors, c)
		before += c.Rows
	}
	for i := range b.ReplicaServers() {
		if err := b.RestartReplica(i); err != nil {
			t.Fatal(err)
		}
	}
	result, err := copier.Run(ctx, scan.Table(src), dst, cursors, copier.Options{}, save, nil)
	if err != nil {
		t.Fatal(err)
	}
	verdict, err := differ.Run(ctx, scan.Table(src), scan.Table(dst), nil, differ.Options{}, nil, nil)
	if err != nil || verdict.Differences() != 0 || verdict.Equal != rows || result.Rows != rows || before == 0 || before == rows {
		t.Errorf("%d rows at the stop, %d at the end, %v, %+v", before, result.Rows, err, verdict.Counts)
	}
}

// startTable starts a cluster with an empty table and opens it.
func startTable(ctx context.Context, t *testing.T, name string, partitions int32) (*sandbox.Cluster, *pegasus.Table) {
	t.Helper()
	c, err := sandbox.Start(ctx, sandbox.Config{Name: name, Metas: 2, TimeFactor: 1000, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	if _, err := c.CreateTable(sandbox.TableSpec{Name: "t", Partitions: partitions}); err != nil {
		t.Fatal(err)
	}
	if err := c.WaitHealthy(ctx, "t"); err != nil {
		t.Fatal(err)
	}
	client, err := pegasus.Open(ctx, pegasus.Config{Name: name, MetaServers: c.MetaServers(), RPCTimeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	table, err := client.OpenTable(ctx, "t")
	if err != nil {
		t.Fatal(err)
	}
	return c, table
}
