package doctor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/marker"
	"github.com/pegmigrate/pegmigrate/internal/pegasus"
	"github.com/pegmigrate/pegmigrate/plan"
)

// envsOf reads what the table's envs say.
func envsOf(t pegasus.TableInfo) []Leftover {
	var out []Leftover
	add := func(l Leftover) {
		l.Where = t.Name
		out = append(out, l)
	}
	m, err := marker.Parse(t.Envs[marker.Env])
	switch {
	case err != nil:
		add(Leftover{What: "a damaged ownership marker in " + marker.Env, Effect: "no migration of this table can begin",
			Undo: "put the right text back by hand"})
	case m != nil:
		what := fmt.Sprintf("being migrated by %s (migration %q, lineage %s, peer %s)", m.Owner, m.Migration, m.Lineage, m.Peer)
		if !m.Ticket.IsZero() {
			what += "; clients were led over, the return ticket is valid until " + m.Ticket.UTC().Format(time.RFC3339)
		}
		add(Leftover{What: what,
			Since: m.Since, Effect: "no other migration of this table can begin",
			Undo: "`pegmigrate apply` or `pegmigrate rollback` there; `apply -adopt` when its state is lost"})
	}
	// The old side of a cut-over looks the same, and opened again it would take writes that go nowhere.
	back := func(key string) string {
		if m == nil {
			return "drop the table if clients were led away from it; if they were not, " + shell(t.Name, key, "", false)
		}
		if prior, ok := m.SourceEnvs[key]; ok && m.Role == "source" {
			return "`pegmigrate rollback` of migration " + m.Migration + ", which knows whether clients were led away; by hand only if they were not: " +
				shell(t.Name, key, prior.Value, prior.Had)
		}
		return "`pegmigrate rollback` of migration " + m.Migration
	}
	if v := t.Envs[plan.EnvDeny]; v != "" {
		l := Leftover{What: "clients are denied: " + plan.EnvDeny + "=" + v, Effect: denyEffect(v), Undo: back(plan.EnvDeny)}
		if m != nil {
			l.Since = m.Since
		}
		add(l)
	}
	if t.Envs[plan.EnvUsageScenario] == "bulk_load" {
		add(Leftover{What: "compaction is off: " + plan.EnvUsageScenario + "=bulk_load",
			Effect: "files of level 0 pile up, reads get slower, writes are never stalled",
			Undo:   shell(t.Name, plan.EnvUsageScenario, "normal", true)})
	}
	for _, l := range parked(t, m) {
		add(l)
	}
	var follower []string
	for key := range t.Envs {
		if strings.HasPrefix(key, "duplication.") {
			follower = append(follower, key)
		}
	}
	slices.Sort(follower)
	for _, key := range follower {
		add(Leftover{What: "follower env " + key + "=" + t.Envs[key],
			Effect: "a partition that loses all its replicas copies old data from the former master",
			Undo:   "when the duplication from there has ended, " + shell(t.Name, key, "", false)})
	}
	return out
}

// parked finds envs that a migration under way took off its source.
func parked(t pegasus.TableInfo, m *marker.Marker) []Leftover {
	// A follower carries a copy of its source's marker.
	if m == nil || m.Role != "source" || t.Envs["duplication.master_cluster"] != "" {
		return nil
	}
	var out []Leftover
	for _, key := range slices.Sorted(keysOf(m.SourceEnvs)) {
		prior := m.SourceEnvs[key]
		if key == plan.EnvDeny || !prior.Had || t.Envs[key] == prior.Value {
			continue
		}
		out = append(out, Leftover{What: fmt.Sprintf("%s=%s was taken off by migration %s", key, prior.Value, m.Migration), Since: m.Since,
			Effect: "a server that restarts does not apply it any more",
			Undo:   "`pegmigrate rollback` there, or by hand: " + shell(t.Name, key, prior.Value, true)})
	}
	return out
}

func keysOf[V any](m map[string]V) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

func denyEffect(value string) string {
	mode, scope, _ := strings.Cut(value, "*")
	what := map[string]string{"all": "reads and writes", "write": "writes", "read": "reads"}[scope]
	if what == "" {
		what = "requests"
	}
	if mode == "timeout" {
		return "clients' " + what + " are never answered; a duplication into this table stands still"
	}
	return "clients' " + what + " are rejected; a duplication into this table stands still"
}

// shell is what an operator types in the servers' own shell to give an env a value, or to take it off.
func shell(table, key, value string, had bool) string {
	if had {
		return fmt.Sprintf("in the shell: use %s; set_app_envs %s %q", table, key, value)
	}
	return fmt.Sprintf("in the shell: use %s; del_app_envs %s", table, key)
}

// servicesOf asks about duplications and bulk loads of a table.
func servicesOf(ctx context.Context, c Cluster, t pegasus.TableInfo) ([]Leftover, error) {
	if t.Status != "AVAILABLE" {
		return nil, nil
	}
	var out []Leftover
	dups, err := c.Duplications(ctx, t.Name)
	for _, d := range dups {
		out = append(out, Leftover{Where: t.Name, Since: d.CreatedAt,
			What:   fmt.Sprintf("duplication %d to %s is %s", d.ID, d.Remote, d.Status),
			Effect: dupEffect(d.Status),
			Undo:   fmt.Sprintf("`pegmigrate rollback` of the migration that made it, or in the shell: remove_dup %s %d", t.Name, d.ID)})
	}
	b, bulkErr := c.BulkLoadStatus(ctx, t.Name)
	switch {
	case bulkErr != nil:
	case b.Loading:
		out = append(out, Leftover{Where: t.Name, What: "a bulk load is under way: " + b.Status,
			Effect: "while files are ingested all writes are rejected; the cluster takes no other bulk load",
			Undo:   fmt.Sprintf("wait for its end, or in the shell: cancel_bulk_load -a %s", t.Name)})
	case b.Status != "BLS_INVALID" && b.Status != "":
		out = append(out, Leftover{Where: t.Name, What: "the result of a bulk load is kept: " + b.Status,
			Effect: "none on clients", Undo: fmt.Sprintf("in the shell: clear_bulk_load -a %s", t.Name)})
	}
	return out, errors.Join(err, bulkErr)
}

func dupEffect(status string) string {
	const always = "incr, check_and_set and check_and_mutate are rejected"
	switch status {
	case "DS_LOG":
		return always + "; log files are kept until their writes have arrived"
	case "DS_PAUSE":
		return always + "; log files are kept and nothing is shipped: disks fill up"
	}
	return always + "; log files are kept, and it cannot be paused in this state, only removed"
}
