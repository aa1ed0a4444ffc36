package view

import (
	"strings"
	"testing"

	"github.com/pegmigrate/pegmigrate/internal/event"
)

// One of something is not "1 rows", and what is paused is not limited by being paused.
func TestMoveLineReads(t *testing.T) {
	for _, tc := range []struct {
		progress event.MoveProgress
		want     string
	}{
		{event.MoveProgress{Rows: 1, PartitionsDone: 1, PartitionCount: 1}, ", 1 row,"},
		{event.MoveProgress{Differences: 1}, ", 1 difference"},
		{event.MoveProgress{Limit: "paused", LimitReason: "paused by `pegmigrate control pause`"}, "; paused: by `pegmigrate control pause`"},
		{event.MoveProgress{Limit: "paused", LimitReason: "outside limits.window"}, "; paused: outside limits.window"},
		{event.MoveProgress{Limit: "in_flight 4", LimitReason: "declared limits"}, "; limited by in_flight 4: declared limits"},
	} {
		tc.progress.Step, tc.progress.Kind = "copy", "copy"
		if got := moveLine(tc.progress, Style{}) + ","; !strings.Contains(got, tc.want) || strings.Contains(got, "differences") {
			t.Errorf("%q lacks %q", got, tc.want)
		}
	}
}
