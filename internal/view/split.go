package view

import (
	"fmt"

	"github.com/pegmigrate/pegmigrate/internal/event"
	"github.com/pegmigrate/pegmigrate/plan"
)

// splitLines tell how a split ended, and every reason for which a row was left out.
func splitLines(e event.SplitDone, style Style) []string {
	s := fmt.Sprintf("%s: %s in %s, %s of %s written to %s in %s, %s", clean(e.Step), style.green("done"), took(e.Elapsed),
		plan.Counted(e.Out, "row"), plan.Counted(e.In, "row"), plural(e.Partitions, "partition"), plural(e.Files, "file"), plan.Bytes(uint64(e.Bytes)))
	if e.Kept > 0 {
		s += fmt.Sprintf("; %s finished by an earlier run", plural(e.Kept, "partition"))
	}
	lines := []string{s, "  ready to be loaded: " + clean(e.Where)}
	for _, left := range []struct {
		n   int64
		why string
	}{
		{e.Expired, "had expired"},
		{e.Filtered, "did not match the filters"},
		{e.Leftover, "left behind by a partition split of the servers, whose partition is another one now"},
		{e.Misplaced, "in partitions that their hash does not select"},
	} {
		if left.n > 0 {
			lines = append(lines, fmt.Sprintf("  left out: %s, %s", plan.Counted(left.n, "row"), left.why))
		}
	}
	if e.Placeholders > 0 {
		lines = append(lines, fmt.Sprintf("  %s without rows: servers load no empty partition, so each got one row that has expired", plural(e.Placeholders, "partition")))
	}
	return lines
}
