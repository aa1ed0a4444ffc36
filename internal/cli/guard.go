package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	ucli "github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"github.com/pegmigrate/pegmigrate/apply"
	"github.com/pegmigrate/pegmigrate/internal/actuate"
	"github.com/pegmigrate/pegmigrate/internal/event"
	"github.com/pegmigrate/pegmigrate/internal/pegasus"
	"github.com/pegmigrate/pegmigrate/state"
)

const (
	// overdueGrace is how long after the moment at which lifting had to begin an apply that lives is left to
	// lift by itself: it does so unless it is stopped or hangs.
	overdueGrace = time.Second
	// lockPoll is the time between two attempts to take over the state of an apply that has died: clients
	// wait meanwhile. After lockSoon it is slowPoll.
	lockPoll = 20 * time.Millisecond
	lockSoon = 10 * time.Second
	slowPoll = time.Second
	// guardLimit is how long a watchdog tries to lift a fence that cannot be lifted, because nothing
	// answers, before it leaves the rest to people.
	guardLimit = 24 * time.Hour
)

// watchdogCommand is the other side: the process that waits.
func (e Env) watchdogCommand() *ucli.Command {
	return &ucli.Command{
		Name: "watchdog", Hidden: true,
		Usage: "started by apply: lifts the fence of a cut-over when apply dies",
		Flags: []ucli.Flag{
			&ucli.StringFlag{Name: "dir"}, &ucli.StringFlag{Name: "migration"},
			&ucli.StringFlag{Name: "source"}, &ucli.StringFlag{Name: "meta"}, &ucli.StringFlag{Name: "window"},
		},
		Action: func(c *ucli.Context) error {
			g := guard{env: e, dir: c.String("dir"), migration: c.String("migration"), source: c.String("source"),
				metas: strings.Split(c.String("meta"), ","), window: c.String("window")}
			return g.wait(c.Context)
		},
	}
}

// guard is the waiting process.
type guard struct {
	env                    Env
	dir, migration, source string
	metas                  []string
	// window is what it watches, until when lifting has to begin there; zero when apply did not say.
	window string
	until  time.Time
	// lifting is set once it has begun to lift although apply lives.
	lifting bool
	cluster *pegasus.Cluster
	log     *watchdogLog
	// said keeps one line from being written again and again.
	said string
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
	g.cluster = cluster
	g.log = openWatchdogLog(g.dir, g.migration, g.env.Now)
	defer g.log.close()
	g.log.window = g.window
	g.log.say("watches for process %d", os.Getppid())
	fmt.Fprintln(g.env.Stdout, watchdogReady)
	g.leaveTerminal()
	lines := g.listen()
	for {
		select {
		case line, open := <-lines:
			switch {
			case !open:
				return g.orphaned(ctx)
			case line == watchdogDisarm:
				g.log.say(disarmed)
				return nil
			}
			g.hear(line)
		case <-g.due():
			g.overdue(ctx)
		}
	}
}

// leaveTerminal puts the log in the place of what apply wrote to: whoever reads the output of apply must
// not have to wait for this process, and what it says in its last moment must not be lost.
func (g *guard) leaveTerminal() {
	log, ok := g.log.out.(*os.File)
	if !ok || g.env.Stderr != os.Stderr || g.env.Stdout != os.Stdout {
		return
	}
	for _, fd := range []int{1, 2} {
		if err := unix.Dup2(int(log.Fd()), fd); err != nil {
			g.log.say("the output of apply stays open: %v", err)
		}
	}
}

// listen gives what apply says, line by line; the end is its death.
func (g *guard) listen() <-chan string {
	lines := make(chan string)
	go func() {
		defer close(lines)
		for in := bufio.NewScanner(g.env.Stdin); in.Scan(); {
			lines <- in.Text()
			if in.Text() == watchdogDisarm {
				return
			}
		}
	}()
	return lines
}

func (g *guard) hear(line string) {
	word, what, _ := strings.Cut(line, " ")
	switch word {
	case watchdogWindow:
		g.window, g.until, g.lifting, g.log.window, g.said = what, time.Time{}, false, what, ""
	case watchdogUntil:
		if ns, err := strconv.ParseInt(what, 10, 64); err == nil {
			g.until = time.Unix(0, ns)
		}
	}
}

// due ends when apply had its time; nil, which never ends, when it did not say how much it has.
func (g *guard) due() <-chan time.Time {
	if g.until.IsZero() {
		return nil
	}
	left := g.until.Add(overdueGrace).Sub(g.env.Now())
	if left <= 0 && g.said != "" {
		left = slowPoll // it was looked at already
	}
	return time.After(max(left, 0))
}

// isOverdue says whether apply, or who came after it, had its time.
func (g *guard) isOverdue() bool {
	return !g.until.IsZero() && g.env.Now().After(g.until.Add(overdueGrace))
}

// say writes a line unless it is the last one again.
func (g *guard) say(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); text != g.said {
		g.said = text
		g.log.say("%s", text)
	}
}

func (g *guard) file() windowFile {
	return windowFile{dir: g.dir, migration: g.migration, window: g.window}
}

// overdue lifts the fence although another process holds the state. It looks again and again as long as
// that process lives: a request to raise the fence that was on its way may have its effect later.
func (g *guard) overdue(ctx context.Context) {
	if !g.lifting {
		if err := g.file().pass(turnOpen, turnLifting); err != nil {
			now, lookErr := g.file().turn()
			switch {
			case now == turnLifting: // a watchdog before this one, which is gone
			case now == turnHandover:
				g.say("the window is overdue, and a request to switch the route may be under way: the fence stays as long as that process lives")
				return
			default:
				g.say("the window is overdue, and it is not this watchdog's turn: %v", errors.Join(err, lookErr))
				return
			}
		}
		g.lifting = true
		g.log.say("the window is overdue since %s, and the process that has to close it does not: lifting the fence",
			g.until.UTC().Format(time.RFC3339Nano))
	}
	doc, err := state.ReadOnly(g.env.FS, g.dir, g.migration)
	if err != nil {
		g.say("the fence could not be lifted: %v", err)
		return
	}
	lifted, err := g.liftBy(state.Frozen(doc), func(r *apply.Run) (bool, error) {
		if r.Window() != g.window {
			return false, nil // opened after this one was closed; it has a file and a watchdog of its own
		}
		return r.LiftOverdue(ctx)
	})
	switch {
	case err != nil:
		g.say("the fence could not be lifted: %v", err)
	case lifted:
		g.say("the fence is lifted; the process that let its time pass will find out")
	default:
		g.say("there is nothing to lift any more")
	}
}

// liftBy has a run on a state lift the fence; false when the state shows no open window.
func (g *guard) liftBy(store *state.Store, lift func(*apply.Run) (bool, error)) (bool, error) {
	p, err := apply.ActivePlanOf(store.Document())
	if err != nil {
		return false, err
	}
	clusters := actuate.NewClusters(map[string]*pegasus.Cluster{g.source: g.cluster})
	world := apply.World{Tables: actuate.NewTables(clusters), Fences: actuate.NewFences(clusters), Routes: g.env.routes(clusters)}
	sink := event.SinkFunc(func(e event.Event) {
		if _, waits := e.(event.Waiting); !waits {
			g.log.say("%s %+v", e.Name(), e)
		}
	})
	r := apply.New(apply.Config{Plan: p, Store: store, World: world, Sink: sink, Waits: g.env.Waits, Owner: owner(),
		Resume: "pegmigrate apply", Now: g.env.Now})
	if !r.Watched() {
		return false, nil
	}
	return lift(r)
}

// orphaned lifts the fence of an apply that has died, however long that takes. A process that dies has
// closed its pipe before the kernel drops its lock, so that the lock may be held by a dead apply for a
// moment. One that is held longer is another apply's or rollback's, which cares for the fence; should
// that let the window's time pass or die too, nobody but this process is left.
func (g *guard) orphaned(ctx context.Context) error {
	died := g.env.Now()
	g.log.say("the process that it watched has died")
	for {
		over, err := g.tryAbandoned(ctx)
		if over {
			return err
		}
		since := g.env.Now().Sub(died)
		if since > guardLimit {
			g.log.say("given up after %s: %v", guardLimit, err)
			return err
		}
		every := slowPoll
		if since < lockSoon && !g.lifting {
			every = lockPoll
		}
		time.Sleep(min(every, max(g.env.Waits.Poll, time.Millisecond)))
		if !g.needed() {
			g.log.say("another command has closed the window")
			return nil
		}
	}
}

// needed says whether the state, which another process may hold, still shows the window.
func (g *guard) needed() bool {
	doc, err := state.ReadOnly(g.env.FS, g.dir, g.migration)
	if err != nil {
		return !errors.Is(err, state.ErrNoState)
	}
	there := false
	_, err = g.liftBy(state.Frozen(doc), func(*apply.Run) (bool, error) { there = true; return false, nil })
	return there || err != nil
}

// tryAbandoned is one attempt; over is false when there has to be another.
func (g *guard) tryAbandoned(ctx context.Context) (over bool, err error) {
	store, err := state.Open(g.env.FS, g.dir, g.migration, state.Self(holderWatchdog, g.env.Now()), state.WithClock(g.env.Now))
	var locked *state.LockedError
	switch {
	case errors.As(err, &locked):
		g.say("the state is held: %v", err)
		if g.isOverdue() {
			g.overdue(ctx)
		}
		return false, err
	case err != nil:
		g.say("the state cannot be opened: %v", err)
		return false, err
	}
	defer store.Close()
	if store.Document() == nil {
		g.log.say("there is no state: nothing to lift")
		return true, nil
	}
	lifted, err := g.liftBy(store, func(r *apply.Run) (bool, error) { return r.LiftAbandoned(ctx) })
	switch {
	case err != nil:
		g.say("the fence could not be lifted: %v", err)
		return false, err
	case lifted:
		g.log.say("apply died inside the reject window: the fence is lifted")
	default:
		g.log.say("apply died, and there is nothing to lift: the window is closed, or the route leads to the target")
	}
	g.file().close()
	return true, nil
}
