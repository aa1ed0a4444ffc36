package actuate

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/pegmigrate/pegmigrate/apply"
	"github.com/pegmigrate/pegmigrate/internal/event"
	"github.com/pegmigrate/pegmigrate/internal/idl"
	"github.com/pegmigrate/pegmigrate/internal/pace"
	"github.com/pegmigrate/pegmigrate/internal/pegasus"
	"github.com/pegmigrate/pegmigrate/plan"
)

// Clusters are the open clusters of one migration by the label of their cluster block. It is safe
// for concurrent use.
type Clusters struct {
	byLabel map[string]*pegasus.Cluster
	// pacer is of all jobs, nil for one of each; told hears warnings about it. See SetPace.
	pacer *pace.Pacer
	told  event.Sink

	mu     sync.Mutex
	tables map[plan.TableRef]*pegasus.Table
}

// NewClusters wraps open clusters; the caller keeps and closes them.
func NewClusters(byLabel map[string]*pegasus.Cluster) *Clusters {
	return &Clusters{byLabel: byLabel, tables: map[plan.TableRef]*pegasus.Table{}}
}

func (c *Clusters) cluster(label string) (*pegasus.Cluster, error) {
	cluster, ok := c.byLabel[label]
	if !ok {
		return nil, fmt.Errorf("%w: cluster %q is not connected", apply.ErrRefused, label)
	}
	return cluster, nil
}

// open gives the data client of a table, opened once.
func (c *Clusters) open(ctx context.Context, t plan.TableRef) (*pegasus.Table, error) {
	c.mu.Lock()
	table := c.tables[t]
	c.mu.Unlock()
	if table != nil {
		return table, nil
	}
	cluster, err := c.cluster(t.Cluster)
	if err != nil {
		return nil, err
	}
	table, err = cluster.OpenTable(ctx, t.Table)
	if errors.Is(err, idl.ErrObjectNotFound) {
		return nil, fmt.Errorf("%s does not exist", t)
	}
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", t, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if first := c.tables[t]; first != nil {
		return first, nil
	}
	c.tables[t] = table
	return table, nil
}

// forget drops the data client of a table that was dropped or made again.
func (c *Clusters) forget(t plan.TableRef) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.tables, t)
}
