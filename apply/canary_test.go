package apply_test

import (
	"strings"
	"testing"

	"github.com/pegmigrate/pegmigrate/apply"
	"github.com/pegmigrate/pegmigrate/internal/event"
)

// A client that opened its table and proved no row is told of, before the fence and after the switch;
// it keeps nobody from the end.
func TestCanaryThatProvesNothing(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newDup(t, true)
		s.world.provable = 0
		s.must(s.apply(t.Context()))
		for _, table := range []string{source().String(), target().String()} {
			s.warned(apply.CodeProxy, "opened "+table+" and proved no row: all 5 rows that it read changed meanwhile")
		}
		s.movedOver()
	})
}

func TestCanaryThatProves(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newDup(t, true)
		s.must(s.apply(t.Context()))
		for _, w := range happened[event.Warning](s.scene) {
			if strings.Contains(w.Text, "proved no row") {
				t.Error(w.Text)
			}
		}
	})
}
