package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"github.com/pegmigrate/pegmigrate/internal/sandbox"
	"github.com/pegmigrate/pegmigrate/internal/sandboxtest"
)

var crashAll = flag.Bool("crash-all", false, "visit every crash point, not a sample (make crash)")

// crashSample is how many points the ordinary test visits; -crash-all visits all.
const crashSample = 160

// crashPart is how many rounds the same clusters serve: with every table that they keep, they are busier with
// their counters and timers.
const crashPart = 20

// crashRows and crashPartitions size the table of the loop.
const (
	crashRows       = 600
	crashPartitions = 4
)

// loop runs the same migration again and again on two clusters, each time with tables of its own.
type loop struct {
	ctx    context.Context
	a, b   *sandbox.Cluster
	dir    string
	expiry uint32 // of the rows of every run, so that ends can be compared
	close  func() // ends the clusters

	mu   sync.Mutex
	next int
}

// run is one migration of one pair of tables.
type crashRun struct {
	l     *loop
	table string
	dir   string
}

// TestCrashLoop kills apply at one point after the other, applies again, and expects the end that
// an undisturbed run has: rows, expiry, envs, counts, no fence, no marker. Every fifth time it
// rolls back instead and expects what was there before.
func TestCrashLoop(t *testing.T) {
	if testing.Short() {
		t.Skip("the crash loop takes minutes; it runs without -short")
	}
	t.Parallel()
	l := newLoop(t)
	first := l.prepare(t)
	points := first.count(t)
	want := first.end(t)
	before := l.prepare(t).end(t)
	visit := sample(points)
	t.Logf("%d crash points in a run, visiting %d", points, len(visit))
	for i, part := range slices.Collect(slices.Chunk(visit, crashPart)) {
		if i > 0 {
			l.close()
			expiry := l.expiry
			l = newLoop(t)
			l.expiry = expiry
		}
		l.visit(t, i*crashPart, part, want, before)
	}
	t.Logf("crash loop: %d points visited, every end as undisturbed", len(visit))
}

// visit has apply die at some points, three at a time; first is the index of the first one.
func (l *loop) visit(t *testing.T, first int, points []int, want, before ending) {
	t.Helper()
	var g errgroup.Group
	g.SetLimit(3)
	for i, at := range points {
		i += first
		g.Go(func() error {
			r := l.prepare(t)
			if err := r.crash(at); err != nil {
				return fmt.Errorf("point %d: %w", at, err)
			}
			command, expected := "apply", want
			if i%5 == 4 {
				command, expected = "rollback", before
			}
			err := r.again(command)
			if errors.Is(err, errNothingToUndo) {
				command, expected = "apply", want
				err = r.again(command)
			}
			if err != nil {
				return fmt.Errorf("point %d: %w", at, err)
			}
			if diff := cmp.Diff(expected, r.end(t)); diff != "" {
				return fmt.Errorf("point %d, then %s: the end differs (-want +got):\n%s", at, command, diff)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
}

// sample picks points evenly, the first and the last included.
func sample(points int) []int {
	n := points
	if !*crashAll {
		n = min(points, crashSample)
	}
	var out []int
	for i := range n {
		out = append(out, 1+i*points/n)
	}
	return out
}

func newLoop(t *testing.T) *loop {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	l := &loop{ctx: ctx, dir: t.TempDir(), expiry: sandboxtest.Later()}
	l.close = func() {
		cancel()
		for _, c := range []*sandbox.Cluster{l.a, l.b} {
			if c != nil {
				_ = c.Close()
			}
		}
	}
	t.Cleanup(l.close)
	for i, name := range []string{"a", "b"} {
		c, err := sandbox.Start(ctx, sandbox.Config{Name: name, Metas: 2, Replicas: 3, TimeFactor: 1000, Seed: uint64(i + 7)})
		if err != nil {
			t.Fatal(err)
		}
		if name == "a" {
			l.a = c
		} else {
			l.b = c
		}
	}
	return l
}

// prepare makes a filled source table and a folder that declares its migration.
func (l *loop) prepare(t *testing.T) *crashRun {
	l.mu.Lock()
	l.next++
	n := l.next
	l.mu.Unlock()
	r := &crashRun{l: l, table: fmt.Sprintf("t%03d", n), dir: filepath.Join(l.dir, strconv.Itoa(n))}
	must := func(err error) {
		if err != nil {
			t.Errorf("prepare %s: %v", r.table, err)
		}
	}
	_, err := l.a.CreateTable(sandbox.TableSpec{Name: r.table, Partitions: crashPartitions, Replicas: 3})
	must(err)
	must(l.a.WaitHealthy(l.ctx, r.table))
	must(l.a.Load(r.table, sandboxtest.Rows(crashRows, l.expiry)))
	must(l.a.SetEnvs(r.table, map[string]string{"business.info": "owned by payments", "default_ttl": "8640000",
		"replica.slow_query_threshold": "77", "replica.write_throttling": "100000*delay*10"}))
	must(os.MkdirAll(r.dir, 0o700))
	must(os.WriteFile(filepath.Join(r.dir, "migration.hcl"), []byte(r.config()), 0o600))
	return r
}

func (r *crashRun) config() string {
	list := func(metas []string) string { return `"` + strings.Join(metas, `", "`) + `"` }
	return fmt.Sprintf(`
cluster "a" { meta_servers = [%s] }
cluster "b" { meta_servers = [%s] }
migration "m" {
  source {
    cluster = cluster.a
    table   = %q
  }
  target {
    cluster         = cluster.b
    partition_count = 8
    envs            = { "replica.slow_query_threshold" = "88" }
  }
  method "copy" { source_writes = "fenced" }
  limits { in_flight = 16 }
}
`, list(r.l.a.MetaServers()), list(r.l.b.MetaServers()), r.table)
}

// command starts pegmigrate in the run's folder.
func (r *crashRun) command(at int, args ...string) *exec.Cmd {
	exe, err := os.Executable()
	if err != nil {
		exe = os.Args[0]
	}
	cmd := exec.CommandContext(r.l.ctx, exe, args...)
	cmd.Args[0] = "mortal" // by this name the test binary knows what to be
	cmd.Dir = r.dir
	cmd.Env = append(os.Environ(), envCrashAt+"="+strconv.Itoa(at), "NO_COLOR=1")
	return cmd
}

// count runs to the end and says how many points there were.
func (r *crashRun) count(t *testing.T) int {
	t.Helper()
	cmd := r.command(0, "apply", "-auto-approve")
	file := filepath.Join(r.dir, "points")
	cmd.Env = append(cmd.Env, envPoints+"="+file)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("the undisturbed run failed: %v\n%s", err, out)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(string(data))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// crash runs until the point and expects the process to have been killed there, or to have ended
// well: the number of points varies a little with timing.
func (r *crashRun) crash(at int) error {
	out, err := r.command(at, "apply", "-auto-approve").CombinedOutput()
	var exit *exec.ExitError
	if err == nil {
		return nil
	}
	if errors.As(err, &exit) {
		if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() && status.Signal() == syscall.SIGKILL {
			return nil
		}
	}
	return fmt.Errorf("the run did not die of SIGKILL: %w\n%s", err, out)
}

// again runs a command to its end. A migration that was finished, or never begun, when the process
// died leaves a rollback nothing to do.
func (r *crashRun) again(command string) error {
	out, err := r.command(0, command, "-auto-approve").CombinedOutput()
	if err == nil {
		return nil
	}
	if command == "rollback" && (strings.Contains(string(out), "PM3015") || strings.Contains(string(out), "PM1931")) {
		return errNothingToUndo
	}
	return fmt.Errorf("%s after the crash: %w\n%s", command, err, out)
}

// errNothingToUndo says that the point was before the first change or after the last.
var errNothingToUndo = errors.New("nothing to undo")

// ending is what must be equal.
type ending struct {
	SourceRows, TargetRows map[string]string
	SourceEnvs, TargetEnvs map[string]string
	TargetExists           bool
}

// end looks at both tables with the sandbox's own eyes.
func (r *crashRun) end(t *testing.T) ending {
	e := ending{TargetExists: r.l.b.HasTable(r.table)}
	rows := func(c *sandbox.Cluster) map[string]string {
		out := map[string]string{}
		if err := c.Dump(r.table, func(row sandbox.Row) error {
			out[string(row.Key)] = fmt.Sprintf("%d %s", row.Expire, row.Value)
			return nil
		}); err != nil {
			t.Errorf("dump %s: %v", r.table, err)
		}
		return out
	}
	envs := func(c *sandbox.Cluster) map[string]string {
		m, err := c.TableEnvs(r.table)
		if err != nil {
			t.Errorf("envs of %s: %v", r.table, err)
		}
		return maps.Clone(m)
	}
	e.SourceRows, e.SourceEnvs = rows(r.l.a), envs(r.l.a)
	if e.TargetExists {
		e.TargetRows, e.TargetEnvs = rows(r.l.b), envs(r.l.b)
	}
	return e
}
