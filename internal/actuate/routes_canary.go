package actuate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
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
	canaryRows = 10
	// canaryLimit bounds the canary of one proxy, and the search for its rows.
	canaryLimit = 20 * time.Second
	// canariesAtOnce bounds the processes at work.
	canariesAtOnce = 4
	// canaryPage is how many rows of a partition are read at once when one is looked for that a client
	// can read, canaryPages how often. Rows that nobody can read often lie side by side.
	canaryPage, canaryPages = 16, 64
	// canaryFlights is how often rows are read that changed each time.
	canaryFlights = 3
	// canaryValue is the largest value that is compared, in bytes: rows travel through a pipe as text.
	canaryValue = 64 << 10
	// canaryMargin is how long a row must have to live still, to be there for every proxy.
	canaryMargin = 10 * time.Minute
)

// Canary implements apply.Routes. A row that changes while it is read proves nothing and is not
// counted; a table without a row that a client can read is opened and nothing read.
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
			rows, err := r.flyOften(ctx, proxy, route.Table, table, keys)
			out[i] = apply.Canary{Proxy: proxy, Asked: len(keys), Rows: rows, Advisory: advisory}
			if err != nil {
				out[i].Error = err.Error()
			}
		})
	}
	wg.Wait()
	return out, ctx.Err()
}

// flyOften flies until some row is proven: all of them may be busy.
func (r *Routes) flyOften(ctx context.Context, proxy, name string, table *pegasus.Table, keys []CanaryKey) (equal int, err error) {
	for range canaryFlights {
		if equal, err = r.fly(ctx, proxy, name, table, keys); err != nil || equal > 0 || len(keys) == 0 {
			break
		}
	}
	return equal, err
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

// canaryKeys finds rows that a client can read, one per partition as long as partitions have some, in
// any order of partitions. What is not found in time is left out.
func canaryKeys(ctx context.Context, table *pegasus.Table) ([]CanaryKey, error) {
	limited, cancel := context.WithTimeout(ctx, canaryLimit)
	defer cancel()
	var spare, keys []CanaryKey
	for _, p := range rand.Perm(int(table.PartitionCount())) {
		if len(keys) == canaryRows || limited.Err() != nil {
			break
		}
		found, err := readable(limited, table, int32(p))
		if err != nil && limited.Err() == nil {
			return nil, err
		}
		if len(found) > 0 {
			keys, spare = append(keys, found[0]), append(spare, found[1:]...)
		}
	}
	return append(keys, spare[:min(len(spare), canaryRows-len(keys))]...), ctx.Err()
}

// readable looks for rows of a partition up to the first page that has some.
func readable(ctx context.Context, table *pegasus.Table, partition int32) (keys []CanaryKey, err error) {
	s := table.NewScan(pegasus.ScanSpec{Partition: partition, Batch: canaryPage, PageTimeout: canaryLimit})
	defer s.Close()
	soon := time.Now().Add(canaryMargin)
	for range canaryPages {
		page, err := s.Next(ctx)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		keys = readableOf(page.Rows, soon)
		page.Release()
		if len(keys) > 0 {
			break
		}
	}
	return keys, nil
}

func readableOf(rows []pegasus.Row, soon time.Time) (keys []CanaryKey) {
	for _, row := range rows {
		hash, sort, err := pegkey.Decode(row.Key)
		// The go-client takes no empty hash key (pegasus/table_connector.go, validateHashKey).
		if err != nil || len(hash) == 0 || len(row.Value) > canaryValue || pegkey.Expired(row.Expire, soon) {
			continue
		}
		if keys = append(keys, CanaryKey{bytes.Clone(hash), bytes.Clone(sort)}); len(keys) == canaryRows {
			break
		}
	}
	return keys
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
