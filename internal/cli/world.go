package cli

import (
	"github.com/pegmigrate/pegmigrate/apply"
	"github.com/pegmigrate/pegmigrate/internal/actuate"
	"github.com/pegmigrate/pegmigrate/internal/metaproxy"
	"github.com/pegmigrate/pegmigrate/plan"
)

// world gives apply its view of the clusters.
func (s *session) world() apply.World {
	return apply.World{
		Tables:   actuate.NewTables(s.actuators),
		Fences:   actuate.NewFences(s.actuators),
		Engine:   actuate.NewEngine(s.actuators, s.env.Now),
		CatchUps: actuate.NewCatchUps(s.actuators, s.env.Now),
		Indexes:  actuate.NewIndexes(s.actuators, s.env.Now),

		Live:   actuate.NewLive(s.actuators, s.env.Now),
		Routes: s.env.routes(s.actuators),

		Duplications: actuate.NewDuplications(s.actuators),
		Levels:       actuate.NewLevels(s.actuators),
		Traffic:      actuate.NewTraffic(s.actuators, s.env.Now),

		Backups:     actuate.NewBackups(s.actuators),
		Restores:    actuate.NewRestores(s.actuators),
		BulkLoads:   actuate.NewBulkLoads(s.actuators),
		Stores:      actuate.NewStores(s.stores),
		Files:       actuate.NewFiles(s.actuators, s.stores, s.env.Now),
		Rates:       actuate.NewRates(s.actuators),
		Compactions: actuate.NewCompactions(s.actuators),
		DualWrites:  actuate.NewDualWrites(s.actuators, s.env.Now),
	}
}

// routes gives access to route records and proxies.
func (e Env) routes(c *actuate.Clusters) apply.Routes {
	return actuate.NewRoutes(c, e.zookeeper(), readThroughProxy)
}

// zookeeper says how to reach any ZooKeeper; its servers are named by each route.
func (e Env) zookeeper() metaproxy.Options {
	return metaproxy.Options{Identity: metaproxy.IdentityFrom(e.Environ), Wire: e.Wire}
}

// watchdog gives a run the process that lifts the fence of a cut-over when the run dies.
func (s *session) watchdog(p *plan.Plan) apply.Watchdog {
	w := &watchdog{env: s.env, dir: s.dir, migration: s.migration.Name, source: p.Source.Cluster}
	if c := s.migration.Source.Cluster; c != nil {
		w.metas = c.MetaServers
	}
	if p.Back { // clients are on the other cluster
		w.metas = s.migration.Target.Cluster.MetaServers
	}
	return w
}
