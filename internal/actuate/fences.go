package actuate

import (
	"context"
	"fmt"
	"slices"
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

// ProbePrefix is pegkey.ProbePrefix.
const ProbePrefix = pegkey.ProbePrefix

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

// Probe implements apply.Fences. ERR_INVALID_STATE also means "not the primary", so a rejection
// counts only when the node that answered says itself, before the question and after the answer,
// that it is the primary under the ballot that the meta gave. After alone is not enough: a node
// that is being made primary, or that changes its group, is inactive while the meta already lists
// it under the new ballot, and says that it is the primary a moment later (replica_config.cpp,
// on_update_configuration_on_meta_server_reply).
func (f *Fences) Probe(ctx context.Context, ref plan.TableRef, partitions []int32) ([]apply.Probe, error) {
	return f.probeAll(ctx, ref, partitions, deleteProbe())
}

// ProbeRead implements apply.Fences.
func (f *Fences) ProbeRead(ctx context.Context, ref plan.TableRef, partitions []int32) ([]apply.Probe, error) {
	return f.probeAll(ctx, ref, partitions, readProbe())
}

// probeKind is one way to ask a partition whether it lets clients in.
type probeKind struct {
	what string
	ask  func(*pegasus.Table, context.Context, int32, []byte) (pegasus.ProbeResult, error)
}

func deleteProbe() probeKind { return probeKind{"a delete", (*pegasus.Table).ProbeFence} }

func readProbe() probeKind { return probeKind{"a read", (*pegasus.Table).ProbeRead} }

func (f *Fences) probeAll(ctx context.Context, ref plan.TableRef, partitions []int32, kind probeKind) ([]apply.Probe, error) {
	c, err := f.clusters.cluster(ref.Cluster)
	if err != nil {
		return nil, err
	}
	table, err := f.clusters.open(ctx, ref)
	if err != nil {
		return nil, err
	}
	// The table's own routes are what probes are sent by. A partition that accepts writes never
	// gives the table a reason to look at them again, however its ballot grows.
	if err := table.Refresh(ctx); err != nil {
		return nil, err
	}
	probes := newProbes(table, partitions)
	before, err := replicasOf(ctx, c, primaries(probes))
	if err != nil {
		return nil, err
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(probesAtOnce)
	for i := range probes {
		g.Go(func() error {
			f.probe(gctx, table, kind, &probes[i])
			return gctx.Err()
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	rejected := slices.DeleteFunc(slices.Clone(probes), func(p apply.Probe) bool { return p.Verdict != apply.Rejected })
	after, err := replicasOf(ctx, c, primaries(rejected))
	if err != nil {
		return nil, err
	}
	confirm(table.ID(), probes, before, after)
	return probes, nil
}

// newProbes fills in where the table's routes lead.
func newProbes(table *pegasus.Table, partitions []int32) []apply.Probe {
	ballots := table.Ballots()
	out := make([]apply.Probe, len(partitions))
	for i, p := range partitions {
		out[i] = apply.Probe{Partition: p, Primary: table.Primary(p)}
		if p >= 0 && int(p) < len(ballots) {
			out[i].Ballot = ballots[p]
		}
	}
	return out
}

// primaries are the nodes that probes are about.
func primaries(probes []apply.Probe) map[string]bool {
	out := map[string]bool{}
	for _, p := range probes {
		if p.Primary != "" {
			out[p.Primary] = true
		}
	}
	return out
}

// probe sends one probe and notes what became of it.
func (f *Fences) probe(ctx context.Context, table *pegasus.Table, kind probeKind, out *apply.Probe) {
	switch count := table.PartitionCount(); {
	case out.Partition < 0 || out.Partition >= count:
		out.Detail = "the table has no such partition"
		return
	case out.Primary == "":
		out.Detail = "it has no primary"
		return
	}
	key := pegkey.Encode(nil, f.key(out.Partition, table.PartitionCount()), nil)
	answer, err := kind.ask(table, ctx, out.Partition, key)
	out.At = time.Now()
	switch {
	case err != nil:
		out.Detail = err.Error()
	case answer.TimedOut:
		out.Detail = "no answer"
	case answer.Primary != out.Primary || answer.Ballot != out.Ballot:
		out.Detail = "the primary moves"
	case answer.Code == idl.ErrOK:
		out.Verdict, out.Detail = apply.Accepted, kind.what+" of a reserved key was accepted"
	case answer.Code == idl.ErrInvalidState:
		out.Verdict, out.Detail = apply.Rejected, string(answer.Code)
	case behindFence(answer.Code):
		out.Verdict, out.Detail = apply.Accepted, "it says "+string(answer.Code)+", which no fenced partition does"
	default:
		out.Detail = string(answer.Code)
	}
}

// behindFence tells whether a primary looks at the fence before it can answer a write with this code
// (src/replica/replica_2pc.cpp, on_client_write): then no fence is in force, whatever else is wrong
// with the partition. Without this a fence would not count as lifted while a replica is missing.
func behindFence(code idl.ErrorCode) bool {
	switch code {
	case idl.ErrNotEnoughMember, idl.ErrDiskInsufficient, idl.ErrOperationDisabled, idl.ErrCapacityExceeded:
		return true
	}
	return false
}

// replicaTable is what nodes say about their replicas, by node.
type replicaTable map[string]map[gpid]pegasus.ReplicaInfo

// leads tells whether the node that a probe went to calls itself the primary of its partition,
// under the ballot that the probe was sent by.
func (t replicaTable) leads(appID int32, p *apply.Probe) bool {
	r, ok := t[p.Primary][gpid{appID, p.Partition}]
	return ok && r.Primary && r.Ballot == p.Ballot
}

// confirm takes a rejection back that its node does not vouch for.
func confirm(appID int32, probes []apply.Probe, before, after replicaTable) {
	for i := range probes {
		p := &probes[i]
		if p.Verdict != apply.Rejected || before.leads(appID, p) && after.leads(appID, p) {
			continue
		}
		p.Verdict, p.Detail = apply.Unclear, "it rejected, but does not say that it was the primary all the time"
	}
}

type gpid struct{ app, partition int32 }

// replicasTimeout bounds the wait for one node's list of replicas, so that a node that hangs does not
// slow the proof on the others down. Real nodes answer from memory.
const replicasTimeout = 2 * time.Second

// replicasOf asks nodes for the replicas that they hold. A node that does not answer has none: what
// depends on it stays unproven.
func replicasOf(ctx context.Context, c *pegasus.Cluster, nodes map[string]bool) (replicaTable, error) {
	var mu sync.Mutex
	out := replicaTable{}
	g, gctx := errgroup.WithContext(ctx)
	for node := range nodes {
		g.Go(func() error {
			limited, cancel := context.WithTimeout(gctx, replicasTimeout)
			defer cancel()
			infos, err := c.ReplicaInfos(limited, node)
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
			stamped[p], err = probeTTL(gctx, table, pegkey.Encode(nil, f.key(p, count), []byte(pegkey.ProbeSortTTL)))
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
	for i, text := range askNodes(ctx, c, nodes, flagConfigSync) {
		if nodes[i].Alive {
			longest = max(longest, configSync(text))
		}
	}
	if longest == 0 {
		longest = defaultConfigSync
	}
	return longest, ctx.Err()
}

// configSync reads the flag's value.
func configSync(text string) time.Duration {
	ms, err := strconv.ParseInt(text, 10, 64)
	if err != nil || ms <= 0 {
		return defaultConfigSync
	}
	return time.Duration(ms) * time.Millisecond
}
