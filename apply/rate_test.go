package apply_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/apply"
	"github.com/pegmigrate/pegmigrate/internal/event"
	"github.com/pegmigrate/pegmigrate/plan"
	"github.com/pegmigrate/pegmigrate/schema"
)

const server5 = "10.0.0.5:34801"

// A limit rises while bytes flow, from the start to the maximum, and never by more than a step.
func TestRamp(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newBackup(t, schema.SourceWritesAccepted)
		s.must(s.apply(t.Context()))
		s.restored()
		var values []string
		for _, change := range s.world.set {
			if server, value, _ := strings.Cut(change, "="); server == server5 {
				values = append(values, value)
			}
		}
		if want := []string{"10", "30", "50", "60", "200"}; !slices.Equal(values, want) {
			t.Errorf("%v, want %v", values, want)
		}
		said := slices.ContainsFunc(happened[event.Waiting](s.scene), func(w event.Waiting) bool {
			return strings.Contains(w.Reason, "upload limited to 30.0 MiB/s per server, 50.0 MiB/s in")
		})
		if !said {
			t.Error("the limit is not told while it is waited")
		}
	})
}

// A server that was started again has forgotten the limit, and one that is new has a value of its own.
func TestRateOfOtherServers(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newBackup(t, schema.SourceWritesAccepted)
		const fresh = "10.0.0.9:34801"
		s.step("backup-rate", func(a plan.Action) plan.Action {
			l := a.(plan.LimitRate)
			l.Ramp.Every = time.Hour
			return l
		})
		s.atCall("WatchBackup", 2, func(w *fakeWorld) {
			w.flags[server5][uploadFlag] = "200"
			w.servers["east"] = append(w.servers["east"], fresh)
			w.flags[fresh] = map[string]string{uploadFlag: "77"}
		})
		s.must(s.apply(t.Context()))
		s.flags[fresh] = map[string]string{uploadFlag: "77"}
		s.restored()
		for _, change := range []string{fresh + "=10", fresh + "=77"} {
			if !slices.Contains(s.world.set, change) {
				t.Errorf("%s is not among %v", change, s.world.set)
			}
		}
		again := slices.DeleteFunc(slices.Clone(s.world.set), func(c string) bool { return c != server5+"=10" })
		if len(again) != 2 {
			t.Errorf("the server that forgot was set %d times", len(again))
		}
	})
}

// A server that died keeps nobody waiting for ever, and is named; one that is only cut off gets its value.
func TestRateOfDeadServer(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newBackup(t, schema.SourceWritesAccepted)
		s.atCall("WatchBackup", 2, func(w *fakeWorld) { w.down[server5] = true })
		s.must(s.apply(t.Context()))
		if !s.warned(apply.CodeRate, server5+" is not alive") {
			t.Errorf("not told\n%s", s.story())
		}
		s.flags[server5] = s.world.flags[server5]
		s.restored()
	})
	inBubble(t, func(t *testing.T) {
		s := newBackup(t, schema.SourceWritesAccepted)
		s.atCall("WatchBackup", 2, func(w *fakeWorld) {
			w.down[server5] = true
			time.AfterFunc(65*time.Second, func() {
				w.mu.Lock()
				defer w.mu.Unlock()
				w.down[server5] = false
			})
		})
		s.must(s.apply(t.Context()))
		s.restored()
	})
}

// A value that somebody set meanwhile is left alone.
func TestRateOfSomebodyElse(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newBackup(t, schema.SourceWritesAccepted)
		s.atCall("VerifyBackup", 1, func(w *fakeWorld) { w.flags[server5][uploadFlag] = "5" })
		s.must(s.apply(t.Context()))
		if s.world.flags[server5][uploadFlag] != "5" || !s.warned(apply.CodeRate, "none of the values that this run set") {
			t.Errorf("%v\n%s", s.world.flags[server5], s.story())
		}
	})
}

func TestRateWithoutFlag(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newBackup(t, schema.SourceWritesAccepted)
		s.world.noFlag = true
		s.must(s.apply(t.Context()))
		s.restored()
		told := slices.ContainsFunc(happened[event.StepSkipped](s.scene), func(e event.StepSkipped) bool {
			return e.Step == "backup-rate" && strings.Contains(e.Reason, "no effect")
		})
		if !told {
			t.Errorf("not told\n%s", s.story())
		}
	})
}

// A run that fails gives the limits back, and the next one sets them again.
func TestRateAfterFailure(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newBackup(t, schema.SourceWritesAccepted)
		s.world.stuck = true
		s.stepFails(s.apply(t.Context()), apply.CodeRestore, "no progress")
		s.untouched()
		s.world.stuck, s.world.set = false, nil
		s.world.mu.Lock()
		dst, _ := s.world.find(target())
		dst.primaries, dst.healthy = time.Now().Add(time.Minute), time.Now().Add(2*time.Minute)
		s.world.mu.Unlock()
		s.must(s.apply(t.Context()))
		s.restored()
		if !slices.Contains(s.world.set, "10.1.0.5:34801=10") || slices.Contains(s.world.set, server5+"=10") {
			t.Errorf("set again were %v", s.world.set)
		}
	})
}

// A limit that cannot be given back is loud, and says what to type.
func TestRateNotGivenBack(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newBackup(t, schema.SourceWritesAccepted)
		broken := false
		s.world.within(func(c call) error {
			broken = broken || c.name == "VerifyBackup"
			if broken && c.name == "SetRate" && c.table.Table == server5 {
				return errors.New("connection reset")
			}
			return nil
		})
		err := s.stepFails(s.apply(t.Context()), apply.CodeRate, "could not be given back")
		if want := fmt.Sprintf("curl 'http://%s/updateConfig?%s=200'", server5, uploadFlag); !strings.Contains(err.Hint, want) {
			t.Errorf("%q does not say %s", err.Hint, want)
		}
		s.world.hook = nil
		s.must(s.apply(t.Context()))
		s.restored()
	})
}
