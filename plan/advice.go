package plan

import (
	"fmt"

	"github.com/pegmigrate/pegmigrate/schema"
)

// Verdict says whether a method could do a migration.
type Verdict string

// The verdicts. VerdictIf is of a method about which something decides that was not looked at, because another one
// is declared.
const (
	VerdictYes Verdict = "yes"
	VerdictIf  Verdict = "if"
	VerdictNo  Verdict = "no"
)

// Advice is what one method would take for this migration. Amounts are predictions, for people.
type Advice struct {
	Method string `json:"method"`
	// Declared marks the method that the plan is of.
	Declared bool    `json:"declared,omitempty"`
	Verdict  Verdict `json:"verdict"`
	// Why are the reasons against it, or what it depends on, each a clause.
	Why []string `json:"why,omitempty"`
	// Duration is the whole run without waiting for people. Reject is how long writes are rejected: on the source,
	// or with RejectsOn "target" on the target; zero for not at all.
	Duration  Estimate `json:"duration"`
	Reject    Estimate `json:"reject"`
	RejectsOn string   `json:"rejects_on,omitempty"`
	// Disk is the extra room in bytes on the target's servers, all replicas; Store that on block stores.
	Disk  uint64 `json:"disk_bytes,omitempty"`
	Store uint64 `json:"store_bytes,omitempty"`
	// Load is what it costs the clusters, in a few words.
	Load string `json:"load"`
}

// advise tells of every method what it would take. The source table has to be there.
func (b *builder) advise() []Advice {
	out := []Advice{b.adviseCopy(), b.adviseDuplication(), b.adviseRestore(), b.adviseBulkLoad(), b.adviseDualWrite()}
	for i := range out {
		a := &out[i]
		a.Declared = a.Method == b.m.Method.Kind()
		if a.Declared {
			b.fromPlan(a)
			continue
		}
		if len(a.Why) > 0 && a.Verdict == "" {
			a.Verdict = VerdictNo
		}
		if a.Verdict == "" {
			a.Verdict = VerdictYes
		}
	}
	return out
}

// fromPlan gives the declared method the verdict of its checks.
func (b *builder) fromPlan(a *Advice) {
	a.Verdict, a.Why = VerdictYes, nil
	for _, c := range b.checks.list {
		if c.Severity == Error {
			a.Verdict = VerdictNo
			a.Why = []string{"see the errors above"}
		}
	}
}

// against collects reasons; one that is certain makes the verdict no, one that is not makes it if.
type against struct {
	no, maybe []string
}

func (r *against) say(a *Advice) {
	switch {
	case len(r.no) > 0:
		a.Verdict, a.Why = VerdictNo, r.no
	case len(r.maybe) > 0:
		a.Verdict, a.Why = VerdictIf, r.maybe
	}
}

// live is what every method needs that reads a living source.
func (b *builder) live(r *against) {
	if b.fromBackup() {
		r.no = append(r.no, "the source is a backup")
		return
	}
	if DeniesReads(b.f.SourceTable.Envs) {
		r.no = append(r.no, b.source.String()+" answers no read")
	}
}

func powerOfTwo(n int32) bool { return n >= 1 && n&(n-1) == 0 }

func (b *builder) shapes(r *against) {
	if !powerOfTwo(b.partitions) {
		r.no = append(r.no, fmt.Sprintf("a target cannot be created with %d partitions", b.partitions))
	}
}

// newTarget is what methods need whose target must not be there.
func (b *builder) newTarget(r *against, why string) {
	if b.f.TargetTable != nil {
		r.no = append(r.no, fmt.Sprintf("%s exists: %s", b.target, why))
	}
}

// sameCounts is what methods need that cannot change the shape of a table.
func (b *builder) sameCounts(r *against, counts bool) {
	src := b.f.SourceTable
	if b.partitions != src.Partitions {
		r.no = append(r.no, fmt.Sprintf("it keeps the partition count (%d), %d are declared", src.Partitions, b.partitions))
	}
	if counts && b.replicas != src.Replicas {
		r.no = append(r.no, fmt.Sprintf("it keeps the replica count (%d), %d are declared", src.Replicas, b.replicas))
	}
}

// version is what methods need that read rows with a timetag.
func (b *builder) version(r *against) {
	for v := range b.f.SourceTable.DataVersions {
		if v != 1 {
			r.no = append(r.no, fmt.Sprintf("%s has data version %d", b.source, v))
		}
	}
}

// release is what a method needs whose program speaks to one release only.
func (b *builder) release(r *against) {
	for _, c := range []ClusterFacts{b.f.Source, b.f.Target} {
		for _, n := range c.Nodes {
			if n.Alive && n.Version != "" && minor(n.Version) != 5 {
				r.no = append(r.no, fmt.Sprintf("it speaks to 2.5, %s runs %s", n.Addr, n.Version))
				return
			}
		}
	}
}

func (b *builder) targetDisk() uint64 { return b.f.SourceTable.Bytes * uint64(max(b.replicas, 1)) }

func (b *builder) compareTime() Estimate {
	return estimateMove(b.f.SourceTable.Rows, b.f.SourceTable.Bytes, copyLimits(b.m.Limits), true)
}

func (b *builder) adviseCopy() Advice {
	var r against
	b.live(&r)
	b.shapes(&r)
	b.version(&r)
	b.release(&r)
	a := Advice{Method: "copy", Disk: b.targetDisk(), Load: "every row read and written by requests"}
	rows, bytes := b.expected()
	limits, windows := copyLimits(b.m.Limits), b.m.Limits.Window
	a.Duration = withoutRows(estimateMove(rows, bytes, limits, false).within(windows).Plus(estimateMove(rows, bytes, limits, true).within(windows)))
	if b.f.TargetTable == nil {
		a.Duration = a.Duration.Plus(estimateCreate())
	}
	b.copyRejects(&a)
	r.say(&a)
	return a
}

// copyRejects says for how long a copy rejects writes, and for how long it would with source_writes = "catch_up"
// where that is less.
func (b *builder) copyRejects(a *Advice) {
	if b.fromBackup() {
		return
	}
	m, copies := b.m.Method.(*schema.CopyMethod)
	caughtUp := withoutRows(b.catchUpWindow().rejected())
	switch {
	case copies && m.SourceWrites == schema.SourceWritesCatchUp:
		a.Reject, a.RejectsOn = caughtUp, "source"
	case !copies || m.SourceWrites == schema.SourceWritesFenced:
		a.Reject, a.RejectsOn = withoutRows(b.window()), "source"
		if caughtUp.Duration < a.Reject.Duration && b.m.Target.IfExists != schema.IfExistsMerge && !b.options().KeepsTarget() {
			a.Load += fmt.Sprintf("; with source_writes = %q writes are rejected about %s", schema.SourceWritesCatchUp, Duration(caughtUp.Duration))
		}
	}
}

func (b *builder) adviseDuplication() Advice {
	var r against
	b.live(&r)
	b.sameCounts(&r, !shipsAtOnce(b.f.Source))
	b.newTarget(&r, "the servers make it themselves")
	if b.f.Source.Name != "" && b.f.Source.Name == b.f.Target.Name {
		r.no = append(r.no, "source and target are one cluster")
	}
	if b.source.Table != b.target.Table && !shipsAtOnce(b.f.Source) {
		r.no = append(r.no, "up to 2.5 the target keeps the source's name")
	}
	if b.f.Duplication == nil {
		r.maybe = append(r.maybe, "both clusters know each other", "clients do without incr and check_and_*")
	} else if !b.f.Duplication.SourceProbe.Ready {
		r.no = append(r.no, "the clusters do not know each other")
	}
	a := Advice{Method: "duplication", Disk: b.targetDisk(), Load: "a checkpoint, then every write shipped"}
	a.Duration = withoutRows(b.followEstimate().Plus(b.compareTime()))
	if !b.fromBackup() {
		w := b.cutoverWindow()
		a.Duration = a.Duration.Plus(w.Total)
		a.Reject, a.RejectsOn = withoutRows(w.Total), "source"
	}
	r.say(&a)
	return a
}

// store is the type of the store that a method through files would use; local_service, which nothing limits, when
// none is declared.
func (b *builder) storeTypes() (source, target schema.ProviderType) {
	if use, _ := schema.FilesOf(b.m.Method); use != nil {
		return use.Provider.Type, use.TargetProvider.Type
	}
	return schema.LocalService, schema.LocalService
}

// stored is what methods through files depend on.
func (b *builder) stored(r *against) {
	if use, _ := schema.FilesOf(b.m.Method); use == nil {
		r.maybe = append(r.maybe, "both clusters have a block store that is reachable from here")
	}
}

// uses is a declaration of a backup for predictions.
func (b *builder) uses() schema.BackupUse {
	src, dst := b.storeTypes()
	return schema.BackupUse{Provider: &schema.Provider{Type: src}, TargetProvider: &schema.Provider{Type: dst}}
}

// backupTime is what backup and check take; a backup that is there is only checked.
func (b *builder) backupTime() Estimate {
	check := estimateRead(b.f.SourceTable.Bytes)
	if b.fromBackup() {
		return check
	}
	src, _ := b.storeTypes()
	return check.Plus(b.estimateBackup(src))
}

// fencedWrites says whether the declared method, or any that has no say in it, fences the source.
func (b *builder) fencedWrites() bool {
	return !b.fromBackup() && (fenced(b.m.Method) || schemaCopyFenced(b.m.Method))
}

func schemaCopyFenced(m schema.Method) bool {
	c, ok := m.(*schema.CopyMethod)
	return ok && c.Fences()
}

func (b *builder) adviseRestore() Advice {
	var r against
	b.stored(&r)
	b.sameCounts(&r, true)
	b.newTarget(&r, "the servers make it themselves")
	_, dst := b.storeTypes()
	a := Advice{Method: "backup_restore", Disk: b.targetDisk(), Store: b.ownBackup(), Load: "a checkpoint, up and down"}
	a.Duration = withoutRows(b.backupTime().Plus(b.estimateRestore(dst)).Plus(b.estimateLearn()).Plus(b.compareTime()))
	if b.fencedWrites() {
		a.Reject, a.RejectsOn = withoutRows(b.fenceWindow(b.uses(), false)), "source"
	} else if !b.fromBackup() {
		r.maybe = append(r.maybe, "nothing writes to the source")
	}
	r.say(&a)
	return a
}

func (b *builder) adviseBulkLoad() Advice {
	var r against
	b.stored(&r)
	b.shapes(&r)
	if t := b.f.TargetTable; t != nil && len(t.Duplications) > 0 {
		r.no = append(r.no, b.target.String()+" is duplicated")
	}
	a := Advice{Method: "backup_bulk_load", Disk: b.targetDisk(), Store: b.ownBackup() + b.f.SourceTable.Bytes,
		Load: "a checkpoint, up and down, one compaction"}
	a.Duration = withoutRows(b.backupTime().Plus(b.loadTime()).Plus(b.compareTime()))
	if b.fencedWrites() {
		a.Reject, a.RejectsOn = withoutRows(b.fenceWindow(b.uses(), true)), "source"
	} else {
		a.Reject, a.RejectsOn = b.estimateIngest(), "target"
		if !b.fromBackup() {
			r.maybe = append(r.maybe, "nothing writes to the source")
		}
	}
	r.say(&a)
	return a
}

// loadTime is what split, load and compaction take.
func (b *builder) loadTime() Estimate {
	_, dst := b.storeTypes()
	return estimateCreate().Plus(estimateSplit(b.f.SourceTable.Rows, b.f.SourceTable.Bytes)).Plus(b.estimateLoad(dst)).Plus(b.estimateCompact())
}

// ownBackup is the room that a new backup takes.
func (b *builder) ownBackup() uint64 {
	if b.fromBackup() {
		return 0
	}
	return b.f.SourceTable.Bytes
}

func (b *builder) adviseDualWrite() Advice {
	var r against
	b.live(&r)
	b.shapes(&r)
	b.version(&r)
	b.newTarget(&r, "it has to be created for it")
	b.stored(&r)
	r.maybe = append(r.maybe, "every writer writes both tables, and repeats what fails")
	a := Advice{Method: "dual_write", Disk: b.targetDisk(), Store: b.ownBackup() + b.f.SourceTable.Bytes,
		Load:   "a checkpoint, up and down, one compaction, every write twice",
		Reject: b.estimateIngest(), RejectsOn: "target"}
	a.Duration = withoutRows(proofEstimate().Plus(b.backupTime()).Plus(b.loadTime()).Plus(b.compareTime()).Plus(b.compareTime()))
	r.say(&a)
	return a
}

func withoutRows(e Estimate) Estimate {
	e.Rows, e.Bytes = 0, 0
	return e
}
