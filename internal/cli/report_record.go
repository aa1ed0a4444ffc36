package cli

import (
	"os"
	"path/filepath"

	"github.com/pegmigrate/pegmigrate/internal/atomicfile"
	"github.com/pegmigrate/pegmigrate/internal/event"
	"github.com/pegmigrate/pegmigrate/internal/history"
	"github.com/pegmigrate/pegmigrate/state"
)

// sink gives the listeners of a run: what the operator sees, the metrics when they are served, and the
// history that `pegmigrate report` draws. Call the function when the run is over.
//
// A comparison alone is recorded only beside a state document: it leaves no folder behind where there was
// none.
func (s *session) sink(json bool, command string) (event.Sink, func()) {
	shown, done := s.env.sink(json)
	if s.metrics != nil {
		shown = event.Tee(shown, s.metrics)
	}
	if _, err := os.Stat(state.Path(s.dir, s.migration.Name)); err != nil {
		return shown, done
	}
	host, _ := os.Hostname() // a report without the name of the host is better than none
	// Not s.env.FS: a history is no part of what has to survive, so its writes are none of the points that
	// crash loops count.
	recorder := history.Open(atomicfile.OS{}, historyFolder(s.dir), s.migration.Name,
		history.Opening{Command: command, Version: s.env.Version, Host: host, PID: os.Getpid()},
		history.Options{Now: s.env.Now, Warn: func(err error) {
			shown.Emit(event.Warning{Code: codeHistory, Text: err.Error(), Hint: "the migration does not need it; `pegmigrate report` will have less to show"})
		}})
	return event.Tee(shown, recorder), func() {
		recorder.Close()
		done()
	}
}

// historyFolder is where a history lies: beside the state document.
func historyFolder(dir string) string { return filepath.Join(dir, state.Folder) }
