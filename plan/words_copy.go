package plan

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/pegmigrate/pegmigrate/schema"
)

// whyCopy says what a copy brings over, with every option that is not the default, and what may hold it.
func whyCopy(o CopyOptions, source int32, writes schema.SourceWrites, limits CopyLimits) string {
	s := plural(int(source), "source partition")
	if n := len(o.Partitions); n > 0 {
		s = fmt.Sprintf("source %s of %d", partitionList(o.Partitions), source)
	}
	parts := []string{s}
	if rows := selected(o); rows != "" {
		parts = append(parts, rows)
	}
	if o.DropValue {
		parts = append(parts, "keys with empty values")
	}
	if o.DropTTL {
		parts = append(parts, "without expiry")
	} else {
		parts = append(parts, "absolute expiry kept")
	}
	switch o.Overwrite {
	case OverwriteNever:
		parts = append(parts, "rows of the target stay (check_and_set)")
	case OverwriteNeverUnatomic:
		parts = append(parts, "rows of the target stay (read, then written)")
	}
	if how := tuned(o); how != "" {
		parts = append(parts, how)
	}
	if writes == schema.SourceWritesCatchUp {
		parts = append(parts, "while clients write")
	}
	why := strings.Join(parts, ", ")
	if held := limitWords(limits); held != "" {
		why += "; " + held
	}
	return why
}

// partitionList writes "partition 3", "partitions 0, 3, 5 and 4 more".
func partitionList(list []int32) string {
	const most = 6
	if len(list) == 1 {
		return fmt.Sprintf("partition %d", list[0])
	}
	words := make([]string, 0, most)
	for _, p := range list[:min(len(list), most)] {
		words = append(words, fmt.Sprint(p))
	}
	s := "partitions " + strings.Join(words, ", ")
	if n := len(list) - most; n > 0 {
		s += fmt.Sprintf(" and %d more", n)
	}
	return s
}

// selected names the filters, "" for none.
func selected(o CopyOptions) string {
	var parts []string
	for _, f := range [][2]string{{"hash key", o.HashKey}, {"sort key", o.SortKey}, {"value", o.Value}} {
		if f[1] != "" {
			parts = append(parts, f[0]+" "+shortText(f[1]))
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return "only " + strings.Join(parts, " and ")
}

// tuned names what is declared of how rows travel, "" for nothing.
func tuned(o CopyOptions) string {
	var parts []string
	if o.MultiSet != "" && o.MultiSet != MultiSetAuto {
		parts = append(parts, "multi_set "+o.MultiSet)
	}
	if o.MultiSetRows > 0 {
		parts = append(parts, fmt.Sprintf("multi_sets of %d rows", o.MultiSetRows))
	}
	if o.MultiSetConcurrency > 0 {
		parts = append(parts, fmt.Sprintf("%d multi_sets in flight per partition", o.MultiSetConcurrency))
	}
	if o.ScanBatch > 0 {
		parts = append(parts, fmt.Sprintf("scans of %d rows", o.ScanBatch))
	}
	if o.Timeout > 0 {
		parts = append(parts, "requests within "+shortTime(o.Timeout))
	}
	return strings.Join(parts, ", ")
}

// shortText cuts a long pattern.
func shortText(s string) string {
	const most = 40
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

// comparedParts names what of a row must be the same.
func comparedParts(o CopyOptions) string {
	parts := "key, value, expiry, partition"
	switch {
	case o.DropValue && o.DropTTL:
		parts = "key, partition"
	case o.DropValue:
		parts = "key, expiry, partition"
	case o.DropTTL:
		parts = "key, value, partition"
	}
	return parts
}

// whyVerify says what a comparison looks at.
func whyVerify(mode string, sample float64, o CopyOptions) string {
	of := "of both tables"
	if rows := selected(o); rows != "" || len(o.Partitions) > 0 {
		var parts []string
		if n := len(o.Partitions); n > 0 {
			parts = append(parts, "source "+partitionList(o.Partitions))
		}
		if rows != "" {
			parts = append(parts, rows)
		}
		of += " (" + strings.Join(parts, ", ") + ")"
	}
	switch mode {
	case VerifyCount:
		return "the number of rows " + of + ", nothing about the rows themselves"
	case VerifySample:
		return fmt.Sprintf("%s of the rows %s, drawn at random: %s", Share(sample), of, comparedParts(o))
	}
	s := "every row " + of + ": " + comparedParts(o)
	if o.KeepsTarget() {
		s += "; a row that the target had counts as right"
	}
	return s
}

// limitWords names what may hold rows, "" for nothing.
func limitWords(l CopyLimits) string {
	var parts []string
	if len(l.Window) > 0 {
		parts = append(parts, "only "+strings.Join(l.Window, " and "))
	}
	if s := l.StopIf.String(); s != "" {
		parts = append(parts, "stopped while "+s)
	}
	return strings.Join(parts, ", ")
}

// String names the thresholds, "" for none.
func (s StopIf) String() string {
	var parts []string
	if s.SourceP99 > 0 {
		parts = append(parts, "the source's p99 is above "+shortTime(s.SourceP99))
	}
	if s.TargetP99 > 0 {
		parts = append(parts, "the target's p99 is above "+shortTime(s.TargetP99))
	}
	if s.DiskFree > 0 {
		parts = append(parts, "less than "+Share(s.DiskFree)+" of a disk is free")
	}
	if s.PendingCompaction > 0 {
		parts = append(parts, "more than "+Bytes(uint64(s.PendingCompaction))+" wait for compaction")
	}
	if s.FailuresPerSecond > 0 {
		parts = append(parts, fmt.Sprintf("more than %g requests fail per second", s.FailuresPerSecond))
	}
	return strings.Join(parts, " or ")
}

// shortTime is Duration with the fractions of a second kept.
func shortTime(d time.Duration) string {
	if d >= time.Second && d < time.Minute {
		return strconv.FormatFloat(d.Seconds(), 'g', 4, 64) + " s"
	}
	return Duration(d)
}
