package apply_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/apply"
	"github.com/pegmigrate/pegmigrate/internal/atomicfile/crashfs"
	"github.com/pegmigrate/pegmigrate/internal/marker"
	"github.com/pegmigrate/pegmigrate/schema"
	"github.com/pegmigrate/pegmigrate/state"
)

// adopt loses the state file and rebuilds it as the command does.
func (s *scene) adopt() bool {
	s.t.Helper()
	s.disk = crashfs.New(stateDir)
	m, err := marker.Parse(s.world.table(source()).envs[marker.Env])
	s.must(err)
	if m == nil {
		return false // nothing was changed, or everything was put back: there is nothing to adopt
	}
	p, doc, err := apply.Adopt(s.decl, s.facts(), m, "test")
	s.must(err)
	if doc == nil {
		s.t.Fatalf("the rebuilt plan has errors: %+v", p.Checks)
	}
	store, err := state.Open(s.disk, stateDir, migration, state.Holder{Who: "ann"})
	if err == nil {
		err = errors.Join(store.Create(doc), store.Close())
	}
	s.must(err)
	return true
}

// TestAdoptEverywhere kills apply at every point and loses the state file as well. The rebuilt one
// leads to the same end, or back to the beginning.
func TestAdoptEverywhere(t *testing.T) {
	t.Parallel()
	for name, scene := range scenes() {
		t.Run(name, func(t *testing.T) {
			everywhere(t, 150, 48, func(t *testing.T, k int) bool {
				s := scene(t)
				time.Sleep(2 * syncInterval)
				want, before := wanted(s), s.show()
				killed, err := s.killedAt(k, s.apply)
				if !killed {
					s.must(err)
					return false
				}
				s.reboot(k)
				if !s.adopt() {
					return true
				}
				if k%2 == 0 {
					s.must(s.apply(t.Context()))
					s.same(want)
					return true
				}
				s.must(s.rollback(t.Context()))
				s.rolledBack(before)
				return true
			})
		})
	}
}

// A stranger's table of the target's name is neither adopted nor dropped.
func TestAdoptLeavesStrangersAlone(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newScene(t, schema.SourceWritesFenced)
		s.on("CreateTable", 1, func() error { return errAway })
		s.waits.Transient = 0
		if err := s.apply(t.Context()); err == nil {
			t.Fatal("not stopped")
		}
		s.world.hook = nil
		id := s.strange(64)
		if !s.adopt() {
			t.Fatal("the marker is gone")
		}
		s.stepError(s.apply(t.Context()), apply.CodeTargetStolen)
		s.must(s.rollback(t.Context()))
		if got := s.world.table(target()); got == nil || got.id != id {
			t.Errorf("%+v", got)
		}
	})
}

// The rows that a lost run copied are compared with a source that went on meanwhile.
func TestAdoptAfterTheSourceWentOn(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newScene(t, schema.SourceWritesStopped).withTarget()
		s.on("verify", 1, func() error { return errors.New("stopped by the test") })
		if err := s.apply(t.Context()); err == nil {
			t.Fatal("not stopped")
		}
		s.world.hook = func(context.Context, call) error { return nil }
		if !s.adopt() {
			t.Fatal("the marker is gone")
		}
		s.must(s.apply(t.Context()))
	})
}
