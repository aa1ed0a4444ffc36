package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pegmigrate/pegmigrate/schema"
)

// filesMethod plans and checks a method that goes through files, and says so in the header.
func (b *builder) filesMethod(p *Plan) bool {
	switch method := b.m.Method.(type) {
	case *schema.BackupRestoreMethod:
		b.checkRestore(method)
		p.Steps = b.restoreSteps(method)
		b.sayRestore(p, method)
	case *schema.BackupBulkLoadMethod:
		b.checkBulkLoad(method)
		p.Steps = b.bulkLoadSteps(method)
		b.sayBulkLoad(p, method)
	case *schema.DualWriteMethod:
		b.checkDualWrite(method)
		p.Steps = b.dualWriteSteps(method)
		b.sayDualWrite(p)
	default:
		return false
	}
	return true
}

// foundTable gives what a backup says of its table the form of a table, nil when there is no such backup.
func foundTable(f Facts) *TableFacts {
	if f.Files == nil || f.Files.Found == nil || !f.Files.Found.Finished {
		return nil
	}
	found := f.Files.Found
	t := &TableFacts{Name: found.Table, ID: found.AppID, Status: "AVAILABLE", Partitions: found.Partitions, Replicas: found.Replicas,
		Bytes: found.Bytes, HasRows: true}
	if found.DataVersion >= 0 {
		t.DataVersions = map[int32]int{found.DataVersion: int(found.Partitions)}
	}
	return t
}

// checkFound looks at a backup that takes the place of a living table.
func (b *builder) checkFound() {
	s := b.m.Source.Backup
	place := b.place(s.Range)
	files := b.f.Files
	if files == nil {
		return // told by checkFiles
	}
	found := files.Found
	const hint = "path is [<backup_path>/]<cold_backup_root>/<backup_id> below the provider's root; table and app_id name the folder in it"
	switch {
	case files.Store.Problem != "":
		b.checks.fail(CodeStoreSilent, place, "this tool reads the store itself: mount it here, or give it access", "%s cannot be read from here: %s", storeName(files.Store), files.Store.Problem)
	case found == nil:
		b.checks.fail(CodeBackupMissing, place, hint, "there is no backup %s/%s_%d on %s", s.Path, s.Table, s.AppID, storeName(files.Store))
	case !found.Finished:
		b.checks.fail(CodeBackupMissing, place, "a backup that is not finished never will be once its meta leader changed; use another one",
			"backup %s/%s_%d cannot be used: %s", s.Path, s.Table, s.AppID, found.Problem)
	default:
		b.checks.ok("backup %d of %s (id %d): %s x %d, %s in %s", s.ID, s.Table, s.AppID, plural(int(found.Partitions), "partition"), found.Replicas,
			Bytes(found.Bytes), plural(found.Files, "file"))
		b.checkDataVersion(b.f.SourceTable, b.source, place)
	}
}

func storeName(s StoreFacts) string { return s.Provider.Name + " (" + s.Provider.Store.Root + ")" }

// checkRestore is the preflight of method backup_restore.
func (b *builder) checkRestore(method *schema.BackupRestoreMethod) {
	place, src := b.place(b.m.Target.Range), b.f.SourceTable
	if b.partitions != src.Partitions || b.replicas != src.Replicas {
		hint := "declare method \"backup_bulk_load\" or \"copy\", which can, or leave the counts out"
		if b.partitions == src.Partitions {
			hint = "leave replica_count out and change it when the table is there (shell: set_replica_count), or declare method \"backup_bulk_load\""
		}
		b.checks.fail(CodeBackupCounts, place, hint, "a restore makes %d partitions x %d, as in the backup, and %d x %d are declared",
			src.Partitions, src.Replicas, b.partitions, b.replicas)
		b.partitions, b.replicas = src.Partitions, src.Replicas
	}
	b.checkReplicaCount(place)
	b.checkMarkedDuplicating()
	b.checkAbsent(place, "the servers make the table themselves, and refuse when it is there")
	b.checkDisk(place)
	b.checkEnvs()
	if len(b.envs.create) > 0 {
		b.checks.warn(CodeEnvNotCarried, place, "declare method \"backup_bulk_load\" or \"copy\", which create the table with it",
			"%s only has an effect when a table is created, and the restored one is created without: it is not carried", b.createOnly())
		clear(b.envs.create)
	}
	b.checkFiles(method.BackupUse, nil)
	b.checkWriters(method.SourceWrites)
	if method.SkipBadPartition {
		b.checks.list = append(b.checks.list, Check{Code: CodeSkipBad, Severity: Warning, Loud: true, Place: b.atMethod(),
			Text: "skip_bad_partition: a partition whose files are damaged comes up empty, with all its rows gone",
			Hint: "leave it out: check-backup reads every file before anything is restored"})
	}
}

// checkMarkedDuplicating refuses to restore a table that was duplicated: the new one takes over what app_metadata says
// (server_state_restore.cpp, restore_app_info). A table that is marked so and has no duplication keeps every private
// log (replica_chkpt.cpp, on_checkpoint_timer) and takes no atomic write (replica_2pc.cpp, on_client_write), for ever.
func (b *builder) checkMarkedDuplicating() {
	place := b.place(b.m.Source.Range)
	const why = "a restore marks the new table as duplicated too: it would never remove a log, and refuse incr, check_and_set and check_and_mutate"
	switch files := b.f.Files; {
	case files != nil && files.Found != nil && files.Found.Duplicating:
		b.checks.fail(CodeDuplicating, place, "declare method \"backup_bulk_load\", or use a backup from a time without duplication",
			"backup %d was made while %s was duplicated, and says so; %s", files.Found.ID, files.Found.Table, why)
	case len(b.f.SourceTable.Duplications) > 0:
		b.checks.fail(CodeDuplicating, place, "declare method \"backup_bulk_load\" or \"copy\", or remove the duplication first",
			"%s is duplicated to %s; %s", b.source, strings.Join(b.f.SourceTable.Duplications, ", "), why)
	}
}

// checkBulkLoad is the preflight of method backup_bulk_load.
func (b *builder) checkBulkLoad(method *schema.BackupBulkLoadMethod) {
	b.checkTarget()
	b.checkEnvs()
	b.checkFiles(method.BackupUse, &method.SplitUse)
	b.checkLoad(&method.SplitUse)
	b.checkWriters(method.SourceWrites)
	if t := b.f.TargetTable; t != nil {
		b.checkLoadTarget(t)
	}
}

// checkLoadTarget looks at a table that is there already.
func (b *builder) checkLoadTarget(t *TableFacts) {
	place := b.place(b.m.Target.Range)
	if len(t.Duplications) > 0 {
		b.checks.fail(CodeLoadDuplicating, place, "remove the duplication, or load into another table",
			"%s is duplicated to %s: loaded rows are not shipped, and up to 2.5 its servers end over such a log (#2100)", b.target, strings.Join(t.Duplications, ", "))
	}
	if u := t.Envs[EnvUsageScenario]; u == "bulk_load" {
		b.checks.warn(CodeLoadUsage, place, "when no other load is under way, set it to normal first; after the load it gets this value back",
			"%s has %s=bulk_load already", b.target, EnvUsageScenario)
	}
	for _, key := range []string{"replica.write_throttling", "replica.write_throttling_by_size"} {
		if v := t.Envs[key]; v != "" {
			b.checks.warn(CodeThrottled, place, "take it off for the time of the load: the request that takes files in counts as a write",
				"%s carries %s=%s", b.target, key, v)
		}
	}
}

// checkDualWrite is the preflight of method dual_write.
func (b *builder) checkDualWrite(method *schema.DualWriteMethod) {
	place := b.atMethod()
	b.checkShape(b.place(b.m.Target.Range))
	b.checkAbsent(b.place(b.m.Target.Range), "it has to be created with "+EnvIngestBehind+": servers read that when they open a table, and never again")
	b.checkDisk(b.place(b.m.Target.Range))
	b.checkEnvs()
	b.checkFiles(method.BackupUse, &method.SplitUse)
	b.checkLoad(&method.SplitUse)
	b.checks.warn(CodeDualWriters, place, "one writer that writes one table only, or gives a write up that failed on the other, loses rows that no file brings back",
		"from the gate %q on every writer has to write both tables, deletes as well, and to repeat what fails: %s rejects writes of a partition for some seconds while it takes files in",
		schema.GateDualWrite, b.target)
	b.checks.warn(CodeDualAtomic, place, "let such clients wait until the target has all rows, or declare method \"duplication\"",
		"incr, check_and_set and check_and_mutate on %s act on rows that are not there yet: their outcome differs from the source's", b.target)
	if b.m.Verify.Mode == schema.VerifyOff {
		b.warnVerifyOff()
	}
}

func (b *builder) warnVerifyOff() {
	b.checks.list = append(b.checks.list, Check{Code: CodeVerifyOff, Severity: Warning, Loud: true, Place: b.atVerify(),
		Text: "verify is off: nothing will prove that the target is complete",
		Hint: "leave the verify block out for a full comparison"})
}

// checkAbsent refuses a target that is there.
func (b *builder) checkAbsent(place, why string) {
	t := b.f.TargetTable
	if t == nil {
		b.checks.ok("%s is absent and will be created", b.target)
		return
	}
	b.checkMarker(t, b.target, place)
	if t.Marker != nil {
		return // nobody should be told to drop it
	}
	b.checks.fail(CodeTargetExists, place, "drop it or name another target table", "%s exists (id %d): %s", b.target, t.ID, why)
}

// checkWriters says what becomes of writes that come during the work.
func (b *builder) checkWriters(writes schema.SourceWrites) {
	place := b.atMethod()
	if b.m.Verify.Mode == schema.VerifyOff {
		b.warnVerifyOff()
	}
	if b.fromBackup() {
		return
	}
	switch writes {
	case schema.SourceWritesStopped:
		b.checks.warn(CodeWritersStopped, place, "declare source_writes = \"fenced\" for a guarantee",
			"source_writes = \"stopped\" is your promise that nobody writes to %s from the backup on; the comparison checks it", b.source)
	case schema.SourceWritesAccepted:
		b.checks.list = append(b.checks.list, Check{Code: CodeWritersAccepted, Severity: Warning, Loud: true, Place: place,
			Text: "source_writes = \"accepted\": writes to " + b.source.String() + " after the backup of their partition are missing on the target, and partitions are not backed up at one moment",
			Hint: "method \"dual_write\" or \"duplication\" loses nothing while clients write"})
	case schema.SourceWritesFenced:
		b.checkFileBudget()
	}
}

// checkFileBudget compares the declared write-reject budget with what happens behind the fence.
func (b *builder) checkFileBudget() {
	budget, w, place := b.m.Limits.WriteReject, b.fileWindow(), b.atLimits()
	switch {
	case budget == 0:
	case w.Low > budget:
		b.checks.fail(CodeRejectBudget, place, "raise limits.write_reject, or stop the writers and declare source_writes = \"stopped\"",
			"writes would be rejected for at least %s, the budget is %s", Duration(w.Low), Duration(budget))
	case w.Duration > budget:
		b.checks.warn(CodeRejectBudget, place, "apply lifts the fence in time and ends with exit code 6",
			"writes would be rejected for about %s, the budget is %s", Duration(w.Duration), Duration(budget))
	}
}

// checkLoad looks at what else a bulk load depends on.
func (b *builder) checkLoad(split *schema.SplitUse) {
	files, place := b.f.Files, b.place(b.m.Target.Range)
	if files == nil {
		return
	}
	var busy []string
	for _, l := range files.Loads {
		busy = append(busy, l.Table+" ("+l.Status+")")
	}
	if len(busy) > 0 {
		slices.Sort(busy)
		b.checks.fail(CodeLoadBusy, place, "wait until it is over: a cluster does one bulk load at a time",
			"%s is loading %s", b.target.Cluster, strings.Join(busy, ", "))
	} else {
		b.checks.ok("no bulk load is under way on %s", b.target.Cluster)
	}
	folder := fmt.Sprintf("%s/%s/%s", split.Staging, b.f.Target.Name, b.target.Table)
	if files.Staged {
		what := "without a list of its table"
		if files.StagedFor != 0 {
			what = fmt.Sprintf("for app id %d", files.StagedFor)
		}
		b.checks.fail(CodeStaged, place, "remove it when nobody needs it, or declare another staging",
			"%s on %s holds files for a bulk load already, %s", folder, storeName(files.TargetStore), what)
	}
	r := b.estimateIngest()
	b.checks.ok("writes to %s are rejected for about %s (%s to %s) while files are taken in", b.target, Duration(r.Duration), Duration(r.Low), Duration(r.High))
}
