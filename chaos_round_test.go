package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/idl"
	"github.com/pegmigrate/pegmigrate/internal/pegkey"
	"github.com/pegmigrate/pegmigrate/internal/sandbox"
)

// round is one scenario being played.
type round struct {
	s      scenario
	ctx    context.Context
	cancel context.CancelFunc
	a, b   *sandbox.Cluster
	dir    string
	log    strings.Builder
	last   outcome
	runs   int
	adopt  bool
	calmed bool
	begun  time.Time

	writers *chroniclers
	// before is the target's rows before the tool came; rows are those loaded into the source.
	before map[string]string

	mu       sync.Mutex
	lastScan time.Time // of the source
	cut      time.Time // lastScan when the fence came down last, or when the fenced source's envs changed last
	changed  time.Time // when they did
	fenced   bool
}

// outcome is how one run of the tool ended.
type outcome struct {
	text string
	code int // -1 when it was killed
}

func newRound(t *testing.T, s scenario) (*round, error) {
	ctx, cancel := context.WithCancel(t.Context())
	r := &round{s: s, ctx: ctx, cancel: cancel, dir: t.TempDir(), begun: time.Now()}
	var err error
	start := func(name string, hook sandbox.Hook) *sandbox.Cluster {
		c, e := sandbox.Start(ctx, sandbox.Config{Name: name, Metas: 3, Replicas: 4, TimeFactor: 200, Seed: s.seed, Hook: hook})
		err = errors.Join(err, e)
		return c
	}
	r.a, r.b = start("a", r.watch), start("b", nil)
	if err != nil {
		return nil, err
	}
	if err := r.fill(); err != nil {
		r.close()
		return nil, err
	}
	return r, os.WriteFile(filepath.Join(r.dir, "migration.hcl"), []byte(r.config()), 0o600)
}

func (r *round) close() {
	r.stopWriters()
	r.cancel()
	_ = r.a.Close()
	_ = r.b.Close()
}

// fill makes the tables of both clusters, with a bystander that nobody may touch.
func (r *round) fill() error {
	now := time.Now()
	table := func(c *sandbox.Cluster, name string, partitions int32, envs map[string]string) error {
		if _, err := c.CreateTable(sandbox.TableSpec{Name: name, Partitions: partitions, Replicas: 3}); err != nil {
			return err
		}
		if err := c.WaitHealthy(r.ctx, name); err != nil {
			return err
		}
		if len(envs) == 0 {
			return nil
		}
		return c.SetEnvs(name, envs)
	}
	bystander := rowMix{seed: 1, hashes: 10}
	for _, c := range []*sandbox.Cluster{r.a, r.b} {
		if err := errors.Join(table(c, "bystander", 2, nil), c.Load("bystander", bystander.rows(time.Unix(1e9, 0)))); err != nil {
			return err
		}
	}
	if err := errors.Join(table(r.a, "t", r.s.sourceParts, r.s.sourceEnvs), r.a.Load("t", r.s.rows.rows(now))); err != nil {
		return err
	}
	if r.s.existing != "" {
		if err := table(r.b, "t", r.s.wantParts, r.s.targetEnvs); err != nil {
			return err
		}
	}
	if r.s.existing == "merge" {
		if err := r.b.Load("t", rowMix{seed: 3, hashes: 20}.rows(now)); err != nil {
			return err
		}
	}
	r.before = map[string]string{}
	if r.s.existing != "" {
		r.before = dumpOf(r.b, "t")
	}
	r.a.SyncEnvs()
	r.b.SyncEnvs()
	return nil
}

func (r *round) config() string {
	list := func(metas []string) string { return `"` + strings.Join(metas, `", "`) + `"` }
	var b strings.Builder
	for _, c := range []*sandbox.Cluster{r.a, r.b} {
		fmt.Fprintf(&b, "cluster %q { meta_servers = [%s] }\n", map[bool]string{true: "a", false: "b"}[c == r.a], list(c.MetaServers()))
	}
	fmt.Fprintf(&b, "migration \"m\" {\n  source {\n    cluster = cluster.a\n    table = \"t\"\n  }\n  target {\n    cluster = cluster.b\n    partition_count = %d\n", r.s.wantParts)
	if r.s.existing != "" {
		fmt.Fprintf(&b, "    if_exists = %q\n", r.s.existing)
	}
	if len(r.s.declared) > 0 {
		b.WriteString("    envs = {\n")
		for k, v := range r.s.declared {
			fmt.Fprintf(&b, "      %q = %q\n", k, v)
		}
		b.WriteString("    }\n")
	}
	fmt.Fprintf(&b, "  }\n  method \"copy\" { source_writes = %q }\n", r.s.writes)
	if r.s.limits != "" {
		fmt.Fprintf(&b, "  limits { %s }\n", r.s.limits)
	}
	if r.s.after != "" {
		fmt.Fprintf(&b, "  after { source = %q }\n", r.s.after)
	}
	b.WriteString("}\n")
	return b.String()
}

// watch notes when the source was read last before its fence came down, or before the last change of
// a source that stays fenced: what was acknowledged by then, the tool has promised to bring over.
func (r *round) watch(c sandbox.Call) sandbox.Verdict {
	fenced := false
	if c.RPC == idl.NameUpdateAppEnv && c.Phase == sandbox.After {
		envs, err := r.a.TableEnvs("t")
		fenced = err == nil && envs[deny] != ""
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case c.Phase == sandbox.Before && (c.RPC == idl.NameGetScanner || c.RPC == idl.NameScan):
		r.lastScan = time.Now()
	case c.Phase == sandbox.After && c.RPC == idl.NameUpdateAppEnv:
		if r.fenced && (!fenced || r.s.after == "keep_fenced") && r.lastScan.After(r.changed) {
			r.cut = r.lastScan
		}
		r.fenced, r.changed = fenced, time.Now()
	}
	return sandbox.Pass()
}

// disturb begins the faults and the writers.
func (r *round) disturb() error {
	if r.s.writers > 0 {
		var err error
		if r.writers, err = newChroniclers(r.ctx, r.a, r.s.writers); err != nil {
			return err
		}
	}
	for _, f := range r.s.source {
		if _, err := r.a.Inject(f); err != nil {
			return err
		}
	}
	for _, f := range r.s.target {
		if _, err := r.b.Inject(f); err != nil {
			return err
		}
	}
	return nil
}

// calm ends all faults and waits until the tables are whole.
func (r *round) calm() error {
	if r.calmed {
		return nil
	}
	r.calmed = true
	ctx, cancel := context.WithTimeout(r.ctx, 30*time.Second)
	defer cancel()
	err := errors.Join(r.a.Clear(0), r.b.Clear(0), r.a.WaitHealthy(ctx, "t"))
	if r.b.HasTable("t") {
		err = errors.Join(err, r.b.WaitHealthy(ctx, "t"))
	}
	return err
}

func (r *round) stopWriters() {
	if r.writers != nil {
		r.writers.stop()
	}
}

// roundLimit bounds all runs of a round together.
const roundLimit = 3 * time.Minute

// run runs the tool once. The error says that it broke a promise that holds for every run.
func (r *round) run(a act) (outcome, error) {
	if a.command == "" {
		a.command = "apply"
	}
	args := []string{a.command, "-auto-approve"}
	if r.adopt && r.marked() {
		args = append(args, "-adopt")
	}
	out, stopped, err := r.start(a, args)
	if r.runs++; time.Since(r.begun) > roundLimit {
		err = errors.Join(err, fmt.Errorf("the round goes on for more than %v", roundLimit))
	}
	r.last = out
	fmt.Fprintf(&r.log, "-- run %d: %v %+v: exit %d, stopped within %v\n%s\n", r.runs, args, a, out.code, stopped, tail([]byte(out.text)))
	if _, err := os.Stat(filepath.Join(r.dir, ".pegmigrate", "m.state.json")); err == nil {
		r.adopt = false
	}
	if err != nil {
		return out, err
	}
	return out, r.honest(a, out, stopped)
}

// start starts the tool and lets happen to it what was drawn.
func (r *round) start(a act, args []string) (out outcome, stopped time.Duration, err error) {
	ctx, cancel := limited(r.ctx)
	defer cancel()
	exe, err := os.Executable()
	if err != nil {
		return out, 0, err
	}
	cmd := exec.CommandContext(ctx, exe, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGQUIT) } // shows where it hangs
	cmd.WaitDelay = 10 * time.Second
	cmd.Args[0], cmd.Dir = "mortal", r.dir
	transient := time.Duration(0)
	if r.s.patient {
		transient = 10 * time.Second
	}
	cmd.Env = append(os.Environ(), envCrashAt+"="+strconv.Itoa(a.crashAt), envTransient+"="+transient.String(), "NO_COLOR=1")
	var text bytes.Buffer
	cmd.Stdout, cmd.Stderr = &text, &text
	if err := cmd.Start(); err != nil {
		return out, 0, err
	}
	var signalled time.Time
	if d := a.kill + a.interrupt; d > 0 {
		timer := time.AfterFunc(d, func() {
			signalled = time.Now()
			_ = cmd.Process.Signal(map[bool]syscall.Signal{true: syscall.SIGKILL, false: syscall.SIGINT}[a.kill > 0])
		})
		defer timer.Stop()
	}
	_ = cmd.Wait()
	if !signalled.IsZero() {
		stopped = time.Since(signalled)
	}
	out = outcome{text: text.String(), code: cmd.ProcessState.ExitCode()}
	if ctx.Err() != nil && r.ctx.Err() == nil {
		return out, stopped, fmt.Errorf("the tool hangs:\n%s", out.text)
	}
	return out, stopped, nil
}

// stopLimit is how long the tool may take to stop at Ctrl-C: two seconds, and what a machine with
// other work may add.
const stopLimit = 2*time.Second + 1500*time.Millisecond

// honest holds the words and the exit code of one run against each other.
func (r *round) honest(a act, out outcome, stopped time.Duration) error {
	text := out.text
	switch {
	case strings.Contains(text, "DATA RACE"), strings.Contains(text, "panic:"), strings.Contains(text, "goroutine "):
		return fmt.Errorf("the tool broke:\n%s", text)
	case a.interrupt > 0 && stopped > stopLimit && a.command != "rollback":
		return fmt.Errorf("the tool took %v to stop at Ctrl-C:\n%s", stopped, text)
	case out.code == -1 && a.kill == 0 && a.crashAt == 0:
		return fmt.Errorf("the tool died:\n%s", text)
	case out.code == 0 && a.command == "apply" && !claims(text):
		return fmt.Errorf("exit code 0, and not a word of equal rows:\n%s", text)
	case out.code == 130 && a.interrupt == 0:
		return fmt.Errorf("exit code 130, and nobody interrupted:\n%s", text)
	case out.code == 2, out.code == 3, out.code == 4, out.code == 5, out.code == 6:
		return fmt.Errorf("exit code %d:\n%s", out.code, text)
	case out.code == 1 && !strings.Contains(text, "PM"):
		return fmt.Errorf("exit code 1 without a diagnostic:\n%s", text)
	}
	return nil
}

// claims tells whether a run says that the rows are equal, or that it had nothing to do.
func claims(text string) bool {
	for _, words := range []string{"hold the same rows", "holds every row of", "every step is done"} {
		if strings.Contains(text, words) {
			return true
		}
	}
	return false
}

// marked tells whether the source carries a marker of the tool.
func (r *round) marked() bool {
	envs, err := r.a.TableEnvs("t")
	return err == nil && strings.HasPrefix(envs["business.info"], "pegmigrate: ")
}

// dumpOf is a table as key to "expiry value"; nil when there is none.
func dumpOf(c *sandbox.Cluster, table string) map[string]string {
	rows := map[string]string{}
	if err := c.Dump(table, func(row sandbox.Row) error {
		rows[string(row.Key)] = fmt.Sprintf("%d %s", row.Expire, row.Value)
		return nil
	}); err != nil {
		return nil
	}
	return rows
}

// over tells whether a dumped row has expired since.
func over(row string) bool {
	text, _, _ := strings.Cut(row, " ")
	expire, _ := strconv.ParseUint(text, 10, 32)
	return pegkey.Expired(uint32(expire), time.Now())
}
