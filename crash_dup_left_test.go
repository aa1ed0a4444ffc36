package main

import (
	"strings"
	"testing"

	"github.com/pegmigrate/pegmigrate/internal/cli"
	"github.com/pegmigrate/pegmigrate/internal/sandbox"
	"github.com/pegmigrate/pegmigrate/plan"
)

// TestFenceIsLiftedByAnApplyThatCannotGoOn kills apply inside the window and its watchdog with it. The
// next apply cannot begin, because the target is away, and clients must not wait for a third.
func TestFenceIsLiftedByAnApplyThatCannotGoOn(t *testing.T) {
	l, err := newLane(t.Context(), t.TempDir(), 8, false)
	if err != nil {
		t.Fatal(err)
	}
	defer l.close()
	r, err := l.begin()
	if err != nil {
		t.Fatal(err)
	}
	defer r.end()
	d := death{step: "drain", at: 5, watchdog: 1}
	died, err := r.crash(d)
	if err != nil {
		t.Fatal(err)
	}
	if fenced, err := r.afterDeath(d, false); err != nil || !fenced {
		t.Fatalf("fenced %t, %v\n%s", fenced, err, died.out)
	}
	if err := eachMeta(l.b, (*sandbox.Cluster).KillMeta); err != nil {
		t.Fatal(err)
	}
	res, err := r.pegmigrate(r.dir, whole(), "apply", "-auto-approve")
	if err != nil || res.code != cli.ExitError || !strings.Contains(res.out, "the fence of a/"+r.table+" is lifted") {
		t.Errorf("exit code %d, %v\n%s", res.code, err, res.out)
	}
	if s, err := r.sides(); err != nil || s.writableOnOneSide() != nil {
		t.Errorf("%+v, %v\n%s", s, err, res.out)
	}
	if err := eachMeta(l.b, (*sandbox.Cluster).RestartMeta); err != nil {
		t.Fatal(err)
	}
	if out, err := r.again("apply"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	target, err := l.b.TableEnvs(r.table)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.check(migrated, target); err != nil {
		t.Error(err)
	}
}

func eachMeta(c *sandbox.Cluster, do func(*sandbox.Cluster, int) error) error {
	for i := range c.MetaServers() {
		if err := do(c, i); err != nil {
			return err
		}
	}
	return nil
}

// TestTargetThatDeniesClientsIsNotSwitchedTo sets a fence on the target: no other proof notices it, and
// behind the switch clients would be rejected on both sides.
func TestTargetThatDeniesClientsIsNotSwitchedTo(t *testing.T) {
	l, err := newLane(t.Context(), t.TempDir(), 9, false)
	if err != nil {
		t.Fatal(err)
	}
	defer l.close()
	r, err := l.begin()
	if err != nil {
		t.Fatal(err)
	}
	defer r.end()
	if _, err := r.crash(death{step: "hold-balancer", at: 3}); err != nil {
		t.Fatal(err)
	}
	deny := map[string]string{plan.EnvDeny: "reconfig*write"}
	if err := l.b.SetEnvs(r.table, deny); err != nil {
		t.Fatal(err)
	}
	l.b.SyncEnvs()
	res, err := r.pegmigrate(r.dir, whole(), "apply", "-auto-approve")
	if err != nil || res.code == cli.ExitDone || !strings.Contains(res.out, "b/"+r.table+" denies clients") {
		t.Errorf("exit code %d, %v\n%s", res.code, err, res.out)
	}
	if s, err := r.sides(); err != nil || s.route != "a" || s.writableOnOneSide() != nil {
		t.Errorf("%+v, %v\n%s", s, err, res.out)
	}
	if err := l.b.DeleteEnvs(r.table, plan.EnvDeny); err != nil {
		t.Fatal(err)
	}
	if out, err := r.again("apply"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}
