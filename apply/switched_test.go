package apply_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

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

// TestNothingComesBackBeforeTheSwitch has both tables equal in the moment of the switch although the
// duplication of a return ticket is there, and clients write until the fence is up. What is shipped back
// by then ends a batch of the source's log, which is dropped with the clients' writes in it.
func TestNothingComesBackBeforeTheSwitch(t *testing.T) {
	for name, shipsLast := range map[string]bool{"2.5": false, "2.6": true} {
		for n := range 6 {
			t.Run(name, func(t *testing.T) {
				inBubble(t, func(t *testing.T) {
					s := newReturn(t, true, func(s *dupScene) {
						s.world.shipsLast, s.app.keys = shipsLast, 5000 // so many that none is written again soon
					})
					time.Sleep(time.Duration(n) * 1700 * time.Millisecond)
					looked := false
					s.at("Swap", 1, func(w *fakeWorld) {
						looked = true
						if diff := cmp.Diff(w.clusters["east"].tables["orders"].rows, w.clusters["west"].tables["orders"].rows); diff != "" {
							t.Errorf("clients are led to a target that differs (-source +target):\n%s", diff)
						}
					})
					s.there(t.Context())
					if !looked {
						t.Error("the route was not switched")
					}
				})
			})
		}
	}
}
