package differ_test

import (
	"context"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/differ"
	"github.com/pegmigrate/pegmigrate/internal/idl"
	"github.com/pegmigrate/pegmigrate/internal/pegasus"
	"github.com/pegmigrate/pegmigrate/internal/pegkey"
	"github.com/pegmigrate/pegmigrate/internal/sandbox"
	"github.com/pegmigrate/pegmigrate/internal/scan"
)

// table is a table of a sandbox as the differ reads it.
type table struct {
	scan.Source
	*pegasus.Table
	cluster *sandbox.Cluster
}

// PartitionCount settles which of both is meant.
func (t table) PartitionCount() int32 { return t.Source.PartitionCount() }

// start runs a cluster with one table that has rows.
func start(ctx context.Context, t *testing.T, name, version string, partitions int32, rows int64) table {
	t.Helper()
	c, err := sandbox.Start(ctx, sandbox.Config{Name: name, Metas: 2, TimeFactor: 1000, Seed: 1, Version: version})
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
	if err := c.Fill("t", sandbox.LoadSpec{Rows: rows, ValueSize: 100, MinSortKeys: 1, MaxSortKeys: 50}); err != nil {
		t.Fatal(err)
	}
	client, err := pegasus.Open(ctx, pegasus.Config{Name: name, MetaServers: c.MetaServers(), RPCTimeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	opened, err := client.OpenTable(ctx, "t")
	if err != nil {
		t.Fatal(err)
	}
	return table{scan.Table(opened), opened, c}
}

// put writes a row of its own.
func (t table) put(ctx context.Context, test *testing.T, key []byte) {
	test.Helper()
	done := make(chan error, 1)
	t.Put(pegasus.Row{Key: key, Value: []byte("planted")}, pegasus.PutOptions{}, func(err error) { done <- err })
	select {
	case err := <-done:
		if err != nil {
			test.Fatal(err)
		}
	case <-ctx.Done():
		test.Fatal(ctx.Err())
	}
}

// Whatever goes wrong on the way: digests, samples and counts that end say what there is. Releases that do
// not count rows themselves are the same to them.
func TestAgainstClustersWithFaults(t *testing.T) {
	for name, faults := range map[string][]sandbox.Fault{
		"none": nil,
		"unsteady": {
			{Kind: sandbox.FaultMovePrimary, Every: 300 * time.Millisecond}, {Kind: sandbox.FaultLoseScans, Share: 0.1},
			{Kind: sandbox.FaultIncomplete, Share: 0.1}, {Kind: sandbox.FaultFail, Share: 0.01, Code: idl.ErrBusy},
		},
	} {
		for _, version := range []string{sandbox.Version240, sandbox.Version250} {
			t.Run(name+"/"+version, func(t *testing.T) {
				t.Parallel()
				ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
				defer cancel()
				const rows = 10_000
				src, dst := start(ctx, t, "a", version, 8, rows), start(ctx, t, "b", version, 4, rows)
				for _, f := range faults {
					for _, c := range []*sandbox.Cluster{src.cluster, dst.cluster} {
						if _, err := c.Inject(f); err != nil {
							t.Fatal(err)
						}
					}
				}
				all(ctx, t, src, dst, rows, 0)
				dst.put(ctx, t, pegkey.Encode(nil, []byte("planted"), []byte("s")))
				all(ctx, t, src, dst, rows, 1)
			})
		}
	}
}

// all compares in every way; the target has so many rows more.
func all(ctx context.Context, t *testing.T, src, dst table, rows, more uint64) {
	t.Helper()
	result, err := differ.Run(ctx, src, dst, nil, differ.Options{Method: differ.MethodDigest}, nil, nil)
	if err != nil || result.Equal != rows || result.Extra != more || result.Differences() != more {
		t.Errorf("digests: %+v, %v", result.Counts, err)
	}
	count, err := differ.RunCount(ctx, src, dst, differ.LiveOptions{}, nil)
	if err != nil || count.SourceRows != rows || count.TargetRows != rows+more || len(count.Unequal) != int(more) || !count.ByServers {
		t.Errorf("counts: %+v, %v", count, err)
	}
	keys, err := differ.RunCount(ctx, src, dst, differ.LiveOptions{Ignore: []byte("none.")}, nil)
	if err != nil || keys.SourceRows != rows || keys.TargetRows != rows+more || keys.ByServers {
		t.Errorf("counts of keys: %+v, %v", keys, err)
	}
	sample, err := differ.RunSample(ctx, src, dst, differ.SampleOptions{Share: 0.1, LiveOptions: differ.LiveOptions{Still: true}}, nil)
	if err != nil || sample.SourceRows != rows || sample.TargetRows != rows+more || sample.Found > more || sample.Sampled < rows/20 || sample.Equal != sample.Sampled-sample.Found {
		t.Errorf("sample: %+v, %v", sample, err)
	}
}
