package apply_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/apply"
	"github.com/pegmigrate/pegmigrate/internal/event"
)

// A client with the meta servers of the source in its configuration is seen, first in a warning, then
// in an error that names its failures; nothing is undone, and when it is gone the run goes on.
func TestTrafficDirectClient(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newDup(t, true)
		direct := s.world.client(&fakeClient{name: "old", reads: 3, writes: 1})
		err := s.stepError(s.apply(t.Context()), apply.CodeTraffic)
		s.failedOnce(err)
		for _, text := range []string{"on the source", "reads and", "writes failed"} {
			if !strings.Contains(err.Text, text) {
				t.Errorf("%q is not said: %s", text, err.Text)
			}
		}
		s.warned(apply.CodeTraffic, "somebody still goes to east/orders")
		if s.world.records[dupRoute().Path()].ClusterName != "cluster-west" {
			t.Error("the switch was undone")
		}
		s.stepError(s.rollback(t.Context()), apply.CodeFinished)
		s.locked(func(*fakeTable) { direct.stopped = true })
		// The baseline counts its requests too: they have to arrive somewhere.
		s.locked(func(*fakeTable) { s.app.reads, s.app.writes = 7, 13 })
		s.must(s.apply(t.Context()))
		s.movedOver()
	})
}

// Clients that do not come back are missed. Only a person can know whether that is right: the run that
// follows takes fewer requests as enough, but not yet fewer, and no failures.
func TestTrafficMissing(t *testing.T) {
	for name, tt := range map[string]struct {
		writes float64
		fail   bool
		ends   bool
	}{
		"they come back": {12, false, true}, "they are fewer": {1, false, true}, "they are none": {0, false, false},
		"they fail": {1, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				s := newDup(t, true)
				s.atStep("evict", func() { s.locked(func(*fakeTable) { s.app.writes = 1 }) })
				err := s.stepError(s.apply(t.Context()), apply.CodeTraffic)
				if !strings.Contains(err.Text, "writes per second, before the fence the source served 12.") || !strings.Contains(err.Hint, "only fewer requests") {
					t.Error(err)
				}
				s.sink = nil
				s.locked(func(*fakeTable) { s.app.writes = tt.writes })
				if tt.writes == 0 {
					s.locked(func(*fakeTable) { s.app.reads = 0 })
				}
				if tt.fail {
					s.world.hook = func(_ context.Context, c call) error {
						if c.name == "Traffic" && !c.after {
							s.world.mu.Lock()
							s.world.clusters["west"].tables["orders"].failures.reads++
							s.world.mu.Unlock()
						}
						return nil
					}
				}
				err2 := s.apply(t.Context())
				s.world.hook = nil
				if !tt.ends {
					s.stepError(err2, apply.CodeTraffic)
					return
				}
				s.must(err2)
				s.movedOver()
			})
		})
	}
}

// A failure on the target begins the proof again: what is proven is one piece of time.
func TestTrafficFailsOnTarget(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newDup(t, true)
		var begun, failed time.Time
		s.sink = func(e event.Event) {
			switch e := e.(type) {
			case event.StepStarted:
				if e.Step == "traffic" {
					begun = time.Now()
				}
			case event.Waiting:
				if e.Step == "traffic" && failed.IsZero() && time.Since(begun) > 40*time.Second {
					failed = time.Now()
					s.world.mu.Lock()
					s.world.clusters["west"].tables["orders"].failures.writes++
					s.world.mu.Unlock()
				}
			case event.StepDone:
				if e.Step == "traffic" && (failed.IsZero() || time.Since(failed) < time.Minute) {
					t.Errorf("proven %s after a failure", time.Since(failed))
				}
			}
		}
		s.must(s.apply(t.Context()))
		s.movedOver()
	})
}

// A client of incr is refused as long as the duplication is there: the proof sees it.
func TestTrafficNonIdempotent(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newDup(t, true)
		s.atStep("traffic", func() {
			s.world.client(&fakeClient{name: "counter", incrs: 1})
		})
		err := s.stepError(s.apply(t.Context()), apply.CodeTraffic)
		if !strings.Contains(err.Text, "refused as not idempotent") {
			t.Error(err)
		}
	})
}
