package view

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/event"
	"github.com/pegmigrate/pegmigrate/internal/pegkey"
	"github.com/pegmigrate/pegmigrate/plan"
)

// shownDifferences is how many differing rows are listed; the count tells of the rest.
const shownDifferences = 20

// VerifiedText writes the outcome of a comparison: both row counts, the differences by kind, and
// the first 20 of them with their keys. Values are never shown. The error is that of w.
func VerifiedText(w io.Writer, v event.Verified, style Style) error {
	p := newTalk(style)
	for _, l := range verifiedLines(v, style) {
		p.line(l)
	}
	return p.writeTo(w)
}

// counts is the sentence that everybody greps for.
func counts(v event.Verified) string {
	noun := "differences"
	if v.Differences == 1 {
		noun = "difference"
	}
	s := fmt.Sprintf("%s on the source, %d on the target", plan.Counted(v.SourceRows, "row"), v.TargetRows)
	switch {
	case v.Mode == plan.VerifyCount && v.Differences == 0:
		return s + ", equal numbers"
	case v.Mode == plan.VerifyCount:
		noun += " at least"
	case v.Mode == plan.VerifySample:
		noun += " in a sample of " + plan.Share(v.Sample) + " of the rows"
	}
	return fmt.Sprintf("%s, %d %s", s, v.Differences, noun)
}

func verifiedLines(v event.Verified, style Style) []string {
	head := clean(v.Step)
	if v.Round > 1 {
		head += fmt.Sprintf(" (round %d)", v.Round)
	}
	text := counts(v)
	if kinds := differenceKinds(v); kinds != "" {
		text += ": " + kinds
	}
	paint := style.green
	if v.Differences > 0 || len(v.SourceChanged) > 0 {
		paint = style.loud
	}
	lines := []string{head + ": " + paint(text)}
	if v.AllowedExtra > 0 {
		lines = append(lines, fmt.Sprintf("  %d rows are on the target only, as if_exists = \"merge\" allows", v.AllowedExtra))
	}
	lines = append(lines, verifiedNotes(v, style)...)
	if v.ExpiredMidway > 0 {
		lines = append(lines, fmt.Sprintf("  %d rows expired on one side while they were compared", v.ExpiredMidway))
	}
	if len(v.SourceChanged) > 0 {
		lines = append(lines, "  "+style.loud(fmt.Sprintf("the source was written to meanwhile: partitions %s", partitionList(v.SourceChanged))))
	}
	return append(lines, differenceLines(v, style)...)
}

// verifiedNotes are what has to be known of a comparison besides its counts.
func verifiedNotes(v event.Verified, style Style) []string {
	var lines []string
	if v.Confidence != "" {
		lines = append(lines, "  "+clean(v.Confidence))
	}
	if v.Drifted > 0 {
		lines = append(lines, fmt.Sprintf("  the expiry of %s is not the same on both sides, as default_ttl or clocks reckoned it for each: no difference", plan.Counted(v.Drifted, "row")))
	}
	if v.Patience > 0 && v.Differences > 0 {
		lines = append(lines, fmt.Sprintf("  each was looked at again for %s, which is longer than a write needs", took(v.Patience)))
	}
	if v.Open > 0 {
		lines = append(lines, fmt.Sprintf("  %s kept changing, so that nothing is said about them", plural(int(v.Open), "key")))
	}
	if v.Cut {
		lines = append(lines, "  "+style.loud("not everything was compared: there are more differences, or keys that keep changing, than are waited for"))
	}
	return lines
}

func differenceKinds(v event.Verified) string {
	var parts []string
	for _, k := range []struct {
		n    uint64
		what string
	}{
		{v.Missing, "missing"}, {v.Extra, "extra"}, {v.Changed, "with another value"},
		{v.ExpiryDiffers, "with another expiry"}, {v.Misplaced, "in the wrong partition"},
	} {
		if k.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", k.n, k.what))
		}
	}
	return strings.Join(parts, ", ")
}

func differenceLines(v event.Verified, style Style) []string {
	var lines []string
	for _, d := range v.FirstDiffering[:min(len(v.FirstDiffering), shownDifferences)] {
		lines = append(lines, "  "+differenceLine(d, style))
	}
	if n := uint64(len(lines)); n > 0 && v.Differences > n {
		lines = append(lines, fmt.Sprintf("  … and %d more", v.Differences-n))
	}
	return lines
}

func differenceLine(d event.Difference, style Style) string {
	if d.Age > 0 {
		young := d
		young.Age = 0
		return differenceLine(young, style) + ", for " + took(d.Age)
	}
	s := style.red(pad(clean(string(d.Kind)), len(event.Misplaced))) + "  hash " + clean(d.HashKey) + "  sort " + clean(d.SortKey)
	switch d.Kind {
	case event.Missing:
		return s + fmt.Sprintf("  source partition %d (%s)", d.SourcePartition, size(d.SourceBytes, d.SourceExpire))
	case event.Extra:
		return s + fmt.Sprintf("  target partition %d (%s)", d.TargetPartition, size(d.TargetBytes, d.TargetExpire))
	case event.Misplaced:
		n := d.SourcePartition
		if d.Side == "target" {
			n = d.TargetPartition
		}
		return s + fmt.Sprintf("  %s partition %d, where its hash does not belong", clean(d.Side), n)
	case event.Expiry:
		return s + fmt.Sprintf("  source partition %d %s, target partition %d %s",
			d.SourcePartition, expiry(d.SourceExpire), d.TargetPartition, expiry(d.TargetExpire))
	}
	return s + fmt.Sprintf("  source partition %d (%s), target partition %d (%s)",
		d.SourcePartition, size(d.SourceBytes, d.SourceExpire), d.TargetPartition, size(d.TargetBytes, d.TargetExpire))
}

func size(bytes int, expire uint32) string {
	return fmt.Sprintf("%s, %s", plural(bytes, "byte"), expiry(expire))
}

func expiry(ts uint32) string {
	if ts == 0 {
		return "no expiry"
	}
	return "expires " + pegkey.ExpireAt(ts).UTC().Format(time.RFC3339)
}

// partitionList writes the first few partition numbers of a list.
func partitionList(list []int32) string {
	const few = 8
	parts := make([]string, 0, few+1)
	for i, n := range list {
		if i == few {
			parts = append(parts, fmt.Sprintf("and %d more", len(list)-few))
			break
		}
		parts = append(parts, fmt.Sprint(n))
	}
	return strings.Join(parts, ", ")
}
