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

// backupScenes are the migrations that the crash tests go through.
func backupScenes() map[string]func(*testing.T) *backupScene {
	return map[string]func(*testing.T) *backupScene{
		"fenced":   func(t *testing.T) *backupScene { return newBackup(t, schema.SourceWritesFenced) },
		"accepted": func(t *testing.T) *backupScene { return newBackup(t, schema.SourceWritesAccepted) },
		"backup that dies": func(t *testing.T) *backupScene {
			s := newBackup(t, schema.SourceWritesAccepted)
			s.dies(25 * time.Second)
			return s
		},
	}
}

// dies has the meta leader change, once, when the first backup is that old.
func (s *backupScene) dies(age time.Duration) {
	s.world.dying = age
}

// TestBackupCrash kills apply at every point, applies again, and expects one table with all rows, one backup, and
// every limit as it was.
func TestBackupCrash(t *testing.T) {
	t.Parallel()
	for name, scene := range backupScenes() {
		t.Run(name, func(t *testing.T) {
			everywhere(t, 200, 120, func(t *testing.T, k int) bool {
				s := scene(t)
				killed, err := s.killedAt(k, s.apply)
				if !killed {
					s.must(err)
					s.restored()
					return false
				}
				s.reboot(k)
				time.Sleep(time.Duration(k%5) * 20 * time.Second)
				if s.document() == nil || s.document().Outcome == state.OutcomeOpen {
					s.must(s.apply(t.Context()))
				}
				s.restored()
				s.raisedOnce()
				s.onceEach(name == "backup that dies")
				return true
			})
		})
	}
}

// onceEach fails when more was begun than had to be.
func (s *backupScene) onceEach(dies bool) {
	s.t.Helper()
	want := 1
	if dies {
		want = 2
	}
	if s.world.backupStarts > want || s.world.restores != 1 {
		s.t.Fatalf("%d backups, %d restores\n%s", s.world.backupStarts, s.world.restores, s.story())
	}
}

// TestBackupRollbackCrash kills apply at every point and rolls back; rollback is killed too, at another one.
func TestBackupRollbackCrash(t *testing.T) {
	t.Parallel()
	for name, scene := range backupScenes() {
		t.Run(name, func(t *testing.T) {
			everywhere(t, 200, 120, func(t *testing.T, k int) bool {
				s := scene(t)
				killed, err := s.killedAt(k, s.apply)
				if !killed {
					s.must(err)
					return false
				}
				s.reboot(k)
				if s.document() == nil || s.document().Outcome != state.OutcomeOpen || pastNoReturn(s.document(), s.plan) {
					return true // nothing was changed yet, or everything is done
				}
				for n := k % 37; ; n += 29 {
					if killed, err = s.killedAt(n, s.rollback); !killed {
						break
					}
					if s.reboot(n); s.document().Outcome != state.OutcomeOpen {
						err = nil // it was killed after its last word
						break
					}
				}
				s.must(err)
				s.undone()
				return true
			})
		})
	}
}

// pastNoReturn says that the last step was begun: the migration can only be finished.
func pastNoReturn(doc *state.Document, p *plan.Plan) bool {
	last := doc.Step(p.Steps[len(p.Steps)-1].ID)
	return last.Attempts > 0
}

// An interrupted run leaves the limit where it is, because servers go on, and says so.
func TestBackupInterrupted(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newBackup(t, schema.SourceWritesAccepted)
		ctx, cancel := context.WithCancel(t.Context())
		s.atCall("WatchBackup", 3, func(*fakeWorld) { cancel() })
		var stopped *apply.InterruptedError
		if err := s.apply(ctx); !errors.As(err, &stopped) {
			t.Fatalf("%v\n%s", err, s.story())
		}
		notes := happened[event.Interrupted](s.scene)
		if len(notes) != 1 || !containsAll(notes[0].Note, "transfer limits of east stay") || s.world.flags[server5][uploadFlag] == "200" {
			t.Errorf("%+v %v", notes, s.world.flags[server5])
		}
		s.world.hook = nil
		s.must(s.rollback(t.Context()))
		s.undone()
	})
}

// A rollback waits for a backup that is under way, and does not for one that is finished.
func TestRollbackOfBackup(t *testing.T) {
	for name, at := range map[string]string{"under way": "Uploading", "finished": "VerifyBackup"} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				s := newBackup(t, schema.SourceWritesFenced)
				ctx, cancel := context.WithCancel(t.Context())
				s.atCall(at, 2, func(*fakeWorld) { cancel() })
				if err := s.apply(ctx); err == nil {
					t.Fatal("not stopped")
				}
				s.world.hook = nil
				begun := time.Now()
				s.must(s.rollback(t.Context()))
				s.undone()
				if took := time.Since(begun); (name == "finished") != (took < 90*time.Second) {
					t.Errorf("it took %s", took)
				}
			})
		})
	}
}
