package apply_test

import (
	"strings"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/apply"
	"github.com/pegmigrate/pegmigrate/internal/event"
	"github.com/pegmigrate/pegmigrate/plan"
)

// Servers that lost mutations go on as if they had shipped them. Whenever that is seen before the
// target takes over it ends the run, inside the window with the fence lifted; and it is not forgotten.
func TestLostMutationsRefuseTheCutOver(t *testing.T) {
	for _, step := range []string{"follow", "catch-up", "compare", "drain"} {
		for release, kept := range map[string]bool{"2.5": false, "2.6": true} {
			t.Run(step+" "+release, func(t *testing.T) {
				inBubble(t, func(t *testing.T) {
					s := newDup(t, true)
					s.world.shipsLast = kept
					s.world.verifyTime = time.Minute // longer than servers of 2.5 remember
					s.locked(func(src *fakeTable) {
						if kept {
							src.lost = 3 // of an earlier duplication
						}
					})
					s.atStep(step, func() { s.locked(func(src *fakeTable) { src.lost += 7 }) })
					ended := s.apply(t.Context())
					err := s.stepError(ended, apply.CodeLoss)
					if !strings.Contains(err.Text, "lost about 7 mutations of east/orders") || err.Hint == "" {
						t.Errorf("%s; %s", err.Text, err.Hint)
					}
					if step == "drain" {
						s.lifted(ended)
					}
					s.sink = nil
					s.locked(func(src *fakeTable) { src.lost = 0 }) // the servers were restarted
					s.stepError(s.apply(t.Context()), apply.CodeLoss)
					s.must(s.rollback(t.Context()))
					s.asBefore()
				})
			})
		}
	}
}

// A loss that shows when the target has taken over is told, and keeps nobody from the end.
func TestLostMutationsAfterTheSwitch(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newDup(t, true)
		s.atStep("end-duplication", func() { s.locked(func(src *fakeTable) { src.lost = 2 }) })
		s.must(s.apply(t.Context()))
		s.warned(apply.CodeLoss, "lost about 2 mutations")
		s.movedOver()
	})
}

// What a primary claims to have shipped counts for nothing as long as its meta has not stored anything.
func TestFollowWaitsForTheFirstConfirmation(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newDup(t, true).through("target-envs")
		var confirmed time.Time
		s.when("DS_LOG", func(d *fakeDup) {
			src := s.world.clusters["east"].tables["orders"]
			ship := src.parts[2].ships[d.id]
			ship.confirmed, d.synced = -1, s.world.now.Add(50*time.Second) // its next sync is a minute away
			confirmed = d.synced.Add(dupSync)
		})
		s.must(s.apply(t.Context()))
		if confirmed.IsZero() || time.Now().Before(confirmed) {
			t.Errorf("done at %s, partition 2 had nothing confirmed until %s\n%s", time.Now(), confirmed, s.story())
		}
		var told bool
		for _, w := range happened[event.Waiting](s.scene) {
			told = told || strings.Contains(w.Reason, "1 partitions do not report what they ship (partition 2 on node2: its meta server has not stored yet")
		}
		if !told {
			t.Error("the wait has no such reason")
		}
	})
}

// A drain proves nothing by a partition whose confirmation is missing.
func TestDrainWantsAConfirmation(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newDup(t, true)
		s.at("Lag", 2, func(w *fakeWorld) {
			src := w.clusters["east"].tables["orders"]
			src.dups[0].synced = w.now.Add(time.Hour)
			src.parts[1].ships[src.dups[0].id].confirmed = -1
		})
		over := s.lifted(s.apply(t.Context()))
		if over.Step != "drain" {
			t.Errorf("it ended in %s", over.Step)
		}
	})
}

// A primary that moves before the follower has its checkpoint is told of once; where nothing compares
// the rows it ends the run. One that moves later is none of it.
func TestPrimaryMovesBeforeTheCheckpoint(t *testing.T) {
	for name, tt := range map[string]struct {
		status  string // in which the move happens
		restart bool   // the same node becomes primary again
		verify  bool
		warns   string
		code    string
	}{
		"copied, compared":          {"DS_APP", false, true, "the primary of partition 1 moved from node1 to node2", ""},
		"prepared, compared":        {"DS_PREPARE", false, true, "the primary of partition 1 moved", ""},
		"restarted, compared":       {"DS_APP", true, true, "its primary may have been restarted", ""},
		"copied, not compared":      {"DS_APP", false, false, "", apply.CodeDuplication},
		"restarted, not compared":   {"DS_APP", true, false, "the replicas of partition 1 changed (ballot 3, now 4)", ""},
		"log is shipped, moves now": {"", false, false, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				s := newDup(t, true)
				if !tt.verify {
					for i, p := range s.plan.Steps {
						if p.ID == "compare" {
							s.plan.Steps[i].Action = plan.AwaitLag{Source: source(), Target: target(), Remote: "cluster-west", Threshold: 1000}
						}
					}
				}
				move := func(*fakeDup) {
					s.world.move(source(), 1, time.Second)
					if p := s.world.clusters["east"].tables["orders"].parts[1]; tt.restart {
						p.primary = 1
					}
				}
				if tt.status != "" {
					s.when(tt.status, move)
				} else {
					s.atStep("target-envs", func() { s.locked(func(*fakeTable) { move(nil) }) })
				}
				err := s.apply(t.Context())
				if tt.code != "" {
					if e := s.stepError(err, tt.code); !strings.Contains(e.Text, "nothing compares the rows") || !strings.Contains(e.Hint, "verify") {
						t.Errorf("%s; %s", e.Text, e.Hint)
					}
					s.world.hook = nil
					s.stepError(s.apply(t.Context()), tt.code) // it is not forgotten
					s.must(s.rollback(t.Context()))
					s.asBefore()
					return
				}
				s.must(err)
				n := 0
				for _, w := range happened[event.Warning](s.scene) {
					if strings.Contains(w.Text, "before the follower had its checkpoint") {
						n++
					}
				}
				if tt.warns == "" && n > 0 || tt.warns != "" && n != 1 {
					t.Errorf("told %d times\n%s", n, s.story())
				}
				if tt.warns != "" {
					s.warned(apply.CodeDuplication, tt.warns)
				}
				s.movedOver()
			})
		})
	}
}
