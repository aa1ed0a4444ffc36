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

// on calls do once, when a request of that name comes for the n-th time (from 1); with a "+" behind
// the name, when its answer is about to leave.
func (s *scene) on(name string, n int, do func() error) {
	name, after := strings.CutSuffix(name, "+")
	before := s.world.hook
	seen := 0
	s.world.hook = func(ctx context.Context, c call) error {
		if before != nil {
			if err := before(ctx, c); err != nil {
				return err
			}
		}
		if c.name == name && c.after == after {
			if seen++; seen == n {
				return do()
			}
		}
		return nil
	}
}

// The primary of a partition moves while rows are copied, and the new one does not know the fence
// yet: a client's write gets in behind the copy's back.
func TestFenceLeaks(t *testing.T) {
	for name, at := range map[string]struct {
		request string
		n       int
	}{"while copying": {"copy", 7}, "while comparing": {"verify", 1}, "behind the comparison": {"verify+", 1}} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				s := newScene(t, schema.SourceWritesFenced)
				src := s.world.table(source())
				key := keysOf(src, 0, "")[0] // copied long before
				s.on(at.request, at.n, func() error {
					s.world.movePrimary(source(), 0, 25*time.Second)
					return s.world.write(source(), key, "leaked", 7)
				})
				s.must(s.apply(t.Context()))
				rounds := happened[event.Verified](s)
				if len(rounds) < 2 || rounds[len(rounds)-1].Differences != 0 {
					t.Errorf("comparisons: %+v", rounds)
				}
				if got := s.show()[target().String()].Rows[key].Value; got != "leaked" {
					t.Errorf("%s is %q on the target", key, got)
				}
				s.warned(apply.CodeFence, "may have leaked")
			})
		})
	}
}

// The primary moves twice between two looks of the watch: nothing but its ballot tells.
func TestFenceLeaksUnseen(t *testing.T) {
	for _, at := range []string{"copy+", "verify+"} {
		inBubble(t, func(t *testing.T) {
			s := newScene(t, schema.SourceWritesFenced)
			key := keysOf(s.world.table(source()), 0, "")[0]
			s.on(at, 1, func() error { // the key is copied, or even compared
				s.world.movePrimary(source(), 0, time.Hour)
				err := s.world.write(source(), key, "leaked", 7)
				s.world.movePrimary(source(), 0, 0)
				return err
			})
			s.must(s.apply(t.Context()))
			if got := s.show()[target().String()].Rows[key].Value; got != "leaked" {
				t.Errorf("%s is %q on the target", key, got)
			}
			s.warned(apply.CodeFence, "ballot")
		})
	}
}

// A write that was accepted before the fence is committed late: rows are read only afterwards.
func TestQuiesceWaits(t *testing.T) {
	for commits, ends := range map[time.Duration]bool{time.Minute: true, time.Hour: false} {
		inBubble(t, func(t *testing.T) {
			s := newScene(t, schema.SourceWritesFenced)
			var at time.Time
			s.on("Decrees", 1, func() error {
				at = time.Now().Add(commits)
				s.world.table(source()).parts[2].commits = at
				return nil
			})
			s.on("copy", 1, func() error {
				if time.Now().Before(at) {
					t.Error("rows are copied before everything is committed")
				}
				return nil
			})
			err := s.apply(t.Context())
			if ends {
				s.must(err)
			} else {
				s.stepError(err, apply.CodeQuiesce)
				s.failedOnce(err)
			}
			for _, w := range happened[event.Waiting](s) {
				if strings.HasPrefix(w.Reason, "partition 2: decree ") {
					return
				}
			}
			t.Errorf("nobody says what is waited for\n%s", s.story())
		})
	}
}

// warned expects a warning.
func (s *scene) warned(code, text string) {
	s.t.Helper()
	for _, w := range happened[event.Warning](s) {
		if w.Code == code && strings.Contains(w.Text, text) {
			return
		}
	}
	s.t.Errorf("no warning %s %q\n%s", code, text, s.story())
}

// A fence that leaked while nobody was at work shows in nothing but a ballot: when the run resumes
// all partitions reject writes again.
func TestFenceLeakedWhileDead(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newScene(t, schema.SourceWritesFenced)
		s.on("verify", 1, func() error { return errors.New("stopped by the test") })
		if err := s.apply(t.Context()); err == nil {
			t.Fatal("not stopped")
		}
		src := s.world.table(source())
		s.world.movePrimary(source(), src.partOf("k03"), 20*time.Second)
		s.must(s.world.write(source(), "k03", "leaked", 7))
		time.Sleep(time.Minute)
		want := wanted(s)
		envs := want[source().String()].Envs
		envs[plan.EnvBusinessInfo] = "team pay"
		delete(envs, plan.EnvDeny)
		dst := want[target().String()]
		dst.Envs = envs
		want[target().String()] = dst
		s.must(s.apply(t.Context()))
		s.same(want)
	})
}

// A leak that never ends: the run says so instead of comparing for ever.
func TestFenceNeverProvenAgain(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newScene(t, schema.SourceWritesFenced)
		s.on("copy", 2, func() error {
			s.world.movePrimary(source(), 1, 24*time.Hour)
			return nil
		})
		err := s.apply(t.Context())
		var step *apply.StepError
		if !errors.As(err, &step) || step.Code != apply.CodeFence {
			t.Fatalf("%v\n%s", err, s.story())
		}
		s.warned(apply.CodeFence, "still rejected")
		s.failedOnce(err)
	})
}

// Somebody takes the deny env off while rows are copied. The next run raises the fence again and
// does not believe what was copied.
func TestFenceTakenOff(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newScene(t, schema.SourceWritesFenced)
		s.on("copy", 3, func() error {
			t := s.world.table(source())
			delete(t.envs, plan.EnvDeny)
			t.spread()
			return errAway
		})
		if err := s.apply(t.Context()); err == nil {
			t.Fatal("not stopped")
		}
		s.world.hook = nil
		time.Sleep(time.Minute)
		s.must(s.world.write(source(), "k03", "new", 7))
		s.must(s.world.remove(source(), "k04"))
		s.must(s.apply(t.Context()))
		got := s.show()
		if len(got[target().String()].Rows) != 23 || got[target().String()].Rows["k03"].Value != "new" {
			t.Errorf("%+v", got)
		}
		s.warned(apply.CodeCluster, "done again")
	})
}
