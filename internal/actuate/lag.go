package actuate

import (
	"context"
	"fmt"
	"time"

	"github.com/pegmigrate/pegmigrate/apply"
	"github.com/pegmigrate/pegmigrate/internal/pegasus"
	"github.com/pegmigrate/pegmigrate/plan"
)

// progressTimeout bounds the wait for what one node says of its duplications: from memory.
const progressTimeout = 2 * time.Second

// nodeLag is what one node answered, in the order in which it was asked.
type nodeLag struct {
	before, after map[gpid]pegasus.ReplicaInfo
	progress      map[int32]map[int32]pegasus.ReplicaProgress
	err           error
}

// Lag implements apply.Duplications. What is outstanding is counted by the server from the decree that
// is committed when it is asked; the committed decree is read before that, so that the difference is a
// decree that was shipped already. One node answers for one partition: after a fail-over the new
// primary begins again at what was confirmed.
func (d *Duplications) Lag(ctx context.Context, ref plan.TableRef, id int32) ([]apply.Lag, error) {
	c, err := d.clusters.cluster(ref.Cluster)
	if err != nil {
		return nil, err
	}
	config, err := c.PartitionConfigs(ctx, ref.Table)
	if err != nil {
		return nil, err
	}
	var nodes []string
	seen := map[string]int{}
	for _, p := range config.Partitions {
		if _, ok := seen[p.Primary]; !ok && p.Primary != "" {
			seen[p.Primary] = len(nodes)
			nodes = append(nodes, p.Primary)
		}
	}
	answers := make([]nodeLag, len(nodes))
	eachNode(nodes, func(i int) { answers[i] = askLag(ctx, c, nodes[i], config.AppID) })
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	out := make([]apply.Lag, len(config.Partitions))
	for i, p := range config.Partitions {
		if p.Primary == "" {
			out[i] = unknownLag(p, "the partition has no primary")
			continue
		}
		out[i] = answers[seen[p.Primary]].of(p, config.AppID, id)
	}
	return out, nil
}

// askLag asks one node three questions, one after the other.
func askLag(ctx context.Context, c *pegasus.Cluster, node string, appID int32) (out nodeLag) {
	replicas := func() (map[gpid]pegasus.ReplicaInfo, error) {
		limited, cancel := context.WithTimeout(ctx, replicasTimeout)
		defer cancel()
		infos, err := c.ReplicaInfos(limited, node)
		by := make(map[gpid]pegasus.ReplicaInfo, len(infos))
		for _, r := range infos {
			if r.AppID == appID {
				by[gpid{r.AppID, r.Partition}] = r
			}
		}
		return by, err
	}
	if out.before, out.err = replicas(); out.err != nil {
		return out
	}
	limited, cancel := context.WithTimeout(ctx, progressTimeout)
	defer cancel()
	if out.progress, out.err = c.DuplicationProgress(limited, node, appID); out.err != nil {
		return out
	}
	out.after, out.err = replicas()
	return out
}

// unknownLag is the lag of a partition of which nothing is known.
func unknownLag(p pegasus.PartitionConfig, format string, args ...any) apply.Lag {
	return apply.Lag{Partition: p.Index, Primary: p.Primary, Ballot: p.Ballot, Shipped: -1, Confirmed: -1,
		Problem: fmt.Sprintf(format, args...)}
}

// of picks one partition out of its node's answers.
func (n *nodeLag) of(p pegasus.PartitionConfig, appID, id int32) apply.Lag {
	if n.err != nil {
		return unknownLag(p, "%v", n.err)
	}
	key := gpid{appID, p.Index}
	for _, replicas := range []map[gpid]pegasus.ReplicaInfo{n.before, n.after} {
		switch r, ok := replicas[key]; {
		case !ok:
			return unknownLag(p, "the server has no replica of the partition")
		case !r.Primary || r.Ballot != p.Ballot:
			return unknownLag(p, "the server is %s under ballot %d, the meta says primary under %d", r.Status, r.Ballot, p.Ballot)
		}
	}
	r := n.before[key]
	out := apply.Lag{Partition: p.Index, Primary: p.Primary, Ballot: r.Ballot, Prepared: r.Prepared, Committed: r.Committed, Shipped: -1, Confirmed: -1}
	switch progress, ok := n.progress[id][p.Index]; {
	case !ok:
		out.Problem = fmt.Sprintf("the server does not know duplication %d of the partition", id)
	case !progress.Duplicating:
		out.Held, out.Problem = true, "the server does not ship the partition's log"
	default:
		// Below 0: more was committed between the two questions than was ever shipped.
		out.Shipped = max(r.Committed-progress.NotDuplicated, 0)
		// A primary for which the meta has stored nothing confirms -1, which is not 0.
		out.Confirmed = max(r.Committed-progress.NotConfirmed, -1)
	}
	return out
}
