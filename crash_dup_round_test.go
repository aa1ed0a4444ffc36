package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/pegmigrate/pegmigrate/apply"
	"github.com/pegmigrate/pegmigrate/internal/cli"
	"github.com/pegmigrate/pegmigrate/internal/sandbox"
	"github.com/pegmigrate/pegmigrate/plan"
	"github.com/pegmigrate/pegmigrate/state"
)

// death says where an apply is killed and what goes with it.
type death struct {
	step string
	at   int
	late time.Duration // how long after the point
	// slow says that the meta servers of the source take slowMeta for a change of envs: it may happen
	// after the death of who asked for it.
	slow bool
	// watchdog is 0 for one that lives, 1 for one that dies with apply, n for one that dies at its n-1-th
	// point after that.
	watchdog int
}

// String describes it for messages.
func (d death) String() string {
	s := fmt.Sprintf("%s:%d", d.step, d.at)
	if d.late > 0 {
		s += fmt.Sprintf(" and %v", d.late)
	}
	if d.slow {
		s += ", slow metas"
	}
	if d.watchdog > 0 {
		s += fmt.Sprintf(", watchdog dies at %d", d.watchdog)
	}
	return s
}

// slowMeta is longer than a watchdog needs.
const slowMeta = 300 * time.Millisecond

// environ is what the process has to know.
func (d death) environ() []string {
	return []string{envCrashStep + "=" + d.step, envCrashAt + "=" + strconv.Itoa(d.at), envCrashLate + "=" + d.late.String(),
		envWatchdogAt + "=" + strconv.Itoa(d.watchdog)}
}

// ran is a command that has ended, with all processes that it started.
type ran struct {
	code   int
	killed bool
	out    string
	// orphaned is how long processes that it had started lived on.
	orphaned time.Duration
}

// pegmigrate runs a command in a folder until its process and all that it started have ended, the
// latter within the budget.
func (r *dupRound) pegmigrate(dir string, env []string, args ...string) (ran, error) {
	exe, err := os.Executable()
	if err != nil {
		return ran{}, err
	}
	ctx, cancel := context.WithTimeout(r.l.ctx, 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, exe, args...)
	cmd.Args[0], cmd.Dir = "mortal", dir
	cmd.Env = append(os.Environ(), "NO_COLOR=1", envTransient+"=5s")
	cmd.Env = append(cmd.Env, env...)
	in, out, err := os.Pipe()
	if err != nil {
		return ran{}, err
	}
	defer in.Close()
	cmd.Stdout, cmd.Stderr = out, out
	if err := errors.Join(cmd.Start(), out.Close()); err != nil {
		return ran{}, err
	}
	var mu sync.Mutex
	var text bytes.Buffer
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		_, _ = io.Copy(writerFunc(func(p []byte) (int, error) {
			mu.Lock()
			defer mu.Unlock()
			return text.Write(p)
		}), in)
	}()
	_ = cmd.Wait()
	died := time.Now()
	result := ran{code: cmd.ProcessState.ExitCode()}
	if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok {
		result.killed = status.Signaled() && status.Signal() == syscall.SIGKILL && ctx.Err() == nil
	}
	select {
	case <-closed: // whoever holds the other end has ended
	case <-time.After(dupBudget + dupSlack):
		err = fmt.Errorf("processes that `%s` started live %v after it", strings.Join(args, " "), dupBudget+dupSlack)
	}
	result.orphaned = time.Since(died)
	mu.Lock()
	defer mu.Unlock()
	result.out = text.String()
	return result, err
}

// writerFunc is a function that takes bytes.
type writerFunc func([]byte) (int, error)

// Write implements io.Writer.
func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// whole is the environment of a command that is not killed.
func whole() []string { return death{step: beforeSteps}.environ() }

// slow tells whether a command ended as it rightly does on a machine that is too slow: the budget was
// used up, or a write did not arrive in the time that the live comparison gives it.
func (r ran) slow() bool { return r.code == cli.ExitBudget || r.code == cli.ExitDifferences }

// crash runs apply until its death. A run that ended before the point is as good: how often it looks
// at its clusters varies.
func (r *dupRound) crash(d death) (ran, error) {
	if d.slow {
		id, err := r.l.a.Inject(sandbox.Fault{Kind: sandbox.FaultDelay, RPC: "update_app_env", Delay: slowMeta})
		if err != nil {
			return ran{}, err
		}
		defer func() {
			<-time.After(slowMeta) // until what was sent has happened
			_ = r.l.a.Clear(id)
		}()
	}
	res, err := r.pegmigrate(r.dir, d.environ(), "apply", "-auto-approve")
	if err == nil && !res.killed && res.code != cli.ExitDone && !res.slow() {
		err = fmt.Errorf("the run did not die of SIGKILL but ended with %d", res.code)
	}
	if err != nil {
		err = fmt.Errorf("%w\n%s", err, res.out)
	}
	if !res.killed && res.slow() {
		r.slow++
	}
	return res, err
}

// side is where writes are taken, as a client would find it.
type side struct {
	route          string // the cluster that the route leads to
	source, target apply.Verdict
	sourceDeny     string
}

// route is the cluster that clients are led to, or, without a metaproxy block, have to be from now on.
func (r *dupRound) route() string {
	if !r.l.direct {
		return r.l.routes.LeadsTo(r.table)
	}
	for _, s := range readSteps(r.statePath()) {
		if s.ID == "recheck" && s.Status == state.Done {
			return "b"
		}
	}
	return "a"
}

func (r *dupRound) statePath() string { return filepath.Join(r.dir, state.Folder, "m.state.json") }

// sides sends a delete of a reserved key to every partition of both tables.
func (r *dupRound) sides() (side, error) {
	s := side{route: r.route()}
	envs, err := r.l.a.TableEnvs(r.table)
	if err != nil {
		return s, err
	}
	s.sourceDeny = envs[plan.EnvDeny]
	if s.source, err = r.probe("a"); err != nil {
		return s, err
	}
	if s.route == "b" {
		s.target, err = r.probe("b")
	}
	return s, err
}

func (r *dupRound) probe(label string) (apply.Verdict, error) {
	ctx, cancel := context.WithTimeout(r.l.ctx, 5*time.Second)
	defer cancel()
	partitions := make([]int32, dupPartitions)
	for i := range partitions {
		partitions[i] = int32(i)
	}
	probes, err := r.l.eyes.Probe(ctx, plan.TableRef{Cluster: label, Table: r.table}, partitions)
	if err != nil {
		return apply.Unclear, err
	}
	for _, p := range probes {
		if p.Verdict != probes[0].Verdict {
			return apply.Unclear, nil
		}
	}
	return probes[0].Verdict, nil
}

// writableOnOneSide is the promise: where the route leads, every partition takes writes, and nowhere
// else does any.
func (s side) writableOnOneSide() error {
	switch {
	case s.route == "a" && s.source == apply.Accepted && s.sourceDeny == "":
		return nil
	case s.route == "b" && s.source == apply.Rejected && s.target == apply.Accepted:
		return nil
	}
	return fmt.Errorf("the table is not writable on exactly one side: the route leads to %q, the source's fence is %q, verdicts of source and target (0 unclear, 1 accepted, 2 rejected): %d, %d",
		s.route, s.sourceDeny, s.source, s.target)
}

// fenceIsKnown is what has to be true of a fence that stays up because nobody is alive to lift it: the
// state document says so, and doctor finds it without one.
func (r *dupRound) fenceIsKnown() error {
	path := r.statePath()
	known := false
	for _, s := range readSteps(path) {
		if s.ID == "fence-source" {
			known = s.Status == state.Intended || s.Status == state.Done || s.Status == state.Failed
		}
	}
	if !known {
		data, _ := os.ReadFile(path)
		return fmt.Errorf("the fence is up and the state does not say so:\n%s", data)
	}
	res, err := r.pegmigrate(r.without, whole(), "doctor", "-meta", strings.Join(r.l.a.MetaServers(), ","))
	if err != nil {
		return err
	}
	if res.code != cli.ExitError || !strings.Contains(res.out, r.table+": clients are denied: "+plan.EnvDeny+"=reconfig*write") {
		return fmt.Errorf("doctor does not find the fence without a state; exit code %d\n%s", res.code, res.out)
	}
	return nil
}

// watchdogLog is what watchdogs said that had something to lift.
func (r *dupRound) watchdogLog() string {
	data, _ := os.ReadFile(filepath.Join(r.dir, state.Folder, "m.watchdog.log"))
	return "watchdog: " + string(data)
}

// afterDeath checks the promise after apply, and whatever it had started, has died. alone says that it
// found a fence which nobody was alive to lift, and may not have come to the point where it starts a
// watchdog of its own.
func (r *dupRound) afterDeath(d death, alone bool) (fenced bool, err error) {
	limit := dupSlack
	if alone = alone || d.watchdog > 0; alone {
		limit = time.Second // for what is under way: envs take a config sync to get into force
	}
	err = r.await(limit, func() error {
		s, err := r.sides()
		if err == nil {
			err = s.writableOnOneSide()
		}
		return err
	})
	if err == nil || !alone {
		return false, err
	}
	if s, lookErr := r.sides(); lookErr != nil || s.route != "a" || s.sourceDeny == "" {
		return false, errors.Join(lookErr, err)
	}
	return true, r.fenceIsKnown()
}

// again runs a command to its end. A cut-over that had to be given up because the machine is slow is
// begun anew, as its exit code asks for.
func (r *dupRound) again(command string) (out string, err error) {
	for range 4 {
		res, err := r.pegmigrate(r.dir, whole(), command, "-auto-approve")
		switch {
		case err != nil:
			return res.out, err
		case res.code == cli.ExitDone:
			return res.out, nil
		case command == "rollback" && (strings.Contains(res.out, "PM3015") || strings.Contains(res.out, "PM1931")):
			return res.out, errNothingToUndo
		case !res.slow():
			return res.out, fmt.Errorf("%s after the crash ended with %d:\n%s", command, res.code, res.out)
		}
		s, err := r.sides()
		if err == nil {
			err = s.writableOnOneSide()
		}
		if err != nil {
			return res.out, fmt.Errorf("%s gave the cut-over up: %w\n%s", command, err, res.out)
		}
		out = res.out
		r.slow++
	}
	return out, fmt.Errorf("four times %s did not finish the cut-over:\n%s", command, out)
}

// countSteps runs to the end and says how many points each step had.
func (r *dupRound) countSteps() ([]stepPoints, error) {
	file := filepath.Join(r.dir, "steps")
	res, err := r.pegmigrate(r.dir, append(whole(), envSteps+"="+file), "apply", "-auto-approve")
	if err != nil || res.code != cli.ExitDone {
		return nil, fmt.Errorf("the undisturbed run failed with %d: %w\n%s", res.code, err, res.out)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var steps []stepPoints
	return steps, json.Unmarshal(data, &steps)
}
