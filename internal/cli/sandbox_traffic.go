package cli

import (
	"bufio"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"time"

	ucli "github.com/urfave/cli/v2"

	"github.com/pegmigrate/pegmigrate/internal/sandbox"
	"github.com/pegmigrate/pegmigrate/internal/traffic"
)

func (e Env) sandboxTraffic() *ucli.Command {
	return &ucli.Command{
		Name:  "traffic",
		Usage: "be the applications: write, read and count through the proxies, and check afterwards that nothing was lost",
		Description: "Clients are writer, reader and incr, each with /go (Apache's Go client, the default) or /java (behaves as the\n" +
			"Java client does) behind it. An incr client does 5 % of the operations, the others share the rest.\n" +
			"A line per second goes to stderr, a summary in JSON to stdout at the end: after -for, or when signalled.\n" +
			"With -check nothing runs: the journal is compared with a cluster's table.\n" + exitHelp,
		Flags: []ucli.Flag{
			dirFlag(), tableFlag(),
			&ucli.StringFlag{Name: "clients", Value: "writer/go,writer/java,reader/go", Usage: "`LIST` of clients"},
			&ucli.Float64Flag{Name: "rate", Value: 2000, Usage: "operations per second of all clients together"},
			&ucli.DurationFlag{Name: "for", Usage: "how long; without it until signalled"},
			&ucli.DurationFlag{Name: "timeout", Value: time.Second, Usage: "of an operation, 3ms to 4.2s"},
			&ucli.IntFlag{Name: "workers", Value: 16, Usage: "operations under way at most, per client"},
			&ucli.IntFlag{Name: "value-size", Value: 100, Usage: "bytes"},
			&ucli.StringFlag{Name: "journal", Usage: "`FILE` for what was acknowledged; it must not exist, and with -check it must"},
			&ucli.BoolFlag{Name: "check", Usage: "compare the journal with the table of -cluster; exit 1 when an acknowledged write is missing"},
			clusterFlag(),
			&ucli.StringFlag{Name: "dual", Usage: "be dual writers instead: `CLUSTERS` whose metas are asked directly, such as a,b; each write goes to all of them and is repeated until it is done"},
			&ucli.IntFlag{Name: "found", Usage: "with -dual: that many rows which the first table holds already are overwritten and deleted, too"},
		},
		Action: func(c *ucli.Context) error {
			if err := need(c, "dir", "table"); err != nil {
				return err
			}
			if c.Bool("check") {
				return e.checkTraffic(c)
			}
			return e.runTraffic(c)
		},
	}
}

func (e Env) runTraffic(c *ucli.Context) error {
	d, err := sandbox.ReadDescription(c.String("dir"))
	if err != nil {
		return sandboxFailure(err)
	}
	sides, err := dualSides(d, c.String("dual"))
	if err != nil {
		return err
	}
	if len(d.MetaProxies) == 0 && len(sides) == 0 {
		return failf(codeTraffic, "start one with `pegmigrate sandbox up -metaproxies 2` and lead the table: `pegmigrate sandbox route set`",
			"the sandbox has no MetaProxy")
	}
	clusters := map[string][]string{}
	for _, cl := range d.Clusters {
		clusters[cl.Name] = cl.ReplicaServers
	}
	var found []traffic.Row
	if n := c.Int("found"); n > 0 && len(sides) > 0 {
		found, err = sampled(dumped(c.Context, sandbox.Remote{Dir: c.String("dir")}, sides[0].Cluster, c.String("table")), n)
		if err != nil {
			return failf(codeTraffic, "see `pegmigrate sandbox traffic -h`", "%v", err)
		}
	}
	summary, err := traffic.Run(c.Context, traffic.Config{
		Proxies: d.MetaProxies, Table: c.String("table"), Clients: c.String("clients"), Rate: c.Float64("rate"), For: c.Duration("for"),
		Timeout: c.Duration("timeout"), Workers: c.Int("workers"), ValueSize: c.Int("value-size"), Journal: c.String("journal"),
		Sides: sides, Found: found, Clusters: clusters, Progress: e.Stderr,
	})
	if err != nil {
		return failf(codeTraffic, "see `pegmigrate sandbox traffic -h`", "%v", err)
	}
	return e.printJSON(summary)
}

// dualSides reads the clusters of a dual writer, none for "".
func dualSides(d sandbox.Description, list string) ([]traffic.Side, error) {
	if list == "" {
		return nil, nil
	}
	var sides []traffic.Side
	for name := range strings.SplitSeq(list, ",") {
		i := slices.IndexFunc(d.Clusters, func(c sandbox.ClusterDescription) bool { return c.Name == name })
		if i < 0 {
			return nil, failf(codeTraffic, "write the clusters as -dual a,b", "the sandbox has no cluster %q", name)
		}
		sides = append(sides, traffic.Side{Cluster: name, Metas: d.Clusters[i].MetaServers})
	}
	return sides, nil
}

// sampled keeps n rows of all, each as likely as the others.
func sampled(rows iter.Seq2[traffic.Row, error], n int) ([]traffic.Row, error) {
	var kept []traffic.Row
	seen := 0
	for row, err := range rows {
		if err != nil {
			return nil, err
		}
		if seen++; len(kept) < n {
			kept = append(kept, row)
		} else if i := rand.IntN(seen); i < n {
			kept[i] = row
		}
	}
	return kept, nil
}

func (e Env) checkTraffic(c *ucli.Context) error {
	if err := need(c, "cluster", "journal"); err != nil {
		return err
	}
	journal, err := os.Open(c.String("journal"))
	if err != nil {
		return failf(codeTraffic, "name the journal of a run of `pegmigrate sandbox traffic`", "%v", err)
	}
	defer journal.Close()
	report, err := traffic.Check(journal, dumped(c.Context, sandbox.Remote{Dir: c.String("dir")}, c.String("cluster"), c.String("table")), time.Now())
	if err != nil {
		return failf(codeTraffic, "see `pegmigrate sandbox traffic -h`", "%v", err)
	}
	if err := e.printJSON(report); err != nil {
		return err
	}
	if !report.OK() {
		return failf(codeTrafficLost, "the report names the keys", "of %d acknowledged writes %d are missing, %d keys hold something else, %d deleted ones are back, %d expire otherwise",
			report.Acked, report.Missing, report.Wrong, report.Resurrected, report.Expiry)
	}
	return nil
}

// printJSON prints a value for people and programs.
func (e Env) printJSON(v any) error {
	enc := json.NewEncoder(e.Stdout)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// dumped reads the rows of a sandbox's table as they come.
func dumped(ctx context.Context, remote sandbox.Remote, cluster, table string) iter.Seq2[traffic.Row, error] {
	return func(yield func(traffic.Row, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		in, out := io.Pipe()
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			_ = out.CloseWithError(remote.Dump(ctx, cluster, table, out))
		}()
		defer func() {
			_ = in.Close()
			<-ended
		}()
		lines := bufio.NewReader(in)
		for {
			line, err := lines.ReadBytes('\n')
			if err == io.EOF {
				return
			}
			row, err := parseRow(line, err)
			if !yield(row, err) || err != nil {
				return
			}
		}
	}
}

func parseRow(line []byte, err error) (row traffic.Row, _ error) {
	var text struct {
		K, V string
		E    uint32
	}
	if err == nil {
		err = json.Unmarshal(line, &text)
	}
	if err == nil {
		row.Key, err = hex.DecodeString(text.K)
	}
	if err == nil {
		row.Value, err = hex.DecodeString(text.V)
	}
	if err != nil {
		return row, fmt.Errorf("dump: %w", err)
	}
	row.Expire = text.E
	return row, nil
}
