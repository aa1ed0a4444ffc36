package apply_test

import (
	"context"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/apply"
	"github.com/pegmigrate/pegmigrate/internal/atomicfile"
	"github.com/pegmigrate/pegmigrate/plan"
)

// TestDeathAfterTheSwitch kills apply between the compare-and-set and the record of it. Clients write on
// the target by then: the next apply must not compare the tables again, whose rows differ for that reason.
func TestDeathAfterTheSwitch(t *testing.T) {
	for _, asleep := range []time.Duration{0, time.Minute, time.Hour} {
		t.Run(asleep.String(), func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				s := newDup(t, true)
				s.step("recheck", func(a plan.Action) plan.Action {
					c := a.(plan.RecheckKeys)
					c.Full = true
					return c
				})
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				k := &killer{at: 1 << 30, cancel: cancel}
				s.fsys = func(disk atomicfile.FS) atomicfile.FS { return atomicfile.Observed(disk, k.disk) }
				s.world.hook = func(_ context.Context, c call) error {
					if c.after && c.name == "Swap" {
						k.at = 0
					}
					return k.point()
				}
				if err := s.apply(ctx); err == nil || !k.dead {
					t.Fatalf("it was not killed: %v\n%s", err, s.story())
				}
				s.fsys, s.world.hook = nil, nil
				s.reboot(0)
				time.Sleep(asleep)
				s.must(s.apply(t.Context()))
				s.movedOver()
				if doc, err := apply.CertificateOf(s.document()); err != nil || doc.RouteAfter == nil || doc.Switched.IsZero() {
					t.Errorf("%v: the certificate does not tell of the switch: %+v", err, doc)
				}
			})
		})
	}
}
