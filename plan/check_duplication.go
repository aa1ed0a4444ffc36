package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pegmigrate/pegmigrate/schema"
)

// checkDuplication is everything that can be known before a duplication is added: it cannot be taken
// back without a trace, and the worst mistakes kill servers.
func (b *builder) checkDuplication(method *schema.DuplicationMethod) {
	d := b.f.Duplication
	if d == nil {
		b.checks.fail(CodeDupUnread, b.place(b.m.Range), "this is a mistake of pegmigrate: report it", "nothing was observed about duplications")
		return
	}
	b.checkDupServers(d)
	b.checkDupTarget(d)
	b.checkDupShape(d)
	b.checkDupSource(d)
	b.checkDupEnvs()
	b.checkDupRows(d)
	b.checkWindow()
	b.checkRoute(method, d)
	b.checkDupVerify()
}

// minor is the minor number of a 2.x version, 0 for anything else.
func minor(version string) int {
	var n int
	if _, err := fmt.Sscanf(version, "2.%d", &n); err != nil {
		return 0
	}
	return n
}

// oldest is the lowest minor version of a cluster's living servers.
func oldest(c ClusterFacts) int {
	low := 0
	for _, n := range c.Nodes {
		if v := minor(n.Version); n.Alive && v > 0 && (low == 0 || v < low) {
			low = v
		}
	}
	return low
}

// checkDupServers looks at the configuration of every server of both clusters: a target server that
// does not know the source's cluster id makes the source's servers abort (pegasus_mutation_duplicator.cpp).
func (b *builder) checkDupServers(d *DuplicationFacts) {
	before := len(b.checks.list)
	src, dst := b.place(b.m.Source.Cluster.Range), b.place(b.m.Target.Cluster.Range)
	b.checkProbe(b.f.Source, d.SourceProbe, b.f.Target, src)
	b.checkProbe(b.f.Target, d.TargetProbe, b.f.Source, dst)
	ids := b.knownIDs(d)
	b.checkConfig(b.f.Source, d.SourceConfig, ids, src)
	b.checkConfig(b.f.Target, d.TargetConfig, ids, dst)
	if len(b.checks.list) == before {
		b.checks.ok("duplication is configured on all %s of both clusters, ids %s = %d and %s = %d",
			plural(len(d.SourceConfig)+len(d.TargetConfig), "server"), b.f.Source.Name, ids[b.f.Source.Name], b.f.Target.Name, ids[b.f.Target.Name])
	}
}

func (b *builder) checkProbe(c ClusterFacts, p DuplicationProbe, other ClusterFacts, place string) {
	switch {
	case !p.Asked || p.Ready:
	case p.Code == "ERR_SERVICE_NOT_ACTIVE":
		b.checks.fail(CodeDupDisabled, place, "set [replication] duplication_enabled = true on every meta and replica server and restart them",
			"%s: its meta servers run without duplication", c.Label)
	default:
		b.checks.fail(CodeDupProbe, place, "give every server of "+c.Label+" these lines and restart it: "+missingLines(c, other),
			"%s: its meta server refuses a duplication to %q: %s %s", c.Label, other.Name, p.Code, p.Hint)
	}
}

// missingLines are the configuration lines that duplication between two clusters needs.
func missingLines(c, other ClusterFacts) string {
	return fmt.Sprintf("[duplication-group] %s = <id>, %s = <id> (1 to 127, the same on both clusters); [pegasus.clusters] %s = %s, %s = %s",
		c.Name, other.Name, c.Name, strings.Join(c.MetaServers, ","), other.Name, strings.Join(other.MetaServers, ","))
}

// knownIDs are the cluster ids that most servers agree on: what others have to be given.
func (b *builder) knownIDs(d *DuplicationFacts) map[string]int {
	out := map[string]int{}
	for _, name := range []string{b.f.Source.Name, b.f.Target.Name} {
		votes := map[int]int{}
		for _, s := range slices.Concat(d.SourceConfig, d.TargetConfig) {
			if id, ok := s.ClusterIDs[name]; ok {
				votes[id]++
			}
		}
		for id, n := range votes {
			if best, known := out[name]; !known || n > votes[best] || n == votes[best] && id < best {
				out[name] = id
			}
		}
	}
	return out
}

// checkConfig names, per server, the lines that are missing or wrong.
func (b *builder) checkConfig(c ClusterFacts, servers []ServerConfig, ids map[string]int, place string) {
	names := []string{b.f.Source.Name, b.f.Target.Name}
	if ids[names[0]] != 0 && ids[names[0]] == ids[names[1]] {
		b.checks.fail(CodeDupConfig, place, "give the two clusters different ids in [duplication-group] of every server",
			"%s and %s have the same cluster id %d", names[0], names[1], ids[names[0]])
	}
	for _, s := range servers {
		kind := "replica server"
		if s.Meta {
			kind = "meta server"
		}
		if s.Problem != "" {
			b.checks.fail(CodeDupUnread, place, "its configuration has to be known: a server without the cluster ids makes the source's servers crash",
				"%s: %s %s did not tell its configuration: %s", c.Label, kind, s.Addr, s.Problem)
			continue
		}
		if !s.DuplicationEnabled {
			b.checks.fail(CodeDupDisabled, place, "set [replication] duplication_enabled = true there and restart it",
				"%s: %s %s runs without duplication", c.Label, kind, s.Addr)
		}
		if lines := b.linesOf(s, ids); len(lines) > 0 {
			b.checks.fail(CodeDupConfig, place, "add to its configuration and restart it: "+strings.Join(lines, "; "),
				"%s: %s %s is not configured for a duplication between %s and %s; source servers would crash or never ship",
				c.Label, kind, s.Addr, names[0], names[1])
		}
	}
}

// linesOf are the lines that a server lacks or has otherwise.
func (b *builder) linesOf(s ServerConfig, ids map[string]int) []string {
	var lines []string
	for _, c := range []ClusterFacts{b.f.Source, b.f.Target} {
		if id, ok := s.ClusterIDs[c.Name]; !ok || id != ids[c.Name] {
			want := "<id, 1 to 127>"
			if ids[c.Name] != 0 {
				want = fmt.Sprint(ids[c.Name])
			}
			lines = append(lines, fmt.Sprintf("[duplication-group] %s = %s", c.Name, want))
		}
		switch metas := s.Clusters[c.Name]; {
		case len(metas) == 0:
			lines = append(lines, fmt.Sprintf("[pegasus.clusters] %s = %s", c.Name, strings.Join(c.MetaServers, ",")))
		case !slices.ContainsFunc(append(slices.Clone(c.MetaServers), c.PrimaryMeta), func(m string) bool { return slices.Contains(metas, m) }):
			lines = append(lines, fmt.Sprintf("[pegasus.clusters] %s = %s (it names %s, which is another cluster)", c.Name,
				strings.Join(c.MetaServers, ","), strings.Join(metas, ",")))
		}
	}
	return lines
}

// checkDupTarget: 2.4 and 2.5 ask for the follower for ever when a table of its name exists.
func (b *builder) checkDupTarget(d *DuplicationFacts) {
	place := b.place(b.m.Target.Range)
	if t := b.f.TargetTable; t != nil {
		b.checks.fail(CodeDupTargetExists, place, "drop or rename it, or use method \"copy\", which can write into a table that exists",
			"%s exists (id %d): the servers create the follower themselves, and a duplication to an existing table never gets out of DS_PREPARE",
			b.target, t.ID)
		return
	}
	b.checks.ok("%s is absent and will be created by the servers", b.target)
	b.checkDisk(place)
	if d.SameID != "" {
		b.checks.warn(CodeSameID, place, "stop or watch Java clients at the switch; a cluster on which no table has that id is safe",
			"%s/%s has the app id %d of %s: a Java client that repeats an operation begun before the switch sends it with the old id, and it may be taken by that table",
			b.target.Cluster, d.SameID, b.f.SourceTable.ID, b.source)
	}
	if len(d.TargetEntries) > 0 {
		b.checks.warn(CodeDupOther, place, "look at them with `pegmigrate doctor`", "%s has %s of a table of that name", b.target.Cluster,
			plural(len(d.TargetEntries), "duplication"))
	}
}

// checkDupShape compares the declared shape with what the servers give a follower.
func (b *builder) checkDupShape(d *DuplicationFacts) {
	place, src := b.place(b.m.Target.Range), b.f.SourceTable
	old := oldest(b.f.Source) < 6 || !d.RemoteNames
	if b.partitions != src.Partitions {
		b.checks.fail(CodeDupPartitions, place, "leave partition_count out; methods \"copy\" and \"backup_bulk_load\" can change the count",
			"%s has %d partitions, declared are %d: a duplication between unequal counts puts rows where no client finds them",
			b.source, src.Partitions, b.partitions)
	}
	if old && b.target.Table != b.source.Table {
		b.checks.fail(CodeDupName, place, "leave table out, or use method \"copy\"",
			"servers before 2.6 give the follower the source's name and ignore %q silently", b.target.Table)
	}
	if old && b.replicas != src.Replicas {
		b.checks.fail(CodeDupName, place, "leave replica_count out and change it afterwards (shell: set_max_replica_count)",
			"servers before 2.6 give the follower the source's %d replicas and ignore %d silently", src.Replicas, b.replicas)
	}
	if old && b.replicas == 1 {
		b.checks.fail(CodeDupReplicas, place, "give the source a second replica first, or use method \"copy\"",
			"servers before 2.6 wait for ever for a follower of one replica (DS_APP)")
	}
	b.checkReplicas(place)
}

// checkDupSource looks at what else is under way on the source.
func (b *builder) checkDupSource(d *DuplicationFacts) {
	place := b.place(b.m.Source.Range)
	for _, e := range d.Entries {
		b.checks.fail(CodeDupOther, place, fmt.Sprintf("when nobody needs it, in the shell: remove_dup %s %d", b.source.Table, e.ID),
			"%s is being duplicated to %s already (id %d, %s)", b.source, e.Remote, e.ID, e.Status)
	}
	if n := len(d.EmptyPartitions); n > 0 && oldest(b.f.Source) < 6 {
		b.checks.fail(CodeDupEmpty, place, "write two rows into each of them that stay until the follower is healthy, or use method \"copy\"",
			"%d of %d partitions of %s hold no row, among them %s: servers before 2.6 have no checkpoint of them, and the follower never opens",
			n, b.f.SourceTable.Partitions, b.source, firstOf(d.EmptyPartitions, 5))
	}
	if d.NonIdempotentQPS > 0 {
		b.checks.fail(CodeNonIdempotent, place, "change these clients first, or use method \"copy\" with source_writes = \"fenced\"",
			"clients do incr, check_and_set or check_and_mutate on %s (%.1f per second): these are rejected from the moment the duplication exists",
			b.source, d.NonIdempotentQPS)
	} else {
		b.checks.ok("no incr, check_and_set or check_and_mutate is seen on %s; they would be rejected", b.source)
	}
}

// checkDupEnvs: the follower is created with a clone of the source's envs.
func (b *builder) checkDupEnvs() {
	place, envs := b.place(b.m.Source.Range), b.f.SourceTable.Envs
	if v := envs[EnvDeny]; v != "" {
		b.checks.fail(CodeDupEnv, place, "take it off before (shell: del_app_envs "+EnvDeny+")",
			"%s carries %s=%s: the follower would be created with it and take nothing in", b.source, EnvDeny, v)
	}
	if v := envs[EnvUsageScenario]; v == "bulk_load" {
		b.checks.fail(CodeDupEnv, place, "set it to normal before (shell: set_app_envs "+EnvUsageScenario+" normal)",
			"%s carries %s=%s: the follower would never compact", b.source, EnvUsageScenario, v)
	}
	for _, k := range sortedKeys(envs) {
		switch {
		case strings.Contains(k, "throttling"):
			b.checks.warn(CodeDupThrottled, place, "raise it, or declare another value for the target",
				"%s carries %s=%s: the follower gets it too, and what is shipped counts as clients' writes", b.source, k, envs[k])
		case strings.HasPrefix(k, "duplication."), strings.HasPrefix(k, "restore."):
			b.checks.fail(CodeDupEnv, place, "take it off before (shell: del_app_envs "+k+")",
				"%s carries %s=%s, left by an earlier duplication or restore: the follower would inherit it", b.source, k, envs[k])
		}
	}
	if parked := b.parkedKeys(); len(parked) > 0 {
		b.checks.ok("%s would crash the servers of %s at the follower's creation; taken off before, put back after",
			strings.Join(parked, ", "), b.target.Cluster)
	}
}

// checkDupVerify warns of what is not compared.
func (b *builder) checkDupVerify() {
	if b.m.Verify.Mode != schema.VerifyOff {
		return
	}
	b.checks.list = append(b.checks.list, Check{Code: CodeVerifyOff, Severity: Warning, Loud: true, Place: b.place(b.m.Range),
		Text: "verify is off: the drain is proven by decrees, but nothing compares the rows of the checkpoint",
		Hint: "leave the verify block out for a live comparison"})
}
