package observe

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/pegmigrate/pegmigrate/internal/blobstore"
	"github.com/pegmigrate/pegmigrate/internal/idl"
	"github.com/pegmigrate/pegmigrate/internal/pegasus"
	"github.com/pegmigrate/pegmigrate/internal/provider"
	"github.com/pegmigrate/pegmigrate/plan"
	"github.com/pegmigrate/pegmigrate/schema"
)

// FilesReader answers questions about backups, bulk loads and what limits them.
type FilesReader interface {
	ConfigValue(ctx context.Context, node, flag string) (string, error)
	Backups(ctx context.Context, appID int32) ([]pegasus.BackupItem, error)
	BackupWork(ctx context.Context, node string) (pegasus.BackupWork, error)
	BulkLoadProgress(ctx context.Context, table string) (pegasus.BulkLoadProgress, error)
	ReplicaEnvs(ctx context.Context, node string, appID int32) (map[int32]pegasus.ReplicaEnvs, error)
	// ProbeProvider asks for the restore of a backup that cannot exist, which changes nothing.
	ProbeProvider(ctx context.Context, provider string) (idl.ErrorCode, error)
}

// WithFiles asks also for what only the methods that go through files need to know, Facts.Files. The
// stores are the caller's to close.
func WithFiles(m *schema.Migration, stores *provider.Stores, now func() time.Time) Option {
	return func(o *options) { o.files = &filesLook{migration: m, stores: stores, now: now} }
}

// filesLook is a look at the servers' block services, at the stores and at what is on them.
type filesLook struct {
	migration *schema.Migration
	stores    *provider.Stores
	now       func() time.Time
}

// filesLimit bounds everything that is asked for the files' sake.
const filesLimit = 90 * time.Second

// fileNeeds is what a declaration says about files.
type fileNeeds struct {
	store, target plan.Provider
	use           *schema.BackupUse
	staging       string // "" where nothing is staged
	writesStore   bool   // this tool writes to the target's store
}

// needs reads the declaration; ok is false for a method without files.
func needs(m *schema.Migration) (n fileNeeds, ok bool) {
	switch x := m.Method.(type) {
	case *schema.BackupRestoreMethod:
		n.use = &x.BackupUse
	case *schema.BackupBulkLoadMethod:
		n.use, n.staging, n.writesStore = &x.BackupUse, x.Staging, true
	case *schema.DualWriteMethod:
		n.use, n.staging, n.writesStore = &x.BackupUse, x.Staging, true
	default:
		return n, false
	}
	n.store, n.target = providerOf(n.use.Provider), providerOf(cmp.Or(n.use.TargetProvider, n.use.Provider))
	return n, true
}

func providerOf(p *schema.Provider) plan.Provider {
	return plan.Provider{Name: p.Name, Store: plan.Store{Type: string(p.Type), Root: p.Root, NameNodes: p.NameNodes, User: p.User}}
}

// run asks after both ends were looked at. What a server or a store does not answer is a Problem of it;
// the error is for questions without which no plan can be made.
func (l *filesLook) run(ctx context.Context, source, target Side, f *plan.Facts) (*plan.FilesFacts, error) {
	n, ok := needs(l.migration)
	if !ok {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, filesLimit)
	defer cancel()
	out := &plan.FilesFacts{Uploading: -1, Now: l.now()}
	g, gctx := errgroup.WithContext(ctx)
	if source.Cluster != nil {
		g.Go(func() error {
			out.SourceServers = fileServers(gctx, source, f.Source)
			return nil
		})
		g.Go(func() error {
			out.SourceProbe = probeProvider(gctx, source.Cluster, n.store.Name)
			return nil
		})
		g.Go(func() error { return lookAtBackups(gctx, source, f, out) })
		g.Go(func() error { return lookAtSourceRates(gctx, source, f, out) })
	}
	g.Go(func() error {
		out.TargetServers = fileServers(gctx, target, f.Target)
		return nil
	})
	g.Go(func() error {
		out.TargetProbe = probeProvider(gctx, target.Cluster, n.target.Name)
		return nil
	})
	g.Go(func() error { return lookAtLoads(gctx, target, f, out) })
	g.Go(func() error {
		out.Usage = usage(gctx, target, f.TargetTable)
		return nil
	})
	if err := g.Wait(); err != nil {
		return nil, err
	}
	l.lookAtStores(ctx, n, f, out)
	return out, ctx.Err()
}

// probeProvider asks the leading meta whether it has a block service.
func probeProvider(ctx context.Context, c Cluster, name string) plan.ProviderProbe {
	code, err := c.ProbeProvider(ctx, name)
	if err != nil {
		return plan.ProviderProbe{} // no answer proves nothing
	}
	return plan.ProviderProbe{Asked: true, Known: code != idl.ErrInvalidParameters, Code: string(code)}
}

// fileServers asks every server of a cluster, in the order of addresses.
func fileServers(ctx context.Context, s Side, f plan.ClusterFacts) []plan.FileServer {
	var servers []plan.FileServer
	for _, addr := range metasOf(ctx, s) {
		servers = append(servers, plan.FileServer{Addr: addr, Meta: true})
	}
	for _, n := range f.Nodes {
		server := plan.FileServer{Addr: n.Addr}
		if !n.Alive {
			server.Problem = "the meta server does not see it alive"
		}
		servers = append(servers, server)
	}
	slices.SortFunc(servers, func(a, b plan.FileServer) int { return strings.Compare(a.Addr, b.Addr) })
	forEach(len(servers), func(i int) {
		if servers[i].Problem == "" {
			askFileServer(ctx, s.Cluster, &servers[i])
		}
	})
	return servers
}

func askFileServer(ctx context.Context, c Cluster, s *plan.FileServer) {
	dump, err := c.ConfigDump(ctx, s.Addr)
	if err != nil {
		s.Problem = err.Error()
		return
	}
	s.ProvidersTold, s.Providers = true, map[string]plan.ProviderConfig{}
	for name, b := range dump.BlockServices() {
		s.Providers[name] = plan.ProviderConfig{Type: b.Type, Args: strings.Join(b.Args, " ")}
	}
	s.ColdBackupRoot, s.RootTold = dump.BackupRoot()
	if s.Meta {
		s.BackupDisabled = new(dump.BackupDisabled())
		return
	}
	s.Rates = map[string]int64{}
	for _, flag := range []string{plan.FlagHDFSWrite, plan.FlagHDFSRead, plan.FlagCheckpoint} {
		value, err := c.ConfigValue(ctx, s.Addr, flag)
		if err != nil {
			continue // it does not have the flag, as a server that was built without HDFS
		}
		if v, err := strconv.ParseInt(value, 10, 64); err == nil {
			s.Rates[flag] = v
		}
	}
}

// lookAtBackups asks what the source's servers are backing up.
func lookAtBackups(ctx context.Context, s Side, f *plan.Facts, out *plan.FilesFacts) error {
	if t := f.SourceTable; t != nil && t.Status == available {
		items, err := s.Cluster.Backups(ctx, t.ID)
		if err != nil && !errors.Is(err, pegasus.ErrBackupOff) {
			return fmt.Errorf("cluster %q: ask for the backups of %s: %w", s.Label, t.Name, err)
		}
		for _, b := range items {
			out.Running = append(out.Running, plan.BackupRunning{ID: b.ID, Provider: b.Provider, Path: b.Path,
				Started: b.Started, Ended: b.Ended, Failed: b.Failed})
		}
	}
	largest, told := make([]int64, len(f.Source.Nodes)), make([]bool, len(f.Source.Nodes))
	forEach(len(f.Source.Nodes), func(i int) {
		node := f.Source.Nodes[i]
		if !node.Alive {
			told[i] = true // it uploads nothing
			return
		}
		w, err := s.Cluster.BackupWork(ctx, node.Addr)
		if told[i] = err == nil && w.Told; w.Running > 0 {
			largest[i] = 1
		}
		largest[i] = max(largest[i], w.MaxUploaded)
	})
	if !slices.Contains(told, false) {
		out.Uploading = 0
		for _, n := range largest {
			out.Uploading = max(out.Uploading, n)
		}
	}
	return nil
}

// lookAtSourceRates fills in what clients do to the source.
func lookAtSourceRates(ctx context.Context, s Side, f *plan.Facts, out *plan.FilesFacts) error {
	sum, err := tableRates(ctx, s, f.SourceTable)
	out.ReadQPS, out.WriteQPS = sum.Reads, sum.Writes
	return err
}

// tableRates is what clients do to a table, nothing for one that is not in use.
func tableRates(ctx context.Context, s Side, t *plan.TableFacts) (pegasus.PartitionTraffic, error) {
	if t == nil || t.Status != available {
		return pegasus.PartitionTraffic{}, nil
	}
	config, err := s.Cluster.PartitionConfigs(ctx, s.Table)
	if err != nil {
		return pegasus.PartitionTraffic{}, fmt.Errorf("cluster %q: read the partition configuration of %s: %w", s.Label, s.Table, err)
	}
	return rates(ctx, s, config), nil
}

// lookAtLoads asks for the bulk loads of the target's cluster and what clients write to the target.
func lookAtLoads(ctx context.Context, s Side, f *plan.Facts, out *plan.FilesFacts) error {
	tables, err := s.Cluster.ListTables(ctx)
	if err != nil {
		return fmt.Errorf("cluster %q: list tables: %w", s.Label, err)
	}
	for i := range tables {
		t := &tables[i]
		if !t.BulkLoading || t.Status == dropped {
			continue
		}
		status := idl.BulkLoadInvalid.String()
		if p, err := s.Cluster.BulkLoadProgress(ctx, t.Name); err == nil {
			status = p.Status.String()
		}
		out.Loads = append(out.Loads, plan.LoadRunning{Table: t.Name, Status: status})
	}
	sum, err := tableRates(ctx, s, f.TargetTable)
	out.TargetWriteQPS = sum.Writes
	return err
}

// envUsage is the env of the usage scenario (src/common/replica_envs.cpp).
const envUsage = "rocksdb.usage_scenario"

// usage is the scenario of the target's replicas as far as they tell; all that differ.
func usage(ctx context.Context, s Side, t *plan.TableFacts) string {
	if t == nil || t.Status != available {
		return ""
	}
	config, err := s.Cluster.PartitionConfigs(ctx, s.Table)
	if err != nil {
		return ""
	}
	seen := map[string]bool{}
	for _, p := range config.Partitions {
		if p.Primary != "" {
			seen[p.Primary] = true
		}
	}
	var values []string
	for node := range seen {
		replicas, err := s.Cluster.ReplicaEnvs(ctx, node, t.ID)
		if err != nil {
			continue
		}
		for _, r := range replicas {
			if v := r.Envs[envUsage]; v != "" && !slices.Contains(values, v) {
				values = append(values, v)
			}
		}
	}
	slices.Sort(values)
	return strings.Join(values, ", ")
}

// problemOf is what a person is told about a store that does not answer.
func problemOf(err error) string {
	var e *blobstore.Error
	if errors.As(err, &e) {
		return e.Error()
	}
	return err.Error()
}
