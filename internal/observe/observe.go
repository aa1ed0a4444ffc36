package observe

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/pegmigrate/pegmigrate/plan"
)

// Side is one end of a migration to look at.
type Side struct {
	Cluster     Cluster
	Label       string
	MetaServers []string
	Table       string
}

// Option widens a look.
type Option func(*options)

type options struct {
	duplication *duplicationLook
	files       *filesLook
	traffic     bool
	index       bool
}

// WithTraffic asks also for what clients do to the source, Facts.Traffic.
func WithTraffic() Option { return func(o *options) { o.traffic = true } }

// lookAtTraffic counts requests of clients. A source that is a backup, or cannot be used now, has none.
func lookAtTraffic(ctx context.Context, source Side, t *plan.TableFacts) (*plan.TrafficFacts, error) {
	if source.Cluster == nil {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, trafficLimit)
	defer cancel()
	sum, err := tableRates(ctx, source, t)
	if err != nil {
		return nil, err
	}
	return &plan.TrafficFacts{ReadQPS: sum.Reads, WriteQPS: sum.Writes}, nil
}

// trafficLimit bounds the look at the counters of every server.
const trafficLimit = time.Minute

// Look observes both ends; a source without a Cluster is a backup, of which only files remain. The error names the side and the question that was not answered.
func Look(ctx context.Context, source, target Side, opts ...Option) (plan.Facts, error) {
	var o options
	for _, opt := range opts {
		opt(&o)
	}
	var f plan.Facts
	g, sides := errgroup.WithContext(ctx)
	if source.Cluster != nil {
		g.Go(func() (err error) {
			f.Source, f.SourceTable, err = look(sides, source)
			return err
		})
	}
	g.Go(func() (err error) {
		f.Target, f.TargetTable, err = look(sides, target)
		return err
	})
	if err := g.Wait(); err != nil {
		return plan.Facts{}, err
	}
	if o.duplication != nil {
		var err error
		if f.Duplication, err = o.duplication.run(ctx, source, target, &f); err != nil {
			return plan.Facts{}, err
		}
	}
	if o.files != nil {
		var err error
		if f.Files, err = o.files.run(ctx, source, target, &f); err != nil {
			return plan.Facts{}, err
		}
	}
	if o.traffic {
		var err error
		if f.Traffic, err = lookAtTraffic(ctx, source, f.SourceTable); err != nil {
			return plan.Facts{}, err
		}
	}
	if o.index {
		var err error
		if f.Index, err = lookAtIndex(ctx, source, target); err != nil {
			return plan.Facts{}, err
		}
	}
	// A table that is dropped and waits for its end does not stand in the way of a new one.
	if f.TargetTable != nil && f.TargetTable.Status == dropped {
		f.TargetTable = nil
	}
	return f, nil
}

func look(ctx context.Context, s Side) (plan.ClusterFacts, *plan.TableFacts, error) {
	c, err := lookAtCluster(ctx, s.Cluster, s.Label, s.MetaServers)
	if err != nil {
		return c, nil, err
	}
	t, err := lookAtTable(ctx, s.Cluster, s.Table)
	if err != nil {
		return c, nil, fmt.Errorf("cluster %q: %w", s.Label, err)
	}
	return c, t, nil
}
