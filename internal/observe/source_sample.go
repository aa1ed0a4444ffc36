package observe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/pegasus"
	"github.com/pegmigrate/pegmigrate/plan"
)

// lookAtSource asks what only a table in use can tell: rates, sizes, partitions without a row.
func lookAtSource(ctx context.Context, s Side, f *plan.Facts, out *plan.DuplicationFacts) error {
	t := f.SourceTable
	if t == nil || t.Status != available {
		return nil
	}
	config, err := s.Cluster.PartitionConfigs(ctx, s.Table)
	if err != nil {
		return fmt.Errorf("cluster %q: read the partition configuration of %s: %w", s.Label, s.Table, err)
	}
	usage := rates(ctx, s, config)
	out.ReadQPS, out.WriteQPS, out.NonIdempotentQPS, out.ArrivingQPS = usage.Reads, usage.Writes, usage.NonIdempotent, usage.Duplicated
	if t.Health.NoPrimary > 0 || plan.DeniesReads(t.Envs) {
		return nil // a scan would only wait
	}
	rows, err := sampleRows(ctx, s, t.Partitions, anyOlder(f.Source))
	if err != nil {
		return err
	}
	out.EmptyPartitions, out.LargestRow = rows.empty, rows.largest
	return nil
}

// countSpan is the time between two looks at servers that leave rates to their reader.
const countSpan = time.Second

// rates adds up what the primaries' servers count. One that is silent is told of elsewhere, and is
// missing here.
func rates(ctx context.Context, s Side, config *pegasus.TableConfig) pegasus.PartitionTraffic {
	before := countAll(ctx, s, config)
	now := before
	for _, n := range before {
		if n.Rates {
			continue
		}
		timer := time.NewTimer(countSpan)
		select {
		case <-timer.C:
			now = countAll(ctx, s, config)
		case <-ctx.Done():
			timer.Stop()
		}
		break
	}
	var sum pegasus.PartitionTraffic
	for node, n := range now {
		b, known := before[node]
		of, ok := n.Since(b)
		if !ok || !known {
			continue
		}
		for _, p := range config.Partitions {
			if p.Primary == node {
				sum.Reads += of[p.Index].Reads
				sum.Writes += of[p.Index].Writes
				sum.NonIdempotent += of[p.Index].NonIdempotent
				sum.Duplicated += of[p.Index].Duplicated
			}
		}
	}
	return sum
}

// countAll reads the counters of every server that is primary of something.
func countAll(ctx context.Context, s Side, config *pegasus.TableConfig) map[string]pegasus.TrafficCounts {
	seen := map[string]bool{}
	var nodes []string
	for _, p := range config.Partitions {
		if p.Primary != "" && !seen[p.Primary] {
			seen[p.Primary] = true
			nodes = append(nodes, p.Primary)
		}
	}
	answers, errs := make([]pegasus.TrafficCounts, len(nodes)), make([]error, len(nodes))
	forEach(len(nodes), func(i int) { answers[i], errs[i] = s.Cluster.TrafficCounts(ctx, nodes[i], config.AppID, s.Table) })
	out := map[string]pegasus.TrafficCounts{}
	for i, node := range nodes {
		if errs[i] == nil {
			out[node] = answers[i]
		}
	}
	return out
}

// rowSample is what the first rows of partitions tell.
type rowSample struct {
	empty   []int
	largest int64 // bytes of key and value
}

// firstRowLimit bounds the look at one partition: expired rows in front of the first one are read by
// the server, a thousand at a time.
const firstRowLimit = 20 * time.Second

// sampleRows reads the first rows of the first partitions and, when wanted, one row of every other.
func sampleRows(ctx context.Context, s Side, partitions int32, wantEmpty bool) (rowSample, error) {
	var out rowSample
	table, err := s.Cluster.OpenTable(ctx, s.Table)
	if err != nil {
		return out, fmt.Errorf("cluster %q: open %s to look at its rows: %w", s.Label, s.Table, err)
	}
	count := partitions
	if !wantEmpty {
		count = min(count, sampledPartitions)
	}
	found, largest, errs := make([]bool, count), make([]int64, count), make([]error, count)
	forEach(int(count), func(p int) {
		spec := pegasus.ScanSpec{Partition: int32(p), Batch: 1, NoValue: true, PageTimeout: firstRowLimit}
		if p < sampledPartitions {
			spec.Batch, spec.NoValue = sampledRows, false
		}
		found[p], largest[p], errs[p] = firstPage(ctx, table, spec)
	})
	for p := range int(count) {
		if errs[p] != nil {
			return out, fmt.Errorf("cluster %q: look at the first row of partition %d of %s: %w", s.Label, p, s.Table, errs[p])
		}
		if !found[p] && wantEmpty {
			out.empty = append(out.empty, p)
		}
		out.largest = max(out.largest, largest[p])
	}
	return out, nil
}

// firstPage reads on until there is a row or the partition ends.
func firstPage(ctx context.Context, table *pegasus.Table, spec pegasus.ScanSpec) (found bool, largest int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, firstRowLimit)
	defer cancel()
	scan := table.NewScan(spec)
	defer scan.Close()
	for {
		page, err := scan.Next(ctx)
		if errors.Is(err, io.EOF) {
			return false, 0, nil
		}
		if err != nil {
			return false, 0, err
		}
		for _, r := range page.Rows {
			found = true
			largest = max(largest, int64(len(r.Key)+len(r.Value)))
		}
		last := page.Last
		page.Release()
		if found || last {
			return found, largest, nil
		}
	}
}
