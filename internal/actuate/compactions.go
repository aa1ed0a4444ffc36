package actuate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/pegmigrate/pegmigrate/apply"
	"github.com/pegmigrate/pegmigrate/internal/pegasus"
	"github.com/pegmigrate/pegmigrate/plan"
)

// Compactions implements apply.Compactions.
type Compactions struct {
	clusters *Clusters

	mu      sync.Mutex
	written map[writtenKey]int64 // bytes that compactions had written at the last look
}

type writtenKey struct {
	table     plan.TableRef
	node      string
	partition int32
}

var _ apply.Compactions = (*Compactions)(nil)

// NewCompactions starts and follows compactions.
func NewCompactions(c *Clusters) *Compactions {
	return &Compactions{clusters: c, written: map[writtenKey]int64{}}
}

// StartCompaction implements apply.Compactions.
func (x *Compactions) StartCompaction(ctx context.Context, t plan.TableRef) error {
	c, err := x.clusters.cluster(t.Cluster)
	if err != nil {
		return err
	}
	return unknown(refusedFiles(c.StartManualCompact(ctx, pegasus.CompactionSpec{Table: t.Table, TargetLevel: -1, Bottommost: true})))
}

// CompactionProgress implements apply.Compactions. Replicas say of an earlier compaction that it is
// finished until they have learned of the next, so a replica counts as done only when nothing is queued
// or running on it.
func (x *Compactions) CompactionProgress(ctx context.Context, t plan.TableRef) (percent int, running bool, err error) {
	c, err := x.clusters.cluster(t.Cluster)
	if err != nil {
		return 0, false, err
	}
	percent, running, err = c.ManualCompactProgress(ctx, t.Table)
	if err != nil || running && percent < 100 {
		return percent, running, err
	}
	at, err := whereReplicas(ctx, c, t.Table)
	if err != nil {
		return percent, running, err
	}
	counts, err := askEach(ctx, at.nodes, func(ctx context.Context, node string) (pegasus.CompactionCounts, error) {
		return c.CompactionCounts(ctx, node, at.appID)
	})
	if err != nil {
		return percent, running, err
	}
	var all pegasus.CompactionCounts
	for _, n := range counts {
		all.Running += n.Running
		all.Queuing += n.Queuing
		all.Idle += n.Idle
		all.Finished += n.Finished
	}
	if all.Running+all.Queuing > 0 {
		total := all.Running + all.Queuing + all.Idle + all.Finished
		return min(all.Finished*100/total, 99), true, nil
	}
	return percent, running && percent < 100, nil
}

// replicaPlaces is where the replicas of a table are.
type replicaPlaces struct {
	appID int32
	nodes []string           // in order
	of    map[string][]int32 // partitions by node
}

func whereReplicas(ctx context.Context, c *pegasus.Cluster, table string) (replicaPlaces, error) {
	config, err := c.PartitionConfigs(ctx, table)
	if err != nil {
		return replicaPlaces{}, err
	}
	out := replicaPlaces{appID: config.AppID, of: map[string][]int32{}}
	for _, p := range config.Partitions {
		for _, node := range append([]string{p.Primary}, p.Secondaries...) {
			if node != "" {
				out.of[node] = append(out.of[node], p.Index)
			}
		}
	}
	out.nodes = slices.Sorted(maps.Keys(out.of))
	return out, nil
}

// Compacted implements apply.Compactions.
func (x *Compactions) Compacted(ctx context.Context, t plan.TableRef) ([]apply.CompactedReplica, error) {
	c, err := x.clusters.cluster(t.Cluster)
	if err != nil {
		return nil, err
	}
	at, err := whereReplicas(ctx, c, t.Table)
	if err != nil {
		return nil, err
	}
	lists, err := askEach(ctx, at.nodes, func(ctx context.Context, node string) ([]apply.CompactedReplica, error) {
		replicas, err := c.ReplicaCompactions(ctx, node, at.appID)
		if err != nil {
			return nil, err
		}
		var out []apply.CompactedReplica
		for _, p := range at.of[node] {
			r, ok := replicas[p]
			if !ok {
				return nil, fmt.Errorf("%s tells nothing about its replica of partition %d of %s", node, p, t)
			}
			out = append(out, apply.CompactedReplica{Partition: p, Server: node, Finished: r.Finished, Busy: r.Queued || r.Running})
		}
		return out, nil
	})
	return slices.Concat(lists...), err
}

// Debt implements apply.Compactions. Servers tell neither what waits to be compacted nor how many files
// lie in level 0, so PendingBytes and Level0Files are 0: a replica has debt when a compaction of it wrote
// something since the last look, or a manual one runs or waits. From 2.6 on it takes two looks to know;
// at the first one a replica is Unknown.
func (x *Compactions) Debt(ctx context.Context, t plan.TableRef) (apply.Debt, error) {
	c, err := x.clusters.cluster(t.Cluster)
	if err != nil {
		return apply.Debt{}, err
	}
	at, err := whereReplicas(ctx, c, t.Table)
	if err != nil {
		return apply.Debt{}, err
	}
	type look struct {
		work   pegasus.CompactionWork
		manual pegasus.CompactionCounts
		silent bool
	}
	looks, err := askEach(ctx, at.nodes, func(ctx context.Context, node string) (l look, err error) {
		if l.work, err = c.CompactionWork(ctx, node, at.appID); err == nil {
			l.manual, err = c.CompactionCounts(ctx, node, at.appID)
		}
		l.silent = err != nil
		return l, ctx.Err()
	})
	if err != nil {
		return apply.Debt{}, err
	}
	var d apply.Debt
	x.mu.Lock()
	defer x.mu.Unlock()
	for i, l := range looks {
		node := at.nodes[i]
		if l.silent {
			d.Unknown += len(at.of[node])
			continue
		}
		busy := 0
		for _, p := range at.of[node] {
			switch x.compacts(writtenKey{t, node, p}, l.work) {
			case yes:
				busy++
			case unclear:
				d.Unknown++
			case no:
			}
		}
		d.Running += max(busy, l.manual.Running+l.manual.Queuing)
	}
	return d, nil
}

// answer is what a look says about one replica.
type answer int

const (
	no answer = iota
	yes
	unclear
)

// compacts compares with the look before where servers count from their start.
func (x *Compactions) compacts(key writtenKey, w pegasus.CompactionWork) answer {
	p, told := w.Partitions[key.partition]
	if !told {
		return unclear
	}
	if !w.Since {
		if p.Written > 0 {
			return yes
		}
		return no
	}
	before, seen := x.written[key]
	x.written[key] = p.Written
	switch {
	case !seen:
		return unclear
	case p.Written != before:
		return yes
	}
	return no
}

// Usage implements apply.Compactions. A server whose replicas disagree has all their scenarios as its
// value; one that does not tell of every replica that it should have is an error.
func (x *Compactions) Usage(ctx context.Context, t plan.TableRef) ([]apply.FlagValue, error) {
	c, err := x.clusters.cluster(t.Cluster)
	if err != nil {
		return nil, err
	}
	at, err := whereReplicas(ctx, c, t.Table)
	if err != nil {
		return nil, err
	}
	if len(at.nodes) == 0 {
		return nil, errors.New(t.String() + " has no replica")
	}
	return askEach(ctx, at.nodes, func(ctx context.Context, node string) (apply.FlagValue, error) {
		envs, err := c.ReplicaEnvs(ctx, node, at.appID)
		if err != nil {
			return apply.FlagValue{}, err
		}
		seen := map[string]bool{}
		for _, p := range at.of[node] {
			replica, ok := envs[p]
			if !ok {
				return apply.FlagValue{}, fmt.Errorf("%s tells nothing about its replica of partition %d of %s", node, p, t)
			}
			seen[cmp.Or(replica.Envs[envUsage], usageNormal)] = true
		}
		return apply.FlagValue{Server: node, Value: strings.Join(slices.Sorted(maps.Keys(seen)), ", ")}, nil
	})
}

// envUsage is the env of the usage scenario, usageNormal its value where none is set
// (src/common/replica_envs.cpp).
const (
	envUsage    = "rocksdb.usage_scenario"
	usageNormal = "normal"
)
