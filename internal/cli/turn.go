package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/pegmigrate/pegmigrate/state"
)

// A window of a cut-over can be ended by two processes: apply switches the route, its watchdog lifts the
// fence when apply is there and does nothing. Doing both would let writes into both tables. So the
// window has one file in the folder of the state, and its name says whose turn it is. Passing it on
// is a rename, which only one of two processes can win and which leaves nothing half done
// wherever one is stopped. The file says nothing after both processes died, so it need not be durable.
type turn string

const (
	turnOpen     turn = "open"     // apply is at work, the watchdog waits for the deadline
	turnHandover turn = "handover" // a request to switch the route may be under way
	turnLifting  turn = "lifting"  // the watchdog lifts; the route must not be switched
)

// errNotTheTurn says that it is somebody else's turn, or that the window is closed.
var errNotTheTurn = errors.New("it is not its turn")

// windowFile is the file of one window.
type windowFile struct{ dir, migration, window string }

const windowInfix = ".window-"

func (w windowFile) path(t turn) string {
	return filepath.Join(w.dir, state.Folder, w.migration+"@"+w.window+windowInfix+string(t))
}

// open begins the window, or goes on in one that an earlier process left; lifting is true when a watchdog
// has begun to lift. The caller holds the lock of the state: nobody else makes such files, watchdogs
// only rename them.
func (w windowFile) open() (lifting bool, err error) {
	if err := w.removeOthers(); err != nil {
		return false, err
	}
	switch now, err := w.turn(); {
	case err != nil:
		return false, err
	case now == turnOpen:
		return false, nil
	case now == turnLifting:
		return true, nil
	case now == turnHandover: // of a process that died; what became of its request is in the state
		return false, w.pass(turnHandover, turnOpen)
	}
	f, err := os.OpenFile(w.path(turnOpen), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return false, err
	}
	return false, f.Close()
}

// turn says whose turn it is, "" when the window is closed. A file that is renamed while this looks is
// found at its second look.
func (w windowFile) turn() (turn, error) {
	for range 2 {
		for _, t := range []turn{turnOpen, turnHandover, turnLifting} {
			switch _, err := os.Lstat(w.path(t)); {
			case err == nil:
				return t, nil
			case !errors.Is(err, fs.ErrNotExist):
				return "", err
			}
		}
	}
	return "", nil
}

// pass gives the window on; errNotTheTurn when it is not from's.
func (w windowFile) pass(from, to turn) error {
	err := os.Rename(w.path(from), w.path(to))
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("window %s: %w", w.window, errNotTheTurn)
	}
	return err
}

// close ends the window for everybody.
func (w windowFile) close() {
	for _, t := range []turn{turnOpen, turnHandover, turnLifting} {
		_ = os.Remove(w.path(t)) // one that stays is cleared away when the next window opens
	}
}

// removeOthers clears away what earlier windows left.
func (w windowFile) removeOthers() error {
	folder := filepath.Join(w.dir, state.Folder)
	entries, err := os.ReadDir(folder)
	if err != nil {
		return err
	}
	for _, e := range entries {
		name, ok := strings.CutPrefix(e.Name(), w.migration+"@")
		if !ok {
			continue
		}
		if window, _, ok := strings.Cut(name, windowInfix); ok && window != w.window {
			if err := os.Remove(filepath.Join(folder, e.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
	}
	return nil
}
