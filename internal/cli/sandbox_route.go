package cli

import (
	"strings"

	ucli "github.com/urfave/cli/v2"

	"github.com/pegmigrate/pegmigrate/internal/sandbox"
)

func (e Env) sandboxRoute() *ucli.Command {
	return &ucli.Command{
		Name:  "route",
		Usage: "route records of a sandbox that has proxies (up -metaproxies N)",
		Subcommands: []*ucli.Command{
			{
				Name:  "show",
				Usage: "print ZooKeeper, the proxies and the records as lines of JSON",
				Flags: []ucli.Flag{dirFlag(), tableFlag()},
				Action: func(c *ucli.Context) error {
					if err := need(c, "dir"); err != nil {
						return err
					}
					return sandboxFailure(sandbox.Remote{Dir: c.String("dir")}.Routes(c.Context, c.String("table"), e.Stdout))
				},
			},
			{
				Name:  "set",
				Usage: "write the record of a table: it leads to a cluster",
				Flags: []ucli.Flag{dirFlag(), tableFlag(), clusterFlag(),
					&ucli.StringFlag{Name: "record", Usage: "write this `TEXT` instead, whatever it is; a changed record that is no JSON kills the proxies"}},
				Action: func(c *ucli.Context) error {
					if err := need(c, "dir", "table"); err != nil {
						return err
					}
					if c.String("record") == "" {
						if err := need(c, "cluster"); err != nil {
							return err
						}
					}
					return sandboxFailure(sandbox.Remote{Dir: c.String("dir")}.Lead(c.Context, c.String("table"), c.String("cluster"), c.String("record")))
				},
			},
		},
	}
}

// routeFaultFlags are the flags of `sandbox fault` for what stands before the clusters.
func routeFaultFlags() []ucli.Flag {
	return []ucli.Flag{
		&ucli.StringFlag{Name: "zookeeper", Usage: "what happens to ZooKeeper: " + strings.Join(sandbox.ZooKeeperFaults(), ", ") + " (with -delay)"},
		&ucli.StringFlag{Name: "proxy", Usage: "what happens to all proxies, or to the one of -server: " + strings.Join(sandbox.ProxyFaults(), ", ")},
	}
}

// routeFaultOf tells whether the fault is one of ZooKeeper or proxies.
func routeFaultOf(c *ucli.Context) (sandbox.RouteFault, bool) {
	f := sandbox.RouteFault{ZooKeeper: c.String("zookeeper"), Proxy: c.String("proxy"), Delay: c.Duration("delay")}
	if c.IsSet("server") {
		f.Index = new(c.Int("server"))
	}
	return f, f.ZooKeeper != "" || f.Proxy != ""
}
