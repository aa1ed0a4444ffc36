package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/pegmigrate/pegmigrate/apply"
	"github.com/pegmigrate/pegmigrate/internal/doctor"
	"github.com/pegmigrate/pegmigrate/internal/metaproxy"
	"github.com/pegmigrate/pegmigrate/internal/pegasus"
	"github.com/pegmigrate/pegmigrate/schema"
)

// declaredRoutes reads the route record of every declared migration that has one, and finds those that
// lead to neither end.
func (e Env) declaredRoutes(ctx context.Context, config *schema.Config) ([]doctor.Leftover, error) {
	var out []doctor.Leftover
	var unseen error
	for _, m := range config.Migrations {
		method, ok := m.Method.(*schema.DuplicationMethod)
		if !ok || method.Cutover.MetaProxy == nil {
			continue
		}
		l, err := e.declaredRoute(ctx, m, method.Cutover.MetaProxy)
		unseen = errors.Join(unseen, err)
		if l != nil {
			out = append(out, *l)
		}
	}
	return out, unseen
}

func (e Env) declaredRoute(ctx context.Context, m *schema.Migration, proxy *schema.MetaProxy) (*doctor.Leftover, error) {
	ctx, cancel := context.WithTimeout(ctx, examineLimit)
	defer cancel()
	ends := map[string]bool{}
	zookeeper := proxy.ZooKeeper
	for _, c := range []*schema.Cluster{m.Source.Cluster, m.Target.Cluster} {
		cluster, err := e.openCluster(ctx, c.Label, c.MetaServers, place(c))
		if err != nil {
			return nil, err
		}
		info, err := cluster.Info(ctx)
		cluster.Close()
		if err != nil {
			return nil, err
		}
		ends[info.Name] = true
		if len(zookeeper) == 0 {
			zookeeper = info.ZookeeperHosts
		}
	}
	rec, err := e.readRecord(ctx, zookeeper, proxy.Root+"/"+m.Source.Table)
	if err != nil || rec == nil || ends[rec.ClusterName] {
		return nil, err
	}
	l := elsewhere(proxy.Root+"/"+m.Source.Table, rec)
	return &l, nil
}

// routesOfCluster reads the records of all tables of one cluster: what leads elsewhere although the
// table is here may be meant so, or be left behind.
func (e Env) routesOfCluster(ctx context.Context, c *pegasus.Cluster, o doctorOptions) ([]doctor.Leftover, error) {
	info, err := c.Info(ctx)
	if err != nil {
		return nil, err
	}
	zookeeper := o.zookeeper
	if len(zookeeper) == 0 {
		zookeeper = info.ZookeeperHosts
	}
	tables, err := c.ListTables(ctx)
	if err != nil {
		return nil, err
	}
	var out []doctor.Leftover
	for _, t := range tables {
		if t.Status != "AVAILABLE" {
			continue
		}
		rec, err := e.readRecord(ctx, zookeeper, o.root+"/"+t.Name)
		if err != nil {
			return out, err
		}
		if rec != nil && rec.ClusterName != info.Name {
			out = append(out, elsewhere(o.root+"/"+t.Name, rec))
		}
	}
	return out, nil
}

// readRecord reads one record; nil when there is none.
func (e Env) readRecord(ctx context.Context, zookeeper []string, path string) (*metaproxy.Record, error) {
	servers, err := metaproxy.ParseServers(zookeeper)
	if err != nil {
		return nil, &failure{Code: apply.CodeRoute, Text: "the ZooKeeper addresses cannot be used: " + err.Error()}
	}
	o := e.zookeeper()
	o.Servers = servers
	rec, err := metaproxy.NewReader(o).Read(ctx, path)
	switch {
	case errors.Is(err, metaproxy.ErrNoRecord):
		return nil, nil
	case err != nil:
		return nil, &failure{Code: apply.CodeRoute, Text: fmt.Sprintf("route record %s: %v", path, err), Hint: "look at it in ZooKeeper"}
	}
	return &rec, nil
}

func elsewhere(path string, rec *metaproxy.Record) doctor.Leftover {
	return doctor.Leftover{Where: path,
		What:   fmt.Sprintf("the route leads to cluster %q (%s)", rec.ClusterName, strings.Join(rec.MetaAddrs, ",")),
		Effect: "clients behind the MetaProxy go there, not here",
		Undo:   "if that is not meant: zkCli set " + path + " with the right cluster_name and meta_addrs, in one piece"}
}
