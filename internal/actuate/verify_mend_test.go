package actuate

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pegmigrate/pegmigrate/apply"
	"github.com/pegmigrate/pegmigrate/internal/event"
	"github.com/pegmigrate/pegmigrate/internal/sandbox"
)

// Rows that are about to expire are repaired as others are, and are no differences: one that expired between two
// readings looks like one that is missing.
func TestVerifyRepairsWhatExpiresSoon(t *testing.T) {
	for _, partitions := range []int32{4, 5} {
		t.Run(fmt.Sprintf("4 to %d", partitions), func(t *testing.T) {
			w := newLiveWorld(t, sandbox.Config{}, partitions)
			w.expiringSoon(20)
			job := apply.VerifyJob{Source: ref(), Target: west(), Report: func(event.MoveProgress) {}}
			out, err := w.live.engine.Verify(t.Context(), job)
			if err != nil || out.Differences != 0 || out.ExpiredMidway != 60 {
				t.Fatalf("without repair: %+v, %v", out, err)
			}
			w.planted(5) // five of the rows that expire soon are among these
			job.Repair = true
			out, err = w.live.engine.Verify(t.Context(), job)
			if err != nil || out.Differences != 20 || out.Missing != 5 || out.Extra != 5 || out.Changed != 5 || out.ExpiryDiffers != 5 || out.ExpiredMidway != 55 {
				t.Errorf("%+v, %v", out, err)
			}
			if diff := cmp.Diff(dumped(t, w.east), dumped(t, w.west)); diff != "" {
				t.Errorf("rows (-source +target)\n%s", diff)
			}
			if out, err = w.live.engine.Verify(t.Context(), job); err != nil || out.Differences != 0 || out.ExpiredMidway != 0 {
				t.Errorf("after the repair: %+v, %v", out, err)
			}
		})
	}
}
