package cli

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/pegmigrate/pegmigrate/state"
)

// What watchdogs did, and why they did not, has to be known after both processes are gone: it is in a
// file beside the state, one line each.

// watchdogLogLimit is the size from which a log is begun anew.
const watchdogLogLimit = 1 << 20

// disarmed ends the line of a watchdog that had nothing to do.
const disarmed = "disarmed by apply"

// watchdogLog is the file. Writing to it never fails the watchdog.
type watchdogLog struct {
	out    io.WriteCloser
	now    func() time.Time
	window string
}

func openWatchdogLog(dir, migration string, now func() time.Time) *watchdogLog {
	path := state.WatchdogLogPath(dir, migration)
	flags := os.O_APPEND | os.O_CREATE | os.O_WRONLY
	if info, err := os.Stat(path); err == nil && info.Size() > watchdogLogLimit {
		flags |= os.O_TRUNC
	}
	l := &watchdogLog{now: now}
	if f, err := os.OpenFile(path, flags, 0o600); err == nil {
		l.out = f
	}
	return l
}

func (l *watchdogLog) say(format string, args ...any) {
	if l.out == nil {
		return
	}
	text := strings.ReplaceAll(fmt.Sprintf(format, args...), "\n", "; ")
	fmt.Fprintf(l.out, "%s %d %s %s\n", l.now().UTC().Format(time.RFC3339Nano), os.Getpid(), l.window, text)
}

func (l *watchdogLog) close() {
	if l.out != nil {
		_ = l.out.Close()
	}
}

// watchdogSaid is the last line that a watchdog of a migration left, "" when there is none or it had
// nothing to do.
func watchdogSaid(dir, migration string) string {
	path := state.WatchdogLogPath(dir, migration)
	last, err := lastSaid(path)
	if err != nil || !worthReading(last) {
		return ""
	}
	return fmt.Sprintf("the watchdog of an earlier run: %s (%s)", last, path)
}

// lastSaid is the last line of a log.
func lastSaid(path string) (string, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	lines := bytes.Split(bytes.TrimSpace(data), []byte("\n"))
	return string(lines[len(lines)-1]), nil
}

// worthReading says whether a watchdog had something to do when it wrote that line.
func worthReading(last string) bool { return last != "" && !strings.HasSuffix(last, disarmed) }
