package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

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
// expects the end of an undisturbed run: rows, envs, no fence, no marker, one backup, and that one whole. Every third
// time it rolls back instead, killed on the way as well, and expects what was there before and no backup.
func TestCrashRestore(t *testing.T) {
	if testing.Short() {
		t.Skip("the crash loop takes minutes; it runs without -short")
	}
	t.Parallel()
	l := newRestoreLoop(t)
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
	visit := samplePoints(points, restoreSample)
	t.Logf("%d crash points in a run, visiting %d", points, len(visit))
	var g errgroup.Group
	g.SetLimit(3)
	for i, at := range visit {
		g.Go(func() error {
			command := "apply"
			if i%3 == 2 {
				command = "rollback"
			}
			r := l.prepare(t)
			end, err := l.round(r, at, command)
			if err != nil {
				return fmt.Errorf("point %d, then %s: %w", at, command, err)
			}
			expected, backups := want, 1
			if end == "rollback" {
				expected, backups = before, 0
			}
			if diff := cmp.Diff(expected, l.end(t, r)); diff != "" {
				return fmt.Errorf("point %d, then %s: the end differs (-want +got):\n%s", at, command, diff)
			}
			if err := l.left(r, backups); err != nil {
				return fmt.Errorf("point %d, then %s: %w", at, command, err)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	if err := l.doctor(first); err != nil {
		t.Fatal(err)
	}
}

// samplePoints picks n points evenly, or all of them with -crash-all.
func samplePoints(points, n int) (out []int) {
	if *crashAll {
		n = points
	}
	n = min(points, n)
	for i := range n {
		out = append(out, 1+i*points/n)
	}
	return out
}

func newRestoreLoop(t *testing.T) *restoreLoop {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	l := &restoreLoop{loop: &loop{ctx: ctx, dir: t.TempDir(), expiry: sandboxtest.Later()}, blocks: t.TempDir()}
	for i, c := range []**sandbox.Cluster{&l.a, &l.b} {
		started, err := sandbox.Start(ctx, sandbox.Config{Name: []string{"a", "b"}[i], Metas: 2, Replicas: 3, TimeFactor: 1000,
			Seed: uint64(i + 17), BlockServices: map[string]string{sandboxtest.BlockService: l.blocks}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = started.Close() })
		*c = started
	}
	return l
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

// doctor looks at both clusters without a state, when no round is under way any more.
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
