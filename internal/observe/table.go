package observe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/pegmigrate/pegmigrate/internal/marker"
	"github.com/pegmigrate/pegmigrate/internal/pegasus"
	"github.com/pegmigrate/pegmigrate/plan"
)

// TableReader answers questions about tables.
type TableReader interface {
	ListTables(ctx context.Context) ([]pegasus.TableInfo, error)
	PartitionConfigs(ctx context.Context, table string) (*pegasus.TableConfig, error)
	Duplications(ctx context.Context, table string) ([]pegasus.Duplication, error)
	Splitting(ctx context.Context, table string) (bool, error)
	DataVersions(ctx context.Context, node string, appID int32) (map[int32]int32, error)
	PerfCounters(ctx context.Context, node string, substrings ...string) (map[string]float64, error)
	// OpenTable gives a table to read rows from. Observing only scans it.
	OpenTable(ctx context.Context, name string) (*pegasus.Table, error)
}

// Sampling of rows, for facts that only rows can tell.
const (
	sampledPartitions = 16
	sampledRows       = 100
)

// lookAtTable gives nil when the cluster has no such table. Among dropped tables of the name, an
// available one wins, then the newest.
func lookAtTable(ctx context.Context, c Cluster, name string) (*plan.TableFacts, error) {
	tables, err := c.ListTables(ctx)
	if err != nil {
		return nil, fmt.Errorf("list tables: %w", err)
	}
	var info *pegasus.TableInfo
	for i := range tables {
		t := &tables[i]
		if t.Name != name {
			continue
		}
		if info == nil || info.Status == dropped || t.Status != dropped && t.ID > info.ID {
			info = t
		}
	}
	if info == nil {
		return nil, nil
	}
	f := &plan.TableFacts{
		Name: info.Name, ID: info.ID, Status: info.Status, Partitions: info.Partitions, Replicas: info.Replicas,
		Envs: info.Envs, BulkLoading: info.BulkLoading, DataVersions: map[int32]int{},
	}
	f.Marker = markerFacts(info.Envs[marker.Env])
	if info.Status != available {
		return f, nil
	}
	return f, lookInside(ctx, c, f)
}

// Statuses of a table: in use, and dropped but still to be recalled.
const (
	available = "AVAILABLE"
	dropped   = "DROPPED"
)

func markerFacts(text string) *plan.MarkerFacts {
	m, err := marker.Parse(text)
	if err != nil {
		return &plan.MarkerFacts{Damaged: true}
	}
	if m == nil {
		return nil
	}
	return &plan.MarkerFacts{Lineage: m.Lineage, Migration: m.Migration, Owner: m.Owner, Since: m.Since,
		Prior: m.Prior.Value, HadPrior: m.Prior.Had}
}

// lookInside asks about partitions, data versions, sizes and rows of an available table.
func lookInside(ctx context.Context, c Cluster, f *plan.TableFacts) error {
	config, err := c.PartitionConfigs(ctx, f.Name)
	if err != nil {
		return fmt.Errorf("read the partition configuration of %s: %w", f.Name, err)
	}
	nodes := countHealth(config, f)
	if f.Splitting, err = c.Splitting(ctx, f.Name); err != nil {
		return fmt.Errorf("ask whether %s is being split: %w", f.Name, err)
	}
	dups, err := c.Duplications(ctx, f.Name)
	if err != nil {
		return fmt.Errorf("ask for the duplications of %s: %w", f.Name, err)
	}
	for _, d := range dups {
		f.Duplications = append(f.Duplications, d.Remote)
	}
	if err := lookAtReplicas(ctx, c, f, nodes, config); err != nil {
		return err
	}
	if f.Health.NoPrimary > 0 || plan.DeniesReads(f.Envs) {
		return nil // a scan would only wait
	}
	return lookAtRows(ctx, c, f)
}

// countHealth fills the health and returns the nodes that hold replicas.
func countHealth(config *pegasus.TableConfig, f *plan.TableFacts) []string {
	seen := map[string]bool{}
	var nodes []string
	add := func(addr string) {
		if addr != "" && !seen[addr] {
			seen[addr] = true
			nodes = append(nodes, addr)
		}
	}
	for i, p := range config.Partitions {
		add(p.Primary)
		for _, s := range p.Secondaries {
			add(s)
		}
		switch {
		case p.Primary == "":
			f.Health.NoPrimary++
		case len(p.Secondaries)+1 < int(f.Replicas):
			f.Health.UnderReplicate++
		default:
			f.Health.Full++
			continue
		}
		f.Health.Unhealthy = append(f.Health.Unhealthy, i)
	}
	return nodes
}

// lookAtReplicas asks every node that holds a replica for data versions and RocksDB's estimates.
// Estimates count primaries only. A node may be silent, as one is that died a moment ago, as long as
// another one answers for each of its partitions: a partition has one data version.
func lookAtReplicas(ctx context.Context, c Cluster, f *plan.TableFacts, nodes []string, config *pegasus.TableConfig) error {
	type answer struct {
		versions map[int32]int32
		counters map[string]float64
		err      error
	}
	answers := make([]answer, len(nodes))
	forEach(len(nodes), func(i int) {
		a := &answers[i]
		if a.versions, a.err = c.DataVersions(ctx, nodes[i], f.ID); a.err != nil {
			return
		}
		// A server without these counters only costs the estimate.
		a.counters, _ = c.PerfCounters(ctx, nodes[i],
			"rdb.estimate_num_keys@"+strconv.Itoa(int(f.ID))+".", "disk.storage.sst(MB)@"+strconv.Itoa(int(f.ID))+".")
	})
	known := map[int32]bool{}
	var silent error
	for i, a := range answers {
		if a.err != nil {
			silent = errors.Join(silent, fmt.Errorf("ask replica server %s for the data version of %s: %w", nodes[i], f.Name, a.err))
			continue
		}
		for p, v := range a.versions {
			known[p] = true
			f.DataVersions[v]++
		}
		for name, value := range a.counters {
			addEstimate(f, config, nodes[i], name, value)
		}
	}
	if silent == nil {
		return nil
	}
	for _, p := range config.Partitions {
		if p.Primary != "" && !known[p.Index] {
			return silent
		}
	}
	return ctx.Err()
}

// addEstimate adds one counter of one replica when its node is the partition's primary.
func addEstimate(f *plan.TableFacts, config *pegasus.TableConfig, node, name string, value float64) {
	_, gpid, ok := strings.Cut(name, "@")
	if !ok {
		return
	}
	app, partition, ok := strings.Cut(gpid, ".")
	if !ok || app != strconv.Itoa(int(f.ID)) {
		return
	}
	p, err := strconv.Atoi(partition)
	if err != nil || p < 0 || p >= len(config.Partitions) || config.Partitions[p].Primary != node || value <= 0 {
		return
	}
	switch {
	case strings.Contains(name, "rdb.estimate_num_keys@"):
		f.Rows += uint64(value)
	case strings.Contains(name, "disk.storage.sst(MB)@"):
		f.Bytes += uint64(value * (1 << 20))
	}
}

// lookAtRows reads the first rows of partitions: enough to prove that there are some, and to see
// whether some never expire. Every partition is looked at until one has a row.
func lookAtRows(ctx context.Context, c Cluster, f *plan.TableFacts) error {
	table, err := c.OpenTable(ctx, f.Name)
	if err != nil {
		return fmt.Errorf("open %s to look at its rows: %w", f.Name, err)
	}
	for p := range f.Partitions {
		if f.HasRows && p >= sampledPartitions {
			break
		}
		rows, err := firstRows(ctx, table, p)
		if err != nil {
			return fmt.Errorf("look at the rows of partition %d of %s: %w", p, f.Name, err)
		}
		f.HasRows = f.HasRows || len(rows) > 0
		for _, expire := range rows {
			f.PermanentRows = f.PermanentRows || expire == 0
		}
	}
	return nil
}

// firstRows gives the expiries of the first rows of a partition.
func firstRows(ctx context.Context, table *pegasus.Table, partition int32) ([]uint32, error) {
	scan := table.NewScan(pegasus.ScanSpec{Partition: partition, Batch: sampledRows})
	defer scan.Close()
	for {
		page, err := scan.Next(ctx)
		if errors.Is(err, io.EOF) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		out := make([]uint32, 0, len(page.Rows))
		for _, r := range page.Rows {
			out = append(out, r.Expire)
		}
		last := page.Last
		page.Release()
		if len(out) > 0 || last {
			return out, nil
		}
	}
}
