package plan

import (
	"fmt"
	"slices"
	"strings"
)

// Fact is one observation that the steps of a plan rest on, under a stable name.
type Fact struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Moved is a fact whose value is no longer what it was when the plan was made.
type Moved struct {
	Name    string
	Planned string // "" when the fact is new
	Now     string // "" when the fact is gone
}

// String tells the change in one line.
func (m Moved) String() string {
	quote := func(s string) string {
		if s == "" {
			return "none"
		}
		return s
	}
	return fmt.Sprintf("%s: %s when planned, %s now", m.Name, quote(m.Planned), quote(m.Now))
}

// fingerprint lists the facts that a plan rests on. Estimates, disk space and anything else that
// moves by itself are left out on purpose: a plan must not go stale while nobody does anything.
func fingerprint(f Facts) []Fact {
	var out []Fact
	put := func(name, format string, args ...any) {
		out = append(out, Fact{Name: name, Value: fmt.Sprintf(format, args...)})
	}
	if f.Source.Label != "" {
		clusterFacts(put, "source", f.Source)
	}
	clusterFacts(put, "target", f.Target)
	tableFacts(put, "source.table", f.SourceTable)
	tableFacts(put, "target.table", f.TargetTable)
	if f.Traffic != nil { // the window of a catch-up is made of it
		put("source.config_sync", "%s", f.Source.ConfigSync)
	}
	if f.Index != nil {
		put("target.index", "%s", map[bool]string{false: "absent", true: "present"}[f.Index.Table != nil])
	}
	if f.Duplication != nil {
		duplicationFacts(put, f)
	}
	if f.Files != nil {
		filesFacts(put, f.Files)
	}
	slices.SortFunc(out, func(a, b Fact) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// duplicationFacts are what a duplication and its cut-over rest on. Rates are left out; that there are
// writes which a duplication rejects is no rate.
func duplicationFacts(put func(string, string, ...any), f Facts) {
	d := f.Duplication
	put("source.config_sync", "%s", f.Source.ConfigSync)
	put("source.group_check", "%s", f.Source.GroupCheck)
	put("duplication.source_ready", "%t", d.SourceProbe.Ready)
	put("duplication.target_ready", "%t", d.TargetProbe.Ready)
	put("duplication.source_servers", "%s", configured(f, d.SourceConfig))
	put("duplication.target_servers", "%s", configured(f, d.TargetConfig))
	put("duplication.remote_names", "%t", d.RemoteNames)
	put("duplication.empty_partitions", "%d", len(d.EmptyPartitions))
	put("duplication.non_idempotent_writes", "%t", d.NonIdempotentQPS > 0)
	if d.ArrivingQPS > 0 {
		put("duplication.arriving_writes", "true")
	}
	r := d.Route
	if r == nil {
		return
	}
	put("route.cluster", "%s", r.ClusterName)
	put("route.metas", "%s", strings.Join(r.MetaAddrs, ","))
	put("route.writable", "%t", r.Writable)
	for _, p := range r.Proxies {
		put(fmt.Sprintf("route.proxy[%s]", p.Addr), "%s", p.LeadsTo)
	}
}

// configured counts the servers that know both clusters' ids: one that does not can take down servers
// of the source.
func configured(f Facts, servers []ServerConfig) string {
	n := 0
	for _, s := range servers {
		if s.Problem == "" && s.DuplicationEnabled && s.ClusterIDs[f.Source.Name] != 0 && s.ClusterIDs[f.Target.Name] != 0 {
			n++
		}
	}
	return fmt.Sprintf("%d of %d configured", n, len(servers))
}

func clusterFacts(put func(string, string, ...any), side string, c ClusterFacts) {
	put(side+".cluster_name", "%s", c.Name)
	put(side+".level", "%s", c.Level)
	versions := map[string]bool{}
	for _, n := range c.Nodes {
		if n.Alive {
			versions[n.Version] = true
		}
	}
	put(side+".versions", "%s", strings.Join(sortedKeys(versions), " "))
	if side == "target" {
		put(side+".alive_nodes", "%d", c.Alive())
	}
}

func tableFacts(put func(string, string, ...any), side string, t *TableFacts) {
	if t == nil {
		put(side, "absent")
		return
	}
	put(side, "present")
	put(side+".app_id", "%d", t.ID)
	put(side+".status", "%s", t.Status)
	put(side+".partition_count", "%d", t.Partitions)
	put(side+".replica_count", "%d", t.Replicas)
	put(side+".has_rows", "%t", t.HasRows)
	put(side+".unhealthy_partitions", "%d", len(t.Health.Unhealthy))
	put(side+".splitting", "%t", t.Splitting)
	put(side+".bulk_loading", "%t", t.BulkLoading)
	put(side+".duplications", "%s", strings.Join(t.Duplications, " "))
	for _, k := range sortedKeys(t.DataVersions) {
		put(fmt.Sprintf("%s.data_version[%d]", side, k), "present")
	}
	for _, k := range sortedKeys(t.Envs) {
		put(fmt.Sprintf("%s.envs[%s]", side, k), "%s", t.Envs[k])
	}
}

// Stale compares the facts that a saved plan rests on with fresh ones and returns those that
// moved, ordered by name. A plan with no moved facts may be applied. Of a table that came or went
// only that is told.
func (p *Plan) Stale(now Facts) []Moved {
	fresh := map[string]string{}
	for _, f := range fingerprint(now) {
		fresh[f.Name] = f.Value
	}
	var moved []Moved
	came := map[string]bool{}
	for _, f := range p.Facts {
		value, ok := fresh[f.Name]
		if !ok || value != f.Value {
			came[f.Name] = true
			moved = append(moved, Moved{Name: f.Name, Planned: f.Value, Now: value})
		}
		delete(fresh, f.Name)
	}
	for _, name := range sortedKeys(fresh) {
		moved = append(moved, Moved{Name: name, Now: fresh[name]})
	}
	moved = slices.DeleteFunc(moved, func(m Moved) bool {
		return slices.ContainsFunc([]string{"source.table", "target.table"}, func(table string) bool {
			return came[table] && strings.HasPrefix(m.Name, table+".")
		})
	})
	slices.SortFunc(moved, func(a, b Moved) int { return strings.Compare(a.Name, b.Name) })
	return moved
}
