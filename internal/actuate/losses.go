package actuate

import (
	"context"
	"errors"

	"github.com/pegmigrate/pegmigrate/apply"
	"github.com/pegmigrate/pegmigrate/internal/pegasus"
	"github.com/pegmigrate/pegmigrate/plan"
)

// lostOn is what was counted of one node up to its last answer.
type lostOn struct {
	last pegasus.LossCounts
	sum  float64
}

func (l lostOn) plus(now pegasus.LossCounts) lostOn {
	switch {
	case now.Kept:
		l.sum = now.Sum()
	case !now.SamePeriod(l.last):
		l.sum += now.Sum()
	}
	l.last = now
	return l
}

// Lost implements apply.Duplications. A living server that does not answer is an error only when no
// other does: what it has lost may be told next time.
func (d *Duplications) Lost(ctx context.Context, ref plan.TableRef) (apply.Loss, error) {
	c, err := d.clusters.cluster(ref.Cluster)
	if err != nil {
		return apply.Loss{}, err
	}
	config, err := c.PartitionConfigs(ctx, ref.Table)
	if err != nil {
		return apply.Loss{}, err
	}
	nodes, err := livingNodes(ctx, c)
	if err != nil {
		return apply.Loss{}, err
	}
	counts, errs := make([]pegasus.LossCounts, len(nodes)), make([]error, len(nodes))
	eachNode(nodes, func(i int) {
		limited, cancel := context.WithTimeout(ctx, progressTimeout)
		defer cancel()
		counts[i], errs[i] = c.LossCounts(limited, nodes[i], config.AppID)
	})
	d.mu.Lock()
	defer d.mu.Unlock()
	seen := d.lost[ref]
	if seen == nil {
		seen = map[string]lostOn{}
		d.lost[ref] = seen
	}
	for i, node := range nodes {
		if errs[i] == nil {
			seen[node] = seen[node].plus(counts[i])
		}
	}
	if len(seen) == 0 {
		return apply.Loss{}, errors.Join(errs...)
	}
	var out apply.Loss
	for _, of := range seen {
		out.Mutations += of.sum
		out.Kept = out.Kept || of.last.Kept
	}
	return out, nil
}
