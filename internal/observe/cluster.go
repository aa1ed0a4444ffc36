package observe

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/pegasus"
	"github.com/pegmigrate/pegmigrate/plan"
)

// Cluster is the part of a cluster that observing needs; *pegasus.Cluster has it. Every method is
// a question.
type Cluster interface {
	Info(ctx context.Context) (pegasus.ClusterInfo, error)
	Nodes(ctx context.Context) ([]pegasus.Node, error)
	ServerVersion(ctx context.Context, node string) (string, error)
	DiskInfo(ctx context.Context, node string) (pegasus.DiskInfo, error)
	// Setting is the value of a key of a section, the one in force if the server tells it.
	Setting(ctx context.Context, node, section, key string) (string, error)
	TableReader
	DuplicationReader
	FilesReader
}

// nodesAtOnce bounds how many nodes are asked in parallel.
const nodesAtOnce = 16

// Flags that servers report and waits are derived from.
const (
	sectionReplication = "replication"

	flagConfigSync   = "config_sync_interval_ms"
	flagGroupCheck   = "group_check_interval_ms"
	flagMaxWriteSize = "max_allowed_write_size"
	flagMaxReplicas  = "max_allowed_replica_count"
)

// lookAtCluster asks the meta and every replica server about themselves.
func lookAtCluster(ctx context.Context, c Cluster, label string, metas []string) (plan.ClusterFacts, error) {
	f := plan.ClusterFacts{Label: label}
	resolve(ctx, &f, metas, net.DefaultResolver.LookupNetIP)
	info, err := c.Info(ctx)
	if err != nil {
		return f, fmt.Errorf("ask cluster %q about itself: %w", label, err)
	}
	f.Name, f.PrimaryMeta, f.Level = info.Name, info.PrimaryMeta, strings.TrimPrefix(info.Level, "fl_")
	nodes, err := c.Nodes(ctx)
	if err != nil {
		return f, fmt.Errorf("list the nodes of cluster %q: %w", label, err)
	}
	answers := make([]nodeAnswer, len(nodes))
	forEach(len(nodes), func(i int) { answers[i] = lookAtNode(ctx, c, nodes[i]) })
	for _, a := range answers {
		f.Nodes = append(f.Nodes, a.facts)
		f.ConfigSync = max(f.ConfigSync, a.configSync)
		f.GroupCheck = max(f.GroupCheck, a.groupCheck)
		if a.maxWrite > 0 && (f.MaxWriteSize == 0 || a.maxWrite < f.MaxWriteSize) {
			f.MaxWriteSize = a.maxWrite
		}
	}
	slices.SortFunc(f.Nodes, func(a, b plan.NodeFacts) int { return strings.Compare(a.Addr, b.Addr) })
	if v, err := number(ctx, c, info.PrimaryMeta, flagMaxReplicas); err == nil {
		f.MaxReplicaCount = int32(v)
	}
	return f, ctx.Err()
}

// nodeAnswer is what one replica server told.
type nodeAnswer struct {
	facts                  plan.NodeFacts
	configSync, groupCheck time.Duration
	maxWrite               int64
}

func lookAtNode(ctx context.Context, c Cluster, n pegasus.Node) nodeAnswer {
	a := nodeAnswer{facts: plan.NodeFacts{Addr: n.Addr, Alive: n.Alive}}
	if !n.Alive {
		return a
	}
	version, err := c.ServerVersion(ctx, n.Addr)
	if err != nil {
		a.facts.Problem = err.Error()
		return a
	}
	a.facts.Version = version
	if disk, err := c.DiskInfo(ctx, n.Addr); err == nil {
		a.facts.DiskTotal = uint64(max(disk.TotalMB, 0)) << 20
		a.facts.DiskAvailable = uint64(max(disk.AvailableMB, 0)) << 20
	}
	if ms, err := number(ctx, c, n.Addr, flagConfigSync); err == nil {
		a.configSync = time.Duration(ms) * time.Millisecond
	}
	if ms, err := number(ctx, c, n.Addr, flagGroupCheck); err == nil {
		a.groupCheck = time.Duration(ms) * time.Millisecond
	}
	if size, err := number(ctx, c, n.Addr, flagMaxWriteSize); err == nil {
		a.maxWrite = size
	}
	return a
}

func number(ctx context.Context, c Cluster, node, flag string) (int64, error) {
	text, err := c.Setting(ctx, node, sectionReplication, flag)
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(text, 10, 64)
}

// forEach runs fn for 0..n-1, a bounded number at once, and waits for all.
func forEach(n int, fn func(i int)) {
	var wg sync.WaitGroup
	slots := make(chan struct{}, nodesAtOnce)
	for i := range n {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			fn(i)
		})
	}
	wg.Wait()
}
