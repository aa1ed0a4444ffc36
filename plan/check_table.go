package plan

import (
	"fmt"
	"strings"
	"time"

	"github.com/pegmigrate/pegmigrate/schema"
)

func (b *builder) checkSource() {
	t, place := b.f.SourceTable, b.place(b.m.Source.Range)
	if t == nil {
		b.checks.fail(CodeSourceMissing, place, "check the spelling; the cluster's shell lists tables with `ls`",
			"%s does not exist", b.source)
		return
	}
	switch t.Status {
	case "AVAILABLE":
	case "DROPPED", "DROPPING":
		b.checks.fail(CodeSourceDropped, place, "recall it first (shell: recall "+fmt.Sprint(t.ID)+"), as long as its reserve time lasts",
			"%s (id %d) is dropped", b.source, t.ID)
		return
	default:
		b.checks.fail(CodeSourceBusy, place, "wait until it is available, then plan again",
			"%s is %s", b.source, strings.ToLower(t.Status))
		return
	}
	b.checkMarker(t, b.source, place)
	b.checkQuietTable(t, b.source, place, Error)
	b.checkDataVersion(t, b.source, place)
}

// checkQuietTable refuses a table on which something else is under way, or that is not whole. A
// run that goes on passes Warning for unhealthy: it retries until partitions answer, and stopping
// would only leave a fence up for longer.
func (b *builder) checkQuietTable(t *TableFacts, ref TableRef, place string, unhealthy Severity) {
	before := len(b.checks.list)
	if t.Splitting {
		b.checks.fail(CodeSplitting, place, "wait until the split is finished: rows of a splitting table lie in two partitions",
			"%s is being split", ref)
	}
	if t.BulkLoading {
		b.checks.fail(CodeBulkLoading, place, "wait until the load is finished or cancel it", "%s is being bulk loaded", ref)
	}
	if n := len(t.Health.Unhealthy); n > 0 {
		b.checks.add(CodeUnhealthy, unhealthy, place, "wait until every partition has a primary and all secondaries (shell: app <table> -d)",
			"%s: %d of %d partitions are not fully replicated, among them %s (%d without primary)",
			ref, n, t.Partitions, firstOf(t.Health.Unhealthy, 5), t.Health.NoPrimary)
	}
	if len(b.checks.list) == before {
		b.checks.ok("%s is healthy: %s x %d, nothing else under way", ref, plural(int(t.Partitions), "partition"), t.Replicas)
	}
}

func (b *builder) checkDataVersion(t *TableFacts, ref TableRef, place string) {
	replicas := 0
	for version, n := range t.DataVersions {
		replicas += n
		if version == 0 && ref == b.source && b.takesVersion0(ref) {
			return
		}
		if version != 1 {
			b.checks.fail(CodeDataVersion, place, "this release moves data version 1 only; version 0 has no timetag",
				"%s: %s have data version %d", ref, plural(n, "replica"), version)
			return
		}
	}
	if replicas > 0 {
		b.checks.ok("data version 1 on all %s of %s", plural(replicas, "replica"), ref)
	}
}

// takesVersion0 says whether the method can do with rows that have no timetag: a restore keeps them as they are, a
// split puts one in.
func (b *builder) takesVersion0(ref TableRef) bool {
	switch b.m.Method.(type) {
	case *schema.BackupRestoreMethod:
		b.checks.ok("%s has data version 0, and so will the restored table", ref)
		return true
	case *schema.BackupBulkLoadMethod:
		b.checks.ok("%s has data version 0: its rows get the timetag of version 1 when the files are split", ref)
		return true
	}
	return false
}

// checkMarker refuses a table that somebody else is migrating, and tells a lost state file from
// a stranger.
func (b *builder) checkMarker(t *TableFacts, ref TableRef, place string) {
	m := t.Marker
	if m == nil {
		return
	}
	switch {
	case m.Damaged:
		b.checks.fail(CodeDamagedMarker, place, "read the table's "+EnvBusinessInfo+" and put the right text back by hand",
			"%s: the ownership marker in %s cannot be read", ref, EnvBusinessInfo)
	case b.f.Owned != nil && b.f.Owned.Lineage == m.Lineage:
	case m.Migration == b.m.Name && b.f.Owned == nil:
		b.checks.fail(CodeLostState, place, "if that run is dead and its state file lost, `pegmigrate apply -adopt` takes it over",
			"%s is being migrated by %s since %s (migration %q), and there is no state file of it here",
			ref, m.Owner, m.Since.UTC().Format(time.RFC3339), m.Migration)
	default:
		b.checks.fail(CodeForeignMarker, place, "ask its owner; `pegmigrate rollback` or a finished run there takes the marker out",
			"%s is being migrated by %s since %s (migration %q, lineage %s)",
			ref, m.Owner, m.Since.UTC().Format(time.RFC3339), m.Migration, m.Lineage)
	}
}

func (b *builder) checkTarget() {
	place := b.place(b.m.Target.Range)
	b.checkShape(place)
	t := b.f.TargetTable
	if t == nil {
		b.checks.ok("%s is absent and will be created", b.target)
		b.checkDisk(place)
		return
	}
	if t.Status != "AVAILABLE" {
		b.checks.fail(CodeTargetExists, place, "wait until it is gone or available", "%s is %s", b.target, strings.ToLower(t.Status))
		return
	}
	b.checkMarker(t, b.target, place)
	b.checkExisting(t, place)
	b.checkQuietTable(t, b.target, place, Error)
	b.checkDataVersion(t, b.target, place)
	b.checkDisk(place)
}

// checkShape validates what the target is to look like against what its cluster can do.
func (b *builder) checkShape(place string) {
	if b.partitions < 1 || b.partitions&(b.partitions-1) != 0 {
		b.checks.fail(CodePartitionCount, place, "declare partition_count = 1, 2, 4, 8, …; the source may keep any count",
			"%s would have %d partitions, which is not a power of two", b.target, b.partitions)
	}
	b.checkReplicaCount(place)
}

// checkReplicaCount compares the replica count with the living servers: nobody else does, for a restored table.
func (b *builder) checkReplicaCount(place string) {
	hint := "lower replica_count or bring more replica servers up"
	if _, restore := b.m.Method.(*schema.BackupRestoreMethod); restore {
		hint = "bring replica servers up: a restore takes the count of the backup; method \"backup_bulk_load\" takes the one that you declare"
	}
	if alive := b.f.Target.Alive(); int(b.replicas) > alive {
		b.checks.fail(CodeReplicasOverNodes, place, hint,
			"%s would have %d replicas, but %s has %s alive", b.target, b.replicas, b.f.Target.Label, plural(alive, "replica server"))
	}
	if limit := b.f.Target.MaxReplicaCount; limit > 0 && b.replicas > limit {
		b.checks.fail(CodeReplicasOverLimit, place, "lower replica_count, or raise [meta_server] max_allowed_replica_count there",
			"%s would have %d replicas, but %s allows at most %d", b.target, b.replicas, b.f.Target.Label, limit)
	}
}

// checkExisting applies if_exists to a target that is there.
func (b *builder) checkExisting(t *TableFacts, place string) {
	if t.Partitions != b.partitions || t.Replicas != b.replicas {
		b.checks.fail(CodeTargetShape, place, "declare the counts that it has, or drop it so that it is created anew",
			"%s exists with %d partitions x %d, declared are %d x %d", b.target, t.Partitions, t.Replicas, b.partitions, b.replicas)
	}
	if len(t.Duplications) > 0 {
		b.checks.warn(CodeDuplicating, place, "rows that are copied here go on to there as well",
			"%s is duplicated to %s", b.target, strings.Join(t.Duplications, ", "))
	}
	if v := t.Envs[EnvDeny]; v != "" {
		b.checks.fail(CodeTargetDenies, place, "take the env off the target: the copy's own writes would be denied",
			"%s carries %s=%s", b.target, EnvDeny, v)
	}
	switch b.m.Target.IfExists {
	case schema.IfExistsMerge:
		b.allowExtra = t.HasRows
		if t.HasRows {
			hint := "rows of the same key are overwritten; this cannot be undone"
			if b.options().KeepsTarget() {
				hint = "rows that are added cannot be taken out again; those of the same key stay as they are"
			}
			b.checks.warn(CodeTargetHasRows, place, hint,
				"%s has rows already (about %d); the source's are merged into them", b.target, t.Rows)
		}
	case schema.IfExistsResumeEmpty:
		if t.HasRows {
			b.checks.fail(CodeTargetHasRows, place, "empty or drop it, or declare if_exists = \"merge\"",
				"%s has rows (about %d), and if_exists = \"resume_empty\" allows only an empty table", b.target, t.Rows)
		}
	default:
		if t.Marker != nil {
			return // refused for its marker: nobody should be told to drop it
		}
		code, what, hint := CodeTargetExists, "is empty", "drop it, or declare if_exists = \"resume_empty\" to use it as it is"
		if t.HasRows {
			code, what = CodeTargetHasRows, fmt.Sprintf("has rows (about %d)", t.Rows)
			hint = "drop it, name another target table, or declare if_exists = \"merge\""
		}
		b.checks.fail(code, place, hint, "%s exists (id %d) and %s", b.target, t.ID, what)
	}
}

// checkDisk compares the source's size, times the replicas, with what the target's disks have.
func (b *builder) checkDisk(place string) {
	var available uint64
	for _, n := range b.f.Target.Nodes {
		available += n.DiskAvailable
	}
	need := b.f.SourceTable.Bytes * uint64(max(b.replicas, 1)) * b.copies()
	if available == 0 || need == 0 {
		return
	}
	if need > available {
		b.checks.fail(CodeDisk, place, "make room on the target, or lower replica_count",
			"%s needs about %s on %s, which has %s left", b.target, Bytes(need), b.f.Target.Label, Bytes(available))
		return
	}
	if need > available/2 {
		b.checks.warn(CodeDisk, place, "watch it: compaction needs room as well",
			"%s takes about %s of the %s left on %s", b.target, Bytes(need), Bytes(available), b.f.Target.Label)
	}
}

// firstOf writes the first n numbers of a list.
func firstOf(list []int, n int) string {
	text := make([]string, 0, n)
	for i, v := range list {
		if i == n {
			text = append(text, "…")
			break
		}
		text = append(text, fmt.Sprint(v))
	}
	return strings.Join(text, ", ")
}
