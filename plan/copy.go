package plan

import (
	"fmt"
	"slices"
	"time"

	"github.com/pegmigrate/pegmigrate/schema"
)

// DropReserve is how long a target table that rollback drops can still be recalled: the default
// of the servers' hold_seconds_for_dropped_app.
const DropReserve = 7 * 24 * time.Hour

// copySteps lists the steps of method "copy" in order.
func (b *builder) copySteps(method *schema.CopyMethod) []Step {
	limits := copyLimits(b.m.Limits)
	steps := []Step{b.ownStep()}
	steps = append(steps, b.targetSteps()...)
	steps = append(steps, b.gate(schema.GateCopy, "before any row moves")...)
	switch method.SourceWrites {
	case schema.SourceWritesFenced:
		steps = append(steps, b.fenceSteps()...)
		steps = append(steps, b.moveSteps(method, limits)...)
	case schema.SourceWritesCatchUp:
		w := b.catchUpWindow()
		limits.WriteReject = w.Budget
		steps = append(steps, b.copyStep(method, limits))
		steps = append(steps, b.caughtUpSteps(method, w)...)
	default:
		steps = append(steps, b.moveSteps(method, limits)...)
	}
	if method.Geo == nil {
		steps = append(steps, b.lateSteps()...)
	}
	if method.Fences() && b.m.After.Source != schema.AfterKeepFenced {
		steps = append(steps, b.gate(schema.GateUnfence, "before the source takes writes again")...)
		steps = append(steps, Step{
			ID:       "unfence-source",
			Action:   LiftFence{Table: b.source},
			Why:      "give " + EnvDeny + " its prior value back",
			Impact:   "writes are accepted again on every partition, one config sync later",
			Estimate: estimateSync(b.f.Source.ConfigSync),
		})
	}
	if method.Geo != nil { // an index is of rows that no env has changed
		steps = append(append(steps, b.indexSteps(method)...), b.lateSteps()...)
	}
	return append(steps, Step{
		ID:     "disown",
		Action: Disown{Source: b.source, Target: b.target, TargetInfo: b.envs.info},
		Why:    "take the ownership marker out of " + EnvBusinessInfo,
		Final:  true,
	})
}

func (b *builder) ownStep() Step {
	return Step{
		ID:     "own",
		Action: Own{Source: b.source, Target: b.target},
		Why:    "mark " + b.source.String() + " as being migrated, around the text in its " + EnvBusinessInfo,
		Undo:   Disown{Source: b.source, Target: b.target},
	}
}

// targetSteps bring the target into being and into shape.
func (b *builder) targetSteps() []Step {
	var steps []Step
	if b.create {
		steps = append(steps, Step{
			ID: "create-target",
			Action: CreateTable{Table: b.target, Partitions: b.partitions, Replicas: b.replicas,
				Envs: b.envs.create},
			Why:  fmt.Sprintf("%s x %d, other envs follow once it is healthy", plural(int(b.partitions), "partition"), b.replicas),
			Undo: DropTable{Table: b.target, Reserve: DropReserve},
		})
	}
	steps = append(steps, Step{
		ID:       "await-target",
		Action:   AwaitHealthy{Table: b.target, Replicas: b.replicas},
		Why:      fmt.Sprintf("all %d partitions have a primary and %d secondaries", b.partitions, b.replicas-1),
		Estimate: b.awaitEstimate(),
	})
	if t := b.f.TargetTable; t != nil && ttlInForce(t.Envs) {
		steps = append(steps, Step{
			ID:       "park-ttl",
			Action:   ParkTTL{Table: b.target},
			Why:      "default_ttl=" + t.Envs[EnvDefaultTTL] + " would stamp copied rows that have no expiry; proven on every partition",
			Undo:     RestoreEnvs{Table: b.target, Keys: []string{EnvDefaultTTL}},
			Estimate: estimateSync(b.f.Target.ConfigSync),
		})
	}
	if early := b.earlyEnvs(); len(early) > 0 {
		steps = append(steps, Step{
			ID:     "carry-envs",
			Action: SetEnvs{Table: b.target, Envs: early},
			Why:    "same behaviour as the source: " + listEnvs(early),
			Undo:   b.undoEnvs(early),
		})
	}
	return steps
}

func (b *builder) awaitEstimate() Estimate {
	if b.create {
		return estimateCreate()
	}
	return Estimate{}
}

func (b *builder) earlyEnvs() map[string]string {
	if b.f.TargetTable == nil {
		return b.envs.early
	}
	return missingEnvs(b.envs.early, b.f.TargetTable.Envs)
}

// undoEnvs has nothing to do for a table that rollback drops as a whole.
func (b *builder) undoEnvs(envs map[string]string) Action {
	if b.create {
		return nil
	}
	return RestoreEnvs{Table: b.target, Keys: sortedKeys(envs)}
}

// lateSteps is the step of lateEnvs, where there are any.
func (b *builder) lateSteps() []Step {
	if len(b.envs.late) == 0 {
		return nil
	}
	return []Step{b.lateEnvs()}
}

func (b *builder) lateEnvs() Step {
	return Step{
		ID:     "late-envs",
		Action: SetEnvs{Table: b.target, Envs: b.envs.late},
		Why:    listEnvs(b.envs.late) + "; only now, because they would change or slow the copied rows",
		Undo:   b.undoEnvs(b.envs.late),
	}
}

func (b *builder) fenceSteps() []Step {
	return []Step{
		{
			ID:       "fence-source",
			Action:   Fence{Table: b.source, Mode: FenceMode},
			Why:      fmt.Sprintf("deny writes on %s (%s), proven on %s", b.source, FenceMode, plural(int(b.f.SourceTable.Partitions), "partition")),
			Impact:   "writes to " + b.source.String() + " are rejected from here on; reads go on",
			Undo:     LiftFence{Table: b.source},
			Estimate: estimateSync(b.f.Source.ConfigSync),
		},
		{
			ID:       "quiesce-source",
			Action:   Quiesce{Table: b.source},
			Why:      "every write that was accepted before the fence is committed",
			Estimate: estimateQuiesce(),
		},
	}
}

func (b *builder) copyStep(method *schema.CopyMethod, limits CopyLimits) Step {
	rows, bytes := b.expected()
	o := copyOptions(method)
	return Step{
		ID:       "copy",
		Action:   Copy{Source: b.source, Target: b.target, Limits: limits, SourceWrites: string(method.SourceWrites), Options: o},
		Why:      whyCopy(o, b.f.SourceTable.Partitions, method.SourceWrites, limits),
		Estimate: estimateMove(rows, bytes, limits, false).within(b.m.Limits.Window),
	}
}

// moveSteps copy and compare.
func (b *builder) moveSteps(method *schema.CopyMethod, limits CopyLimits) []Step {
	steps := []Step{b.copyStep(method, limits)}
	v := b.m.Verify
	if v.Mode == schema.VerifyOff {
		return steps
	}
	rows, bytes := b.expected()
	o := copyOptions(method)
	return append(steps, Step{
		ID: "verify",
		Action: Verify{Source: b.source, Target: b.target, Mode: string(v.Mode), Sample: v.Sample, Limits: limits,
			SourceWrites: string(method.SourceWrites), AllowExtra: b.allowExtra, Repair: b.create, Options: o},
		Why:      whyVerify(string(v.Mode), v.Sample, o),
		Estimate: estimateMove(rows, bytes, limits, true).within(b.m.Limits.Window),
	})
}

// copyOptions gives declared options the form that actions carry, in which every default is zero.
func copyOptions(method *schema.CopyMethod) CopyOptions {
	d := method.CopyOptions
	out := CopyOptions{Partitions: d.Partitions, HashKey: d.HashKey, SortKey: d.SortKey, Value: d.Value, DropTTL: d.DropTTL,
		DropValue: d.DropValue, MultiSetRows: d.MultiSetRows, MultiSetConcurrency: d.MultiSetConcurrency, ScanBatch: d.ScanBatch, Timeout: d.Timeout}
	if d.Overwrite != schema.OverwriteAlways {
		out.Overwrite = string(d.Overwrite)
	}
	if d.MultiSet != schema.MultiSetAuto {
		out.MultiSet = string(d.MultiSet)
	}
	return out
}

// options are those of the declared copy, the zero value with other methods.
func (b *builder) options() CopyOptions {
	if method, ok := b.m.Method.(*schema.CopyMethod); ok {
		return copyOptions(method)
	}
	return CopyOptions{}
}

// expected is how much is read of the source: all of it, or the declared partitions' share. What filters leave
// out is read as well.
func (b *builder) expected() (rows, bytes uint64) {
	src, n := b.f.SourceTable, uint64(len(b.options().Partitions))
	if n == 0 || src.Partitions < 1 || n >= uint64(src.Partitions) {
		return src.Rows, src.Bytes
	}
	return src.Rows / uint64(src.Partitions) * n, src.Bytes / uint64(src.Partitions) * n
}

// gate gives the step that waits for an approval, when it is declared.
func (b *builder) gate(name, when string) []Step {
	if !slices.Contains(b.m.Approve, name) {
		return nil
	}
	return []Step{{
		ID:     "approve-" + name,
		Action: Approve{Gate: name},
		Why:    fmt.Sprintf("gate %q, %s", name, when),
		Gate:   name,
	}}
}

func copyLimits(l schema.Limits) CopyLimits {
	out := CopyLimits{
		RowsPerSecond:  l.RowsPerSecond,
		BytesPerSecond: l.BytesPerSecond,
		InFlight:       l.InFlight,
		WriteReject:    l.WriteReject,
	}
	for _, w := range l.Window {
		out.Window = append(out.Window, w.String())
	}
	if s := l.StopIf; s != nil {
		out.StopIf = StopIf{SourceP99: s.SourceP99, TargetP99: s.TargetP99, DiskFree: s.DiskFree,
			PendingCompaction: s.PendingCompaction, FailuresPerSecond: s.FailuresPerSecond}
	}
	return out
}

// ttlInForce says whether the table stamps rows that arrive without expiry.
func ttlInForce(envs map[string]string) bool {
	v := envs[EnvDefaultTTL]
	return v != "" && v != "0"
}

// listEnvs writes envs as "k=v, k=v", long values cut.
func listEnvs(envs map[string]string) string {
	out := ""
	for i, k := range sortedKeys(envs) {
		v := envs[k]
		if len(v) > 24 {
			v = v[:24] + "…"
		}
		if i > 0 {
			out += ", "
		}
		out += k + "=" + v
	}
	return out
}
