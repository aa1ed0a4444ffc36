package plan

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// minor is the minor number of a 2.x version, 0 for anything else.
func minor(version string) int {
	var n int
	if _, err := fmt.Sscanf(version, "2.%d", &n); err != nil {
		return 0
	}
	return n
}

// oldest is the lowest minor version of a cluster's living servers that told theirs, 0 for none.
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
// does not know the source's cluster id makes the source's servers abort (pegasus_mutation_duplicator.cpp,
// on_duplicate_reply), and a source server without the target's addresses aborts itself
// (pegasus_client_impl.cpp).
func (b *builder) checkDupServers(d *DuplicationFacts) {
	before := len(b.checks.list)
	src, dst := b.place(b.m.Source.Cluster.Range), b.place(b.m.Target.Cluster.Range)
	if b.f.Source.Name != "" && b.f.Source.Name == b.f.Target.Name {
		b.checks.fail(CodeDupSelf, dst, "name another target cluster; clusters that duplicate to each other need names of their own ([replication] cluster_name)",
			"both clusters call themselves %q: a cluster does not duplicate to itself", b.f.Source.Name)
		return
	}
	b.checkDupVersions(dst)
	b.checkProbe(b.f.Source, d.SourceProbe, b.f.Target, src)
	b.checkProbe(b.f.Target, d.TargetProbe, b.f.Source, dst)
	ids := b.knownIDs(d)
	b.checkIDs(ids, dst)
	b.checkConfig(b.f.Source, d.SourceConfig, ids, b.addressesOf(b.f.Target, d.TargetConfig), src)
	b.checkConfig(b.f.Target, d.TargetConfig, ids, b.addressesOf(b.f.Source, d.SourceConfig), dst)
	if len(b.checks.list) == before {
		b.checks.ok("duplication is configured on all %s of both clusters, ids %s = %d and %s = %d",
			plural(len(d.SourceConfig)+len(d.TargetConfig), "server"), b.f.Source.Name, ids[b.f.Source.Name], b.f.Target.Name, ids[b.f.Target.Name])
	}
}

// checkDupVersions: a 2.6 meta asks the target's twice for the follower, the second time to note that
// it is created. An older meta answers ERR_APP_EXIST to that, and the duplication stays in DS_APP
// (mark_follower_app_created_for_duplication, since #2144).
func (b *builder) checkDupVersions(place string) {
	newest := 0
	for _, n := range b.f.Source.Nodes {
		if n.Alive {
			newest = max(newest, minor(n.Version))
		}
	}
	if low := oldest(b.f.Target); newest >= 6 && low > 0 && low < 6 {
		b.checks.fail(CodeDupVersion, place, "upgrade "+b.f.Target.Label+" to 2.6 first, or use method \"copy\" between clusters of 2.5",
			"%s runs 2.%d, %s has servers of 2.%d: a source of 2.6 asks an older target again and again to create the follower, and never gets out of DS_APP",
			b.f.Source.Label, newest, b.f.Target.Label, low)
	}
}

func (b *builder) checkProbe(c ClusterFacts, p DuplicationProbe, other ClusterFacts, place string) {
	switch {
	case !p.Asked:
		b.checks.fail(CodeDupUnread, place, "look at its leading meta server", "%s: its meta server was not asked whether it takes a duplication to %s, because %s did not tell its name",
			c.Label, other.Label, other.Label)
	case p.Ready:
	case p.Code == "ERR_SERVICE_NOT_ACTIVE":
		b.checks.fail(CodeDupDisabled, place, "set [replication] duplication_enabled = true on every meta and replica server and restart them",
			"%s: its meta servers run without duplication", c.Label)
	case p.Code == "":
		b.checks.fail(CodeDupUnread, place, "look at its leading meta server, then plan again",
			"%s: its meta server did not answer whether it takes a duplication to %q: %s", c.Label, other.Name, p.Hint)
	default:
		b.checks.fail(CodeDupProbe, place, "give every server of "+c.Label+" these lines and restart it: "+missingLines(c, other),
			"%s: its meta server refuses a duplication to %q: %s", c.Label, other.Name, strings.TrimSpace(p.Code+" "+p.Hint))
	}
}

// missingLines are the configuration lines that duplication between two clusters needs.
func missingLines(c, other ClusterFacts) string {
	return fmt.Sprintf("[duplication-group] %s = <id>, %s = <id> (1 to 127, the same on both clusters); [pegasus.clusters] %s = %s",
		c.Name, other.Name, other.Name, strings.Join(other.MetaServers, ","))
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

// checkIDs: rows carry their cluster's id, in 7 bits; servers do not start with two names of one id.
func (b *builder) checkIDs(ids map[string]int, place string) {
	src, dst := b.f.Source.Name, b.f.Target.Name
	if ids[src] != 0 && ids[src] == ids[dst] {
		b.checks.fail(CodeDupConfig, place, "give the two clusters different ids in [duplication-group] of every server, and restart them",
			"%s and %s have the same cluster id %d", src, dst, ids[src])
	}
}

// addressesOf are the addresses of a cluster's meta servers, as it names them itself and as they are
// declared. A declared name says nothing when the cluster told their addresses.
func (b *builder) addressesOf(c ClusterFacts, servers []ServerConfig) []string {
	var out []string
	for _, s := range servers {
		if s.Meta {
			out = append(out, s.Addr)
		}
	}
	told := len(out) > 0
	for _, addr := range c.MetaServers {
		if !slices.Contains(out, addr) && (literal(addr) || !told) {
			out = append(out, addr)
		}
	}
	return out
}

// checkConfig names, per server, the lines that are missing or wrong. others are the addresses of the
// other cluster's meta servers.
func (b *builder) checkConfig(c ClusterFacts, servers []ServerConfig, ids map[string]int, others []string, place string) {
	if len(servers) == 0 {
		b.checks.fail(CodeDupUnread, place, "look at its meta servers", "%s: no server told its configuration", c.Label)
	}
	for _, s := range servers {
		kind := "replica server"
		if s.Meta {
			kind = "meta server"
		}
		if s.Problem != "" {
			b.checks.fail(CodeDupUnread, place,
				"every server's configuration has to be known, also of one that may come back: without the cluster ids the source's servers crash; bring it up, or out of the cluster",
				"%s: %s %s did not tell its configuration: %s", c.Label, kind, s.Addr, s.Problem)
			continue
		}
		if !s.DuplicationEnabled {
			b.checks.fail(CodeDupDisabled, place, "set [replication] duplication_enabled = true there and restart it",
				"%s: %s %s runs without duplication", c.Label, kind, s.Addr)
		}
		if lines := b.linesOf(s, c, ids, others); len(lines) > 0 {
			b.checks.fail(CodeDupConfig, place, "give its configuration these lines and restart it: "+strings.Join(lines, "; "),
				"%s: %s %s is not configured for a duplication between %s and %s; source servers would crash or never ship",
				c.Label, kind, s.Addr, b.f.Source.Name, b.f.Target.Name)
		}
	}
}

// linesOf are the lines that a server of c lacks or has otherwise: both ids, and where the other
// cluster is. Its own addresses it does not need.
func (b *builder) linesOf(s ServerConfig, c ClusterFacts, ids map[string]int, others []string) []string {
	var lines []string
	other := b.f.Target
	for _, cluster := range []ClusterFacts{b.f.Source, b.f.Target} {
		if id, ok := s.ClusterIDs[cluster.Name]; !ok || id != ids[cluster.Name] || id == 0 {
			want := "<id, 1 to 127>"
			if ids[cluster.Name] != 0 {
				want = fmt.Sprint(ids[cluster.Name])
			}
			lines = append(lines, fmt.Sprintf("[duplication-group] %s = %s", cluster.Name, want))
		}
	}
	if c.Name == b.f.Target.Name {
		other = b.f.Source
	}
	if named := s.Clusters[other.Name]; leadsElsewhere(named, others) {
		text := fmt.Sprintf("[pegasus.clusters] %s = %s", other.Name, strings.Join(other.MetaServers, ","))
		if len(named) > 0 {
			text += fmt.Sprintf(" (it names %s, which is another cluster)", strings.Join(named, ","))
		}
		lines = append(lines, text)
	}
	return lines
}

// leadsElsewhere says that none of the listed addresses is one of a cluster's meta servers: the
// follower would be made, and rows shipped, somewhere else. Of names nothing can be said.
func leadsElsewhere(listed, metas []string) bool {
	for _, addr := range listed {
		if slices.Contains(metas, addr) || !literal(addr) {
			return false
		}
	}
	return len(listed) == 0 || !slices.ContainsFunc(metas, func(m string) bool { return !literal(m) })
}

// literal says that an address is no name.
func literal(addr string) bool {
	_, err := netip.ParseAddrPort(addr)
	return err == nil
}
