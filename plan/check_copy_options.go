package plan

import (
	"fmt"
	"math"
	"strings"

	"github.com/pegmigrate/pegmigrate/schema"
)

// checkOptions holds the options of a copy against both tables as they are.
func (b *builder) checkOptions(method *schema.CopyMethod) {
	o, place := copyOptions(method), b.atMethod()
	b.checkPartitions(o, place)
	b.checkOverwrite(o, place)
	b.checkMerged(o, place)
	b.checkPart(o, b.atVerify())
	b.checkHeld(b.atLimits())
	b.checkGeo(method)
}

// checkPartitions refuses partitions that the source does not have.
func (b *builder) checkPartitions(o CopyOptions, place string) {
	if len(o.Partitions) == 0 {
		return
	}
	count := b.f.SourceTable.Partitions
	var beyond []int
	for _, p := range o.Partitions {
		if p >= count {
			beyond = append(beyond, int(p))
		}
	}
	if len(beyond) > 0 {
		b.checks.fail(CodeSomePartitions, place, fmt.Sprintf("partitions are counted from 0 to %d", count-1),
			"%s has %s, and partitions = [...] names %s", b.source, plural(int(count), "partition"), firstOf(beyond, 5))
		return
	}
	b.checks.ok("%s of %d of %s are copied; the rest of the rows stays where it is", plural(len(o.Partitions), "partition"), count, b.source)
}

// checkOverwrite: servers refuse incr and check_and_* on a table that is being duplicated
// (need_reject_non_idempotent, replica_2pc.cpp).
func (b *builder) checkOverwrite(o CopyOptions, place string) {
	t := b.f.TargetTable
	switch {
	case o.Overwrite == OverwriteNever && t != nil && len(t.Duplications) > 0:
		b.checks.fail(CodeOverwriteRefused, place,
			fmt.Sprintf("declare overwrite = %q, which reads and then writes, when nobody else writes these rows; or end the duplication", schema.OverwriteNeverUnatomic),
			"overwrite = %q writes by check_and_set, and %s is duplicated to %s: its servers refuse that", schema.OverwriteNever, b.target, strings.Join(t.Duplications, ", "))
	case o.Overwrite == OverwriteNeverUnatomic && t != nil:
		b.checks.warn(CodeOverwriteRefused, place, fmt.Sprintf("keep clients from writing to %s, or declare overwrite = %q where its servers take check_and_set", b.target, schema.OverwriteNever),
			"overwrite = %q reads and then writes: a row that a client writes to %s in between is written over", schema.OverwriteNeverUnatomic, b.target)
	}
}

// checkMerged tells what nobody can tell of a table that had rows before.
func (b *builder) checkMerged(o CopyOptions, place string) {
	if !b.allowExtra || o.Whole() {
		return
	}
	if o.KeepsTarget() {
		b.checks.warn(CodeMergedRows, place, "leave overwrite out when the source's rows are the right ones",
			"overwrite = %q: a row that %s has already counts as right, whatever its value", o.Overwrite, b.target)
	}
	if rows := selected(o); rows != "" && !pinned(o) {
		b.checks.warn(CodeMergedRows, place, "count the rows of the target before and after, or copy into a table of its own",
			"%s has rows already, and the copy takes %s: the comparison cannot tell rows of its own that the filters take from rows that are too many", b.target, rows)
	}
}

// pinned says that the filters name rows one by one.
func pinned(o CopyOptions) bool {
	return strings.HasPrefix(o.HashKey, "exact:") && (o.SortKey == "" || strings.HasPrefix(o.SortKey, "exact:")) && o.Value == ""
}

// checkPart tells what a comparison of a part leaves open.
func (b *builder) checkPart(o CopyOptions, place string) {
	const whole = "declare verify.mode = \"full\" for a proof"
	switch b.m.Verify.Mode {
	case schema.VerifyCount:
		b.checks.list = append(b.checks.list, Check{Code: CodeVerifyPart, Severity: Warning, Loud: true, Place: place, Hint: whole,
			Text: "verify.mode = \"count\" compares numbers of rows: a wrong value, a wrong expiry, and one row for another are not found"})
	case schema.VerifySample:
		b.checks.warn(CodeVerifyPart, place, whole, "verify.mode = \"sample\" compares %s of the rows, drawn at random: what is wrong with few rows is likely not found",
			Share(b.m.Verify.Sample))
	}
}

// checkHeld tells when rows may move, and of thresholds that stop them at once or before the end.
func (b *builder) checkHeld(place string) {
	limits := copyLimits(b.m.Limits)
	if open := openFor(b.m.Limits.Window); open > 0 && open < day {
		rows, bytes := b.expected()
		e := estimateMove(rows, bytes, limits, false)
		if e.Duration > 0 {
			b.checks.ok("rows move in %s only: %s of work, on about %s", strings.Join(limits.Window, " and "), Duration(e.Duration),
				plural(int((e.Duration-1)/open)+1, "day"))
		}
	}
	floor := limits.StopIf.DiskFree
	if floor == 0 {
		return
	}
	var total, available uint64
	for _, n := range b.f.Target.Nodes {
		if n.Alive && n.DiskTotal > 0 && float64(n.DiskAvailable) < floor*float64(n.DiskTotal) {
			b.checks.fail(CodeStopIf, place, "make room on it, or lower stop_if.disk_free",
				"%s has %s of its disks free, and stop_if.disk_free = %s stops every row", n.Addr, free(n.DiskAvailable, n.DiskTotal), Share(floor))
			return
		}
		total, available = total+n.DiskTotal, available+n.DiskAvailable
	}
	_, bytes := b.expected()
	need := bytes * uint64(max(b.replicas, 1)) * b.copies()
	if total > 0 && float64(available)-float64(need) < floor*float64(total) {
		b.checks.warn(CodeStopIf, place, "make room on its servers, or lower stop_if.disk_free",
			"%s takes about %s of the %s left on %s: stop_if.disk_free = %s is likely to stop the copy before its end", b.target, Bytes(need), Bytes(available),
			b.f.Target.Label, Share(floor))
	}
}

// free is a share in tenths of a percent, rounded down: less than a floor must not read as the floor.
func free(available, total uint64) string {
	return Share(math.Floor(float64(available)/float64(total)*1000) / 1000)
}

// stampsAll tells that rows which arrive without expiry get one from the target's default_ttl.
func (b *builder) stampsAll(ttl, place string) {
	b.checks.list = append(b.checks.list, Check{Code: CodeExpiryDropped, Severity: Warning, Loud: true, Place: place,
		Hint: "declare envs = { default_ttl = \"0\" } on the target if rows must stay for ever, or leave keep_ttl out",
		Text: fmt.Sprintf("keep_ttl = false: every row arrives without expiry, and %s gets default_ttl=%s: its compaction stamps all of them", b.target, ttl)})
}
