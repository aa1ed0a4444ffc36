package cli

import (
	"context"
	"os"

	ucli "github.com/urfave/cli/v2"

	"github.com/pegmigrate/pegmigrate/internal/actuate"
	"github.com/pegmigrate/pegmigrate/internal/canary"
)

// nameCanary is the hidden command that a canary's process runs.
const nameCanary = "canary"

// canaryCommand is the other side of readThroughProxy: the process with Apache's client in it.
func (e Env) canaryCommand() *ucli.Command {
	return &ucli.Command{
		Name: nameCanary, Hidden: true,
		Usage:  "started by apply: reads the rows that standard input names through a MetaProxy",
		Action: func(c *ucli.Context) error { return canary.Serve(c.Context, e.Stdin, e.Stdout) },
	}
}

// readThroughProxy implements actuate.CanaryRead with a child of this program.
func readThroughProxy(ctx context.Context, proxy, table string, keys []actuate.CanaryKey) ([]actuate.CanaryRow, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	q := canary.Question{Proxy: proxy, Table: table}
	for _, k := range keys {
		q.Rows = append(q.Rows, canary.Key{HashKey: k.HashKey, SortKey: k.SortKey})
	}
	a, err := canary.Process{Path: self, Args: []string{os.Args[0], nameCanary}}.Ask(ctx, q)
	if err != nil {
		return nil, err
	}
	rows := make([]actuate.CanaryRow, 0, len(a.Rows))
	for _, r := range a.Rows {
		rows = append(rows, actuate.CanaryRow{Found: r.Found, Value: r.Value, Err: r.Error})
	}
	return rows, nil
}
