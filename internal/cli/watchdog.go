package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	ucli "github.com/urfave/cli/v2"

	"github.com/pegmigrate/pegmigrate/apply"
	"github.com/pegmigrate/pegmigrate/internal/actuate"
	"github.com/pegmigrate/pegmigrate/internal/event"
	"github.com/pegmigrate/pegmigrate/internal/pegasus"
	"github.com/pegmigrate/pegmigrate/state"
)

// The watchdog is a process of its own that outlives apply. It holds the reading end of a pipe: as
// long as apply lives the pipe is open; when apply dies in any way the kernel closes it, and the
// watchdog lifts the fence. It is a session of its own, so that neither Ctrl-C nor a terminal that
// goes away ends both. It takes the lock of the state first: an apply that was started meanwhile has
// it, and a watchdog of its own.

// Words between apply and its watchdog.
const (
	watchdogReady  = "ready"  // the watchdog has reached the source's cluster
	watchdogDisarm = "disarm" // there is nothing left to lift
)

// holderWatchdog is the command under which a watchdog holds the lock of the state.
const holderWatchdog = "pegmigrate watchdog"

// lockPoll is the time between two attempts to take over the state of an apply that has died: clients
// wait meanwhile.
const lockPoll = 20 * time.Millisecond

// armLimit bounds the start of a watchdog, disarmLimit its end.
const (
	armLimit    = 30 * time.Second
	disarmLimit = 5 * time.Second
)

// watchdog starts and ends the process. It implements apply.Watchdog.
type watchdog struct {
	env       Env
	dir       string
	migration string
	source    string   // label of the source cluster
	metas     []string // of the source cluster
	process   *exec.Cmd
	pipe      io.WriteCloser
}

var _ apply.Watchdog = (*watchdog)(nil)

// Arm starts the process, once. It returns when the process has reached the source's cluster.
func (w *watchdog) Arm(ctx context.Context) error {
	if w.process != nil {
		return nil
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.Command(self) //nolint:noctx // it is to outlive this process, and with it ctx
	cmd.Args = []string{os.Args[0], "watchdog", "-dir", w.dir, "-migration", w.migration, "-source", w.source,
		"-meta", strings.Join(w.metas, ",")}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.Stderr = os.Stderr
	pipe, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	ready := make(chan error, 1)
	go func() {
		line, err := bufio.NewReader(out).ReadString('\n')
		if strings.TrimSpace(line) != watchdogReady {
			err = fmt.Errorf("it ended: %w", errors.Join(err, cmd.Wait()))
		}
		ready <- err
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
		return err
	}
	w.process, w.pipe = cmd, pipe
	return nil
}

// Disarm ends the process and waits for it.
func (w *watchdog) Disarm() {
	if w.process == nil {
		return
	}
	_, _ = io.WriteString(w.pipe, watchdogDisarm+"\n")
	_ = w.pipe.Close()
	kill := time.AfterFunc(disarmLimit, func() { _ = w.process.Process.Kill() })
	defer kill.Stop()
	_ = w.process.Wait()
	w.process, w.pipe = nil, nil
}

// watchdogCommand is the other side: the process that waits.
func (e Env) watchdogCommand() *ucli.Command {
	return &ucli.Command{
		Name: "watchdog", Hidden: true,
		Usage: "started by apply: lifts the fence of a cut-over when apply dies",
		Flags: []ucli.Flag{
			&ucli.StringFlag{Name: "dir"}, &ucli.StringFlag{Name: "migration"},
			&ucli.StringFlag{Name: "source"}, &ucli.StringFlag{Name: "meta"},
		},
		Action: func(c *ucli.Context) error {
			g := guard{env: e, dir: c.String("dir"), migration: c.String("migration"), source: c.String("source"),
				metas: strings.Split(c.String("meta"), ",")}
			return g.wait(c.Context)
		},
	}
}

// guard is the waiting process.
type guard struct {
	env                    Env
	dir, migration, source string
	metas                  []string
}

func (g *guard) wait(ctx context.Context) error {
	// It is a session of its own and told to end by its pipe only: a signal that was meant for apply
	// must not take it along.
	ctx = context.WithoutCancel(ctx)
	cluster, err := g.env.openCluster(ctx, g.source, g.metas, "")
	if err != nil {
		return err
	}
	defer cluster.Close()
	fmt.Fprintln(g.env.Stdout, watchdogReady)
	lines := bufio.NewScanner(g.env.Stdin)
	for lines.Scan() {
		if lines.Text() == watchdogDisarm {
			return nil
		}
	}
	return g.lift(ctx, cluster)
}

// takeOver opens the state once nobody else is at work on it. A process that dies has closed its pipe
// before the kernel drops its lock, so that the lock may be held by a dead apply for a moment. One that
// is held longer is another apply's or rollback's; should that die before it did anything about the
// fence, nobody but this process is left.
func (g *guard) takeOver(ctx context.Context) (*state.Store, error) {
	limit := g.env.Now().Add(g.env.Waits.FenceMargin + g.env.Waits.Undo)
	for {
		store, err := state.Open(g.env.FS, g.dir, g.migration, state.Self(holderWatchdog, g.env.Now()), state.WithClock(g.env.Now))
		var locked *state.LockedError
		if err == nil || !errors.As(err, &locked) || g.env.Now().After(limit) {
			return store, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(min(g.env.Waits.Poll, lockPoll)):
		}
	}
}

// lift takes the state over and lifts the fence. What it says goes into a log beside the state too:
// the terminal of apply may be gone.
func (g *guard) lift(ctx context.Context, cluster *pegasus.Cluster) error {
	store, err := g.takeOver(ctx)
	if err != nil {
		return err
	}
	defer store.Close()
	doc := store.Document()
	if doc == nil {
		return nil
	}
	p, err := apply.ActivePlanOf(doc)
	if err != nil {
		return err
	}
	var out io.Writer = g.env.Stderr
	log, err := os.OpenFile(filepath.Join(g.dir, state.Folder, g.migration+".watchdog.log"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err == nil {
		defer log.Close()
		out = log // apply's terminal may be gone, and writing to it would end this process
	}
	sink := event.SinkFunc(func(e event.Event) {
		fmt.Fprintf(out, "%s %s %+v\n", g.env.Now().UTC().Format(time.RFC3339Nano), e.Name(), e)
	})
	clusters := actuate.NewClusters(map[string]*pegasus.Cluster{g.source: cluster})
	world := apply.World{Tables: actuate.NewTables(clusters), Fences: actuate.NewFences(clusters), Routes: g.env.routes(clusters)}
	run := apply.New(apply.Config{Plan: p, Store: store, World: world, Sink: sink, Waits: g.env.Waits, Owner: owner(),
		Resume: "pegmigrate apply", Now: g.env.Now})
	lifted, err := run.LiftAbandoned(ctx)
	switch {
	case err != nil:
		fmt.Fprintf(out, "%s the fence could not be lifted: %v\n", g.env.Now().UTC().Format(time.RFC3339Nano), err)
		return err
	case lifted:
		fmt.Fprintf(out, "%s apply died inside the reject window: the fence of %s is lifted\n", g.env.Now().UTC().Format(time.RFC3339Nano), p.Source.TableRef)
	}
	return nil
}

// waitForWatchdog opens the state; while the watchdog of a run that died is lifting its fence it waits
// for it, and says so.
func (s *session) waitForWatchdog(ctx context.Context, open func() (*state.Store, error)) (*state.Store, error) {
	said := false
	limit := s.env.Now().Add(s.env.Waits.FenceMargin + s.env.Waits.Undo)
	for {
		store, err := open()
		var locked *state.LockedError
		if err == nil || !errors.As(err, &locked) || locked.Holder == nil || locked.Holder.Command != holderWatchdog || s.env.Now().After(limit) {
			return store, err
		}
		if !said {
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
