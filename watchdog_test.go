package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/cli"
	"github.com/pegmigrate/pegmigrate/internal/idl"
	"github.com/pegmigrate/pegmigrate/internal/sandbox"
	"github.com/pegmigrate/pegmigrate/state"
)

// watchedBudget is the declared write-reject budget, watchedSlack what a busy machine may add to it.
const (
	watchedBudget = 6 * time.Second
	watchedSlack  = 8 * time.Second
)

// watched is a migration whose apply is killed or stopped inside the reject window.
type watched struct {
	t      *testing.T
	a, b   *sandbox.Cluster
	routes *sandbox.Routing // nil: the plan switches no route
	dir    string
	// onEnv is called at both sides of the next change of envs on a, and taken away by whoever wants it once.
	onEnv atomic.Pointer[func(sandbox.Call) sandbox.Verdict]
	// onDelete is called before the next delete on a.
	onDelete atomic.Pointer[func()]
}

func newWatched(t *testing.T, routed bool) *watched {
	t.Helper()
	w := &watched{t: t, dir: t.TempDir()}
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	var config strings.Builder
	for i, c := range []**sandbox.Cluster{&w.a, &w.b} {
		cfg := sandbox.Config{Name: []string{"a", "b"}[i], Metas: 2, Replicas: 3, TimeFactor: 200, Seed: uint64(i + 1),
			RemoteClusters: []string{"a", "b"}}
		if i == 0 {
			cfg.Hook = w.hook
		}
		started, err := sandbox.Start(ctx, cfg)
		must(t, err)
		t.Cleanup(func() { _ = started.Close() })
		*c = started
		fmt.Fprintf(&config, "cluster %q { meta_servers = [\"%s\"] }\n", cfg.Name, strings.Join(started.MetaServers(), `", "`))
	}
	must(t, sandbox.Link(w.a, w.b))
	_, err := w.a.CreateTable(sandbox.TableSpec{Name: "t", Partitions: 4})
	must(t, err)
	must(t, w.a.WaitHealthy(ctx, "t"))
	must(t, w.a.Load("t", lonelyRows(200)))
	cutover := ""
	if routed {
		w.routes, err = sandbox.StartRouting(1, nil)
		must(t, err)
		t.Cleanup(func() { _ = w.routes.Close() })
		must(t, errors.Join(w.routes.Adopt(w.a), w.routes.Adopt(w.b), w.routes.Lead("t", w.a)))
		cutover = fmt.Sprintf("cutover {\n traffic_proof = \"50ms\"\n metaproxy {\n zookeeper = [%q]\n root = %q\n proxies = [%q]\n }\n }",
			w.routes.ZooKeeper().Addr(), sandbox.RouteRoot, w.routes.ProxyAddrs()[0])
	}
	fmt.Fprintf(&config, `
migration "m" {
  source {
    cluster = cluster.a
    table   = "t"
  }
  target { cluster = cluster.b }
  method "duplication" {}
  %s
  limits { write_reject = %q }
}
`, cutover, watchedBudget)
	must(t, os.WriteFile(filepath.Join(w.dir, "migration.hcl"), []byte(config.String()), 0o600))
	return w
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (w *watched) hook(c sandbox.Call) sandbox.Verdict {
	switch c.RPC {
	case idl.NameUpdateAppEnv:
		if f := w.onEnv.Load(); f != nil {
			return (*f)(c)
		}
	case idl.NameRemove:
		if f := w.onDelete.Load(); f != nil && c.Phase == sandbox.Before && w.onDelete.CompareAndSwap(f, nil) {
			(*f)()
		}
	}
	return sandbox.Pass()
}

// start begins an apply with short waits.
func (w *watched) start() (*exec.Cmd, *spoken) {
	w.t.Helper()
	exe, err := os.Executable()
	must(w.t, err)
	out := &spoken{}
	cmd := exec.CommandContext(w.t.Context(), exe, "apply", "-auto-approve")
	cmd.Args[0], cmd.Dir, cmd.Stdout, cmd.Stderr = "mortal", w.dir, out, out
	cmd.Env = append(os.Environ(), "NO_COLOR=1", envTransient+"=30s")
	must(w.t, cmd.Start())
	return cmd, out
}

// log is what the watchdogs wrote.
func (w *watched) log() string {
	data, _ := os.ReadFile(state.WatchdogLogPath(w.dir, "m"))
	return string(data)
}

// lifted waits until the source has no fence, within what is left of the budget since the moment at which
// a fence could be up first.
func (w *watched) lifted(since time.Time, out *spoken) {
	w.t.Helper()
	for {
		envs, err := w.a.TableEnvs("t")
		must(w.t, err)
		if envs["replica.deny_client_request"] == "" {
			w.t.Logf("the fence was down %v after it could be up", time.Since(since).Round(time.Millisecond))
			return
		}
		if time.Since(since) > watchedBudget+watchedSlack {
			w.t.Fatalf("the fence is still up after %v\napply: %s\nwatchdog: %s", time.Since(since), out, w.log())
		}
		<-time.After(10 * time.Millisecond)
	}
}

// moment is where apply is struck.
type moment struct {
	name string
	// at strikes when the time has come; it is called once the fence is about to be raised.
	at func(w *watched, out *spoken, strike func())
	// stop says that apply is stopped there as well as killed.
	stop bool
}

// atEnv strikes at one side of the request that raises the fence.
func atEnv(phase sandbox.Phase, then func() sandbox.Verdict) func(*watched, *spoken, func()) {
	return func(w *watched, _ *spoken, strike func()) {
		struck := make(chan struct{})
		f := func(c sandbox.Call) sandbox.Verdict {
			if c.Phase != phase {
				return sandbox.Pass()
			}
			w.onEnv.Store(nil)
			strike()
			close(struck)
			return then()
		}
		w.onEnv.Store(&f)
		<-struck
	}
}

// atText strikes when apply said so.
func atText(text string) func(*watched, *spoken, func()) {
	return func(w *watched, out *spoken, strike func()) {
		eventually(w.t, text, func() bool { return strings.Contains(out.String(), text) })
		strike()
	}
}

// moments are those between "the watchdog has started" and "the fence is lifted".
func moments() []moment {
	return []moment{
		{"the request is under way", atEnv(sandbox.Before, func() sandbox.Verdict { return sandbox.Hold(soon(500 * time.Millisecond)) }), true},
		{"the request is done and not answered", atEnv(sandbox.After, sandbox.Drop), false},
		{"the request is answered", func(w *watched, out *spoken, strike func()) {
			atEnv(sandbox.After, sandbox.Pass)(w, out, func() {})
			struck := make(chan struct{})
			f := func() { strike(); close(struck) }
			w.onDelete.Store(&f)
			<-struck
		}, true},
		{"the fence is proven", atText("t are rejected, proven on 4 partitions"), false},
		{"decrees are frozen", atText("quiesce-source: every write"), false},
		{"drain", func(w *watched, out *spoken, strike func()) {
			atEnv(sandbox.After, sandbox.Pass)(w, out, func() {
				_, err := w.a.Inject(sandbox.Fault{Kind: sandbox.FaultStallDuplication})
				must(w.t, err)
			})
			atText("drain: ")(w, out, strike)
			must(w.t, w.a.Clear(0))
		}, true},
	}
}

// TestWatchdogLiftsWhateverTheMoment kills apply, or stops it, at each moment between the start of the
// watchdog and the end of the window. The fence is down within the budget, apply, woken up, gives up, and
// nothing that the source acknowledged meanwhile is missing in the end.
func TestWatchdogLiftsWhateverTheMoment(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGKILL, syscall.SIGSTOP} {
		t.Run(sig.String(), func(t *testing.T) {
			t.Parallel()
			w := newWatched(t, false)
			clients := newWriters(t, w.a, "t", 2)
			for _, m := range moments() {
				if sig == syscall.SIGSTOP && !m.stop {
					continue // takes the whole budget each time
				}
				w.struck(m, sig)
				clients.awaitMore(t)
			}
			cmd, out := w.start()
			if err := cmd.Wait(); err != nil {
				t.Fatalf("the apply after all that: %v\n%s", err, out)
			}
			if acked, lost := clients.stop(t, w.b); lost > 0 {
				t.Errorf("%d of %d acknowledged writes are not on the target", lost, acked)
			}
		})
	}
}

// TestWatchdogAndSwitch stops apply while ZooKeeper is away at the switch. The watchdog lifts; apply, woken
// up when ZooKeeper is back, must not switch the route any more.
func TestWatchdogAndSwitch(t *testing.T) {
	t.Parallel()
	w := newWatched(t, true)
	w.struck(moment{name: "the switch", at: func(w *watched, out *spoken, strike func()) {
		atEnv(sandbox.After, sandbox.Pass)(w, out, func() { must(t, w.routes.Inject(sandbox.RouteFault{ZooKeeper: "down"})) })
		atText("switch: waiting")(w, out, strike)
		must(t, w.routes.Inject(sandbox.RouteFault{ZooKeeper: "up"}))
	}}, syscall.SIGSTOP)
	if to := w.routes.LeadsTo("t"); to != "a" {
		t.Fatalf("the route leads to %s\n%s", to, w.log())
	}
	cmd, out := w.start()
	if err := cmd.Wait(); err != nil {
		t.Fatalf("the apply after that: %v\n%s", err, out)
	}
	if to := w.routes.LeadsTo("t"); to != "b" {
		t.Fatalf("in the end the route leads to %s", to)
	}
}

// struck runs apply until the moment, strikes, and waits for the watchdog.
func (w *watched) struck(m moment, sig syscall.Signal) {
	w.t.Helper()
	cmd, out := w.start()
	eventually(w.t, "the watchdog", func() bool { return strings.Contains(out.String(), "fence-source: deny writes") })
	var since time.Time
	m.at(w, out, func() {
		since = time.Now()
		must(w.t, cmd.Process.Signal(sig))
	})
	if sig == syscall.SIGKILL {
		_ = cmd.Wait()
	}
	eventually(w.t, "what the watchdog did, "+m.name, func() bool {
		log := w.log()
		return strings.Contains(log[max(0, strings.LastIndex(log, "watches for process")):], "the fence is lifted")
	})
	w.lifted(since, out)
	if sig == syscall.SIGSTOP {
		must(w.t, cmd.Process.Signal(syscall.SIGCONT))
		_ = cmd.Wait()
		if code := cmd.ProcessState.ExitCode(); code != cli.ExitBudget {
			w.t.Fatalf("%s: exit code %d, want %d\n%s\nwatchdog: %s", m.name, code, cli.ExitBudget, out, w.log())
		}
	}
	w.t.Logf("%s: over %v after the fence was on its way", m.name, time.Since(since).Round(time.Millisecond))
}

// awaitMore waits until the source acknowledges writes again.
func (w *writers) awaitMore(t *testing.T) {
	t.Helper()
	w.mu.Lock()
	acks := w.acks
	w.mu.Unlock()
	w.awaitAcks(t, acks+5)
}

// soon is closed after d.
func soon(d time.Duration) <-chan struct{} {
	c := make(chan struct{})
	time.AfterFunc(d, func() { close(c) })
	return c
}
