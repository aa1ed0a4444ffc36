package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pegmigrate/pegmigrate/internal/doctor"
	"github.com/pegmigrate/pegmigrate/state"
)

// leftLogs finds the logs of watchdogs beside a configuration that somebody should read: those whose last line is
// not that apply ended in order, and those of a migration that has no state any more. Migrations that are not
// declared any more are among them.
func leftLogs(dir string) ([]doctor.Leftover, error) {
	logs, err := filepath.Glob(state.WatchdogLogPath(dir, "*"))
	if err != nil { // the folder has a name that is a pattern
		return nil, err
	}
	slices.Sort(logs)
	var out []doctor.Leftover
	var unseen error
	for _, path := range logs {
		migration := strings.TrimSuffix(filepath.Base(path), strings.TrimPrefix(filepath.Base(state.WatchdogLogPath(dir, "*")), "*"))
		said, err := lastSaid(path)
		if err != nil {
			unseen = errors.Join(unseen, err)
			continue
		}
		_, err = os.Stat(state.Path(dir, migration))
		orphan := errors.Is(err, fs.ErrNotExist)
		if err != nil && !orphan {
			unseen = errors.Join(unseen, err)
		}
		if !orphan && !worthReading(said) {
			continue
		}
		what := fmt.Sprintf("the watchdog of migration %q left a log", migration)
		if orphan {
			what += ", and the migration has no state here"
		}
		if said != "" {
			what += "; its last line: " + said
		}
		out = append(out, doctor.Leftover{Where: path, What: what,
			Effect: "none on clients; it tells what was done to a fence after its run had died", Undo: "read it, then remove it: rm " + quoted(path)})
	}
	return out, unseen
}
