package apply_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pegmigrate/pegmigrate/apply"
	"github.com/pegmigrate/pegmigrate/internal/atomicfile"
	"github.com/pegmigrate/pegmigrate/internal/atomicfile/crashfs"
	"github.com/pegmigrate/pegmigrate/schema"
	"github.com/pegmigrate/pegmigrate/state"
)

var errKilled = errors.New("killed by the test")

// killer ends a run at one point: from then on nothing that the run does reaches the disk or the
// clusters, as if its process were gone.
type killer struct {
	mu     sync.Mutex
	points int // seen so far
	at     int // the point that kills
	dead   bool
	cancel context.CancelFunc
}

// point is passed before and after every request and every state write.
func (k *killer) point() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.dead {
		return errKilled
	}
	k.points++
	if k.points > k.at {
		k.dead = true
		k.cancel()
		return errKilled
	}
	return nil
}

func (k *killer) alive() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.dead {
		return errKilled
	}
	return nil
}

// disk counts the beginning and the end of each write as points; what a crash in the middle of one
// leaves is held by the tests of package state.
func (k *killer) disk(op atomicfile.Op) error {
	begins := op.Phase == atomicfile.Before && (op.Kind == atomicfile.OpStage || op.Kind == atomicfile.OpAppend || op.Kind == atomicfile.OpRemove)
	ends := op.Phase == atomicfile.After && (op.Kind == atomicfile.OpSyncDir || op.Kind == atomicfile.OpAppendSync)
	if begins || ends {
		return k.point()
	}
	return k.alive()
}

// killedAt runs do with a killer. It says whether the run was killed, and otherwise how it ended.
func (s *scene) killedAt(at int, do func(context.Context) error) (killed bool, err error) {
	ctx, cancel := context.WithCancel(s.t.Context())
	defer cancel()
	k := &killer{at: at, cancel: cancel}
	s.fsys = func(disk atomicfile.FS) atomicfile.FS { return atomicfile.Observed(disk, k.disk) }
	s.world.hook = func(context.Context, call) error { return k.point() }
	err = do(ctx)
	s.fsys, s.world.hook = nil, nil
	return k.dead, err
}

// reboot is the disk as the next process finds it.
func (s *scene) reboot(at int) {
	disks := []func() *crashfs.FS{
		s.disk.Kill,
		func() *crashfs.FS { return s.disk.PowerLoss(nil) },
		func() *crashfs.FS { return s.disk.PowerLoss(rand.New(rand.NewPCG(1, uint64(at)))) },
	}
	s.disk = disks[at%len(disks)]()
}

// everywhere runs a test for k = 0, 1, 2 ... until one reports that k was not reached. Each k has a
// bubble of its own. Only every stride-th point is taken, beginning at a random one, and fewer under
// the race detector, where everything takes ten times as long: with -exhaustive, all of them.
func everywhere(t *testing.T, least, stride int, one func(t *testing.T, k int) (reached bool)) {
	t.Helper()
	k, step := 0, 1
	if !*exhaustive {
		step = stride
		if !raceEnabled {
			step = max(1, stride/6)
		}
		k = rand.IntN(step)
	}
	for reached := true; reached && !t.Failed(); k += step {
		synctest.Test(t, func(t *testing.T) {
			defer func() {
				if t.Failed() {
					t.Logf("at point %d", k)
				}
			}()
			reached = one(t, k)
		})
	}
	t.Logf("%d points, every %d.", k-step, step)
	if k-step < least && !t.Failed() {
		t.Errorf("only %d points: the run does less than it did, or is not observed", k-step)
	}
}

// scenes are the migrations that the crash tests go through.
func scenes() map[string]func(*testing.T) *scene {
	return map[string]func(*testing.T) *scene{
		"fenced, target absent": func(t *testing.T) *scene { return newScene(t, schema.SourceWritesFenced) },
		"stopped, target exists": func(t *testing.T) *scene {
			return newScene(t, schema.SourceWritesStopped).withTarget()
		},
		"fenced, source denied before": func(t *testing.T) *scene {
			s := newScene(t, schema.SourceWritesFenced)
			s.world.table(source()).envs["replica.deny_client_request"] = "timeout*write"
			s.world.table(source()).spread()
			return s
		},
	}
}

// TestCrashEverywhere kills apply at every point, applies again, and expects the end of an
// undisturbed run.
func TestCrashEverywhere(t *testing.T) {
	t.Parallel()
	for name, scene := range scenes() {
		t.Run(name, func(t *testing.T) {
			everywhere(t, 150, 30, func(t *testing.T, k int) bool {
				s := scene(t)
				time.Sleep(2 * syncInterval)
				want := wanted(s)
				killed, err := s.killedAt(k, s.apply)
				if !killed {
					s.must(err)
					s.same(want)
					return false
				}
				s.reboot(k)
				time.Sleep(time.Duration(k%5) * 20 * time.Second) // nobody is there at once
				if s.document() == nil || s.document().Outcome == state.OutcomeOpen {
					s.must(s.apply(t.Context()))
				}
				s.same(want)
				s.raisedOnce()
				return true
			})
		})
	}
}

// raisedOnce fails when a fence was raised again after it had been lifted: clients would be locked
// out for nothing.
func (s *scene) raisedOnce() {
	s.t.Helper()
	lifted := slices.Index(s.world.denied, false)
	if lifted >= 0 && slices.Contains(s.world.denied[lifted:], true) {
		s.t.Fatalf("the fence was raised again after it was lifted: %v\n%s", s.world.denied, s.story())
	}
}

// TestCrashTwice kills the run that follows a crash as well.
func TestCrashTwice(t *testing.T) {
	t.Parallel()
	everywhere(t, 20, 9, func(t *testing.T, k int) bool {
		s := newScene(t, schema.SourceWritesFenced)
		want := wanted(s)
		at := k * 9
		killed, err := s.killedAt(at, s.apply)
		for n := 0; killed; n++ {
			s.reboot(at + n)
			if s.document() != nil && s.document().Outcome != state.OutcomeOpen {
				err = nil // it was killed after its last word
				break
			}
			killed, err = s.killedAt(7+at%13+n*11, s.apply)
			if n > 60 {
				t.Fatalf("no end after %d crashes\n%s", n, s.story())
			}
		}
		s.must(err)
		s.same(want)
		s.raisedOnce()
		return at < 260
	})
}

// stopAt makes the run end in the middle: at its comparison, with everything begun.
func (s *scene) stopAt(name string) {
	s.world.hook = func(_ context.Context, c call) error {
		if strings.HasPrefix(c.name, name) {
			return errors.New("stopped by the test")
		}
		return nil
	}
}

// TestCrashInRollback kills rollback at every point and rolls back again: everything is as before.
func TestCrashInRollback(t *testing.T) {
	t.Parallel()
	for name, scene := range scenes() {
		t.Run(name, func(t *testing.T) {
			everywhere(t, 30, 18, func(t *testing.T, k int) bool {
				s := scene(t)
				time.Sleep(2 * syncInterval)
				before := s.show()
				s.stopAt("verify")
				if err := s.apply(t.Context()); err == nil {
					t.Fatal("the run was not stopped")
				}
				s.world.hook = nil
				killed, err := s.killedAt(k, s.rollback)
				if killed {
					s.reboot(k)
					if s.document().Outcome == state.OutcomeOpen {
						err = s.rollback(t.Context())
					} else {
						err = nil // it was killed after its last word
					}
				}
				s.must(err)
				s.rolledBack(before)
				return killed
			})
		})
	}
}

// rolledBack compares with what there was before the migration. Rows that were copied into a table
// that existed stay: nothing knows them from others.
func (s *scene) rolledBack(before map[string]shown) {
	s.t.Helper()
	if dst := before[target().String()]; dst.ID != 0 {
		dst.Rows = s.show()[target().String()].Rows
		before[target().String()] = dst
	}
	s.same(before)
	if doc := s.document(); doc != nil && doc.Outcome != state.OutcomeRolledBack {
		s.t.Errorf("outcome %q", doc.Outcome)
	}
}

// TestApplyAfterHalfARollback kills rollback at every point and applies instead of going on with
// it: whatever was undone is done again, and nothing is believed that is gone.
func TestApplyAfterHalfARollback(t *testing.T) {
	t.Parallel()
	everywhere(t, 30, 18, func(t *testing.T, k int) bool {
		s := newScene(t, schema.SourceWritesFenced)
		s.stopAt("verify")
		if err := s.apply(t.Context()); err == nil {
			t.Fatal("the run was not stopped")
		}
		killed, _ := s.killedAt(k, s.rollback)
		if !killed {
			return false
		}
		s.reboot(k)
		if s.document().Outcome != state.OutcomeOpen {
			return true
		}
		src := s.world.table(source())
		if !src.parts[src.partOf("late")].denies() {
			s.must(s.world.write(source(), "late", "written between the two", 0))
			delete(src.rows, "k07")
		}
		time.Sleep(time.Second)
		want := wanted(s)
		if len(s.world.clusters["west"].tables) == 0 {
			dst := want[target().String()]
			dst.ID = s.world.clusters["west"].nextID
			want[target().String()] = dst
		}
		if s.gone() {
			s.stepError(s.apply(t.Context()), apply.CodeTargetStolen)
			s.must(s.rollback(t.Context()))
			return true
		}
		s.must(s.apply(t.Context()))
		dst := want[target().String()]
		dst.Envs["business.info"] = "team pay" // of the created table
		want[target().String()] = dst
		final := s.show()
		srcNow := want[source().String()]
		srcNow.Envs = final[source().String()].Envs
		want[source().String()] = srcNow
		s.same(want)
		if got := srcNow.Envs["business.info"]; got != "team pay" {
			t.Errorf("business.info is %q", got)
		}
		if _, denied := srcNow.Envs["replica.deny_client_request"]; denied {
			t.Error("the fence is still up")
		}
		return true
	})
}

// gone says that the target was dropped and that this was not recorded any more.
func (s *scene) gone() bool {
	return s.world.table(target()) == nil && s.document().Step("create-target").Status == state.Done
}

// TestMarkerTakenOut has somebody replace the text of business.info, marker and all, while no run
// is alive: the marker comes back, and goes again around the new text.
func TestMarkerTakenOut(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newScene(t, schema.SourceWritesFenced)
		s.stopAt("verify")
		if err := s.apply(t.Context()); err == nil {
			t.Fatal("not stopped")
		}
		s.world.hook = nil
		s.world.table(source()).envs["business.info"] = "team billing"
		s.must(s.apply(t.Context()))
		got := s.show()
		if text := got[source().String()].Envs["business.info"]; text != "team billing" {
			t.Errorf("business.info is %q", text)
		}
		if got[target().String()].ID != 5 {
			t.Errorf("%+v", got[target().String()])
		}
	})
}
