package actuate

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/pegmigrate/pegmigrate/apply"
	"github.com/pegmigrate/pegmigrate/internal/pegasus"
	"github.com/pegmigrate/pegmigrate/internal/pegkey"
	"github.com/pegmigrate/pegmigrate/plan"
)

// CanaryKey names a row for a canary to read.
type CanaryKey struct{ HashKey, SortKey []byte }

// CanaryRow is what a canary read.
type CanaryRow struct {
	Found bool
	Value []byte
	// Err is why the row could not be read, "" when it could.
	Err string
}

// CanaryRead reads rows of a table through a proxy, with Apache's go-client in a process of its own.
// One answer per key, in their order; the error is for a client that did not get that far.
type CanaryRead func(ctx context.Context, proxy, table string, keys []CanaryKey) ([]CanaryRow, error)

const (
	// canaryRows is how many rows are read through each proxy, from different partitions where there
	// are as many.
	canaryRows = 5
	// canaryLimit bounds the canary of one proxy, and the search for its rows.
	canaryLimit = 20 * time.Second
	// canariesAtOnce bounds the processes at work.
	canariesAtOnce = 4
	// canaryPage is how many rows of a partition are looked at for one that a client can read.
	canaryPage = 16
	// canaryValue is the largest value that is compared, in bytes: rows travel through a pipe as text.
	canaryValue = 64 << 10
	// canaryMargin is how long a row must have to live still, to be there for every proxy.
	canaryMargin = 10 * time.Minute
)

// Canary implements apply.Routes. A row that changes while it is read proves nothing and is not
// counted; an empty table is opened and nothing read.
func (r *Routes) Canary(ctx context.Context, route plan.Route, behind plan.TableRef) ([]apply.Canary, error) {
	if r.canary == nil {
		return nil, fmt.Errorf("%w: this process has no canary", apply.ErrRefused)
	}
	cluster, err := r.clusters.cluster(behind.Cluster)
	if err != nil {
		return nil, err
	}
	table, err := r.clusters.open(ctx, behind)
	if err != nil {
		return nil, err
	}
	keys, err := canaryKeys(ctx, table)
	if err != nil {
		return nil, fmt.Errorf("rows for the canary: %w", err)
	}
	advisory, err := beyondGoClient(ctx, cluster, table.PartitionCount())
	if err != nil {
		return nil, err
	}
	out := make([]apply.Canary, len(route.Proxies))
	slots := make(chan struct{}, canariesAtOnce)
	var wg sync.WaitGroup
	for i, proxy := range route.Proxies {
		slots <- struct{}{} // a canary ends by its limit
		wg.Go(func() {
			defer func() { <-slots }()
			rows, err := r.fly(ctx, proxy, route.Table, table, keys)
			out[i] = apply.Canary{Proxy: proxy, Rows: rows, Advisory: advisory}
			if err != nil {
				out[i].Error = err.Error()
			}
		})
	}
	wg.Wait()
	return out, ctx.Err()
}

// fly reads the rows through one proxy and compares them with what the cluster says before and after.
func (r *Routes) fly(ctx context.Context, proxy, name string, table *pegasus.Table, keys []CanaryKey) (equal int, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, canaryLimit, fmt.Errorf("not done within %v", canaryLimit))
	defer cancel()
	before, err := readRows(ctx, table, keys)
	if err != nil {
		return 0, err
	}
	got, err := r.canary(ctx, proxy, name, keys)
	if err != nil {
		return 0, err
	}
	if len(got) != len(keys) {
		return 0, fmt.Errorf("the canary was asked for %d rows and answered %d", len(keys), len(got))
	}
	after, err := readRows(ctx, table, keys)
	if err != nil {
		return 0, err
	}
	for i, g := range got {
		switch {
		case g.Err != "":
			return equal, fmt.Errorf("row %d of %d: %s", i+1, len(got), g.Err)
		case same(g, before[i]), same(g, after[i]):
			equal++
		case same(before[i], after[i]):
			return equal, fmt.Errorf("row %d of %d is not what the cluster holds: %s", i+1, len(got), differs(g, after[i]))
		}
	}
	return equal, nil
}

func same(a, b CanaryRow) bool { return a.Found == b.Found && bytes.Equal(a.Value, b.Value) }

func differs(got, held CanaryRow) string {
	switch {
	case !got.Found:
		return "it was not found"
	case !held.Found:
		return "it should not be there"
	}
	return fmt.Sprintf("other %d bytes than the %d bytes there", len(got.Value), len(held.Value))
}

func readRows(ctx context.Context, table *pegasus.Table, keys []CanaryKey) ([]CanaryRow, error) {
	out := make([]CanaryRow, len(keys))
	for i, k := range keys {
		value, found, err := table.Get(ctx, pegkey.Encode(nil, k.HashKey, k.SortKey))
		if err != nil {
			return nil, err
		}
		out[i] = CanaryRow{Found: found, Value: value}
	}
	return out, nil
}

// canaryKeys finds rows that a client can read, one per partition as long as partitions have some.
func canaryKeys(ctx context.Context, table *pegasus.Table) ([]CanaryKey, error) {
	ctx, cancel := context.WithTimeout(ctx, canaryLimit)
	defer cancel()
	var spare, keys []CanaryKey
	for p := range table.PartitionCount() {
		if len(keys) == canaryRows {
			break
		}
		found, err := readable(ctx, table, p)
		if err != nil {
			return nil, err
		}
		if len(found) > 0 {
			keys, spare = append(keys, found[0]), append(spare, found[1:]...)
		}
	}
	return append(keys, spare[:min(len(spare), canaryRows-len(keys))]...), nil
}

// readable looks at the first rows of a partition.
func readable(ctx context.Context, table *pegasus.Table, partition int32) (keys []CanaryKey, err error) {
	s := table.NewScan(pegasus.ScanSpec{Partition: partition, Batch: canaryPage, PageTimeout: canaryLimit})
	defer s.Close()
	var page pegasus.Page
	if page, err = s.Next(ctx); err != nil {
		return nil, err
	}
	defer page.Release()
	soon := time.Now().Add(canaryMargin)
	for _, row := range page.Rows {
		hash, sort, err := pegkey.Decode(row.Key)
		// The go-client takes no empty hash key (pegasus/table_connector.go, validateHashKey).
		if err != nil || len(hash) == 0 || len(row.Value) > canaryValue || pegkey.Expired(row.Expire, soon) {
			continue
		}
		keys = append(keys, CanaryKey{bytes.Clone(hash), bytes.Clone(sort)})
		if len(keys) == canaryRows {
			break
		}
	}
	return keys, nil
}

// beyondGoClient says whether the pinned go-client is known not to understand the servers: tables
// whose partition count is no power of two (later ones refuse them), and servers from 2.6 on, whose
// fields it has never seen. Servers that do not tell their version are held to what it understands.
func beyondGoClient(ctx context.Context, c *pegasus.Cluster, partitions int32) (bool, error) {
	if partitions&(partitions-1) != 0 {
		return true, nil
	}
	nodes, err := c.Nodes(ctx)
	if err != nil {
		return false, err
	}
	for _, n := range nodes {
		if !n.Alive {
			continue
		}
		if version, err := c.ServerVersion(ctx, n.Addr); err == nil && newerThanGoClient(version) {
			return true, nil
		}
	}
	return false, nil
}

// newerThanGoClient compares the first two numbers of a version such as "2.5.0" or "2.6.0-SNAPSHOT".
func newerThanGoClient(version string) bool {
	var major, minor int
	_, err := fmt.Sscanf(version, "%d.%d", &major, &minor)
	return err == nil && (major > 2 || major == 2 && minor > 5)
}
