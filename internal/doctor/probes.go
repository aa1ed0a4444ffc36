package doctor

import (
	"context"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/pegmigrate/pegmigrate/internal/pegasus"
	"github.com/pegmigrate/pegmigrate/internal/pegkey"
	"github.com/pegmigrate/pegmigrate/plan"
)

const (
	// probesAtOnce bounds the reads of one table that are under way.
	probesAtOnce = 32
	// probesLimit bounds the reads of one table: a partition without primary answers none.
	probesLimit = 5 * time.Second
)

// probeRows looks for rows under the reserved keys by which partitions are probed. One read per partition and
// sort key finds them, because the key of a partition is always the same; clients' counters show these reads.
func probeRows(ctx context.Context, c Cluster, t pegasus.TableInfo) ([]Leftover, error) {
	// A table that denies reads is told of already, and asking it again would change nothing.
	if t.Status != "AVAILABLE" || plan.DeniesReads(t.Envs) {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, probesLimit)
	defer cancel()
	table, err := c.OpenTable(ctx, t.Name)
	if err != nil {
		return nil, fmt.Errorf("rows of probes: %w", err)
	}
	var mu sync.Mutex
	var first string
	rows := 0
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(probesAtOnce)
	for p := range table.PartitionCount() {
		hash := pegkey.ProbeKey(pegkey.ProbePrefix, p, table.PartitionCount())
		for _, sort := range []string{"", pegkey.ProbeSortTTL} {
			g.Go(func() error {
				_, found, err := table.Get(gctx, pegkey.Encode(nil, hash, []byte(sort)))
				if err != nil || !found {
					return err
				}
				mu.Lock()
				defer mu.Unlock()
				rows++
				if text := fmt.Sprintf("del %s %q", hash, sort); first == "" || text < first {
					first = text
				}
				return nil
			})
		}
	}
	if err := g.Wait(); err != nil {
		err = fmt.Errorf("rows of probes in %s: %w", t.Name, err)
		return probeLeftover(t.Name, rows, first), err
	}
	return probeLeftover(t.Name, rows, first), nil
}

func probeLeftover(table string, rows int, first string) []Leftover {
	if rows == 0 {
		return nil
	}
	what, more := "a row", ""
	if rows > 1 {
		what, more = fmt.Sprintf("%d rows", rows), ", and so on"
	}
	return []Leftover{{Where: table, What: what + " of a probe with hash key " + pegkey.ProbePrefix + "…",
		Effect: "clients that read the whole table see it, copies take it along; it is the difference that a comparison finds when the other table has none",
		Undo:   "when no migration is at work here, in the shell: use " + table + "; " + first + more}}
}
