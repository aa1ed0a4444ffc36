package apply_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/apply"
	"github.com/pegmigrate/pegmigrate/plan"
)

// refusal expects a run to end with a code, and gives its text and hint.
func (s *loadScene) refusal(err error, code string) string {
	s.t.Helper()
	var step *apply.StepError
	if !errors.As(err, &step) || step.Code != code {
		s.t.Fatalf("%v, want %s\n%s", err, code, s.story())
	}
	return step.Error() + " | " + step.Hint
}

func (s *loadScene) says(text string, wants ...string) {
	s.t.Helper()
	for _, want := range wants {
		if !strings.Contains(text, want) {
			s.t.Errorf("%q does not say %q", text, want)
		}
	}
}

// The window in which writes are rejected is measured, and told beside what the plan said.
func TestLoad(t *testing.T) {
	for name, scene := range loadScenes() {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				s := scene(t)
				s.must(s.through(t.Context()))
				s.loaded()
				s.says(s.story(), "rejected writes while they ingested", "predicted were 20 s")
				if !s.waitedFor("downloading: 40 %") || !s.waitedFor("12 of 24 replicas have taken the files in") {
					t.Errorf("no progress was told\n%v", s.story())
				}
				if s.world.loadStarts != 1 || s.world.compacts != 1 {
					t.Errorf("%d loads, %d compactions", s.world.loadStarts, s.world.compacts)
				}
			})
		})
	}
}

// The first Ctrl-C pauses a load that downloads; the next apply goes on with it.
func TestInterruptedLoadIsPaused(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newBulk(t)
		s.until("BulkLoad", func() bool { return s.status() == "BLS_DOWNLOADING" && s.world.loadStarts == 1 })
		if got := s.status(); got != "BLS_PAUSING" {
			t.Errorf("the load is %s", got)
		}
		time.Sleep(time.Minute)
		s.world.table(target())
		if got := s.status(); got != "BLS_PAUSED" {
			t.Errorf("the load is %s", got)
		}
		if !s.warnedOf("the bulk load is paused") {
			t.Error(s.story())
		}
		s.must(s.apply(t.Context()))
		s.loaded()
		if want := []apply.LoadControl{apply.PauseLoad, apply.ResumeLoad}; !slices.Equal(s.world.controls, want) || s.world.loadStarts != 1 {
			t.Errorf("%v, %d starts", s.world.controls, s.world.loadStarts)
		}
	})
	inBubble(t, func(t *testing.T) { // while it ingests nothing can be paused
		s := newBulk(t)
		s.until("BulkLoad", func() bool { return s.status() == "BLS_INGESTING" })
		if !s.warnedOf("cannot be paused (BLS_INGESTING)") {
			t.Error(s.story())
		}
		s.must(s.apply(t.Context()))
		s.loaded()
	})
}

// Rollback cancels; only a load that ingests is cancelled by force, and what that leaves is said.
func TestRollbackCancelsALoad(t *testing.T) {
	for status, want := range map[string]apply.LoadControl{"BLS_DOWNLOADING": apply.CancelLoad, "BLS_INGESTING": apply.ForceCancelLoad} {
		inBubble(t, func(t *testing.T) {
			s := newBulk(t)
			s.until("BulkLoad", func() bool { return s.status() == status })
			s.must(s.rollback(t.Context()))
			s.takenBack()
			if s.world.controls[len(s.world.controls)-1] != want {
				t.Errorf("%s: %v", status, s.world.controls)
			}
			if forced := s.warnedOf("had taken their files in keep those rows"); forced != (want == apply.ForceCancelLoad) {
				t.Errorf("%s: what is left is told: %v", status, forced)
			}
		})
	}
}

// Another load of the cluster is waited for, with its name, and not for ever.
func TestLoadWaitsForAnother(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newBulk(t)
		s.world.otherUntil = time.Now().Add(40 * time.Minute)
		s.must(s.apply(t.Context()))
		s.loaded()
		if !s.waitedFor("west loads events: one load at a time") {
			t.Error(s.story())
		}
	})
	inBubble(t, func(t *testing.T) {
		s := newBulk(t)
		s.world.otherUntil = time.Now().Add(100 * time.Hour)
		s.says(s.refusal(s.apply(t.Context()), apply.CodeLoad), "gave up after 2 h", "events")
		if got := s.world.table(target()).envs[plan.EnvUsageScenario]; got != "normal" {
			t.Errorf("usage scenario %q is left behind", got)
		}
		s.must(s.rollback(t.Context()))
		s.takenBack()
	})
}

// A load that fails is told with what happened, where, and what to do; scenario and level are given
// back at once, and the next apply loads anew.
func TestFailedLoad(t *testing.T) {
	for code, want := range map[string]string{
		"ERR_CORRUPTION":            "a file is missing on the block service",
		"ERR_FS_INTERNAL":           "could not read from the block service",
		"ERR_FILE_OPERATION_FAILED": "look at the disks of the replica servers",
		"ERR_RETRY_EXHAUSTED":       "rolled back to downloading more often",
		"ERR_UNKNOWN":               "do not say why",
	} {
		inBubble(t, func(t *testing.T) {
			s := newBulk(t)
			s.world.fails["BLS_DOWNLOADING"] = code
			s.says(s.refusal(s.apply(t.Context()), apply.CodeLoad), want, code, "partition 1 on node0", "the same command loads again")
			if got := s.world.table(target()).envs[plan.EnvUsageScenario]; got != "normal" {
				t.Errorf("usage scenario %q is left behind", got)
			}
			if level := s.world.clusters["west"].level; level != "lively" {
				t.Errorf("meta function level %s is left behind", level)
			}
			time.Sleep(time.Hour)
			s.must(s.apply(t.Context()))
			s.loaded()
			if s.world.loadStarts != 2 {
				t.Errorf("%d starts", s.world.loadStarts)
			}
		})
	}
}

// Behind files that were taken in no second ones fit: a load with ingest_behind that failed on the way
// is not begun again.
func TestFailedIngestBehind(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newDual(t)
		s.world.fails["BLS_INGESTING"] = "ERR_INGESTION_FAILED"
		s.says(s.refusal(s.through(t.Context()), apply.CodeLoad), "RocksDB of a replica refused the files", "may have taken files in already")
		s.says(s.refusal(s.apply(t.Context()), apply.CodeLoad), "takes no second file behind the same keys", "rollback")
		if s.world.loadStarts != 1 {
			t.Errorf("%d starts", s.world.loadStarts)
		}
		s.must(s.rollback(t.Context()))
		s.takenBack()
	})
}

// What would make the load fail or hang is found right before it.
func TestPreflightOfALoad(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(*loadScene)
		want  string
	}{
		"fenced": {func(s *loadScene) {
			t := s.world.table(target())
			t.envs[plan.EnvDeny] = "reconfig*write"
			t.spread()
		}, "denies writes"},
		"duplicated": {func(s *loadScene) {
			_, err := fakeDuplications{s.world}.AddDuplication(s.t.Context(), plan.AddDuplication{Source: target(), Target: source(), Remote: "cluster-east"})
			s.must(err)
		}, "servers of 2.4 and 2.5 may crash"},
		"staging gone":     {func(s *loadScene) { s.world.dirs = map[string]*fakeStaging{} }, "not complete"},
		"staging of other": {func(s *loadScene) { s.world.dirs[place(loadStaging())].id = 99 }, "for the table with id 99"},
		"never healthy":    {func(s *loadScene) { s.world.table(target()).healthy = time.Now().Add(100 * time.Hour) }, "have all their replicas"},
		"loaded by others": {func(s *loadScene) {
			s.world.table(target()).load = &fakeLoad{status: "BLS_DOWNLOADING", loading: true, looked: time.Now().Add(time.Hour)}
		}, "not by this run"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				s := newBulk(t)
				s.until("SetEnvs", s.usageSet)
				c.spoil(s)
				err := s.apply(t.Context())
				var step *apply.StepError
				if !errors.As(err, &step) {
					t.Fatalf("%v\n%s", err, s.story())
				}
				s.says(step.Error()+step.Hint, c.want)
				if s.world.loadStarts > 0 {
					t.Error("it was loaded")
				}
			})
		})
	}
	inBubble(t, func(t *testing.T) { // an env that was set later passes the meta server's check, and fails the ingestion
		s := newDual(t)
		s.action("create-target", func(a plan.Action) plan.Action {
			c := a.(plan.CreateTable)
			c.Envs = nil
			return c
		})
		s.until("SetEnvs", s.usageSet)
		s.world.table(target()).envs["rocksdb.allow_ingest_behind"] = "true"
		s.says(s.refusal(s.through(t.Context()), apply.CodeLoad), "was not created with rocksdb.allow_ingest_behind")
	})
}

// A load that does not move says why.
func TestStuckLoad(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(*fakeTable)
		want  string
	}{
		"no replica": {func(t *fakeTable) { t.healthy = time.Now().Add(100 * time.Hour) }, "do not have all their replicas"},
		"fenced":     {func(t *fakeTable) { t.envs[plan.EnvDeny] = "reconfig*write"; t.spread() }, "the target denies writes"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				s := newBulk(t)
				s.world.downloads = 20
				s.until("BulkLoad", func() bool { return s.status() == "BLS_DOWNLOADING" })
				dst := s.world.table(target())
				c.spoil(dst)
				s.says(s.refusal(s.apply(t.Context()), apply.CodeLoad), "no progress for 15 min", "ingesting", c.want)
				if !s.warnedOf(c.want) {
					t.Error("nobody was told before the end")
				}
				dst.healthy = time.Now()
				delete(dst.envs, plan.EnvDeny)
				dst.spread()
				s.must(s.apply(t.Context()))
				s.loaded()
			})
		})
	}
}
