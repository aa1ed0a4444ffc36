package plan

import (
	"fmt"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/pegmigrate/pegmigrate/schema"
)

func (b *builder) checkClusters() {
	src, dst := b.f.Source, b.f.Target
	if src.PrimaryMeta != "" && src.PrimaryMeta == dst.PrimaryMeta && b.source.Table == b.target.Table {
		b.checks.fail(CodeSameTable, b.place(b.m.Target.Range), "name another target cluster or another table",
			"source and target are the same table: %s and %s are one cluster (leader %s)", b.source, b.target, src.PrimaryMeta)
	}
	if b.fromBackup() {
		if b.checkNodes(dst, b.m.Target.Cluster.Range) {
			b.checks.ok("%s answers, %s on all %s", dst.Label, versions(dst), plural(dst.Alive(), "node"))
		}
		b.checkLevel(dst)
		return
	}
	quiet := b.checkNodes(src, b.m.Source.Cluster.Range)
	if dst.PrimaryMeta != src.PrimaryMeta {
		quiet = b.checkNodes(dst, b.m.Target.Cluster.Range) && quiet
	}
	if quiet {
		b.checks.ok("both clusters answer, %s on all %s", versions(src, dst), plural(src.Alive()+dst.Alive(), "node"))
	}
	b.checkLevel(dst)
}

// checkNodes looks at every replica server: versions can be mixed during a rolling upgrade.
func (b *builder) checkNodes(c ClusterFacts, r hcl.Range) bool {
	clean := true
	foreign := map[string][]string{} // addresses by a version that the method does not speak to
	for _, n := range c.Nodes {
		switch {
		case !n.Alive:
			clean = false
			b.checks.warn(CodeNodeSilent, b.place(r), "bring it back or let the meta re-replicate first",
				"%s: replica server %s is not alive", c.Label, n.Addr)
		case n.Version == "":
			clean = false
			b.checks.warn(CodeNodeSilent, b.place(r), "check the node: it answers its meta but not a question for its version",
				"%s: replica server %s did not tell its version: %s", c.Label, n.Addr, n.Problem)
		case !b.supported(n.Version):
			clean = false
			foreign[n.Version] = append(foreign[n.Version], n.Addr)
		}
	}
	for _, v := range sortedKeys(foreign) {
		runs := "replica server %s runs %s"
		if len(foreign[v]) > 1 {
			runs = "replica servers %s run %s"
		}
		b.checks.fail(CodeVersion, b.place(r), "method \"copy\" speaks to 2.5, the others to 2.4, 2.5 and 2.6",
			"%s: "+runs, c.Label, firstNames(foreign[v], 5), v)
	}
	if len(c.Nodes) == 0 {
		clean = false
		b.checks.fail(CodeNodeSilent, b.place(r), "start the replica servers", "%s: the meta knows no replica server", c.Label)
	}
	return clean
}

// firstNames joins up to n names and counts the others: a cluster has hundreds of servers.
func firstNames(names []string, n int) string {
	if len(names) <= n {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:n], ", "), len(names)-n)
}

// supported accepts 2.5.x, and for all methods but copy 2.4 and 2.6 as well: these have profiles of their own.
func (b *builder) supported(version string) bool {
	if _, copies := b.m.Method.(*schema.CopyMethod); !copies {
		return minor(version) >= 4 && minor(version) <= 6
	}
	return version == "2.5" || strings.HasPrefix(version, "2.5.") || strings.HasPrefix(version, "2.5-")
}

func versions(clusters ...ClusterFacts) string {
	seen := map[string]bool{}
	for _, c := range clusters {
		for _, n := range c.Nodes {
			if n.Alive && n.Version != "" {
				seen[n.Version] = true
			}
		}
	}
	return strings.Join(sortedKeys(seen), " and ")
}

// checkLevel refuses a target that would refuse to create a table: meta's create_app wants a
// level above freezed (ERR_STATE_FREEZED).
func (b *builder) checkLevel(c ClusterFacts) {
	switch strings.ToLower(c.Level) {
	case "freezed", "blind", "stopped":
		b.checks.fail(CodeMetaLevel, b.place(b.m.Target.Cluster.Range),
			"too few alive nodes make a meta freeze; fix that, or raise the level (shell: set_meta_level steady)",
			"%s: the meta function level is %s, so no table can be created", c.Label, c.Level)
	}
}
