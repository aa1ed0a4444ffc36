package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/pegmigrate/pegmigrate/apply"
	"github.com/pegmigrate/pegmigrate/state"
)

// The watchdog is a process of its own that outlives apply (guard). It holds the reading end of a pipe:
// as long as apply lives the pipe is open; when apply dies in any way the kernel closes it, and the
// watchdog lifts the fence. Over the pipe apply tells by when lifting has to begin; when that moment
// passes and apply has neither lifted nor said another one, because it is stopped or hangs, the watchdog
// lifts too (turn.go keeps the two from doing opposite things). It is a session of its own, so that
// neither Ctrl-C nor a terminal that goes away ends both.

// Words between apply and its watchdog. The first goes back, the others have one line each.
const (
	watchdogReady  = "ready"  // the watchdog has reached the source's cluster
	watchdogWindow = "window" // NAME: the window to watch from now on
	watchdogUntil  = "until"  // NANOSECONDS: lifting has to begin by then, Unix time
	watchdogDisarm = "disarm" // there is nothing left to lift
)

// holderWatchdog is the command under which a watchdog holds the lock of the state.
const holderWatchdog = "pegmigrate watchdog"

// armLimit bounds the start of a watchdog, tellLimit a word to it, disarmLimit its end.
const (
	armLimit    = 30 * time.Second
	tellLimit   = time.Second
	disarmLimit = 5 * time.Second
)

// watchdog starts, talks to, and ends the process. It implements apply.Watchdog.
type watchdog struct {
	env       Env
	dir       string
	migration string
	source    string   // label of the source cluster
	metas     []string // of the source cluster
	window    windowFile
	process   *exec.Cmd
	pipe      *os.File
	ended     chan struct{} // closed when the process has ended
}

var _ apply.Watchdog = (*watchdog)(nil)

// Arm implements apply.Watchdog. It returns when the process has reached the source's cluster.
func (w *watchdog) Arm(ctx context.Context, window string) error {
	if w.process != nil && !w.gone() && w.window.window == window {
		return nil
	}
	w.window = windowFile{dir: w.dir, migration: w.migration, window: window}
	lifting, err := w.window.open()
	switch {
	case err != nil:
		return err
	case lifting:
		return apply.ErrLifted
	case w.process != nil && !w.gone():
		return w.tell(watchdogWindow + " " + window)
	}
	w.forget()
	return w.start(ctx)
}

func (w *watchdog) start(ctx context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	in, pipe, err := os.Pipe()
	if err != nil {
		return err
	}
	defer in.Close()
	cmd := exec.Command(self) //nolint:noctx // it is to outlive this process, and with it ctx
	cmd.Args = []string{os.Args[0], "watchdog", "-dir", w.dir, "-migration", w.migration, "-source", w.source,
		"-meta", strings.Join(w.metas, ","), "-window", w.window.window}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.Stdin, cmd.Stderr = in, os.Stderr
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		_ = pipe.Close()
		return err
	}
	w.process, w.pipe, w.ended = cmd, pipe, make(chan struct{})
	ready := make(chan error, 1)
	go func() {
		defer close(w.ended)
		line, err := bufio.NewReader(out).ReadString('\n')
		if strings.TrimSpace(line) == watchdogReady {
			ready <- nil
			_ = cmd.Wait()
			return
		}
		ready <- fmt.Errorf("it ended: %w", errors.Join(err, cmd.Wait()))
	}()
	select {
	case err = <-ready:
	case <-time.After(armLimit):
		err = fmt.Errorf("it did not reach the source's cluster within %s", armLimit)
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	if err != nil {
		_ = cmd.Process.Kill()
		w.forget()
	}
	return err
}

// gone says whether the process has ended.
func (w *watchdog) gone() bool {
	select {
	case <-w.ended:
		return true
	default:
		return false
	}
}

// forget waits for the end of a process and lets go of it.
func (w *watchdog) forget() {
	if w.process == nil {
		return
	}
	_ = w.pipe.Close()
	<-w.ended
	w.process, w.pipe = nil, nil
}

// tell writes one line. A watchdog that is stopped must not stop apply too.
func (w *watchdog) tell(line string) error {
	if w.process == nil || w.gone() {
		return errors.New("it has ended")
	}
	if err := w.pipe.SetWriteDeadline(time.Now().Add(tellLimit)); err != nil {
		return err
	}
	_, err := w.pipe.WriteString(line + "\n")
	return err
}

// Until implements apply.Watchdog.
func (w *watchdog) Until(at time.Time) error {
	return w.tell(watchdogUntil + " " + strconv.FormatInt(at.UnixNano(), 10))
}

// Handover implements apply.Watchdog.
func (w *watchdog) Handover() error {
	err := w.window.pass(turnOpen, turnHandover)
	if !errors.Is(err, errNotTheTurn) {
		return err
	}
	if now, lookErr := w.window.turn(); lookErr == nil && now == turnHandover {
		return nil // taken before
	}
	return apply.ErrLifted
}

// Lifting implements apply.Watchdog.
func (w *watchdog) Lifting() bool {
	if w.process == nil {
		return false
	}
	_, err := os.Lstat(w.window.path(turnLifting))
	return err == nil
}

// Resume implements apply.Watchdog.
func (w *watchdog) Resume() error { return w.window.pass(turnHandover, turnOpen) }

// Disarm ends the process and waits for it.
func (w *watchdog) Disarm() {
	if w.process == nil {
		return
	}
	_ = w.tell(watchdogDisarm)
	process := w.process.Process
	kill := time.AfterFunc(disarmLimit, func() { _ = process.Kill() })
	defer kill.Stop()
	w.forget()
	w.window.close()
}

// dyingLimit is how long a lock is waited for whose holder has died, or is not known yet: a process that
// dies is gone before the kernel drops its lock, and a watchdog that has just taken it has not written
// down yet who it is.
const dyingLimit = 5 * time.Second

// waitForWatchdog opens the state; while the watchdog of a run that died is lifting its fence it waits
// for it, and says so.
func (s *session) waitForWatchdog(ctx context.Context, open func() (*state.Store, error)) (*state.Store, error) {
	said := false
	limit := s.env.Now().Add(s.env.Waits.FenceMargin + s.env.Waits.Undo)
	dying := s.env.Now().Add(dyingLimit)
	for {
		store, err := open()
		var locked *state.LockedError
		if err == nil {
			s.tellWatchdog(store.Document())
			return store, nil
		}
		if !errors.As(err, &locked) || s.env.Now().After(limit) {
			return store, err
		}
		lifts := locked.Holder != nil && locked.Holder.Command == holderWatchdog
		if !lifts && (s.env.Now().After(dying) || locked.Holder != nil && !locked.Holder.Gone()) {
			return store, err
		}
		if lifts { // one that ends takes its name off before its lock
			dying = s.env.Now().Add(dyingLimit)
		}
		if lifts && !said {
			fmt.Fprintln(s.env.Stderr, "an earlier run died inside the reject window; waiting for its watchdog to lift the fence")
			said = true
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(s.env.Waits.Poll):
		}
	}
}

// tellWatchdog says what the watchdog of an earlier run did.
func (s *session) tellWatchdog(doc *state.Document) {
	if doc == nil || doc.Outcome != state.OutcomeOpen {
		return
	}
	if said := watchdogSaid(s.dir, s.migration.Name); said != "" {
		fmt.Fprintln(s.env.Stderr, said)
	}
}
