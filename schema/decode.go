package schema

import (
	"fmt"
	"math/bits"
	"regexp"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// copyOnly, duplicationOnly and fileMethods name the methods that a part of the language belongs to.
const (
	copyOnly        = `the method "copy"`
	duplicationOnly = `the method "duplication"`
	fileMethods     = `the methods "backup_restore", "backup_bulk_load" and "dual_write"`
)

func migrationSpec() bodySpec {
	return bodySpec{
		what:  "a migration block",
		attrs: []attrSpec{{name: "approve"}},
		blocks: []blockSpec{
			{name: "source", required: true},
			{name: "target", required: true},
			{name: "method", labels: []string{"METHOD"}, required: true},
			{name: "limits"}, {name: "verify"}, {name: "after"}, {name: "cutover"},
		},
	}
}

// decodeMigration checks one migration block. What it returns is complete only when it reported no
// error.
func (l *loader) decodeMigration(b *hclsyntax.Block) *Migration {
	m := &Migration{Name: b.Labels[0], Range: b.DefRange()}
	c := l.check(migrationSpec(), b.Body, b.DefRange())
	if s := c.block("source"); s != nil {
		m.Source = l.decodeSource(s)
	}
	if t := c.block("target"); t != nil {
		m.Target = l.decodeTarget(t)
	}
	if m.Target.Table == "" {
		m.Target.Table = m.Source.Table
	}
	l.checkTables(m)
	if lb := c.block("limits"); lb != nil {
		m.Limits = l.decodeLimits(lb)
	}
	// Without a known method there is nothing to hold the rest against: everything may be meant.
	parts := methodParts{when: true, drop: true, backup: true, sample: true}
	var rules methodRules
	if mb := c.block("method"); mb != nil {
		m.MethodRange = mb.DefRange()
		if rules = l.decodeMethod(mb); rules != nil {
			m.Method, parts = rules, rules.parts()
		}
	}
	if m.Source.Backup != nil && !parts.backup {
		l.errorf(CodeOtherMethod, m.Source.Backup.Range, "name cluster and table of a living source",
			"source.backup belongs to the methods \"backup_restore\" and \"backup_bulk_load\"; method %q needs a table", m.Method.Kind())
	}
	m.Verify = l.decodeVerify(c.block("verify"), parts)
	if ab := c.block("after"); ab != nil {
		m.After = l.decodeAfter(ab, parts)
	}
	if rules != nil {
		rules.check(l, m, c)
		m.Approve = l.decodeApprove(c, rules)
	}
	return m
}

// checkTables refuses to read from and write to one table.
func (l *loader) checkTables(m *Migration) {
	if m.Source.Cluster == nil || m.Target.Cluster == nil || m.Source.Table == "" || m.Source.Table != m.Target.Table {
		return
	}
	if !sameCluster(m.Source.Cluster, m.Target.Cluster) {
		return
	}
	same := "of cluster " + m.Source.Cluster.Label
	if m.Source.Cluster != m.Target.Cluster {
		same = "of one cluster: " + m.Source.Cluster.Label + " and " + m.Target.Cluster.Label + " share a meta server"
	}
	l.errorf(CodeSameTable, m.Target.Range, "name another target table or another cluster", "source and target are both table %q %s", m.Source.Table, same)
}

// checkSharedTargets finds two migrations that write into one table without meaning to.
func (l *loader) checkSharedTargets(migrations []*Migration) {
	for i, m := range migrations {
		for _, prior := range migrations[:i] {
			if m.Target.Cluster == nil || prior.Target.Cluster == nil || m.Target.Table == "" ||
				m.Target.Table != prior.Target.Table || !sameCluster(m.Target.Cluster, prior.Target.Cluster) {
				continue
			}
			if m.Target.IfExists == IfExistsMerge && prior.Target.IfExists == IfExistsMerge {
				continue
			}
			l.errorf(CodeSharedTarget, m.Target.Range, `declare if_exists = "merge" in both when that is meant`,
				"migration %q writes into table %q as well (%s)", prior.Name, m.Target.Table, where(prior.Target.Range))
			break
		}
	}
}

func sourceSpec(hasBackup bool) bodySpec {
	return bodySpec{
		what: "a source block",
		// A source that is a backup has no live table; the method decides whether that can be.
		attrs:  []attrSpec{{name: "cluster", required: !hasBackup}, {name: "table", required: !hasBackup}},
		blocks: []blockSpec{{name: "backup"}},
	}
}

func (l *loader) decodeSource(b *hclsyntax.Block) Source {
	c := l.check(sourceSpec(hasBlock(b.Body, "backup")), b.Body, b.DefRange())
	out := Source{Range: b.DefRange()}
	nested := c.block("backup")
	if nested == nil {
		out.Cluster, out.Table = l.clusterRef(c), l.tableName(c, true)
		return out
	}
	for _, name := range []string{"cluster", "table"} {
		if a := c.attrs[name]; a != nil {
			l.errorf(CodeSourceBackup, a.NameRange, "remove it; the backup block names the table that was backed up", "%q beside a backup block: a source is a living table or a backup", name)
		}
	}
	out.Backup = l.decodeBackupSource(nested)
	out.Table = out.Backup.Table
	return out
}

func targetSpec() bodySpec {
	return bodySpec{
		what: "a target block",
		attrs: []attrSpec{{name: "cluster", required: true}, {name: "table"}, {name: "partition_count"},
			{name: "replica_count"}, {name: "envs"}, {name: "if_exists"}},
	}
}

// Bounds of a target table. The servers set none for partitions; 65536 is beyond what their meta
// servers manage. No cluster allows more than a handful of replicas ([meta_server]
// max_allowed_replica_count, 5 by default), plan asks it; 100 catches a slip of the keyboard.
const (
	maxPartitions = 1 << 16
	maxReplicas   = 100
)

func (l *loader) decodeTarget(b *hclsyntax.Block) Target {
	c := l.check(targetSpec(), b.Body, b.DefRange())
	t := Target{Cluster: l.clusterRef(c), Table: l.tableName(c, false), Range: b.DefRange()}
	hint := "a power of two: 1, 2, 4, 8, ... 65536"
	if n, ok := l.integer(c, "partition_count", 1, maxPartitions, CodePartitionCount, hint); ok {
		if bits.OnesCount64(uint64(n)) != 1 {
			below := int64(1) << (bits.Len64(uint64(n)) - 1)
			l.errorf(CodePartitionCount, c.attrs["partition_count"].Expr.Range(), fmt.Sprintf("the nearest are %d and %d", below, 2*below),
				"the partition count of a target must be a power of two, not %d", n)
		}
		t.PartitionCount = new(int32(n))
	}
	if n, ok := l.integer(c, "replica_count", 1, maxReplicas, CodeReplicaCount, "3 is usual; plan asks the cluster what it allows"); ok {
		t.ReplicaCount = new(int32(n))
	}
	t.Envs = l.decodeEnvs(c)
	t.IfExists, _ = choice(l, c, "if_exists", IfExistsFail, nil, IfExistsFail, IfExistsResumeEmpty, IfExistsMerge)
	return t
}

// decodeEnvs checks declared envs as UPDATE_APP_ENV of the target would.
func (l *loader) decodeEnvs(c *content) map[string]string {
	entries, ok := l.textMap(c, "envs")
	if !ok || len(entries) == 0 {
		return nil
	}
	envs := map[string]string{}
	for key, e := range entries {
		spec, known := LookupEnv(key)
		if !known {
			l.errorf(CodeEnvKey, e.at, didYouMean(key, declarableEnvs(), "known:"), "Pegasus 2.5 has no table env %q", key)
			continue
		}
		if spec.Refused != "" {
			l.errorf(CodeEnvRefused, e.at, "leave it out", "%q cannot be declared: %s", key, spec.Refused)
			continue
		}
		if e.null {
			envs[key] = ""
			continue
		}
		if err := spec.Validate(e.text); err != nil {
			l.errorf(CodeEnvValue, e.at, spec.Form, "%q cannot be %q: %v", key, e.text, err)
			continue
		}
		envs[key] = e.text
	}
	return envs
}

// clusterRef gives the cluster that an argument refers to.
func (l *loader) clusterRef(c *content) *Cluster {
	v, at, ok := l.arg(c, "cluster", true)
	if !ok {
		return nil
	}
	if v.Type() != clusterCapsule {
		hint := "write cluster = cluster.LABEL, with the label of a cluster block"
		if v.Type() == cty.String {
			if _, known := l.scope.clusters[v.AsString()]; known {
				hint = "write cluster = cluster." + v.AsString() + ", without quotes"
			}
		}
		l.errorf(CodeClusterWanted, at, hint, "\"cluster\" must refer to a cluster block, not %s", describe(v))
		return nil
	}
	cluster, _ := v.EncapsulatedValue().(*Cluster)
	return cluster
}

// tableNamePattern is the rule of Pegasus' own clients; the servers accept anything.
var tableNamePattern = regexp.MustCompile(`^[A-Za-z0-9_.:]+$`)

// maxTableName keeps names far below any limit of the servers' file and znode names.
const maxTableName = 255

// ValidTableName tells whether Pegasus' clients would take the name of a table.
func ValidTableName(name string) bool {
	return len(name) <= maxTableName && tableNamePattern.MatchString(name)
}

// tableName gives the argument "table", "" when it is absent or malformed.
func (l *loader) tableName(c *content, required bool) string {
	s, at, ok := l.text(c, "table", required)
	if !ok {
		return ""
	}
	if !ValidTableName(s) {
		l.errorf(CodeTableName, at, "letters, digits, '_', '.' and ':', at most 255", "%q cannot be the name of a table", s)
		return ""
	}
	return s
}

// decodeApprove checks the gates against those that the method has.
func (l *loader) decodeApprove(c *content, method methodRules) []string {
	items, _, _ := l.textList(c, "approve", false)
	wanted := map[string]hcl.Range{}
	for _, item := range items {
		if _, twice := wanted[item.text]; twice {
			l.warnf(CodeDuplicateName, item.at, "remove one", "gate %q is listed twice", item.text)
			continue
		}
		wanted[item.text] = item.at
		if hint := method.gateHint(item.text); hint != "" {
			l.errorf(CodeGate, item.at, hint, "method %q has no gate %q here", method.Kind(), item.text)
		}
	}
	var out []string
	for _, gate := range method.Gates() {
		if _, ok := wanted[gate]; ok {
			out = append(out, gate)
		}
	}
	return out
}
