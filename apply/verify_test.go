package apply_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/apply"
	"github.com/pegmigrate/pegmigrate/internal/event"
	"github.com/pegmigrate/pegmigrate/plan"
	"github.com/pegmigrate/pegmigrate/schema"
	"github.com/pegmigrate/pegmigrate/state"
)

// differences expects that many.
func (s *scene) differences(err error, n uint64) *apply.DifferencesError {
	s.t.Helper()
	var d *apply.DifferencesError
	if !errors.As(err, &d) || d.Count != n {
		s.t.Fatalf("got %v, want %d differences\n%s", err, n, s.story())
	}
	if e := happened[event.StepFailed](s); len(e) == 0 || e[len(e)-1].Code != apply.CodeDifferences && s.last().Code != apply.CodeDifferences {
		s.t.Errorf("%+v", e)
	}
	return d
}

func (s *scene) last() event.StepFailed {
	e := happened[event.StepFailed](s)
	return e[len(e)-1]
}

// Differences that nothing explains end the run, unrepaired. The next one copies everything anew.
func TestDifferences(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newScene(t, schema.SourceWritesFenced)
		want := wanted(s)
		s.on("verify", 1, func() error {
			dst := s.world.table(target())
			delete(dst.rows, "k01")
			dst.rows["k02"] = fakeRow{"other", 1}
			dst.rows["extra"] = fakeRow{"x", 1}
			return nil
		})
		s.differences(s.apply(t.Context()), 3)
		if got := s.show()[target().String()].Rows; len(got) != 24 || got["k02"].Value != "other" {
			t.Errorf("repaired without saying so: %v", got)
		}
		doc := s.document()
		if c := doc.Step("copy"); c.Status != state.Pending || c.Proof != nil {
			t.Errorf("the copy is still believed: %+v", c)
		}
		s.world.hook = nil
		s.must(s.apply(t.Context()))
		s.same(want)
	})
}

// A crash between the proof of the copy and the removal of its journal must not let a second copy
// believe the cursors of the first.
func TestCopyAnewForgetsCursors(t *testing.T) {
	t.Parallel()
	everywhere(t, 40, 18, func(t *testing.T, k int) bool {
		s := newScene(t, schema.SourceWritesFenced)
		want := wanted(s)
		killed, _ := s.killedAt(110+k, s.apply)
		if !killed || k > 90 {
			return false
		}
		s.reboot(k)
		if s.document().Outcome != state.OutcomeOpen {
			return false
		}
		s.on("verify", 1, func() error {
			delete(s.world.table(target()).rows, "k01")
			return nil
		})
		err := s.apply(t.Context())
		s.world.hook = nil
		if err != nil {
			s.differences(err, 1)
			batches := 0
			s.world.hook = func(_ context.Context, c call) error {
				if c.name == "copy" && !c.after {
					batches++
				}
				return nil
			}
			s.must(s.apply(t.Context()))
			if batches != 8 {
				t.Errorf("%d batches were copied anew, of 8", batches)
			}
		}
		s.same(want)
		return true
	})
}

// Writers that were promised to be stopped are not.
func TestStoppedWriters(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newScene(t, schema.SourceWritesStopped)
		src := s.world.table(source())
		first, last := keysOf(src, 0, "")[0], keysOf(src, 3, "")[0]
		s.on("copy", 5, func() error { // the first partition is copied
			return errors.Join(s.world.write(source(), first, "new", 7), s.world.remove(source(), last))
		})
		d := s.differences(s.apply(t.Context()), 1)
		if d.SourceChanged != 1 {
			t.Errorf("%+v", d)
		}
		s.warned(apply.CodeSourceChanged, "the source was written to during the copy: 1 of its partitions")
		s.world.hook = nil
		s.must(s.world.remove(source(), keysOf(src, 1, "")[0])) // leaves an extra row of the first copy
		s.must(s.apply(t.Context()))
		if got := s.show()[target().String()].Rows; len(got) != 22 || got[first].Value != "new" {
			t.Errorf("%v", got)
		}
	})
}

// The rows are equal, but they are not the rows that were read.
func TestStoppedWritersCaughtByDigest(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newScene(t, schema.SourceWritesStopped)
		src := s.world.table(source())
		key := keysOf(src, 0, "")[0]
		s.on("verify", 1, func() error {
			for _, ref := range []plan.TableRef{source(), target()} { // a dual writer
				if err := s.world.write(ref, key, "new", 7); err != nil {
					return err
				}
			}
			return nil
		})
		s.stepError(s.apply(t.Context()), apply.CodeSourceChanged)
		s.world.hook = nil
		s.must(s.apply(t.Context()))
	})
}

// Accepted writers leave differences behind; the ones that a repair can catch up with are gone.
func TestAcceptedWriters(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newScene(t, schema.SourceWritesAccepted)
		src := s.world.table(source())
		s.on("copy", 5, func() error { return s.world.write(source(), keysOf(src, 0, "")[0], "new", 7) })
		s.must(s.apply(t.Context()))
		if rounds := happened[event.Verified](s); len(rounds) != 2 || rounds[0].Differences != 1 {
			t.Errorf("%+v", rounds)
		}
	})
	inBubble(t, func(t *testing.T) {
		s := newScene(t, schema.SourceWritesAccepted)
		key := keysOf(s.world.table(source()), 0, "")[0]
		for n := range 4 {
			s.on("verify", n+1, func() error { return s.world.write(source(), key, time.Now().String(), 7) })
		}
		s.differences(s.apply(t.Context()), 1)
		if c := s.document().Step("copy"); c.Status != state.Done {
			t.Errorf("copying everything again would not catch up: %s", c.Status)
		}
		s.world.hook = nil
		s.must(s.apply(t.Context()))
	})
}

// Without a comparison a leak is found all the same, and nothing is claimed.
func TestLeakWithoutComparison(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newScene(t, schema.SourceWritesFenced)
		s.decl.Verify.Mode = schema.VerifyOff
		key := keysOf(s.world.table(source()), 0, "")[0]
		s.on("copy", 5, func() error {
			s.world.movePrimary(source(), 0, 20*time.Second)
			return s.world.write(source(), key, "leaked", 7)
		})
		s.stepError(s.apply(t.Context()), apply.CodeFence)
		s.world.hook = nil
		s.must(s.apply(t.Context()))
		if got := s.show()[target().String()].Rows[key].Value; got != "leaked" {
			t.Errorf("%s is %q", key, got)
		}
	})
}

// The source stays fenced when that is declared, also over a budget: the rows are proven.
func TestSourceStaysFenced(t *testing.T) {
	t.Parallel()
	everywhere(t, 40, 36, func(t *testing.T, k int) bool {
		s := budgetScene(t, time.Second)
		s.decl.After.Source = schema.AfterKeepFenced
		want := wanted(s)
		src := want[source().String()]
		src.Envs[plan.EnvDeny] = plan.FenceMode
		killed, err := s.killedAt(k, s.apply)
		if killed {
			s.reboot(k)
			time.Sleep(time.Duration(k%3) * time.Minute)
			err = nil
			if s.document() == nil || s.document().Outcome == state.OutcomeOpen {
				err = s.apply(t.Context())
			}
		}
		var budget *apply.BudgetError
		if errors.As(err, &budget) { // it died before the rows were proven
			err = s.apply(t.Context())
		}
		s.must(err)
		s.same(want)
		return killed
	})
}
