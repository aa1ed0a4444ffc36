package apply_test

import (
	"testing"

	"github.com/pegmigrate/pegmigrate/apply"
	"github.com/pegmigrate/pegmigrate/internal/event"
)

// A level that is not lively keeps primaries where they are as well: it is left alone, all the time.
func TestBalancerNotLively(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newDup(t, false)
		s.world.clusters["east"].level = "freezed"
		sets := s.count("SetMetaLevel")
		s.must(s.apply(t.Context()))
		if level := s.world.clusters["east"].level; level != "freezed" || *sets != 0 {
			t.Errorf("%s after %d changes", level, *sets)
		}
		s.warned(apply.CodeCluster, "freezed, not lively")
	})
}

// Somebody else's level is not overwritten at the end.
func TestBalancerChangedMeanwhile(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newDup(t, false)
		s.atStep("traffic", func() { s.world.clusters["east"].level = "blind" })
		s.must(s.apply(t.Context()))
		if level := s.world.clusters["east"].level; level != "blind" {
			t.Error(level)
		}
	})
}

// A meta server that takes over begins lively again: it is held before the fence goes up, and the
// level that is given back is the one from before the migration.
func TestBalancerHeldAgain(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newDup(t, true)
		s.world.zkDown = true // the fence does not go up
		if err := s.apply(t.Context()); err == nil {
			t.Fatal("not stopped")
		}
		if level := s.world.clusters["east"].level; level != "steady" {
			t.Fatal(level)
		}
		s.world.clusters["east"].level, s.world.zkDown = "lively", false
		s.sink = func(e event.Event) {
			if e, ok := e.(event.FenceProven); ok && e.Up && s.world.clusters["east"].level != "steady" {
				t.Error("fenced while the balancer works")
			}
		}
		s.again(t.Context())
		s.movedOver()
	})
}
