package observe

import (
	"context"
	"fmt"

	"github.com/pegmigrate/pegmigrate/plan"
	"github.com/pegmigrate/pegmigrate/schema"
)

// WithIndex asks also for the tables of a geo index, Facts.Index.
func WithIndex() Option { return func(o *options) { o.index = true } }

// lookAtIndex finds what has the names of both tables' indexes.
func lookAtIndex(ctx context.Context, source, target Side) (*plan.IndexFacts, error) {
	var out plan.IndexFacts
	var err error
	if out.Table, err = lookAtName(ctx, target, target.Table+schema.IndexSuffix); err != nil || source.Cluster == nil {
		return &out, err
	}
	own, err := lookAtName(ctx, source, source.Table+schema.IndexSuffix)
	out.OnSource = own != nil
	return &out, err
}

// lookAtName gives nil also for a table that is dropped and waits for its end.
func lookAtName(ctx context.Context, s Side, name string) (*plan.TableFacts, error) {
	t, err := lookAtTable(ctx, s.Cluster, name)
	if err != nil {
		return nil, fmt.Errorf("cluster %q: look for a geo index: %w", s.Label, err)
	}
	if t != nil && t.Status == dropped {
		return nil, nil
	}
	return t, nil
}
