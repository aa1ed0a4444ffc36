package apply_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/apply"
	"github.com/pegmigrate/pegmigrate/state"
)

// loadScenes are the migrations through a bulk load that the crash tests go through.
func loadScenes() map[string]func(*testing.T) *loadScene {
	return map[string]func(*testing.T) *loadScene{"backup and bulk load": newBackupBulk, "dual write": newDual}
}

// TestCrashLoadEverywhere kills apply at every point and applies again: the rows are there, and no
// scenario, level, staged file or load is left.
func TestCrashLoadEverywhere(t *testing.T) {
	t.Parallel()
	for name, scene := range loadScenes() {
		t.Run(name, func(t *testing.T) {
			everywhere(t, 80, 12, func(t *testing.T, k int) bool {
				s := scene(t)
				killed, err := s.killedAt(k, s.through)
				if !killed {
					s.must(err)
					s.loaded()
					return false
				}
				s.reboot(k)
				time.Sleep(time.Duration(k%5) * 20 * time.Second)
				if s.document() == nil || s.document().Outcome == state.OutcomeOpen {
					s.must(s.through(t.Context()))
				}
				s.loaded()
				return true
			})
		})
	}
}

// TestInterruptLoadEverywhere cancels at every request: the run ends soon, changes nothing more but that
// it pauses its load, and can be resumed.
func TestInterruptLoadEverywhere(t *testing.T) {
	t.Parallel()
	everywhere(t, 80, 14, func(t *testing.T, k int) bool {
		s := newDual(t)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		n := 0
		var at time.Time
		s.world.hook = func(_ context.Context, c call) error {
			if c.changes && !c.after && !at.IsZero() && c.name != "ControlBulkLoad" {
				t.Errorf("%s was begun after the interruption", c)
			}
			if n++; n == k+1 {
				at = time.Now()
				cancel()
			}
			return nil
		}
		err := s.through(ctx)
		s.world.hook = nil
		if at.IsZero() {
			s.must(err)
			return false
		}
		if took := time.Since(at); took > 2*time.Second {
			t.Errorf("it took %s to stop", took)
		}
		if err != nil {
			var interrupted *apply.InterruptedError
			if !errors.As(err, &interrupted) && !isGate(err) {
				t.Fatalf("%v is no interruption\n%s", err, s.story())
			}
			s.must(s.through(t.Context()))
		}
		s.loaded()
		return true
	})
}

// TestRollbackLoadAfterCrash kills apply at every point and takes everything back.
func TestRollbackLoadAfterCrash(t *testing.T) {
	t.Parallel()
	for name, scene := range loadScenes() {
		t.Run(name, func(t *testing.T) {
			everywhere(t, 80, 16, func(t *testing.T, k int) bool {
				s := scene(t)
				killed, _ := s.killedAt(k, s.through)
				if !killed {
					return false
				}
				s.reboot(k)
				doc := s.document()
				if doc == nil || doc.Outcome != state.OutcomeOpen || doc.Step("disown").Attempts > 0 {
					return true
				}
				s.must(s.rollback(t.Context()))
				s.takenBack()
				return true
			})
		})
	}
}

// TestCrashInRollbackOfLoad kills the rollback of a load that is under way, and goes on with it.
func TestCrashInRollbackOfLoad(t *testing.T) {
	t.Parallel()
	for _, status := range []string{"BLS_DOWNLOADING", "BLS_INGESTING"} {
		t.Run(status, func(t *testing.T) {
			everywhere(t, 20, 6, func(t *testing.T, k int) bool {
				s := newBulk(t)
				s.until("BulkLoad", func() bool { return s.status() == status })
				killed, err := s.killedAt(k, s.rollback)
				if !killed {
					s.must(err)
					s.takenBack()
					return false
				}
				s.reboot(k)
				if s.document().Outcome == state.OutcomeOpen {
					s.must(s.rollback(t.Context()))
				}
				s.takenBack()
				return true
			})
		})
	}
}

// TestOneFailureOfALoad lets every single request fail once, or its answer get lost. Nobody has to start
// the run again.
func TestOneFailureOfALoad(t *testing.T) {
	t.Parallel()
	for name, scene := range loadScenes() {
		t.Run(name, func(t *testing.T) {
			everywhere(t, 80, 16, func(t *testing.T, k int) bool {
				s := scene(t)
				n, failed := 0, false
				s.world.hook = func(_ context.Context, c call) error {
					switch c.name {
					case "verify", "compare", "split", "resurrection", "dual writes", "VerifyBackup": // engines repeat their requests themselves
						return nil
					}
					if n++; n == k+1 {
						failed = true
						return errAway
					}
					return nil
				}
				s.must(s.through(t.Context()))
				s.world.hook = nil
				s.loaded()
				return failed
			})
		})
	}
}
