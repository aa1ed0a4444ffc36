package apply_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/apply"
	"github.com/pegmigrate/pegmigrate/internal/event"
)

// A row that duplication does not mend ends the run as a difference, every time.
func TestCompareLiveDiffers(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newDup(t, true)
		s.atStep("compare", func() { s.must(s.world.remove(target(), "k07")) })
		for range 2 {
			var differ *apply.DifferencesError
			if err := s.apply(t.Context()); !errors.As(err, &differ) || differ.Count != 1 || differ.Step != "compare" {
				t.Fatalf("%v\n%s", err, s.story())
			}
		}
		for _, f := range happened[event.StepFailed](s.scene) {
			if f.Code != apply.CodeDifferences || !strings.Contains(f.Hint, "writes to the target") {
				t.Errorf("%+v", f)
			}
		}
		s.sink = nil
		s.must(s.rollback(t.Context()))
		s.asBefore()
	})
}

// What is missing because nothing was shipped is no difference.
func TestCompareLiveBehind(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newDup(t, true)
		s.app.writes, s.app.keys = 1, 1000
		s.atStep("compare", func() {
			s.locked(func(*fakeTable) { s.world.shipRate, s.app.writes = 0, 400 })
			time.Sleep(30 * time.Second)
			s.locked(func(*fakeTable) { s.app.writes = 0 })
		})
		err := s.stepError(s.apply(t.Context()), apply.CodeVerify)
		s.failedOnce(err)
		if !strings.Contains(err.Text, "mutations behind") {
			t.Error(err)
		}
		s.sink = nil
		s.locked(func(*fakeTable) { s.world.shipRate = 500 })
		s.again(t.Context())
		s.movedOver()
	})
}

// Keys that keep changing are read again behind the fence; with too many of them, everything is.
func TestCompareLiveOpen(t *testing.T) {
	for name, tt := range map[string]struct {
		limit int
		batch time.Duration // that a partition takes
		says  string
		all   bool // everything is compared again
	}{
		"few":          {100, time.Second, "1 keys kept changing", false},
		"few, quickly": {100, time.Millisecond, "1 keys kept changing", true},
		"too many":     {0, time.Second, "too many keys kept changing", true},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				s := newDup(t, true)
				s.app.keys, s.world.openLimit, s.world.batchTime = 1, tt.limit, tt.batch
				s.must(s.apply(t.Context()))
				s.movedOver()
				steps := map[string]string{}
				for _, d := range happened[event.StepDone](s.scene) {
					steps[d.Step] = d.Proof
				}
				if !strings.Contains(steps["compare"], tt.says) {
					t.Errorf("%s\n%s", steps["compare"], s.story())
				}
				if all := strings.Contains(steps["recheck"], "rows on the source"); all != tt.all {
					t.Error(steps["recheck"])
				}
			})
		})
	}
}

// A row that became wrong behind the live comparison keeps clients where they are, when there is time
// to see it.
func TestRecompareFindsLateDifference(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newDup(t, true)
		s.world.batchTime = time.Millisecond
		s.atStep("drain", func() { s.must(s.world.remove(target(), "k07")) })
		var differ *apply.DifferencesError
		if err := s.apply(t.Context()); !errors.As(err, &differ) || differ.Step != "recheck" {
			t.Fatalf("%v\n%s", err, s.story())
		}
		s.sink = nil
		s.must(s.rollback(t.Context()))
		s.asBefore()
	})
}

// A comparison that was killed goes on behind the partitions that it had finished; the cursors of an
// earlier duplication count for nothing.
func TestCompareLiveResumes(t *testing.T) {
	for name, rollback := range map[string]bool{"killed": false, "rolled back": true} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				s := newDup(t, false)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				s.on("compare", 3, func() error { cancel(); return context.Canceled })
				if err := s.apply(ctx); err == nil {
					t.Fatal("not killed")
				}
				s.world.hook = nil
				if rollback {
					s.must(s.rollback(t.Context()))
					return
				}
				looks := s.count("compare")
				s.must(s.apply(t.Context()))
				s.movedOver()
				if *looks != 2 {
					t.Errorf("%d partitions were compared again", *looks)
				}
			})
		})
	}
}
