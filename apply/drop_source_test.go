package apply_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/apply"
	"github.com/pegmigrate/pegmigrate/plan"
)

func dropping(t *testing.T) *dupScene {
	s := newDup(t, true)
	s.after = "drop"
	s.plan = s.steps()
	return s
}

// A source that is in use is not dropped.
func TestDropSourceInUse(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := dropping(t)
		var reader *fakeClient
		s.atStep("drop-source", func() {
			s.must(s.world.world().Tables.DeleteEnvs(t.Context(), source(), []string{plan.EnvDeny}))
			time.Sleep(syncInterval)
			reader = s.world.client(&fakeClient{name: "old", reads: 3})
			time.Sleep(10 * time.Second)
		})
		err := s.stepError(s.apply(t.Context()), apply.CodeTraffic)
		s.failedOnce(err)
		if !strings.Contains(err.Text, "is in use: ") || s.world.table(source()) == nil {
			t.Error(err)
		}
		s.sink = nil
		s.locked(func(*fakeTable) { reader.stopped = true })
		time.Sleep(time.Minute)
		s.must(s.apply(t.Context()))
		s.movedOver()
		if s.world.table(source()) != nil {
			t.Error("the source is left")
		}
	})
}

// The name may be another table's by then, and the answer may be lost.
func TestDropSourceOnlyOurs(t *testing.T) {
	for name, recreate := range map[string]bool{"answer lost": false, "name taken": true} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				s := dropping(t)
				var id int32
				if recreate {
					s.atStep("drop-source", func() {
						s.locked(func(src *fakeTable) { src.gone = true; delete(s.world.clusters["east"].tables, "orders") })
						id = s.world.make(source(), 4, nil).id
					})
				} else {
					s.on("DropTable+", 1, func() error { return errors.New("connection reset") })
				}
				s.must(s.apply(t.Context()))
				switch src := s.world.table(source()); {
				case recreate && (src == nil || src.id != id):
					t.Error("somebody else's table was dropped")
				case !recreate && src != nil:
					t.Error("the source is left")
				}
			})
		})
	}
}
