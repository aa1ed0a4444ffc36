package actuate

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/pegmigrate/pegmigrate/apply"
	"github.com/pegmigrate/pegmigrate/internal/idl"
	"github.com/pegmigrate/pegmigrate/internal/pegasus"
	"github.com/pegmigrate/pegmigrate/internal/pegkey"
	"github.com/pegmigrate/pegmigrate/plan"
)

// ProbePrefix begins the hash key of every row that probes touch. The rows do not exist outside a
// probe of default_ttl; a delete of one is harmless whether it is accepted or not.
const ProbePrefix = "pegmigrate.probe."

// Fences implements apply.Fences.
type Fences struct {
	clusters *Clusters

	mu   sync.Mutex
	keys map[probeKey][]byte
}

type probeKey struct{ partition, count int32 }

var _ apply.Fences = (*Fences)(nil)

// NewFences looks at single partitions of clusters.
func NewFences(c *Clusters) *Fences { return &Fences{clusters: c, keys: map[probeKey][]byte{}} }

// probesAtOnce bounds the probes under way: one round over 1,024 partitions must not be a burst.
const probesAtOnce = 64

// key is the reserved hash key of a partition.
func (f *Fences) key(partition, count int32) []byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	k := probeKey{partition, count}
	if f.keys[k] == nil {
		f.keys[k] = pegkey.ProbeKey(ProbePrefix, partition, count)
	}
	return f.keys[k]
}

// Probe implements apply.Fences. ERR_INVALID_STATE also means "not primary", so a rejection counts
// only when the node that answered says itself, after the answer, that it is the primary, under
// the ballot that the meta gave before.
func (f *Fences) Probe(ctx context.Context, ref plan.TableRef, partitions []int32) ([]apply.Probe, error) {
	c, err := f.clusters.cluster(ref.Cluster)
	if err != nil {
		return nil, err
	}
	table, err := f.clusters.open(ctx, ref)
	if err != nil {
		return nil, err
	}
	config, err := c.PartitionConfigs(ctx, ref.Table)
	if err != nil {
		return nil, err
	}
	probes := make([]apply.Probe, len(partitions))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(probesAtOnce)
	for i, p := range partitions {
		g.Go(func() error {
			probes[i] = f.probe(gctx, table, config, p)
			return gctx.Err()
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return probes, f.confirm(ctx, c, config.AppID, probes)
}

func (f *Fences) probe(ctx context.Context, table *pegasus.Table, config *pegasus.TableConfig, partition int32) apply.Probe {
	out := apply.Probe{Partition: partition}
	if int(partition) >= len(config.Partitions) {
		out.Detail = "the table has no such partition"
		return out
	}
	pc := config.Partitions[partition]
	out.Primary, out.Ballot = pc.Primary, pc.Ballot
	if pc.Primary == "" {
		out.Detail = "it has no primary"
		return out
	}
	key := pegkey.Encode(nil, f.key(partition, int32(len(config.Partitions))), nil)
	answer, err := table.ProbeFence(ctx, partition, key)
	out.At = time.Now()
	switch {
	case err != nil:
		out.Detail = err.Error()
	case answer.TimedOut:
		out.Detail = "no answer"
	case answer.Primary != pc.Primary || answer.Ballot != pc.Ballot:
		out.Detail = "the primary moves"
	case answer.Code == idl.ErrOK:
		out.Verdict, out.Detail = apply.Accepted, "a delete of a reserved key was accepted"
	case answer.Code == idl.ErrInvalidState:
		out.Verdict, out.Detail = apply.Rejected, string(answer.Code)
	default:
		out.Detail = string(answer.Code)
	}
	return out
}

// confirm asks the nodes that rejected whether they are the primaries.
func (f *Fences) confirm(ctx context.Context, c *pegasus.Cluster, appID int32, probes []apply.Probe) error {
	nodes := map[string]bool{}
	for _, p := range probes {
		if p.Verdict == apply.Rejected {
			nodes[p.Primary] = true
		}
	}
	replicas, err := replicasOf(ctx, c, nodes)
	if err != nil {
		return err
	}
	for i := range probes {
		p := &probes[i]
		if p.Verdict != apply.Rejected {
			continue
		}
		r, ok := replicas[p.Primary][gpid{appID, p.Partition}]
		if !ok || !r.Primary || r.Ballot != p.Ballot {
			p.Verdict, p.Detail = apply.Unclear, "it rejected, but does not say that it is the primary"
		}
	}
	return nil
}

type gpid struct{ app, partition int32 }

// replicasOf asks nodes for the replicas that they hold. A node that does not answer has none: what
// depends on it stays unproven.
func replicasOf(ctx context.Context, c *pegasus.Cluster, nodes map[string]bool) (map[string]map[gpid]pegasus.ReplicaInfo, error) {
	var mu sync.Mutex
	out := map[string]map[gpid]pegasus.ReplicaInfo{}
	g, gctx := errgroup.WithContext(ctx)
	for node := range nodes {
		g.Go(func() error {
			infos, err := c.ReplicaInfos(gctx, node)
			if err != nil {
				return gctx.Err()
			}
			byGpid := make(map[gpid]pegasus.ReplicaInfo, len(infos))
			for _, r := range infos {
				byGpid[gpid{r.AppID, r.Partition}] = r
			}
			mu.Lock()
			defer mu.Unlock()
			out[node] = byGpid
			return nil
		})
	}
	return out, g.Wait()
}

// Decrees implements apply.Fences.
func (f *Fences) Decrees(ctx context.Context, ref plan.TableRef) ([]apply.Decree, error) {
	c, err := f.clusters.cluster(ref.Cluster)
	if err != nil {
		return nil, err
	}
	config, err := c.PartitionConfigs(ctx, ref.Table)
	if err != nil {
		return nil, err
	}
	nodes := map[string]bool{}
	for i, p := range config.Partitions {
		if p.Primary == "" {
			return nil, fmt.Errorf("partition %d of %s has no primary", i, ref)
		}
		nodes[p.Primary] = true
	}
	replicas, err := replicasOf(ctx, c, nodes)
	if err != nil {
		return nil, err
	}
	out := make([]apply.Decree, 0, len(config.Partitions))
	for i, p := range config.Partitions {
		r, ok := replicas[p.Primary][gpid{config.AppID, int32(i)}]
		if !ok || !r.Primary || r.Ballot != p.Ballot {
			return nil, fmt.Errorf("partition %d of %s: %s does not answer as its primary", i, ref, p.Primary)
		}
		out = append(out, apply.Decree{Partition: int32(i), Primary: p.Primary, Ballot: r.Ballot,
			Prepared: r.Prepared, Committed: r.Committed})
	}
	return out, nil
}

// ProbeTTL implements apply.Fences.
func (f *Fences) ProbeTTL(ctx context.Context, ref plan.TableRef) ([]int32, error) {
	table, err := f.clusters.open(ctx, ref)
	if err != nil {
		return nil, err
	}
	count := table.PartitionCount()
	stamped := make([]bool, count)
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(probesAtOnce)
	for p := range count {
		g.Go(func() error {
			var err error
			stamped[p], err = probeTTL(gctx, table, pegkey.Encode(nil, f.key(p, count), []byte("ttl")))
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	var out []int32
	for p, s := range stamped {
		if s {
			out = append(out, int32(p))
		}
	}
	return out, nil
}

// probeTTL writes a row without expiry, looks whether it kept none, and takes it out again.
func probeTTL(ctx context.Context, table *pegasus.Table, key []byte) (stamped bool, err error) {
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = time.Now().Add(10 * time.Second)
	}
	if err := putAndWait(ctx, table, pegasus.Row{Key: key, Value: []byte("probe")}, deadline); err != nil {
		return false, fmt.Errorf("write the probe row: %w", err)
	}
	_, hasTTL, err := table.TTL(ctx, key)
	if err != nil {
		return false, fmt.Errorf("read the expiry of the probe row: %w", err)
	}
	if err := table.Remove(ctx, key); err != nil {
		return false, fmt.Errorf("remove the probe row: %w", err)
	}
	return hasTTL, nil
}

// flagConfigSync is the interval at which replica servers take envs over from the meta.
const flagConfigSync = "config_sync_interval_ms"

// defaultConfigSync is the servers' default, used for a node that does not tell.
const defaultConfigSync = 30 * time.Second

// SyncInterval implements apply.Fences.
func (f *Fences) SyncInterval(ctx context.Context, cluster string) (time.Duration, error) {
	c, err := f.clusters.cluster(cluster)
	if err != nil {
		return 0, err
	}
	nodes, err := c.Nodes(ctx)
	if err != nil {
		return 0, err
	}
	var longest time.Duration
	for _, n := range nodes {
		if !n.Alive {
			continue
		}
		longest = max(longest, configSync(ctx, c, n.Addr))
	}
	if longest == 0 {
		longest = defaultConfigSync
	}
	return longest, ctx.Err()
}

func configSync(ctx context.Context, c *pegasus.Cluster, node string) time.Duration {
	text, err := c.ConfigValue(ctx, node, flagConfigSync)
	if err != nil {
		return defaultConfigSync
	}
	ms, err := strconv.ParseInt(text, 10, 64)
	if err != nil || ms <= 0 {
		return defaultConfigSync
	}
	return time.Duration(ms) * time.Millisecond
}
