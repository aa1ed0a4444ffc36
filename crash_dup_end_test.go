package main

import (
	"bytes"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pegmigrate/pegmigrate/internal/cli"
	"github.com/pegmigrate/pegmigrate/internal/pegkey"
	"github.com/pegmigrate/pegmigrate/internal/sandbox"
	"github.com/pegmigrate/pegmigrate/plan"
)

// dupEnd is where a round has to end: on the target with the source fenced, or on the source with
// everything as it was.
type dupEnd string

const (
	migrated   dupEnd = "b"
	rolledBack dupEnd = "a"
)

// check waits for the clients, stops them and looks at both clusters with the sandbox's own eyes.
func (r *dupRound) check(end dupEnd, target map[string]string) error {
	if route := r.route(); route != string(end) {
		return fmt.Errorf("the route leads to %q, not to %q", route, end)
	}
	if end == rolledBack || !r.l.direct {
		if err := r.awaitClients(string(end)); err != nil {
			return err
		}
	}
	if err := r.await(dupSlack, func() error {
		s, err := r.sides()
		if err == nil {
			err = s.writableOnOneSide()
		}
		return err
	}); err != nil {
		return err
	}
	if err := r.doctorFinds(end); err != nil {
		return err
	}
	r.stopClients()
	if r.clients.err != nil {
		return r.clients.err
	}
	home := r.l.a
	wantSource := sourceEnvs()
	if end == migrated {
		home = r.l.b
		wantSource[plan.EnvDeny] = r.lastFence()
		if err := sameEnvs(home, r.table, target); err != nil {
			return err
		}
	} else if r.l.b.HasTable(r.table) {
		return fmt.Errorf("the follower %s is there after the rollback", r.table)
	}
	if err := sameEnvs(r.l.a, r.table, wantSource); err != nil {
		return err
	}
	if err := r.checkRows(home); err != nil {
		return err
	}
	return r.checkAcknowledged(home)
}

func sameEnvs(c *sandbox.Cluster, table string, want map[string]string) error {
	got, err := c.TableEnvs(table)
	if diff := cmp.Diff(want, maps.Clone(got)); err != nil || diff != "" {
		return fmt.Errorf("envs of %s/%s (%w) (-want +got):\n%s", c.Name(), table, err, diff)
	}
	return nil
}

// lastFence is what a migration leaves on its source.
func (r *dupRound) lastFence() string {
	if r.l.direct {
		return "reconfig*write"
	}
	return "reconfig*all"
}

// checkRows looks for every row that was there before the clients came. One without an expiry may have
// got that of default_ttl meanwhile: compactions give it.
func (r *dupRound) checkRows(c *sandbox.Cluster) error {
	got := map[string]sandbox.Row{}
	if err := c.Dump(r.table, func(row sandbox.Row) error {
		got[string(row.Key)] = sandbox.Row{Value: bytes.Clone(row.Value), Expire: row.Expire}
		return nil
	}); err != nil {
		return err
	}
	stamp := pegkey.ExpireTs(time.Now().Add(defaultTTL))
	for want := range r.rows() {
		row, there := got[string(want.Key)]
		expiry := row.Expire == want.Expire || want.Expire == 0 && stamp-row.Expire < 3600
		if !there || !expiry || !bytes.Equal(row.Value, want.Value) {
			return fmt.Errorf("row %q of %s is %+v (there: %t), was %+v", want.Key, c.Name(), row, there, want)
		}
	}
	return nil
}

// checkAcknowledged looks for what the writers were told, and for what was deleted.
func (r *dupRound) checkAcknowledged(c *sandbox.Cluster) error {
	report, err := r.checkJournal(c)
	switch {
	case err != nil:
		return err
	case report.Acked == 0:
		return fmt.Errorf("nothing was acknowledged: the comparison says nothing")
	case !report.OK():
		return fmt.Errorf("what was acknowledged is not on %s: %+v", c.Name(), *report)
	}
	return nil
}

// doctorFinds runs doctor without a state: after a migration the source's fence is all that it may
// find, after a rollback nothing.
func (r *dupRound) doctorFinds(end dupEnd) error {
	res, err := r.pegmigrate(r.without, whole(), "doctor")
	if err != nil {
		return err
	}
	var found []string
	for line := range strings.Lines(res.out) {
		if !strings.HasPrefix(line, "  ") {
			found = append(found, strings.TrimSpace(line))
		}
	}
	fence := fmt.Sprintf("a/%s: clients are denied: %s=%s", r.table, plan.EnvDeny, r.lastFence())
	switch {
	case end == migrated && res.code == cli.ExitError && len(found) == 1 && strings.HasPrefix(found[0], fence):
	case end == rolledBack && res.code == cli.ExitDone && len(found) == 1:
	default:
		return fmt.Errorf("doctor finds (exit code %d):\n%s", res.code, res.out)
	}
	return nil
}

// longestSilence is the longest span without an acknowledged write; after check.
func (r *dupRound) longestSilence() time.Duration {
	if w := r.clients.summary.RejectWindow; w != nil {
		return time.Duration(w.Milliseconds) * time.Millisecond
	}
	return 0
}
