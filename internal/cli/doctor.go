package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	ucli "github.com/urfave/cli/v2"

	"github.com/pegmigrate/pegmigrate/internal/doctor"
	"github.com/pegmigrate/pegmigrate/plan"
	"github.com/pegmigrate/pegmigrate/schema"
)

// doctorOptions say where to look: at the clusters and routes of a configuration, or at one cluster.
type doctorOptions struct {
	configOptions
	metas     []string
	zookeeper []string
	root      string
}

func (e Env) doctorCommand() *ucli.Command {
	return &ucli.Command{
		Name:      "doctor",
		Usage:     "find what any migration left behind, with or without a state file; changes nothing",
		ArgsUsage: "[FOLDER|FILE]",
		Flags: append(configFlags(),
			&ucli.StringFlag{Name: "meta", Usage: "look at the cluster with these meta servers, `HOST:PORT[,HOST:PORT]`, without a configuration"},
			&ucli.StringFlag{Name: "root", Usage: "with -meta: look at the route records under `PATH` too"},
			&ucli.StringFlag{Name: "zookeeper", Usage: "with -root: `HOST:PORT[,HOST:PORT]`; default: the cluster's own ZooKeeper"}),
		Action: func(c *ucli.Context) error {
			o, err := e.doctorOptions(c)
			if err != nil {
				return err
			}
			return e.doctor(c.Context, o)
		},
	}
}

func (e Env) doctorOptions(c *ucli.Context) (doctorOptions, error) {
	o := doctorOptions{metas: list(c.String("meta")), zookeeper: list(c.String("zookeeper")), root: strings.TrimRight(c.String("root"), "/")}
	var err error
	if o.configOptions, err = configOf(c, e); err != nil {
		return o, err
	}
	switch {
	case len(o.metas) > 0 && c.NArg() > 0:
		return o, failf(codeArguments, "give one of both", "-meta looks at a cluster without a configuration")
	case o.root != "" && len(o.metas) == 0:
		return o, failf(codeArguments, "a configuration says itself where its routes are", "-root needs -meta")
	case len(o.zookeeper) > 0 && o.root == "":
		return o, failf(codeArguments, "say where the records are with -root", "-zookeeper needs -root")
	}
	return o, nil
}

// list splits "a,b".
func list(s string) []string {
	return slices.DeleteFunc(strings.Split(s, ","), func(s string) bool { return s == "" })
}

// patient is one cluster to look at.
type patient struct {
	label string
	metas []string
	at    string // where it is declared
}

func (e Env) doctor(ctx context.Context, o doctorOptions) error {
	patients := []patient{{label: strings.Join(o.metas, ","), metas: o.metas}}
	var config *schema.Config
	if len(o.metas) == 0 {
		var err error
		if config, patients, err = e.declaredClusters(o.configOptions); err != nil {
			return err
		}
	}
	found, unseen := 0, 0
	for _, p := range patients {
		leftovers, err := e.examine(ctx, p, o)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil { // the other clusters can still be looked at
			e.report(err)
			unseen++
		}
		for _, l := range leftovers {
			e.printLeftover(p.label, l)
		}
		found += len(leftovers)
	}
	if config != nil {
		routes, err := e.declaredRoutes(ctx, config)
		if err != nil {
			e.report(err)
			unseen++
		}
		logs, err := leftLogs(stateDir(o.path))
		if err != nil {
			e.report(err)
			unseen++
		}
		here := append(routes, logs...)
		for _, l := range here {
			e.printLeftover("", l)
		}
		found += len(here)
	}
	switch {
	case found == 0 && unseen == 0:
		fmt.Fprintf(e.Stdout, "nothing was left behind on %s\n", counted(len(patients), "cluster"))
		return nil
	case found == 0:
		fmt.Fprintf(e.Stdout, "nothing was found; %s could not be answered (see above)\n", counted(unseen, "question"))
	}
	return &exitError{code: ExitError}
}

// declaredClusters lists the clusters of a configuration, by label.
func (e Env) declaredClusters(o configOptions) (*schema.Config, []patient, error) {
	config, diags := loadQuietly(o)
	if diags.HasErrors() {
		e.printDiagnostics(diags, config)
		return nil, nil, &exitError{code: ExitError, err: errDiagnosed}
	}
	patients := make([]patient, 0, len(config.Clusters))
	for label, c := range config.Clusters {
		patients = append(patients, patient{label: label, metas: c.MetaServers, at: place(c)})
	}
	slices.SortFunc(patients, func(a, b patient) int { return strings.Compare(a.label, b.label) })
	return config, patients, nil
}

// examineLimit bounds the look at one cluster.
const examineLimit = time.Minute

func (e Env) examine(ctx context.Context, p patient, o doctorOptions) ([]doctor.Leftover, error) {
	ctx, cancel := context.WithTimeout(ctx, examineLimit)
	defer cancel()
	cluster, err := e.openCluster(ctx, p.label, p.metas, p.at)
	if err != nil {
		return nil, err
	}
	defer cluster.Close()
	found, err := doctor.Examine(ctx, cluster)
	if err == nil && o.root != "" {
		var routes []doctor.Leftover
		routes, err = e.routesOfCluster(ctx, cluster, o)
		found = append(found, routes...)
	}
	if err != nil {
		return found, &failure{Code: plan.CodeTableUnread, Text: fmt.Sprintf("cluster %q: %v", p.label, err),
			Hint: "what could be seen is listed; try again for the rest"}
	}
	return found, nil
}

// printLeftover writes one finding: what, how old, what it does, how to clear it.
func (e Env) printLeftover(cluster string, l doctor.Leftover) {
	where := cluster
	if l.Where != "" {
		where = strings.TrimPrefix(cluster+"/"+l.Where, "/")
	}
	age := ""
	if !l.Since.IsZero() {
		age = fmt.Sprintf(", since %s (%s ago)", l.Since.UTC().Format(time.RFC3339), plan.Duration(e.Now().Sub(l.Since)))
	}
	fmt.Fprintf(e.Stdout, "%s: %s%s\n  effect: %s\n  undo: %s\n", where, l.What, age, l.Effect, l.Undo)
}
