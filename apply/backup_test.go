package apply_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/apply"
	"github.com/pegmigrate/pegmigrate/internal/event"
	"github.com/pegmigrate/pegmigrate/plan"
	"github.com/pegmigrate/pegmigrate/schema"
)

func containsAll(text, words string) bool { return strings.Contains(text, words) }

// within makes do see every call of apply.
func (w *fakeWorld) within(do func(call) error) {
	w.hook = func(_ context.Context, c call) error { return do(c) }
}

func TestBackupRestore(t *testing.T) {
	for _, writes := range []schema.SourceWrites{schema.SourceWritesStopped, schema.SourceWritesFenced, schema.SourceWritesAccepted} {
		t.Run(string(writes), func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				s := newBackup(t, writes)
				s.must(s.apply(t.Context()))
				s.restored()
				if s.world.backupStarts != 1 || s.world.restores != 1 {
					t.Errorf("%d backups, %d restores", s.world.backupStarts, s.world.restores)
				}
				for _, w := range happened[event.Waiting](s.scene) {
					if w.Reason == "" || w.Limit <= 0 {
						t.Errorf("a wait without reason or end: %+v", w)
					}
				}
			})
		})
	}
}

// A table whose cluster is gone comes back from its backup, as often as that is wanted.
func TestRestoreWithoutSource(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newBackup(t, schema.SourceWritesAccepted)
		b := s.old(48 * time.Hour)
		s.from(b)
		rows := b.rows
		delete(s.world.clusters, "east")
		s.must(s.apply(t.Context()))
		if got := s.world.table(target()); got == nil || len(got.rows) != len(rows) {
			t.Errorf("%+v", got)
		}
		s.untouched()
	})
}

func TestBackupDies(t *testing.T) {
	tests := map[string]struct {
		die   func(*fakeWorld)
		words string
	}{
		"meta leader lost": {func(w *fakeWorld) { w.loseLeader("east") }, "another one took over"},
		"upload failed":    {func(w *fakeWorld) { w.failBackups() }, "says that it failed"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				s := newBackup(t, schema.SourceWritesFenced)
				s.atCall("WatchBackup", 3, tt.die)
				s.must(s.apply(t.Context()))
				s.restored()
				if s.world.backupStarts != 2 || !s.warned(apply.CodeBackup, tt.words) {
					t.Errorf("%d backups\n%s", s.world.backupStarts, s.story())
				}
			})
		})
	}
	t.Run("again and again", func(t *testing.T) {
		inBubble(t, func(t *testing.T) {
			s := newBackup(t, schema.SourceWritesAccepted)
			seen := map[int]bool{}
			s.world.within(func(c call) error {
				s.world.mu.Lock()
				defer s.world.mu.Unlock()
				if c.name == "WatchBackup" && !seen[s.world.backupStarts] {
					seen[s.world.backupStarts] = true
					s.world.loseLeader("east")
				}
				return nil
			})
			s.stepFails(s.apply(t.Context()), apply.CodeBackup, "3 backups died one after the other")
			s.untouched()
			if len(s.world.store) != 0 || s.world.backupStarts != 3 {
				t.Errorf("%d folders, %d starts", len(s.world.store), s.world.backupStarts)
			}
			s.world.hook = nil
			s.must(s.apply(t.Context()))
			s.restored()
		})
	})
}

// The answer to START is lost: one backup is begun all the same, and found.
func TestBackupAnswerLost(t *testing.T) {
	tests := map[string]func(*backupScene){
		"at once": func(s *backupScene) {
			lost := false
			s.world.within(func(c call) error {
				if c.name == "StartBackup" && c.after && !lost {
					lost = true
					return errors.New("connection reset")
				}
				return nil
			})
		},
		"late": func(s *backupScene) { s.world.backupLater = 9 * time.Second },
		"with the leader": func(s *backupScene) {
			lost := false
			s.world.within(func(c call) error {
				if c.name == "StartBackup" && c.after && !lost {
					lost = true
					s.world.mu.Lock()
					defer s.world.mu.Unlock()
					s.world.loseLeader("east")
					return errors.New("connection reset")
				}
				return nil
			})
		},
	}
	for name, lose := range tests {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				s := newBackup(t, schema.SourceWritesAccepted)
				s.old(time.Hour)
				lose(s)
				s.must(s.apply(t.Context()))
				delete(s.world.store, s.world.oldest().place())
				s.restored()
				if want := map[string]int{"with the leader": 2}[name]; s.world.backupStarts != max(want, 1) {
					t.Errorf("%d backups were begun\n%s", s.world.backupStarts, s.story())
				}
			})
		})
	}
}

func (w *fakeWorld) oldest() (old *fakeBackup) {
	for _, b := range w.store {
		if old == nil || b.id < old.id {
			old = b
		}
	}
	return old
}

func TestBackupAdopted(t *testing.T) {
	adopt := func(age time.Duration) func(plan.Action) plan.Action {
		return func(a plan.Action) plan.Action {
			b := a.(plan.Backup)
			b.AdoptMaxAge = age
			return b
		}
	}
	t.Run("young enough", func(t *testing.T) {
		inBubble(t, func(t *testing.T) {
			s := newBackup(t, schema.SourceWritesAccepted).step("backup", adopt(2*time.Hour))
			s.old(time.Hour)
			s.must(s.apply(t.Context()))
			s.restored()
			if s.world.backupStarts != 0 {
				t.Error("a backup was made")
			}
		})
	})
	t.Run("stays in a rollback", func(t *testing.T) {
		inBubble(t, func(t *testing.T) {
			s := newBackup(t, schema.SourceWritesAccepted).step("backup", adopt(2*time.Hour))
			s.old(time.Hour)
			s.stopAt("VerifyBackupRows")
			if err := s.apply(t.Context()); err == nil {
				t.Fatal("not stopped")
			}
			s.world.hook = nil
			s.must(s.rollback(t.Context()))
			if len(s.world.store) != 1 || s.world.table(target()) != nil {
				t.Errorf("%d backups\n%s", len(s.world.store), s.story())
			}
		})
	})
	for name, writes := range map[string]schema.SourceWrites{"too old": schema.SourceWritesAccepted, "older than the fence": schema.SourceWritesFenced} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				s := newBackup(t, writes)
				if writes == schema.SourceWritesAccepted {
					s.step("backup", adopt(30*time.Minute))
				} else {
					s.step("backup", adopt(2*time.Hour))
				}
				old := s.old(time.Hour)
				s.must(s.apply(t.Context()))
				delete(s.world.store, old.place())
				s.restored()
				if s.world.backupStarts != 1 {
					t.Error("no backup was made")
				}
			})
		})
	}
}

func TestBackupRefused(t *testing.T) {
	t.Run("somebody else's is under way", func(t *testing.T) {
		inBubble(t, func(t *testing.T) {
			s := newBackup(t, schema.SourceWritesAccepted)
			s.world.mu.Lock()
			_, err := s.world.startBackup(s.plan.Steps[2].Action.(plan.Backup))
			s.world.mu.Unlock()
			s.must(err)
			time.Sleep(time.Second)
			s.stepFails(s.apply(t.Context()), apply.CodeBackup, "is not of this run")
			s.must(s.rollback(t.Context()))
			if len(s.world.store) != 1 {
				t.Error("somebody else's backup is gone")
			}
		})
	})
	t.Run("nothing moves", func(t *testing.T) {
		inBubble(t, func(t *testing.T) {
			s := newBackup(t, schema.SourceWritesAccepted)
			s.world.frozen = true
			s.stepFails(s.apply(t.Context()), apply.CodeBackup, "no progress for")
			if diff := s.flags["10.0.0.5:34801"][uploadFlag]; s.world.flags["10.0.0.5:34801"][uploadFlag] != diff {
				t.Error("the limit stayed behind a run that failed")
			}
			s.world.frozen = false
			s.must(s.apply(t.Context()))
			s.restored()
			if s.world.backupStarts != 1 {
				t.Errorf("%d backups", s.world.backupStarts)
			}
		})
	})
	t.Run("another store", func(t *testing.T) {
		inBubble(t, func(t *testing.T) {
			s := newBackup(t, schema.SourceWritesAccepted)
			s.world.elsewhere = true
			s.stepFails(s.apply(t.Context()), apply.CodeBackup, "no backup_info")
		})
	})
}

// A file that changed after it was written is found before anything is built on the backup.
func TestDamagedBackup(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newBackup(t, schema.SourceWritesFenced)
		s.atCall("VerifyBackup", 1, func(w *fakeWorld) { w.oldest().damaged[2] = true })
		s.stepFails(s.apply(t.Context()), apply.CodeBackup, "000012.sst")
		s.untouched()
		if s.world.restores != 0 {
			t.Error("it was restored")
		}
		s.world.hook = nil
		s.must(s.rollback(t.Context()))
		s.undone()
	})
}

// What was read is not read again.
func TestCheckGoesOn(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newBackup(t, schema.SourceWritesAccepted)
		n := 0
		s.world.within(func(c call) error {
			if (c.name == "VerifyBackup" || c.name == "VerifyBackupRows") && !c.after {
				if n++; n == 3 || n == 7 {
					return errors.New("connection reset")
				}
			}
			return nil
		})
		s.stepFails(s.apply(t.Context()), apply.CodeBackup, "could not be read")
		s.stepFails(s.apply(t.Context()), apply.CodeVerify, "could not be finished")
		s.must(s.apply(t.Context()))
		s.restored()
		if len(s.world.checked) != 4 || len(s.world.compared) != 4 {
			t.Errorf("read %v, compared %v", s.world.checked, s.world.compared)
		}
	})
}

// A fence that was lifted and raised again makes the backup worthless that began before.
func TestBackupOlderThanFence(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newBackup(t, schema.SourceWritesFenced)
		s.stopAt("VerifyBackup")
		if err := s.apply(t.Context()); err == nil {
			t.Fatal("not stopped")
		}
		// Of a rollback only the fence comes to be undone.
		s.world.within(func(c call) error {
			if c.name == "RemoveBackup" || c.name == "SetRate" {
				return errors.New("stopped by the test")
			}
			return nil
		})
		ctx, cancel := context.WithCancel(t.Context())
		s.sink = func(e event.Event) {
			if _, ok := e.(event.UndoDone); ok {
				cancel()
			}
		}
		if err := s.rollback(ctx); err == nil {
			t.Fatal("not stopped")
		}
		s.sink, s.world.hook = nil, nil
		s.must(s.world.write(source(), "late", "written between the two", 0))
		s.must(s.apply(t.Context()))
		s.restored()
		if s.world.table(target()).rows["late"].Value == "" || s.world.backupStarts != 2 {
			t.Errorf("%d backups\n%s", s.world.backupStarts, s.story())
		}
	})
}
