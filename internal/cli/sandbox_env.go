package cli

import (
	"context"
	"strings"
	"time"

	ucli "github.com/urfave/cli/v2"

	"github.com/pegmigrate/pegmigrate/internal/pegasus"
	"github.com/pegmigrate/pegmigrate/internal/sandbox"
)

// sandboxEnv sets table envs as an operator of the cluster would, through its meta servers.
func (e Env) sandboxEnv() *ucli.Command {
	return &ucli.Command{
		Name: "env", Usage: "set envs of a table, as the servers' own shell does", ArgsUsage: "KEY=VALUE ...",
		Flags: []ucli.Flag{dirFlag(), clusterFlag(), tableFlag()},
		Action: func(c *ucli.Context) error {
			if err := need(c, "dir", "cluster", "table"); err != nil {
				return err
			}
			envs := map[string]string{}
			for _, pair := range c.Args().Slice() {
				key, value, ok := strings.Cut(pair, "=")
				if !ok || key == "" {
					return failf(codeArguments, "write KEY=VALUE", "%q sets nothing", pair)
				}
				envs[key] = value
			}
			if len(envs) == 0 {
				return failf(codeArguments, "write KEY=VALUE", "no env is given")
			}
			return e.setSandboxEnvs(c.Context, c.String("dir"), c.String("cluster"), c.String("table"), envs)
		},
	}
}

// sandboxEnvLimit bounds one change of envs or tables.
const sandboxEnvLimit = 30 * time.Second

func (e Env) setSandboxEnvs(ctx context.Context, dir, name, table string, envs map[string]string) error {
	return e.withSandbox(ctx, dir, name, func(ctx context.Context, cluster *pegasus.Cluster) error {
		return cluster.SetEnvs(ctx, table, envs)
	})
}

// sandboxDrop drops a table as an operator of the cluster would.
func (e Env) sandboxDrop() *ucli.Command {
	return &ucli.Command{
		Name: "drop", Usage: "drop a table for good, as the servers' own shell does; backups of it stay",
		Flags: []ucli.Flag{dirFlag(), clusterFlag(), tableFlag()},
		Action: func(c *ucli.Context) error {
			if err := need(c, "dir", "cluster", "table"); err != nil {
				return err
			}
			return e.withSandbox(c.Context, c.String("dir"), c.String("cluster"), func(ctx context.Context, cluster *pegasus.Cluster) error {
				return cluster.DropTable(ctx, c.String("table"), 0)
			})
		},
	}
}

// withSandbox does something with a cluster of a sandbox, as a client of its meta servers.
func (e Env) withSandbox(ctx context.Context, dir, name string, do func(context.Context, *pegasus.Cluster) error) error {
	ctx, cancel := context.WithTimeout(ctx, sandboxEnvLimit)
	defer cancel()
	info, err := sandbox.ReadDescription(dir)
	if err != nil {
		return sandboxFailure(err)
	}
	for _, c := range info.Clusters {
		if c.Name != name {
			continue
		}
		cluster, err := e.openCluster(ctx, name, c.MetaServers, "")
		if err != nil {
			return err
		}
		defer cluster.Close()
		return sandboxFailure(do(ctx, cluster))
	}
	return failf(codeSandbox, "see sandbox.json", "the sandbox has no cluster %q", name)
}
