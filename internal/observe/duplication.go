package observe

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/pegmigrate/pegmigrate/internal/idl"
	"github.com/pegmigrate/pegmigrate/internal/metaproxy"
	"github.com/pegmigrate/pegmigrate/internal/pegasus"
	"github.com/pegmigrate/pegmigrate/plan"
	"github.com/pegmigrate/pegmigrate/schema"
)

// DuplicationReader answers questions about duplication.
type DuplicationReader interface {
	ConfigDump(ctx context.Context, node string) (pegasus.ConfigDump, error)
	// ProbeDuplication asks for a duplication of a table that cannot exist: the one request of
	// observing that would change something if it were taken.
	ProbeDuplication(ctx context.Context, remote string) error
	HasListDuplication(ctx context.Context) (bool, error)
	TrafficCounts(ctx context.Context, node string, appID int32, table string) (pegasus.TrafficCounts, error)
}

// WithDuplication asks also for what only method duplication needs to know, Facts.Duplication.
// zookeeper says how to reach ZooKeeper and the proxies; its servers are those of the declaration, or
// the source cluster's own.
func WithDuplication(method *schema.DuplicationMethod, zookeeper metaproxy.Options) Option {
	return func(o *options) { o.duplication = &duplicationLook{method: method, zookeeper: zookeeper} }
}

// duplicationLook is a look at both ends of a duplication.
type duplicationLook struct {
	method    *schema.DuplicationMethod
	zookeeper metaproxy.Options
}

// duplicationLimit bounds everything that is asked for duplication's sake.
const duplicationLimit = 75 * time.Second

// run asks after both ends were looked at. A server that is silent is a Problem of that server; the
// error is for questions without which no plan can be made.
func (d *duplicationLook) run(ctx context.Context, source, target Side, f *plan.Facts) (*plan.DuplicationFacts, error) {
	ctx, cancel := context.WithTimeout(ctx, duplicationLimit)
	defer cancel()
	var out plan.DuplicationFacts
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		configs := lookAtConfigs(ctx, source, f.Source)
		out.SourceConfig = configs.servers
		out.BatchBytes, out.DuplicationSync = configs.batchBytes, configs.sync
		return nil
	})
	g.Go(func() error {
		out.TargetConfig = lookAtConfigs(ctx, target, f.Target).servers
		return nil
	})
	g.Go(func() error {
		out.SourceProbe = probe(ctx, source.Cluster, f.Target.Name)
		out.TargetProbe = probe(ctx, target.Cluster, f.Source.Name)
		return nil
	})
	g.Go(func() (err error) {
		out.RemoteNames, err = remoteNames(ctx, source, f.Source)
		return err
	})
	g.Go(func() (err error) {
		if out.Entries, err = entries(ctx, source, f.SourceTable); err == nil {
			out.TargetEntries, err = entries(ctx, target, f.TargetTable)
		}
		return err
	})
	g.Go(func() (err error) {
		return lookForNames(ctx, target, f.SourceTable, &out)
	})
	g.Go(func() error { return lookAtSource(ctx, source, f, &out) })
	if d.method.Cutover.MetaProxy != nil {
		g.Go(func() error {
			out.Route = d.route(ctx, source, target)
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return &out, nil
}

// probe asks one cluster's leading meta whether it would ship to the other.
func probe(ctx context.Context, c Cluster, remote string) plan.DuplicationProbe {
	if remote == "" {
		return plan.DuplicationProbe{} // a cluster that does not tell its name cannot be asked about
	}
	err := c.ProbeDuplication(ctx, remote)
	out := plan.DuplicationProbe{Asked: true, Ready: err == nil}
	var refused *pegasus.MetaError
	switch {
	case errors.As(err, &refused):
		out.Code, out.Hint = string(refused.Code), refused.Hint
	case err != nil:
		out.Hint = err.Error()
	}
	return out
}

// remoteNames needs the meta, which creates the follower, and every replica server, which ships to it.
func remoteNames(ctx context.Context, source Side, f plan.ClusterFacts) (bool, error) {
	can, err := source.Cluster.HasListDuplication(ctx)
	if err != nil {
		return false, fmt.Errorf("cluster %q: %w", source.Label, err)
	}
	return can && !anyOlder(f), nil
}

// anyOlder tells whether some living server is older than 2.6, or does not tell.
func anyOlder(f plan.ClusterFacts) bool {
	return slices.ContainsFunc(f.Nodes, func(n plan.NodeFacts) bool { return n.Alive && !pegasus.AtLeast(n.Version, 2, 6) })
}

// entries are the duplications of a table, none for one that is not there.
func entries(ctx context.Context, s Side, t *plan.TableFacts) ([]plan.DuplicationEntry, error) {
	if t == nil || t.Status != available {
		return nil, nil
	}
	list, err := s.Cluster.Duplications(ctx, s.Table)
	if errors.Is(err, idl.ErrAppNotExist) {
		return nil, nil // dropped a moment ago
	}
	if err != nil {
		return nil, fmt.Errorf("cluster %q: ask for the duplications of %s: %w", s.Label, s.Table, err)
	}
	var out []plan.DuplicationEntry
	for _, e := range list {
		if e.Status != idl.DupRemoved.String() {
			out = append(out, plan.DuplicationEntry{ID: e.ID, Remote: e.Remote, Status: e.Status, FailMode: e.FailMode, CreatedAt: e.CreatedAt})
		}
	}
	return out, nil
}

// lookForNames looks among the target's tables for a dropped one of its name, and for another one that
// has the source's app id.
func lookForNames(ctx context.Context, target Side, source *plan.TableFacts, out *plan.DuplicationFacts) error {
	tables, err := target.Cluster.ListTables(ctx)
	if err != nil {
		return fmt.Errorf("cluster %q: list tables: %w", target.Label, err)
	}
	for _, t := range tables {
		switch {
		case t.Name == target.Table:
			out.TargetDropped = out.TargetDropped || t.Status == dropped
		case source != nil && t.ID == source.ID && t.Status == available:
			out.SameID = t.Name
		}
	}
	return nil
}

// route asks ZooKeeper and the proxies. It always answers.
func (d *duplicationLook) route(ctx context.Context, source, target Side) *plan.RouteFacts {
	declared := d.method.Cutover.MetaProxy
	route := plan.Route{ZooKeeper: declared.ZooKeeper, Root: declared.Root, Table: source.Table, Proxies: declared.Proxies}
	if len(route.ZooKeeper) == 0 {
		info, err := source.Cluster.Info(ctx)
		if err != nil {
			return &plan.RouteFacts{Path: route.Path(), Problem: "the source does not tell its ZooKeeper: " + err.Error()}
		}
		route.ZooKeeper = info.ZookeeperHosts
	}
	opts := d.zookeeper
	var err error
	if opts.Servers, err = metaproxy.ParseServers(route.ZooKeeper); err != nil {
		return &plan.RouteFacts{ZooKeeper: route.ZooKeeper, Path: route.Path(), Problem: err.Error()}
	}
	facts := metaproxy.Look(ctx, opts, route, metaproxy.End{Cluster: source.Cluster, Table: source.Table},
		metaproxy.End{Cluster: target.Cluster, Table: target.Table})
	return &facts
}

// configFacts is what the configurations of a cluster say together.
type configFacts struct {
	servers    []plan.ServerConfig
	batchBytes int64
	sync       time.Duration
}

// Keys of [replication] that say how fast a duplication can be. Up to 2.5 the sync interval is a
// constant (src/replica/duplication/duplication_sync_timer.h) and no server tells it.
const (
	keyBatchBytes      = "duplicate_log_batch_bytes"
	keyDuplicationSync = "duplication_sync_period_second"
)

// lookAtConfigs reads the configuration of every server, ordered by address.
func lookAtConfigs(ctx context.Context, s Side, f plan.ClusterFacts) configFacts {
	type server struct {
		addr        string
		meta, alive bool
	}
	var servers []server
	for _, addr := range metasOf(ctx, s) {
		servers = append(servers, server{addr, true, true})
	}
	for _, n := range f.Nodes {
		servers = append(servers, server{n.Addr, false, n.Alive})
	}
	slices.SortFunc(servers, func(a, b server) int { return strings.Compare(a.addr, b.addr) })
	out := configFacts{servers: make([]plan.ServerConfig, len(servers))}
	batches, syncs := make([]int64, len(servers)), make([]time.Duration, len(servers))
	forEach(len(servers), func(i int) {
		at := plan.ServerConfig{Addr: servers[i].addr, Meta: servers[i].meta}
		if !servers[i].alive {
			at.Problem = "the meta server does not see it alive"
			out.servers[i] = at
			return
		}
		dump, err := s.Cluster.ConfigDump(ctx, at.Addr)
		if err != nil {
			at.Problem = err.Error()
			out.servers[i] = at
			return
		}
		at.DuplicationEnabled, at.ClusterIDs, at.Clusters = dump.DuplicationEnabled(), dump.ClusterIDs(), dump.Clusters()
		out.servers[i] = at
		if !at.Meta {
			batches[i], syncs[i] = speeds(ctx, s.Cluster, at.Addr, dump)
		}
	})
	for i := range servers {
		if b := batches[i]; b > 0 && (out.batchBytes == 0 || b < out.batchBytes) {
			out.batchBytes = b
		}
		out.sync = max(out.sync, syncs[i])
	}
	return out
}

// metasOf are the meta servers as the cluster itself knows them; those of the declaration when it does
// not tell.
func metasOf(ctx context.Context, s Side) []string {
	if info, err := s.Cluster.Info(ctx); err == nil && len(info.MetaServers) > 0 {
		return info.MetaServers
	}
	return s.MetaServers
}

// speeds are 0 where a server does not tell.
func speeds(ctx context.Context, c Cluster, node string, dump pegasus.ConfigDump) (batch int64, sync time.Duration) {
	if v, err := number(ctx, c, node, keyBatchBytes); err == nil { // it can be changed while the server runs
		batch = v
	}
	if text, ok := dump.Value(sectionReplication, keyDuplicationSync); ok {
		if d, err := time.ParseDuration(text + "s"); err == nil && d > 0 {
			sync = d
		}
	}
	return batch, sync
}
