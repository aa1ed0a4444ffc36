package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	ucli "github.com/urfave/cli/v2"

	"github.com/pegmigrate/pegmigrate/internal/idl"
	"github.com/pegmigrate/pegmigrate/internal/sandbox"
)

func (e Env) sandboxCommand() *ucli.Command {
	return &ucli.Command{
		Name:        "sandbox",
		Usage:       "embedded clusters to try everything on; their data survives nothing",
		Subcommands: []*ucli.Command{e.sandboxUp(), e.sandboxLoad(), e.sandboxDump(), e.sandboxFault(), e.sandboxEnv(), e.sandboxDrop(), e.sandboxRoute(), e.sandboxTraffic()},
	}
}

func dirFlag() ucli.Flag {
	return &ucli.StringFlag{Name: "dir", Usage: "the sandbox's `DIR`"}
}

func clusterFlag() ucli.Flag {
	return &ucli.StringFlag{Name: "cluster", Usage: "`NAME` of the cluster: a, b, …"}
}

func tableFlag() ucli.Flag {
	return &ucli.StringFlag{Name: "table", Usage: "`NAME` of the table"}
}

func (e Env) sandboxUp() *ucli.Command {
	return &ucli.Command{
		Name:  "up",
		Usage: "run clusters until signalled; DIR/sandbox.json appears when all is ready",
		Flags: []ucli.Flag{
			dirFlag(),
			&ucli.IntFlag{Name: "clusters", Value: 2, Usage: "how many, named a, b, …"},
			&ucli.IntFlag{Name: "metas", Value: 2, Usage: "meta servers per cluster"},
			&ucli.IntFlag{Name: "replicas", Value: 3, Usage: "replica servers per cluster"},
			&ucli.IntFlag{Name: "metaproxies", Usage: "MetaProxies, with the ZooKeeper that holds their records"},
			&ucli.StringFlag{Name: "version", Value: sandbox.Version250, Usage: "the `RELEASE` of the servers: " + strings.Join(sandbox.Versions(), ", ")},
			&ucli.Float64Flag{Name: "time-factor", Value: 100, Usage: "divide the servers' real intervals by this"},
			&ucli.Uint64Flag{Name: "seed", Value: 1, Usage: "makes placements and scan context ids repeatable"},
			&ucli.StringSliceFlag{Name: "block-service", Usage: "`NAME=DIR`: a provider of type local_service that all clusters share; may be repeated"},
			&ucli.Float64Flag{Name: "ship-rate", Usage: "mutations per second that each partition duplicates at most; 0 means no bound"},
		},
		Action: func(c *ucli.Context) error {
			if err := need(c, "dir"); err != nil {
				return err
			}
			services, err := blockServices(c.StringSlice("block-service"))
			if err != nil {
				return err
			}
			err = sandbox.Up(c.Context, sandbox.UpConfig{Dir: c.String("dir"), Clusters: c.Int("clusters"), Metas: c.Int("metas"),
				Replicas: c.Int("replicas"), TimeFactor: c.Float64("time-factor"), Seed: c.Uint64("seed"), MetaProxies: c.Int("metaproxies"),
				Version: c.String("version"), ShipRate: c.Float64("ship-rate"), BlockServices: services, Log: e.Stderr})
			return sandboxFailure(err)
		},
	}
}

// blockServices reads NAME=DIR; folders of the working directory are made absolute, since they
// also stand in the configuration that servers tell.
func blockServices(list []string) (map[string]string, error) {
	services := map[string]string{}
	for _, text := range list {
		name, dir, ok := strings.Cut(text, "=")
		if !ok || name == "" || dir == "" || services[name] != "" {
			return nil, failf(codeSandbox, "write -block-service backup=/srv/blocks, each name once", "-block-service %q", text)
		}
		path, err := filepath.Abs(dir)
		if err != nil {
			return nil, failf(codeSandbox, "give an absolute folder", "-block-service %q: %v", text, err)
		}
		services[name] = path
	}
	return services, nil
}

func (e Env) sandboxLoad() *ucli.Command {
	return &ucli.Command{
		Name:  "load",
		Usage: "create a table when it is absent and fill it",
		Flags: []ucli.Flag{
			dirFlag(), clusterFlag(), tableFlag(),
			&ucli.IntFlag{Name: "partitions", Value: 8, Usage: "of a table that is absent"},
			&ucli.IntFlag{Name: "rows", Usage: "how many"},
			&ucli.IntFlag{Name: "value-size", Value: 100, Usage: "bytes"},
			&ucli.StringFlag{Name: "sort-keys", Value: "1", Usage: "rows per hash key, `N` or FROM-TO"},
			&ucli.Float64Flag{Name: "ttl-share", Usage: "share of the rows that expire some day, 0 to 1"},
			&ucli.Uint64Flag{Name: "seed", Value: 1, Usage: "the same seed gives the same rows"},
		},
		Action: func(c *ucli.Context) error {
			if err := need(c, "dir", "cluster", "table", "rows"); err != nil {
				return err
			}
			if n := c.Int("partitions"); n < 1 {
				return failf(codeSandbox, "give a number above 0", "-partitions %d", n)
			}
			low, high, err := span(c.String("sort-keys"))
			if err != nil {
				return err
			}
			return sandboxFailure(sandbox.Remote{Dir: c.String("dir")}.Load(c.Context, sandbox.LoadRequest{
				Cluster: c.String("cluster"), Table: c.String("table"), Partitions: int32(c.Int("partitions")),
				LoadSpec: sandbox.LoadSpec{Rows: int64(c.Int("rows")), ValueSize: c.Int("value-size"), MinSortKeys: low, MaxSortKeys: high,
					TTLShare: c.Float64("ttl-share"), Seed: c.Uint64("seed")},
			}))
		},
	}
}

// span reads "N" or "FROM-TO".
func span(text string) (low, high int, err error) {
	from, to, ranged := strings.Cut(text, "-")
	if !ranged {
		to = from
	}
	low, err = strconv.Atoi(from)
	if err == nil {
		high, err = strconv.Atoi(to)
	}
	if err != nil || low < 1 || high < low {
		return 0, 0, failf(codeSortKeys, "write -sort-keys 5 or -sort-keys 1-50", "-sort-keys %q is neither a number above 0 nor a range of them", text)
	}
	return low, high, nil
}

func (e Env) sandboxDump() *ucli.Command {
	return &ucli.Command{
		Name:  "dump",
		Usage: "print every live row as a line of JSON, sorted by raw key",
		Flags: []ucli.Flag{dirFlag(), clusterFlag(), tableFlag()},
		Action: func(c *ucli.Context) error {
			if err := need(c, "dir", "cluster", "table"); err != nil {
				return err
			}
			return sandboxFailure(sandbox.Remote{Dir: c.String("dir")}.Dump(c.Context, c.String("cluster"), c.String("table"), e.Stdout))
		},
	}
}

func (e Env) sandboxFault() *ucli.Command {
	kinds := make([]string, 0, len(sandbox.FaultKinds()))
	for _, k := range sandbox.FaultKinds() {
		kinds = append(kinds, string(k))
	}
	return &ucli.Command{
		Name:        "fault",
		Usage:       "inject a fault, list those that last, or end them",
		Description: "Kinds: " + strings.Join(kinds, ", ") + "\n" + exitHelp,
		Flags: append([]ucli.Flag{
			dirFlag(), clusterFlag(),
			&ucli.StringFlag{Name: "kind", Usage: "what happens; without it the lasting faults are listed"},
			&ucli.BoolFlag{Name: "clear", Usage: "end all faults of the cluster, or the one named by -id, and start dead servers again"},
			&ucli.IntFlag{Name: "id", Usage: "number of a lasting fault, for -clear"},
			&ucli.StringFlag{Name: "rpc", Usage: "calls of this `RPC` only (put, get_scanner, create_app, …, read, write); default every data request"},
			&ucli.Float64Flag{Name: "share", Usage: "share of the calls, 0 to 1; 0 means all"},
			&ucli.StringFlag{Name: "code", Usage: "error `CODE` of kind fail", Value: string(idl.ErrBusy)},
			&ucli.BoolFlag{Name: "after", Usage: "after the call was executed instead of before"},
			&ucli.IntFlag{Name: "times", Usage: "end after so many hits"},
			&ucli.DurationFlag{Name: "delay", Usage: "of kinds delay, bounce-replica, slow-transfer, slow-compaction and the like; of kind capacity: what waits longer is refused"},
			&ucli.DurationFlag{Name: "every", Usage: "repeat faults of servers and partitions"},
			&ucli.IntFlag{Name: "server", Usage: "index of the server; without it another one each time"},
			&ucli.StringFlag{Name: "table", Usage: "this table only"},
			&ucli.IntFlag{Name: "partition", Usage: "this partition only"},
			&ucli.Float64Flag{Name: "rows", Usage: "per second that each replica server does, of kind capacity"},
			&ucli.Float64Flag{Name: "bytes", Usage: "per second that each replica server does, of kind capacity"},
			&ucli.StringFlag{Name: "counter", Usage: "`NAME` of a perf-counter or metric, of kind report"},
			&ucli.Float64Flag{Name: "value", Usage: "what the counter shows, of kind report"},
			&ucli.StringFlag{Name: "remote", Usage: "`NAME` of the other cluster, of kinds forget-cluster-…"},
			&ucli.BoolFlag{Name: "metas", Usage: "of meta servers instead of replica servers, of kinds forget-cluster-…"},
		}, routeFaultFlags()...),
		Action: func(c *ucli.Context) error {
			if err := need(c, "dir"); err != nil {
				return err
			}
			if f, ok := routeFaultOf(c); ok {
				return sandboxFailure(sandbox.Remote{Dir: c.String("dir")}.DisturbRoute(c.Context, f))
			}
			if err := need(c, "cluster"); err != nil {
				return err
			}
			remote, cluster := sandbox.Remote{Dir: c.String("dir")}, c.String("cluster")
			switch {
			case c.Bool("clear"):
				return sandboxFailure(remote.Clear(c.Context, cluster, c.Int("id")))
			case c.String("kind") == "":
				return sandboxFailure(remote.Faults(c.Context, cluster, e.Stdout))
			}
			return sandboxFailure(remote.Inject(c.Context, cluster, faultOf(c), e.Stdout))
		},
	}
}

func faultOf(c *ucli.Context) sandbox.Fault {
	f := sandbox.Fault{
		Kind: sandbox.FaultKind(c.String("kind")), RPC: c.String("rpc"), Share: c.Float64("share"),
		Code: idl.ErrorCode(c.String("code")), After: c.Bool("after"), Times: c.Int("times"),
		Delay: c.Duration("delay"), Every: c.Duration("every"), Table: c.String("table"),
		Remote: c.String("remote"), Metas: c.Bool("metas"),
		Rows: c.Float64("rows"), Bytes: c.Float64("bytes"), Counter: c.String("counter"), Value: c.Float64("value"),
	}
	if c.IsSet("server") {
		f.Server = new(c.Int("server"))
	}
	if c.IsSet("partition") {
		f.Partition = new(c.Int("partition"))
	}
	return f
}

func sandboxFailure(err error) error {
	if err == nil || errors.Is(err, syscall.EPIPE) {
		return err
	}
	hint := "see `pegmigrate sandbox -h`"
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) {
		hint = "start one with `pegmigrate sandbox up -dir DIR` and wait for DIR/sandbox.json"
	}
	return failf(codeSandbox, hint, "%s", strings.TrimPrefix(fmt.Sprint(err), "sandbox: "))
}
