package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pegmigrate/pegmigrate/internal/sandboxtest"
)

const (
	// catchUpSample is how many points the ordinary test visits; -crash-all visits all.
	catchUpSample = 24
	// catchUpAgain is how often a window may end before its time: a run that finds the fence of a dead one
	// lifts it first.
	catchUpAgain = 4
	// catchUpLift is what a watchdog may take on a busy machine.
	catchUpLift = time.Minute
)

// catchUpLoop runs the same copy with clients at work again and again, each time with tables of its own.
type catchUpLoop struct{ *loop }

// TestCrashCatchUp kills apply at one point after the other of a copy of a table that clients write to and
// delete from. However it died, its watchdog lets clients write again, and the next apply ends with two equal
// tables in which no acknowledged write is missing and no deleted row is back. Every third time it rolls
// back instead, and every row that clients wrote is still on the source.
func TestCrashCatchUp(t *testing.T) {
	if testing.Short() {
		t.Skip("the crash loop takes minutes; it runs without -short")
	}
	t.Parallel()
	dir, expiry := t.TempDir(), sandboxtest.Later()
	l, err := newCatchUpLoop(dir, 0, expiry)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.close)
	first := l.prepare(t)
	w := newWriters(t, l.a, first.table, 2)
	points := first.count(t)
	if err := l.caughtUp(t, first, w); err != nil {
		t.Fatal(err)
	}
	l.close()
	visit := pickRounds(killPoints(points, 3), catchUpSample)
	t.Logf("%d crash points in a run, visiting %d", points, len(visit))
	crashLoop(t, visit, func(id int) (*crashLane[killPoint], error) {
		l, err := newCatchUpLoop(dir, id, expiry)
		if err != nil {
			return nil, err
		}
		return &crashLane[killPoint]{visit: func(k killPoint) error { return l.round(t, k.at, k.command) }, close: l.close}, nil
	})
}

func newCatchUpLoop(dir string, id int, expiry uint32) (*catchUpLoop, error) {
	l, err := newLoop(dir, id, expiry)
	return &catchUpLoop{l}, err
}

// prepare makes a filled source table, and a folder that declares its migration.
func (l *catchUpLoop) prepare(t *testing.T) *crashRun {
	r := l.loop.prepare(t)
	list := func(metas []string) string { return `"` + strings.Join(metas, `", "`) + `"` }
	text := fmt.Sprintf(`
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
  }
  method "copy" { source_writes = "catch_up" }
  after { source = "keep_fenced" }
  limits { write_reject = "90s" }
}
`, list(l.a.MetaServers()), list(l.b.MetaServers()), r.table)
	if err := errors.Join(os.MkdirAll(r.dir, 0o700), os.WriteFile(filepath.Join(r.dir, "migration.hcl"), []byte(text), 0o600)); err != nil {
		t.Errorf("prepare %s: %v", r.table, err)
	}
	return r
}

// round kills apply at a point and then runs a command to its end, with clients at work all the time.
func (l *catchUpLoop) round(t *testing.T, at int, command string) error {
	r := l.prepare(t)
	w := newWriters(t, l.a, r.table, 2)
	if err := r.crash(at); err != nil {
		return err
	}
	if err := l.lifted(r); err != nil {
		return err
	}
	err := r.again(command)
	if command == "rollback" {
		if !errors.Is(err, errNothingToUndo) {
			if err == nil {
				err = l.rolledBack(t, r, w)
			}
			return err
		}
		err = r.again("apply")
	}
	for n := 0; err != nil && strings.Contains(err.Error(), "PM3014") && n < catchUpAgain; n++ {
		err = r.again("apply")
	}
	if err != nil {
		return err
	}
	return l.caughtUp(t, r, w)
}

// lifted waits until the source takes writes again, or the rows are proven: then the fence stays, as declared.
func (l *catchUpLoop) lifted(r *crashRun) error {
	limit := time.Now().Add(catchUpLift)
	for {
		envs, err := l.a.TableEnvs(r.table)
		if err != nil {
			return err
		}
		if envs["replica.deny_client_request"] == "" {
			return nil
		}
		out, err := r.command(0, "status", "-json").CombinedOutput()
		if err == nil && strings.Contains(string(out), `"id":"catch-up","status":"done"`) {
			return nil
		}
		if time.Now().After(limit) {
			return fmt.Errorf("clients are rejected and nobody is at work: %s", out)
		}
		<-time.After(20 * time.Millisecond)
	}
}

// caughtUp compares both tables when clients are at rest, which have to find on the target what they were told.
func (l *catchUpLoop) caughtUp(t *testing.T, r *crashRun, w *writers) error {
	acked, lost := w.stop(t, l.b)
	if lost > 0 {
		return fmt.Errorf("%d of %d acknowledged writes are not on the target", lost, acked)
	}
	e := r.end(t)
	if diff := cmp.Diff(e.SourceRows, e.TargetRows); diff != "" {
		return fmt.Errorf("the tables differ (-source +target):\n%s", diff)
	}
	if e.SourceEnvs["replica.deny_client_request"] != "reconfig*write" || e.SourceEnvs["business.info"] != "owned by payments" ||
		e.TargetEnvs["business.info"] != "owned by payments" || e.TargetEnvs["default_ttl"] != "8640000" {
		return fmt.Errorf("envs of the source %v, of the target %v", e.SourceEnvs, e.TargetEnvs)
	}
	return nil
}

// rolledBack looks whether everything is as it was, but for what clients wrote.
func (l *catchUpLoop) rolledBack(t *testing.T, r *crashRun, w *writers) error {
	acked, lost := w.stop(t, l.a)
	if lost > 0 {
		return fmt.Errorf("%d of %d acknowledged writes are not on the source", lost, acked)
	}
	e := r.end(t)
	if e.TargetExists || e.SourceEnvs["replica.deny_client_request"] != "" || e.SourceEnvs["business.info"] != "owned by payments" {
		return fmt.Errorf("the target is there: %v; envs of the source %v", e.TargetExists, e.SourceEnvs)
	}
	return nil
}
