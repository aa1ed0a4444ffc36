package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pegmigrate/pegmigrate/internal/sandbox"
	"github.com/pegmigrate/pegmigrate/internal/sandboxtest"
)

// crashSample is how many points the ordinary test visits; -crash-all visits all.
const crashSample = 160

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

	next int // numbers the runs
}

// run is one migration of one pair of tables.
type crashRun struct {
	l     *loop
	table string
	dir   string
}

// TestCrashLoop kills apply at one point after the other, applies again, and expects the end that
// an undisturbed run has: rows, expiry, envs, counts, no fence, no marker. About every fifth time it
// rolls back instead and expects what was there before.
func TestCrashLoop(t *testing.T) {
	if testing.Short() {
		t.Skip("the crash loop takes minutes; it runs without -short")
	}
	t.Parallel()
	dir, expiry := t.TempDir(), sandboxtest.Later()
	l, err := newLoop(dir, 0, expiry)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.close)
	first := l.prepare(t)
	points := first.count(t)
	want := first.end(t)
	before := l.prepare(t).end(t)
	l.close()
	visit := pickRounds(killPoints(points, 5), crashSample)
	t.Logf("%d crash points in a run, visiting %d", points, len(visit))
	crashLoop(t, visit, func(id int) (*crashLane[killPoint], error) {
		l, err := newLoop(dir, id, expiry)
		if err != nil {
			return nil, err
		}
		return &crashLane[killPoint]{visit: func(k killPoint) error { return l.visit(t, k, want, before) }, close: l.close}, nil
	})
}

// visit has apply die at a point, and goes on.
func (l *loop) visit(t *testing.T, k killPoint, want, before ending) error {
	r := l.prepare(t)
	if err := r.crash(k.at); err != nil {
		return err
	}
	expected := want
	if k.command == "rollback" {
		expected = before
	}
	err := r.again(k.command)
	if errors.Is(err, errNothingToUndo) {
		expected = want
		err = r.again("apply")
	}
	if err != nil {
		return err
	}
	if diff := cmp.Diff(expected, r.end(t)); diff != "" {
		return fmt.Errorf("the end differs (-want +got):\n%s", diff)
	}
	return nil
}

// newLoop starts two clusters; id tells them, and the folder of their runs, from others. The rows of its runs expire
// at expiry.
func newLoop(dir string, id int, expiry uint32) (*loop, error) {
	return startLoop(dir, id, expiry, sandbox.Config{TimeFactor: 1000})
}

// startLoop starts the clusters with settings of their own. Each has 2 metas and 3 replica servers.
func startLoop(dir string, id int, expiry uint32, config sandbox.Config) (*loop, error) {
	ctx, cancel := context.WithCancel(context.Background())
	l := &loop{ctx: ctx, dir: filepath.Join(dir, strconv.Itoa(id)), expiry: expiry}
	l.close = func() {
		cancel()
		for _, c := range []*sandbox.Cluster{l.a, l.b} {
			if c != nil {
				_ = c.Close()
			}
		}
	}
	for i, c := range []**sandbox.Cluster{&l.a, &l.b} {
		config.Name, config.Metas, config.Replicas, config.Seed = []string{"a", "b"}[i], 2, 3, uint64(10*id+i+1)
		started, err := sandbox.Start(ctx, config)
		if err != nil {
			l.close()
			return nil, err
		}
		*c = started
	}
	return l, nil
}

// prepare makes a filled source table and a folder that declares its migration.
func (l *loop) prepare(t *testing.T) *crashRun {
	l.next++
	n := l.next
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
