package cli

import (
	"context"
	"fmt"
	"slices"
	"time"

	ucli "github.com/urfave/cli/v2"

	"github.com/pegmigrate/pegmigrate/internal/marker"
	"github.com/pegmigrate/pegmigrate/internal/pegasus"
	"github.com/pegmigrate/pegmigrate/plan"
	"github.com/pegmigrate/pegmigrate/schema"
)

func (e Env) doctorCommand() *ucli.Command {
	return &ucli.Command{
		Name:      "doctor",
		Usage:     "find what any migration left behind on the declared clusters, with or without a state file; changes nothing",
		ArgsUsage: "[FOLDER|FILE]",
		Flags:     configFlags(),
		Action: func(c *ucli.Context) error {
			o, err := configOf(c, e)
			if err != nil {
				return err
			}
			return e.doctor(c.Context, o)
		},
	}
}

// doctor looks at every table of every declared cluster.
func (e Env) doctor(ctx context.Context, o configOptions) error {
	config, diags := loadQuietly(o)
	if diags.HasErrors() {
		e.printDiagnostics(diags, config)
		return &exitError{code: ExitError, err: errDiagnosed}
	}
	found, unseen := 0, 0
	labels := make([]string, 0, len(config.Clusters))
	for label := range config.Clusters {
		labels = append(labels, label)
	}
	slices.Sort(labels)
	for _, label := range labels {
		n, err := e.examine(ctx, config.Clusters[label])
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil { // the other clusters can still be looked at
			e.report(err)
			unseen++
		}
		found += n
	}
	if found == 0 && unseen > 0 {
		fmt.Fprintf(e.Stdout, "nothing was found on %s; %s could not be looked at\n",
			counted(len(labels)-unseen, "cluster"), counted(unseen, "cluster"))
	}
	if found == 0 && unseen == 0 {
		fmt.Fprintf(e.Stdout, "nothing was left behind on %s\n", counted(len(labels), "cluster"))
		return nil
	}
	return &exitError{code: ExitError}
}

// examineLimit bounds the look at one cluster.
const examineLimit = time.Minute

func (e Env) examine(ctx context.Context, c *schema.Cluster) (found int, err error) {
	ctx, cancel := context.WithTimeout(ctx, examineLimit)
	defer cancel()
	cluster, err := e.openCluster(ctx, c.Label, c.MetaServers, place(c))
	if err != nil {
		return 0, err
	}
	defer cluster.Close()
	tables, err := cluster.ListTables(ctx)
	if err != nil {
		return 0, &failure{Code: plan.CodeTableUnread, Text: fmt.Sprintf("cluster %q: %v", c.Label, err)}
	}
	for _, t := range tables {
		if t.Status == "DROPPED" {
			continue
		}
		for _, l := range leftovers(t) {
			found++
			fmt.Fprintf(e.Stdout, "%s/%s: %s\n  undo: %s\n", c.Label, t.Name, l.what, l.undo)
		}
	}
	return found, nil
}

// leftover is one thing that a migration may have forgotten.
type leftover struct{ what, undo string }

func leftovers(t pegasus.TableInfo) []leftover {
	var out []leftover
	shell := func(key string) string { return fmt.Sprintf("in the shell: use %s; del_app_envs %s", t.Name, key) }
	m, err := marker.Parse(t.Envs[marker.Env])
	switch {
	case err != nil:
		out = append(out, leftover{"a damaged ownership marker in " + marker.Env, "put the right text back by hand"})
	case m != nil:
		out = append(out, leftover{
			fmt.Sprintf("being migrated by %s since %s (migration %q, lineage %s, peer %s)", m.Owner, m.Since.UTC().Format(time.RFC3339), m.Migration, m.Lineage, m.Peer),
			"`pegmigrate apply` or `pegmigrate rollback` there; `apply -adopt` when its state is lost"})
	}
	if v := t.Envs[plan.EnvDeny]; v != "" {
		undo := shell(plan.EnvDeny)
		if m != nil {
			undo = "`pegmigrate rollback` of migration " + m.Migration + " puts the prior value back"
		}
		out = append(out, leftover{fmt.Sprintf("clients are denied: %s=%s", plan.EnvDeny, v), undo})
	}
	if t.Envs[plan.EnvUsageScenario] == "bulk_load" {
		out = append(out, leftover{"compaction is off: " + plan.EnvUsageScenario + "=bulk_load",
			fmt.Sprintf("in the shell: use %s; set_app_envs %s normal", t.Name, plan.EnvUsageScenario)})
	}
	for _, key := range []string{"duplication.master_cluster", "duplication.master_metas"} {
		if t.Envs[key] != "" && !t.Duplicating {
			out = append(out, leftover{"follower env " + key + "=" + t.Envs[key] + ": a fresh primary would copy old data from there", shell(key)})
		}
	}
	return out
}
