package plan

import (
	"fmt"
	"strings"

	"github.com/pegmigrate/pegmigrate/schema"
)

// checkEnvs says what of the source's envs does not reach the target, and what a default_ttl
// there will do.
func (b *builder) checkEnvs() {
	place := b.place(b.m.Target.Range)
	for _, key := range b.envs.left {
		switch {
		case key == EnvDeny, strings.HasPrefix(key, "duplication."), strings.HasPrefix(key, "restore."),
			strings.HasPrefix(key, "manual_compact.once."), key == "max_replica_count.update":
			// They describe the source's own past; nobody expects them on the target.
		case key == EnvUsageScenario:
			b.checks.warn(CodeEnvNotCarried, place, "set it to normal on the source if no load is under way",
				"%s has %s=bulk_load, which turns compaction off; the target stays normal", b.source, key)
		default:
			b.checks.warn(CodeEnvNotCarried, place, "it only has an effect when a table is created",
				"%s=%s of %s is not carried to the target", key, b.f.SourceTable.Envs[key], b.source)
		}
	}
	b.dropUnknownEnvs(place)
	b.checkTTL(place)
	switch v := b.f.SourceTable.Envs[EnvDeny]; {
	case DeniesReads(b.f.SourceTable.Envs):
		b.checks.fail(CodeSourceDenies, b.place(b.m.Source.Range), "take the env off, or leave it at a *write scope",
			"%s carries %s=%s: nothing can be read from it", b.source, EnvDeny, v)
	case v != "" && b.f.SourceTable.Marker == nil: // else that migration's own, and the marker is refused
		b.checks.warn(CodeSourceDenies, b.place(b.m.Source.Range), "somebody fenced it before; that value is put back in the end",
			"%s already carries %s=%s", b.source, EnvDeny, v)
	}
	for _, key := range []string{"replica.read_throttling", "replica.read_throttling_by_size"} {
		if v := b.f.SourceTable.Envs[key]; v != "" {
			b.checks.warn(CodeThrottled, b.place(b.m.Source.Range), "the copy's reads count against it and slow it and the clients",
				"%s carries %s=%s", b.source, key, v)
		}
	}
}

// dropUnknownEnvs leaves out what UPDATE_APP_ENV of a 2.5 meta refuses: create_app stores nearly
// every key and value unchecked, and older releases accepted some, so tables can carry envs that
// nobody can set again. Refused half-way, they would end the run behind its fence.
func (b *builder) dropUnknownEnvs(place string) {
	for _, envs := range []map[string]string{b.envs.early, b.envs.late} {
		for _, key := range sortedKeys(envs) {
			spec, known := schema.LookupEnv(key)
			if !known {
				b.checks.warn(CodeEnvUnknown, place, "a typo at its creation? 2.5 refuses to set it",
					"%s has the env %q, which servers do not know; it is not carried", b.source, key)
				delete(envs, key)
				continue
			}
			if err := spec.Validate(envs[key]); err != nil {
				b.checks.warn(CodeEnvUnknown, place, "2.5 refuses to set it; servers ignore it on the source, too",
					"%s has %s=%s, which is no valid value: %v; it is not carried", b.source, key, envs[key], err)
				delete(envs, key)
			}
		}
	}
}

func (b *builder) checkTTL(place string) {
	if src := b.f.SourceTable.Envs; ttlInForce(src) {
		b.checks.ok("%s has default_ttl=%s: rows that its compaction stamps meanwhile do not count as different", b.source, src[EnvDefaultTTL])
	}
	ttl := b.envs.late[EnvDefaultTTL]
	parked := b.f.TargetTable != nil && ttlInForce(b.f.TargetTable.Envs)
	if parked && ttl == "" {
		ttl = b.f.TargetTable.Envs[EnvDefaultTTL]
	}
	switch stamps := ttl != "" && ttl != "0"; {
	case stamps && b.options().DropTTL:
		b.stampsAll(ttl, place)
	case stamps && b.f.SourceTable.PermanentRows:
		b.checks.warn(CodeTTLStamps, place, "declare envs = { default_ttl = \"0\" } on the target if they must stay for ever",
			"%s has rows without expiry, and the target gets default_ttl=%s: compaction will stamp them", b.source, ttl)
	}
	// A parked value comes back when nothing else is declared.
	if parked {
		if _, declared := b.envs.late[EnvDefaultTTL]; !declared {
			b.envs.late[EnvDefaultTTL] = b.f.TargetTable.Envs[EnvDefaultTTL]
		}
	}
}

func (b *builder) checkCopy(method *schema.CopyMethod) {
	place := b.atMethod()
	switch method.SourceWrites {
	case schema.SourceWritesStopped:
		proof := "a second digest of it after the copy must equal the first"
		switch o := copyOptions(method); {
		case b.m.Verify.Mode != schema.VerifyFull:
			proof = "nothing checks it"
		case !o.Rows().All() || o.DropValue:
			proof = "only the comparison checks it, because not everything is copied"
		case ttlInForce(b.f.SourceTable.Envs):
			proof = "only the comparison checks it, because its compaction changes expiries by itself"
		}
		b.checks.warn(CodeWritersStopped, place, "declare source_writes = \"fenced\" for a guarantee",
			"source_writes = \"stopped\" is your promise that nobody writes to %s; %s", b.source, proof)
	case schema.SourceWritesAccepted:
		b.checks.list = append(b.checks.list, Check{Code: CodeWritersAccepted, Severity: Warning, Loud: true, Place: place,
			Text: "source_writes = \"accepted\": writes to " + b.source.String() + " during the copy may be missing on the target",
			Hint: "only source_writes = \"fenced\" and \"catch_up\" prove that nothing is lost"})
	}
	if b.m.Verify.Mode == schema.VerifyOff {
		b.checks.list = append(b.checks.list, Check{Code: CodeVerifyOff, Severity: Warning, Loud: true, Place: b.atVerify(),
			Text: "verify is off: nothing will prove that the copy is complete",
			Hint: "leave the verify block out for a full comparison"})
	}
	b.checkOptions(method)
	b.checkWriteSize(place)
	switch method.SourceWrites {
	case schema.SourceWritesFenced:
		b.checkBudget()
	case schema.SourceWritesCatchUp:
		b.checkCatchUp()
	}
}

// checkBudget compares the declared write-reject budget with the shortest window that the copy
// can have: everything between fence and lift happens inside it.
func (b *builder) checkBudget() {
	budget := b.m.Limits.WriteReject
	if budget == 0 {
		return
	}
	window := b.window()
	place := b.atLimits()
	switch {
	case window.Low > budget:
		b.checks.fail(CodeRejectBudget, place, fmt.Sprintf("raise limits.write_reject, or declare source_writes = %q: writes are rejected for the comparison only, about %s",
			schema.SourceWritesCatchUp, Duration(b.catchUpWindow().rejected().Duration)),
			"writes would be rejected for at least %s, the budget is %s", Duration(window.Low), Duration(budget))
	case window.Duration > budget:
		b.checks.warn(CodeRejectBudget, place, "apply lifts the fence in time and ends with exit code 6",
			"writes would be rejected for about %s, the budget is %s", Duration(window.Duration), Duration(budget))
	}
}

// window predicts the write-reject window of a fenced copy: fence spread, copy, comparison, lift.
func (b *builder) window() Estimate {
	limits := copyLimits(b.m.Limits)
	rows, bytes := b.expected()
	w := estimateMove(rows, bytes, limits, false)
	if b.m.Verify.Mode != schema.VerifyOff {
		w = w.Plus(estimateMove(rows, bytes, limits, true))
	}
	spread := b.f.Source.ConfigSync
	w = w.Plus(estimateQuiesce()).Plus(Estimate{Duration: spread, Low: 0, High: 2 * spread})
	return w
}

func (b *builder) checkWriteSize(place string) {
	src, dst := b.f.Source.MaxWriteSize, b.f.Target.MaxWriteSize
	if dst > 0 && (src > dst || src == 0 && b.f.Source.Alive() > 0 && dst < 1<<20) {
		b.checks.warn(CodeWriteSize, place, "raise [replication] max_allowed_write_size on the target's servers if values come near it",
			"%s accepts writes up to %s only, %s up to %s", b.f.Target.Label, Bytes(uint64(dst)), b.f.Source.Label, Bytes(uint64(src)))
	}
}
