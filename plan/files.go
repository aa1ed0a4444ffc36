package plan

import (
	"fmt"
	"path"
	"time"

	"github.com/pegmigrate/pegmigrate/schema"
)

// backupAttempts is how often a backup that died is removed and begun again before the run gives up.
const backupAttempts = 3

// provider gives a declared provider the form that actions carry.
func provider(p *schema.Provider) Provider {
	return Provider{Name: p.Name, Store: Store{Type: string(p.Type), Root: p.Root, NameNodes: p.NameNodes, User: p.User}}
}

// fromBackup says that the source is a backup and no living table.
func (b *builder) fromBackup() bool { return b.m.Source.Backup != nil }

// backupRoot is the folder of backups below the store's root, "" when nobody told it.
func (b *builder) backupRoot(use schema.BackupUse) string {
	if s := b.m.Source.Backup; s != nil {
		return s.Root
	}
	if use.ColdBackupRoot != "" {
		return path.Join(use.BackupPath, use.ColdBackupRoot)
	}
	if b.f.Files != nil {
		return b.f.Files.Root
	}
	return ""
}

// backupRef names the backup that everything after it is built on.
func (b *builder) backupRef(use schema.BackupUse) BackupRef {
	ref := BackupRef{Root: b.backupRoot(use), Table: b.f.SourceTable.Name, AppID: b.f.SourceTable.ID, Partitions: b.f.SourceTable.Partitions}
	if s := b.m.Source.Backup; s != nil {
		ref.ID, ref.Table, ref.AppID = s.ID, s.Table, s.AppID
		return ref
	}
	ref.Step = "backup"
	return ref
}

// rate is the flag that limits what servers move for a use, "" when nothing does. HDFS has a flag per direction;
// what a local_service reads and writes is not limited, and the flags of NFS, which look as if they were meant,
// belong to copies between replicas.
func rate(use string, t schema.ProviderType) (flag string) {
	if t != schema.HDFSService {
		return ""
	}
	if use == UseUpload {
		return FlagHDFSWrite
	}
	return FlagHDFSRead
}

// rateSteps gives the step that limits a transfer, the one that takes the limit back, and the id that the transfer
// names; nothing where no rate is declared or none has an effect.
func (b *builder) rateSteps(id, cluster, use string, t schema.ProviderType) (before, after []Step, ref string) {
	r, flag := b.m.Limits.SendRate, rate(use, t)
	if r == nil || flag == "" {
		return nil, nil, ""
	}
	before, after = b.rampSteps(id, cluster, use, flag)
	return before, after, id
}

// checkpointRate limits what servers of the source send when a follower copies its checkpoint.
func (b *builder) checkpointRate() (before, after []Step, ref string) {
	if b.m.Limits.SendRate == nil {
		return nil, nil, ""
	}
	const id = "checkpoint-rate"
	before, after = b.rampSteps(id, b.source.Cluster, UseCheckpoint, FlagCheckpoint)
	return before, after, id
}

// rampSteps limit a use by a flag, and take the limit back.
func (b *builder) rampSteps(id, cluster, use, flag string) (before, after []Step) {
	r := b.m.Limits.SendRate
	ramp := Ramp{Start: r.Start, Step: r.Step, Max: r.Max, Every: r.Every}
	before = []Step{{
		ID:     id,
		Action: LimitRate{Cluster: cluster, Use: use, Flag: flag, Unit: FlagRateUnit, Ramp: ramp},
		Why:    fmt.Sprintf("%s of every replica server of %s, from the first bytes on %s", flag, cluster, ramp),
		Impact: "the flag holds for every table of " + cluster,
		Undo:   RestoreRate{Cluster: cluster, Step: id},
	}}
	after = []Step{{
		ID: id + "-back", Action: RestoreRate{Cluster: cluster, Step: id},
		Why: "every server of " + cluster + " gets its own " + flag + " back",
	}}
	return before, after
}

// String says how the rate rises.
func (r Ramp) String() string {
	if r.Start == r.Max {
		return Bytes(uint64(r.Max)) + "/s"
	}
	return fmt.Sprintf("%s/s, every %s %s/s more, up to %s/s", Bytes(uint64(r.Start)), Duration(r.Every), Bytes(uint64(r.Step)), Bytes(uint64(r.Max)))
}

// backupSteps make, or adopt, a backup and check it. after is the step behind which it has to begin, "" for none.
func (b *builder) backupSteps(use schema.BackupUse, after string) []Step {
	ref := b.backupRef(use)
	check := Step{
		ID: "check-backup", Action: VerifyBackup{Provider: provider(use.Provider), Backup: ref},
		Why:      "every file of the backup is read: name, size and md5 as its metadata says",
		Estimate: estimateRead(b.f.SourceTable.Bytes),
	}
	if b.fromBackup() {
		return []Step{check}
	}
	before, back, rateStep := b.rateSteps("backup-rate", b.source.Cluster, UseUpload, use.Provider.Type)
	src := b.f.SourceTable
	step := Step{
		ID: "backup",
		Action: Backup{Source: b.source, Provider: provider(use.Provider), Path: use.BackupPath, Root: ref.Root, AppID: src.ID,
			Partitions: src.Partitions, AdoptMaxAge: use.AdoptMaxAge, After: after, Rate: rateStep, Attempts: backupAttempts},
		Why: fmt.Sprintf("cold backup of %s to %s (%s/%s)", plural(int(src.Partitions), "partition"), use.Provider.Name,
			use.Provider.Root, ref.Root),
		Impact:   "until the first upload every partition writes a checkpoint, which shows as peaks of latency on " + b.source.Cluster,
		Undo:     RemoveBackup{Source: b.source, Provider: provider(use.Provider), Step: "backup"},
		Estimate: b.estimateBackup(use.Provider.Type),
	}
	if use.AdoptMaxAge > 0 && after == "" {
		step.Why = fmt.Sprintf("a finished backup not older than %s, or a new one: ", Duration(use.AdoptMaxAge)) + step.Why
	}
	return append(append(append(before, step), check), back...)
}

// staging is where the input of the bulk load goes.
func (b *builder) staging(use schema.BackupUse, split schema.SplitUse) Staging {
	return Staging{Provider: provider(use.TargetProvider), Root: split.Staging, Cluster: b.f.Target.Name, Table: b.target.Table}
}

// splitStep writes the files for the load.
func (b *builder) splitStep(use schema.BackupUse, split schema.SplitUse, dropExpired bool) Step {
	st := b.staging(use, split)
	src := b.f.SourceTable
	return Step{
		ID: "split",
		Action: Split{From: provider(use.Provider), Backup: b.backupRef(use), Target: b.target, Staging: st, Partitions: b.partitions,
			Compression: string(split.Compression), FileSize: split.FileSize, DropExpired: dropExpired, Parallel: split.Parallel},
		Why: fmt.Sprintf("%s of the backup into files of %d (%s), below %s/%s", plural(int(src.Partitions), "partition"), b.partitions,
			split.Compression, use.TargetProvider.Root, st.Root),
		Undo:     RemoveStaging{Staging: st, Target: b.target, Step: "split"},
		Estimate: estimateSplit(src.Rows, src.Bytes),
	}
}

// usageSteps hold compaction off and let it go again.
func (b *builder) usageSteps() (hold, release Step) {
	const id = "load-usage"
	hold = Step{
		ID: id, Action: SetUsage{Table: b.target, Scenario: "bulk_load"},
		Why:      EnvUsageScenario + "=bulk_load: no compaction while files come in, in force on every replica",
		Undo:     RestoreUsage{Table: b.target, Step: id},
		Estimate: estimateSync(b.f.Target.ConfigSync),
	}
	release = Step{
		ID: id + "-back", Action: RestoreUsage{Table: b.target, Step: id},
		Why:      EnvUsageScenario + " as it was, in force on every replica",
		Estimate: estimateSync(b.f.Target.ConfigSync),
	}
	return hold, release
}

// loadSteps load the staged files. The servers set the meta level to steady and leave it there.
func (b *builder) loadSteps(use schema.BackupUse, split schema.SplitUse, behind bool) []Step {
	before, back, rateStep := b.rateSteps("load-rate", b.target.Cluster, UseDownload, use.TargetProvider.Type)
	src, reject := b.f.SourceTable, b.estimateIngest()
	how := "over what is there"
	if behind {
		how = "behind everything that is there"
	}
	return append(append(before, Step{
		ID: "load",
		Action: BulkLoad{Target: b.target, Staging: b.staging(use, split), Partitions: b.partitions, Replicas: b.replicas, IngestBehind: behind,
			Rate: rateStep, Reject: reject.Duration},
		Why: fmt.Sprintf("every replica of %s downloads its files and takes them in, %s", plural(int(b.partitions), "partition"), how),
		Impact: fmt.Sprintf("writes to a partition of %s are rejected while it takes files in, all in all about %s (%s to %s); tables of %s are not balanced",
			b.target, Duration(reject.Duration), Duration(reject.Low), Duration(reject.High), b.target.Cluster),
		Undo:     CancelBulkLoad{Target: b.target, Step: "load"},
		Estimate: withRows(b.estimateLoad(use.TargetProvider.Type), src),
	}, Step{
		ID: "load-level", Action: RestoreLevel{Cluster: b.target.Cluster, Step: "load"},
		Why: "the meta level of " + b.target.Cluster + " as it was: a bulk load leaves it at " + steady,
	}), back...)
}

// compactSteps bring the loaded files into order.
func (b *builder) compactSteps() []Step {
	return []Step{{
		ID: "compact", Action: ManualCompact{Table: b.target},
		Why:      "one manual compaction: files that were taken in lie on top of each other",
		Impact:   "disks of " + b.target.Cluster + " are busy meanwhile",
		Estimate: b.estimateCompact(),
	}, {
		ID: "debt", Action: AwaitCompaction{Table: b.target},
		Why: "no replica of " + b.target.String() + " has a compaction left to do",
	}}
}

// removeStagingStep takes away what was written for the load.
func (b *builder) removeStagingStep(use schema.BackupUse, split schema.SplitUse) Step {
	st := b.staging(use, split)
	return Step{
		ID: "remove-staging", Action: RemoveStaging{Staging: st, Target: b.target, Step: "split"},
		Why: fmt.Sprintf("remove %s/%s/%s/%s; the backup stays", use.TargetProvider.Root, st.Root, st.Cluster, st.Table),
	}
}

// verifyStep compares the target with the living source, or with the rows in the backup where the source may have
// gone on; none with mode "off".
func (b *builder) verifyStep(use schema.BackupUse, writes schema.SourceWrites) []Step {
	if b.m.Verify.Mode == schema.VerifyOff {
		return nil
	}
	src, limits := b.f.SourceTable, copyLimits(b.m.Limits)
	estimate := estimateMove(src.Rows, src.Bytes, limits, true)
	if b.fromBackup() || writes == schema.SourceWritesAccepted {
		return []Step{{
			ID:       "verify",
			Action:   VerifyBackupRows{Provider: provider(use.Provider), Backup: b.backupRef(use), Target: b.target, Limits: limits, DefaultTTL: b.ttlDuringLoad()},
			Why:      "every row of the target against the files of the backup: key, value, expiry, partition",
			Estimate: estimate,
		}}
	}
	return []Step{{
		ID: "verify",
		Action: Verify{Source: b.source, Target: b.target, Mode: string(b.m.Verify.Mode), Limits: limits,
			SourceWrites: string(writes), AllowExtra: b.allowExtra},
		Why:      "every row of both tables: key, value, expiry, partition",
		Estimate: estimate,
	}}
}

// ttlDuringLoad is the default_ttl that stamps loaded rows when they are compacted: it is set last, or parked.
func (b *builder) ttlDuringLoad() int64 { return 0 }

// fencedSteps raise the fence and wait out what was accepted before it.
func (b *builder) fencedSteps(writes schema.SourceWrites) []Step {
	if writes != schema.SourceWritesFenced {
		return nil
	}
	steps := b.fenceSteps()
	for i, s := range steps {
		if f, ok := s.Action.(Fence); ok {
			f.Budget, f.Predicted = b.m.Limits.WriteReject, b.fileWindow().Duration
			steps[i].Action = f
		}
	}
	return steps
}

// unfenceSteps let writes in again, where there is a fence that is not to stay.
func (b *builder) unfenceSteps(writes schema.SourceWrites) []Step {
	if writes != schema.SourceWritesFenced || b.m.After.Source == schema.AfterKeepFenced {
		return nil
	}
	return append(b.gate(schema.GateUnfence, "before the source takes writes again"), Step{
		ID:       "unfence-source",
		Action:   LiftFence{Table: b.source},
		Why:      "give " + EnvDeny + " its prior value back",
		Impact:   "writes are accepted again on every partition, one config sync later",
		Estimate: estimateSync(b.f.Source.ConfigSync),
	})
}

// ownSteps and disownSteps: a backup has no env that a marker could be written to.
func (b *builder) ownSteps() []Step {
	if b.fromBackup() {
		return nil
	}
	return []Step{b.ownStep()}
}

func (b *builder) disownSteps() []Step {
	if b.fromBackup() {
		return nil
	}
	return []Step{{
		ID:     "disown",
		Action: Disown{Source: b.source, Target: b.target, TargetInfo: b.envs.info},
		Why:    "take the ownership marker out of " + EnvBusinessInfo,
	}}
}

// ends marks the last step as the point of no return.
func ends(steps []Step) []Step {
	if n := len(steps); n > 0 {
		steps[n-1].Final = true
	}
	return steps
}

// after names the step behind which a backup has to begin, "" when any will do.
func after(writes schema.SourceWrites) string {
	if writes == schema.SourceWritesFenced {
		return "quiesce-source"
	}
	return ""
}

func withRows(e Estimate, t *TableFacts) Estimate {
	e.Rows, e.Bytes = t.Rows, t.Bytes
	return e
}

// proofTime is how long rows that clients write to both tables are looked for, and proofRows how many are wanted.
const (
	proofTime = 10 * time.Minute
	proofRows = 200
)
