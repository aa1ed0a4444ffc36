package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pegmigrate/pegmigrate/internal/sandbox"
	"github.com/pegmigrate/pegmigrate/internal/sandboxtest"
)

const (
	// loadSample is how many rounds the ordinary test has; -crash-all has them all.
	loadSample = 12
	// loadSourceCount and loadTargetCount are partition counts, neither of which divides the other.
	loadSourceCount, loadTargetCount = 6, 4
)

// loadVisit is one round: where apply dies, and what is done then.
type loadVisit struct {
	death
	command string // apply or rollback
	dies    int    // the point at which the command is killed too, 0 for not
}

// String describes it for messages.
func (v loadVisit) String() string {
	s := v.death.String() + ", then " + v.command
	if v.dies > 0 {
		s += ", which dies at " + strconv.Itoa(v.dies)
	}
	return s
}

// loadLane is two clusters that share a block service. Its rounds run one after the other: a cluster does one load at a
// time, and what may be left behind, the meta level, is the cluster's.
type loadLane struct {
	*loop
	blocks string
}

// loadTally counts rounds: with a death, with two, rolled back.
type loadTally struct{ killed, twice, back atomic.Int64 }

// TestCrashBulkLoad kills apply at one point after the other of a migration through files, some of them in the middle
// of the split and of the load, and lets apply go on, or rollback put everything back, which is killed as well now and
// then. Rows and envs are those of an undisturbed run, or as before; no fence, marker, usage scenario, meta level, load
// or staged file is left, and no backup but the one that was meant to be.
func TestCrashBulkLoad(t *testing.T) {
	if testing.Short() {
		t.Skip("the crash loop takes minutes; it runs without -short")
	}
	t.Parallel()
	dir, expiry := t.TempDir(), rowExpiry()
	l, err := newLoadLane(dir, 0, expiry)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.close)
	first := l.prepare(t)
	steps := l.countSteps(t, first)
	want := first.end(t)
	if err := l.left(first, 1); err != nil || len(want.TargetRows) != crashRows {
		t.Fatalf("the undisturbed run left %d rows on the target: %v", len(want.TargetRows), err)
	}
	before := l.prepare(t).end(t)
	l.close()
	visit := loadVisits(steps)
	t.Logf("crash points: %v; %d rounds", steps, len(visit))
	var sum loadTally
	crashLoop(t, visit, func(id int) (*crashLane[loadVisit], error) {
		l, err := newLoadLane(dir, id, expiry)
		if err != nil {
			return nil, err
		}
		return &crashLane[loadVisit]{visit: func(v loadVisit) error { return l.visit(t, v, want, before, &sum) }, close: l.close}, nil
	})
	t.Logf("apply was killed in %d rounds, the next command too in %d; %d were rolled back", sum.killed.Load(), sum.twice.Load(), sum.back.Load())
	if sum.killed.Load() == 0 {
		t.Error("no apply was killed: the rounds say nothing")
	}
}

// loadVisits lists the rounds. Within the split and the load many moments lie between two points.
func loadVisits(steps []stepPoints) (out []loadVisit) {
	var deep []loadVisit
	for _, s := range steps {
		for at := 1; at <= s.Points; at++ {
			v := goOnLoad(death{step: s.Step, at: at}, len(out))
			out = append(out, v)
			if s.Step != "split" && s.Step != "load" {
				continue
			}
			for _, late := range []time.Duration{2 * time.Millisecond, 7 * time.Millisecond, 23 * time.Millisecond} {
				deep = append(deep, goOnLoad(death{step: s.Step, at: at, late: late}, len(deep)))
			}
		}
	}
	return append(pickRounds(out, loadSample/2), pickRounds(deep, loadSample/2)...)
}

// goOnLoad decides what is done after a death, in no order that the picking of a sample could share.
func goOnLoad(d death, n int) loadVisit {
	n = spread(n + 1)
	v := loadVisit{death: d, command: "apply"}
	if n%3 == 1 {
		v.command = "rollback"
	}
	if n%4 == 3 {
		v.dies = 1 + n*13%200
	}
	return v
}

func newLoadLane(dir string, id int, expiry uint32) (*loadLane, error) {
	l, err := newRestoreLoop(dir, id, expiry)
	if err != nil {
		return nil, err
	}
	return &loadLane{loop: l.loop, blocks: l.blocks}, nil
}

// prepare makes a filled source table, and two folders that declare its migration: the second never gets a state.
func (l *loadLane) prepare(t *testing.T) *crashRun {
	l.next++
	r := &crashRun{l: l.loop, table: fmt.Sprintf("t%03d", l.next)}
	r.dir = filepath.Join(l.dir, r.table)
	list := func(metas []string) string { return `"` + strings.Join(metas, `", "`) + `"` }
	text := fmt.Sprintf(`
cluster "a" { meta_servers = [%s] }
cluster "b" { meta_servers = [%s] }
provider %q {
  type = "local_service"
  args = %q
}
migration "m" {
  source {
    cluster = cluster.a
    table   = %q
  }
  target {
    cluster         = cluster.b
    partition_count = %d
    envs            = { "replica.slow_query_threshold" = "88" }
  }
  method "backup_bulk_load" {
    provider      = provider.%s
    source_writes = "fenced"
  }
}
`, list(l.a.MetaServers()), list(l.b.MetaServers()), sandboxtest.BlockService, l.blocks, r.table, loadTargetCount, sandboxtest.BlockService)
	_, err := l.a.CreateTable(sandbox.TableSpec{Name: r.table, Partitions: loadSourceCount, Replicas: 3})
	err = errors.Join(err, l.a.WaitHealthy(l.ctx, r.table), l.a.Load(r.table, sandboxtest.Rows(crashRows, l.expiry)),
		l.a.SetEnvs(r.table, map[string]string{"business.info": "owned by payments", "replica.slow_query_threshold": "77"}))
	for _, dir := range []string{r.dir, r.dir + "-without"} {
		err = errors.Join(err, os.MkdirAll(dir, 0o700), os.WriteFile(filepath.Join(dir, "migration.hcl"), []byte(text), 0o600))
	}
	if err != nil {
		t.Errorf("prepare %s: %v", r.table, err)
	}
	return r
}

// run runs a command in the folder of a round, or beside it, and tells whether it was killed.
func (l *loadLane) run(dir string, r *crashRun, env []string, args ...string) (out string, killed bool, err error) {
	cmd := r.command(0, args...)
	cmd.Dir = dir
	cmd.Env = append(append(cmd.Env, envTransient+"=5s"), env...)
	text, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		status, ok := exit.Sys().(syscall.WaitStatus)
		killed = ok && status.Signaled() && status.Signal() == syscall.SIGKILL
	}
	if err != nil {
		err = fmt.Errorf("%s: %w\n%s", strings.Join(args, " "), err, text)
	}
	return string(text), killed, err
}

// countSteps runs to the end and says how many points each step had.
func (l *loadLane) countSteps(t *testing.T, r *crashRun) (steps []stepPoints) {
	t.Helper()
	file := filepath.Join(r.dir, "steps")
	if _, _, err := l.run(r.dir, r, append(whole(), envSteps+"="+file), "apply", "-auto-approve"); err != nil {
		t.Fatalf("the undisturbed run failed: %v", err)
	}
	data, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(data, &steps)
	}
	if err != nil {
		t.Fatal(err)
	}
	return steps
}

// visit is one round.
func (l *loadLane) visit(t *testing.T, v loadVisit, want, before ending, sum *loadTally) error {
	r := l.prepare(t)
	_, killed, err := l.run(r.dir, r, v.environ(), "apply", "-auto-approve")
	if err != nil && !killed {
		return err
	}
	if killed {
		sum.killed.Add(1)
	}
	back := func(out string) bool { return strings.Contains(out, "is rolled back already") }
	nothing := func(out string) bool { return strings.Contains(out, "PM3015") || strings.Contains(out, "PM1931") }
	if v.dies > 0 {
		out, killed, err := l.run(r.dir, r, death{step: anyStep, at: v.dies}.environ(), v.command, "-auto-approve")
		if err != nil && !killed && !nothing(out) {
			return err
		}
		if killed {
			sum.twice.Add(1)
		}
	}
	expected, backups := want, 1
	out, _, err := l.run(r.dir, r, whole(), v.command, "-auto-approve")
	switch {
	case v.command == "rollback" && (err == nil || back(out)):
		sum.back.Add(1)
		expected, backups, err = before, 0, nil
	case v.command == "rollback" && nothing(out): // it had not begun, or was finished
		_, _, err = l.run(r.dir, r, whole(), "apply", "-auto-approve")
	}
	if err != nil {
		return err
	}
	if diff := cmp.Diff(expected, r.end(t)); diff != "" {
		return fmt.Errorf("the end differs (-want +got):\n%s", diff)
	}
	return l.left(r, backups)
}

// left says what a run left behind that should not be there.
func (l *loadLane) left(r *crashRun, backups int) error {
	all, err := filepath.Glob(filepath.Join(l.blocks, "a", "*", r.table+"_*"))
	if err != nil {
		return err
	}
	finished := slices.DeleteFunc(slices.Clone(all), func(dir string) bool {
		_, err := os.Stat(filepath.Join(filepath.Dir(dir), "backup_info"))
		return err != nil
	})
	if len(all) != backups || len(finished) != backups {
		return fmt.Errorf("of %d backups that are left %d are whole, want %d: %v", len(all), len(finished), backups, all)
	}
	if _, err := os.Stat(filepath.Join(l.blocks, "pegmigrate")); !errors.Is(err, os.ErrNotExist) {
		return errors.New("files for the load are left")
	}
	if level := l.b.Level(); level != "lively" {
		return fmt.Errorf("the meta function level of b is %s", level)
	}
	if l.b.HasTable(r.table) {
		if status, running, err := l.b.BulkLoadStatus(r.table); err != nil || running || status != "BLS_INVALID" {
			return fmt.Errorf("the load is still known: %s, under way: %t, %w", status, running, err)
		}
	}
	_, _, err = l.run(r.dir+"-without", r, whole(), "doctor")
	return err
}
