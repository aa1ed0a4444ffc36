package cli

import (
	"context"
	"errors"
	"fmt"
	"syscall"

	ucli "github.com/urfave/cli/v2"

	"github.com/pegmigrate/pegmigrate/internal/metrics"
	"github.com/pegmigrate/pegmigrate/plan"
)

// flagMetrics is where a run offers its metrics.
const flagMetrics = "metrics-listen"

func metricsFlag() ucli.Flag {
	return &ucli.StringFlag{Name: flagMetrics, Usage: "serve Prometheus metrics at `HOST:PORT`/metrics while the command runs; without HOST on 127.0.0.1, " +
		"with port 0 on a free one"}
}

// serveMetrics binds the address and counts from now on; call end when the run is over. Without an address
// it does nothing. An address that cannot be bound is an error before anything is looked at or changed.
func (s *session) serveMetrics(ctx context.Context, command, addr string) (end func(), err error) {
	if addr == "" {
		return func() {}, nil
	}
	m := s.migration
	s.metrics = metrics.New(metrics.About{Version: s.env.Version, Migration: m.Name, Command: command, Method: m.Method.Kind(),
		Source: plan.TableRef{Cluster: m.Source.Label(), Table: m.Source.Table}.String(), Target: m.Target.Cluster.Label + "/" + m.Target.Table}, s.env.Now)
	server, err := metrics.Listen(ctx, addr, s.metrics)
	if err != nil {
		hint := "give -" + flagMetrics + " 127.0.0.1:PORT"
		if errors.Is(err, syscall.EADDRINUSE) {
			hint = "another process has the port: give another one, or port 0 for a free one"
		}
		return nil, failf(codeMetrics, hint, "metrics cannot be served, nothing was changed: %v", err)
	}
	fmt.Fprintf(s.env.Stderr, "metrics: http://%s/metrics\n", server.Addr())
	if server.Exposed() {
		fmt.Fprintf(s.env.Stderr, "metrics: whoever reaches %s can read them: there is no password\n", server.Addr())
	}
	return func() {
		if err := server.Close(); err != nil {
			fmt.Fprintf(s.env.Stderr, "metrics were not served to the end: %v\n", err)
		}
	}, nil
}
