package apply_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/apply"
	"github.com/pegmigrate/pegmigrate/internal/event"
	"github.com/pegmigrate/pegmigrate/plan"
	"github.com/pegmigrate/pegmigrate/schema"
)

func TestRestoreAnswerLost(t *testing.T) {
	tests := map[string]func(*backupScene){
		"at once": func(s *backupScene) {
			lost := false
			s.world.within(func(c call) error {
				if c.name == "StartRestore" && c.after && !lost {
					lost = true
					return errors.New("connection reset")
				}
				return nil
			})
		},
		"late": func(s *backupScene) { s.world.restoreLater = 9 * time.Second },
	}
	for name, lose := range tests {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				s := newBackup(t, schema.SourceWritesFenced)
				lose(s)
				s.must(s.apply(t.Context()))
				s.restored()
				if s.world.restores != 1 {
					t.Errorf("%d restores", s.world.restores)
				}
			})
		})
	}
}

// The answer is lost and nothing comes of it: the next run restores, once.
func TestRestoreRequestLost(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newBackup(t, schema.SourceWritesAccepted)
		s.world.within(func(c call) error {
			if c.name == "StartRestore" && !c.after {
				return apply.ErrOutcomeUnknown
			}
			return nil
		})
		s.stepFails(s.apply(t.Context()), apply.CodeRestore, "was not started")
		s.untouched()
		s.world.hook = nil
		s.must(s.apply(t.Context()))
		s.restored()
	})
}

func TestRestoreRefused(t *testing.T) {
	tests := map[string]struct {
		change func(*backupScene)
		code   string
		words  string
	}{
		"too few servers": {func(s *backupScene) { s.world.nodes = 2 }, apply.CodeRestore, "has 2 live replica servers"},
		"somebody's table": {func(s *backupScene) {
			s.atCall("LiveNodes", 1, func(w *fakeWorld) {
				w.create(plan.CreateTable{Table: target(), Partitions: 4, Replicas: 3})
			})
		}, apply.CodeTargetStolen, "is not of this run"},
		"somebody's restore of another backup": {func(s *backupScene) {
			s.atCall("StartRestore", 1, func(w *fakeWorld) {
				w.create(plan.CreateTable{Table: target(), Partitions: 4, Replicas: 3, Envs: map[string]string{"restore.backup_id": "17"}})
			})
		}, apply.CodeRestore, "ERR_INVALID_PARAMETERS"},
		"another table's backup": {func(s *backupScene) {
			s.atCall("LiveNodes", 1, func(*fakeWorld) {})
			s.atCall("StoredBackup", 1, func(*fakeWorld) {})
			seen := 0
			s.world.within(func(c call) error {
				if c.name == "VerifyBackup" && c.after {
					if seen++; seen == 4 {
						s.world.mu.Lock()
						defer s.world.mu.Unlock()
						s.world.oldest().appID = 99
					}
				}
				return nil
			})
		}, apply.CodeRestore, "kills the meta server"},
		"backup of a duplicated table": {func(s *backupScene) {
			s.atCall("VerifyBackup", 1, func(w *fakeWorld) { w.oldest().duplicating = true })
		}, apply.CodeRestore, "marked as duplicated for ever"},
		"backup of a table that was loading": {func(s *backupScene) {
			s.atCall("VerifyBackup", 1, func(w *fakeWorld) { w.oldest().loading = true })
		}, apply.CodeRestore, "would count as loading"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				s := newBackup(t, schema.SourceWritesFenced)
				tt.change(s)
				s.stepFails(s.apply(t.Context()), tt.code, tt.words)
				s.untouched()
				if s.world.restores != 0 {
					t.Error("it was restored")
				}
				s.world.hook, s.world.nodes = nil, 3
				for _, b := range s.world.store {
					b.appID = 12
				}
				stranger := s.world.table(target())
				s.must(s.rollback(t.Context()))
				if stranger != nil {
					if s.world.table(target()) == nil {
						t.Fatal("a stranger's table was dropped")
					}
					delete(s.world.clusters["west"].tables, "orders")
				}
				s.undone()
			})
		})
	}
}

// Servers that find a damaged file drop the whole table: it is said what happened, and which file it was.
func TestRestoreTakenBack(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newBackup(t, schema.SourceWritesFenced)
		s.atCall("StartRestore", 1, func(w *fakeWorld) { w.oldest().damaged[2] = true })
		err := s.stepFails(s.apply(t.Context()), apply.CodeRestore, "took the restore back")
		for _, want := range []string{"damaged are partitions [2]", "000012.sst"} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%v\ndoes not say %q", err, want)
			}
		}
		s.untouched()
		s.world.hook = nil
		s.world.mu.Lock()
		clear(s.world.oldest().damaged)
		s.world.mu.Unlock()
		s.must(s.apply(t.Context()))
		s.restored()
	})
}

// Declared so, damaged partitions come up empty, and are named.
func TestRestoreSkips(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newBackup(t, schema.SourceWritesAccepted).step("restore", func(a plan.Action) plan.Action {
			r := a.(plan.Restore)
			r.SkipBadPartition = true
			return r
		})
		s.atCall("VerifyBackup", 1, func(w *fakeWorld) { w.oldest().damaged[2] = true })
		s.must(s.apply(t.Context()))
		s.untouched()
		if !s.warned(apply.CodeRestore, "partitions [2] of west/orders came up empty") {
			t.Errorf("not told\n%s", s.story())
		}
		src, dst := s.world.table(source()), s.world.table(target())
		lost := 0
		for k := range src.rows {
			if _, ok := dst.rows[k]; !ok {
				lost++
			}
			if _, ok := dst.rows[k]; ok != (src.partOf(k) != 2) {
				t.Errorf("%s", k)
			}
		}
		if lost == 0 {
			t.Error("nothing is empty")
		}
		done := happened[event.RunDone](s.scene)
		if len(done) != 1 || !strings.Contains(done[0].Text, "partitions [2] came up empty") {
			t.Errorf("%+v", done)
		}
	})
}

// A target that somebody wrote to is not what the backup holds.
func TestBackupRowsDiffer(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newBackup(t, schema.SourceWritesAccepted)
		s.atCall("VerifyBackupRows", 2, func(w *fakeWorld) {
			dst, _ := w.find(target())
			for _, k := range keysOf(w.clusters["east"].tables["orders"], 3, "")[:1] {
				delete(dst.rows, k)
			}
		})
		var diff *apply.DifferencesError
		if err := s.apply(t.Context()); !errors.As(err, &diff) || diff.Count != 1 {
			t.Fatalf("%v\n%s", err, s.story())
		}
		s.untouched()
		s.world.hook = nil
		s.must(s.rollback(t.Context()))
		s.undone()
	})
}
