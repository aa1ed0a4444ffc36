package main

import (
	"bytes"
	"errors"
	"fmt"
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

// restoreSample is how many points of a restore the ordinary test visits; -crash-all visits all.
const restoreSample = 12

// restoreEnvs is how the envs begin that servers give a restored table, and that no request takes away.
const restoreEnvs = "restore."

// restoreLoop runs the same restore again and again, each time with tables of its own.
type restoreLoop struct {
	*loop
	blocks string
}

// TestCrashRestore kills apply at one point after the other of a migration through a cold backup, applies again, and
// expects the end of an undisturbed run: rows, envs, no fence, no marker, one backup, and that one whole. About every
// third time it rolls back instead, killed on the way as well, and expects what was there before and no backup.
func TestCrashRestore(t *testing.T) {
	if testing.Short() {
		t.Skip("the crash loop takes minutes; it runs without -short")
	}
	t.Parallel()
	dir, expiry := t.TempDir(), sandboxtest.Later()
	l, err := newRestoreLoop(dir, 0, expiry)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.close)
	first := l.prepare(t)
	points := first.count(t)
	want := l.end(t, first)
	if err := l.left(first, 1); err != nil {
		t.Fatal(err)
	}
	if !want.TargetExists || len(want.TargetRows) != crashRows {
		t.Fatalf("the undisturbed run left %d rows on the target", len(want.TargetRows))
	}
	before := l.end(t, l.prepare(t))
	l.close()
	visit := pickRounds(killPoints(points, 3), restoreSample)
	t.Logf("%d crash points in a run, visiting %d", points, len(visit))
	crashLoop(t, visit, func(id int) (*crashLane[killPoint], error) {
		l, err := newRestoreLoop(dir, id, expiry)
		if err != nil {
			return nil, err
		}
		return &crashLane[killPoint]{visit: func(k killPoint) error { return l.visit(t, k, want, before) }, close: l.close}, nil
	})
}

// visit is one round, and a look at what it left.
func (l *restoreLoop) visit(t *testing.T, k killPoint, want, before ending) error {
	r := l.prepare(t)
	end, err := l.round(r, k.at, k.command)
	if err != nil {
		return err
	}
	expected, backups := want, 1
	if end == "rollback" {
		expected, backups = before, 0
	}
	if diff := cmp.Diff(expected, l.end(t, r)); diff != "" {
		return fmt.Errorf("the end differs (-want +got):\n%s", diff)
	}
	if err := l.left(r, backups); err != nil {
		return err
	}
	return l.doctor(r)
}

func newRestoreLoop(dir string, id int, expiry uint32) (*restoreLoop, error) {
	blocks := filepath.Join(dir, strconv.Itoa(id), "blocks")
	if err := os.MkdirAll(blocks, 0o700); err != nil {
		return nil, err
	}
	l, err := startLoop(dir, id, expiry, sandbox.Config{TimeFactor: 1000, BlockServices: map[string]string{sandboxtest.BlockService: blocks}})
	return &restoreLoop{loop: l, blocks: blocks}, err
}

// prepare makes a filled source table, and two folders that declare its migration: the second never gets a state.
func (l *restoreLoop) prepare(t *testing.T) *crashRun {
	r := l.loop.prepare(t)
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
    cluster = cluster.b
    envs    = { "replica.slow_query_threshold" = "88" }
  }
  method "backup_restore" {
    provider      = provider.%s
    source_writes = "fenced"
  }
}
`, list(l.a.MetaServers()), list(l.b.MetaServers()), sandboxtest.BlockService, l.blocks, r.table, sandboxtest.BlockService)
	for _, dir := range []string{r.dir, r.dir + "-without"} {
		if err := errors.Join(os.MkdirAll(dir, 0o700), os.WriteFile(filepath.Join(dir, "migration.hcl"), []byte(text), 0o600)); err != nil {
			t.Errorf("prepare %s: %v", r.table, err)
		}
	}
	return r
}

// round kills apply at a point and then runs a command to its end. It says which command that was: a migration that
// had nothing to undo is applied.
func (l *restoreLoop) round(r *crashRun, at int, command string) (string, error) {
	if err := r.crash(at); err != nil {
		return "", err
	}
	if command == "rollback" { // which dies too, unless it is over before
		out, err := r.command(1+at*13%60, command, "-auto-approve").CombinedOutput()
		if err != nil && !diedOf(err) && !strings.Contains(string(out), "PM3015") && !strings.Contains(string(out), "PM1931") {
			return "", fmt.Errorf("rollback neither ended nor died: %w\n%s", err, out)
		}
		if err == nil {
			return command, nil
		}
	}
	err := r.again(command)
	if errors.Is(err, errNothingToUndo) {
		out, _ := r.command(0, command, "-auto-approve").CombinedOutput()
		if strings.Contains(string(out), "is rolled back already") {
			return command, nil
		}
		command = "apply"
		err = r.again(command)
	}
	return command, err
}

// diedOf tells whether a process was killed.
func diedOf(err error) bool {
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return false
	}
	status, ok := exit.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == syscall.SIGKILL
}

// end looks at both tables. What servers say in envs about the backup is another one each time.
func (l *restoreLoop) end(t *testing.T, r *crashRun) ending {
	e := r.end(t)
	for key := range e.TargetEnvs {
		if strings.HasPrefix(key, restoreEnvs) {
			delete(e.TargetEnvs, key)
		}
	}
	return e
}

// left says what a run left on the store that is not the expected number of whole backups.
func (l *restoreLoop) left(r *crashRun, backups int) error {
	all, err := filepath.Glob(filepath.Join(l.blocks, "*", "*", r.table+"_*"))
	if err != nil {
		return err
	}
	if len(all) != backups {
		return fmt.Errorf("%d backups are left, not %d: %v", len(all), backups, all)
	}
	for _, dir := range all {
		if _, err := os.Stat(filepath.Join(filepath.Dir(dir), "backup_info")); err != nil {
			return fmt.Errorf("a backup that is not finished is left: %w", err)
		}
	}
	return nil
}

// doctor looks at both clusters without a state.
func (l *restoreLoop) doctor(r *crashRun) error {
	cmd := r.command(0, "doctor")
	cmd.Dir = r.dir + "-without"
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("doctor: %w\n%s", err, out.String())
	}
	return nil
}
