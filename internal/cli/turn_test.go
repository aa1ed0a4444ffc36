package cli

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/apply"
	"github.com/pegmigrate/pegmigrate/state"
)

func newWindow(t *testing.T) windowFile {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, state.Folder), 0o700); err != nil {
		t.Fatal(err)
	}
	return windowFile{dir: dir, migration: "orders", window: "11111111-fence-source-1"}
}

// A switch and a watchdog that want the same window at the same moment: one of them gets it.
func TestOneOfTwoGetsTheWindow(t *testing.T) {
	switched := 0
	for range 200 {
		w := newWindow(t)
		if _, err := w.open(); err != nil {
			t.Fatal(err)
		}
		a := &watchdog{window: w}
		var handover, lift error
		var both sync.WaitGroup
		both.Go(func() { handover = a.Handover() })
		both.Go(func() { lift = w.pass(turnOpen, turnLifting) })
		both.Wait()
		if (handover == nil) == (lift == nil) {
			t.Fatalf("handover: %v, lifting: %v", handover, lift)
		}
		if handover == nil {
			switched++
		} else if !errors.Is(handover, apply.ErrLifted) || !errors.Is(a.Handover(), apply.ErrLifted) {
			t.Fatalf("apply is told %v", handover)
		}
	}
	t.Logf("apply won %d of 200", switched)
}

// A run that goes on in a window finds it as the one before left it; a new window clears the old one away.
func TestWindowOfAnEarlierRun(t *testing.T) {
	w := newWindow(t)
	for _, c := range []struct {
		left    turn
		lifting bool
	}{{turnOpen, false}, {turnHandover, false}, {turnLifting, true}} {
		if _, err := w.open(); err != nil {
			t.Fatal(err)
		}
		if c.left != turnOpen {
			if err := w.pass(turnOpen, c.left); err != nil {
				t.Fatal(err)
			}
		}
		if lifting, err := w.open(); err != nil || lifting != c.lifting {
			t.Errorf("%s: lifting %t, %v", c.left, lifting, err)
		}
		w.close()
		if now, err := w.turn(); now != "" || err != nil {
			t.Errorf("closed, and it is the turn of %q, %v", now, err)
		}
	}
	if _, err := w.open(); err != nil {
		t.Fatal(err)
	}
	next, other := w, w
	next.window, other.migration = "11111111-fence-source-2", "orders2"
	for _, x := range []windowFile{other, next} {
		if _, err := x.open(); err != nil {
			t.Fatal(err)
		}
	}
	if now, _ := w.turn(); now != "" {
		t.Errorf("the old window is %q", now)
	}
	if now, _ := other.turn(); now != turnOpen {
		t.Errorf("the window of another migration is %q", now)
	}
	if err := w.pass(turnOpen, turnLifting); !errors.Is(err, errNotTheTurn) {
		t.Errorf("a watchdog of the old window is told %v", err)
	}
}

// What a watchdog that had to act wrote is told; what one that had not to, is not.
func TestWhatAWatchdogSaid(t *testing.T) {
	w := newWindow(t)
	log := openWatchdogLog(w.dir, w.migration, time.Now)
	defer log.close()
	for _, c := range []struct {
		says string
		told bool
	}{{"apply died inside\nthe reject window: the fence is lifted", true}, {disarmed, false}} {
		log.say("%s", c.says)
		if said := watchdogSaid(w.dir, w.migration); (said != "") != c.told {
			t.Errorf("after %q: %q", c.says, said)
		}
	}
}
