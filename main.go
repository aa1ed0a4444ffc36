// Command pegmigrate moves one Apache Pegasus table from one cluster to another: declared in HCL,
// planned against both live clusters, applied in steps that can be resumed, proven and undone.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/pegmigrate/pegmigrate/internal/cli"
)

func main() { os.Exit(run(cli.OS(cli.BuildVersion()))) }

// run is the life of the process in an environment.
func run(e cli.Env) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The first signal asks the run to stop at a safe point. After it the default behaviour is
	// back, so that a second one ends the process at once; a crash must be safe, so this is too.
	context.AfterFunc(ctx, stop)
	// A reader that goes away (| head, | tee that Ctrl-C ends as well) must not end a run with a
	// fence standing: the write fails instead, and the run goes on to its safe point.
	signal.Ignore(syscall.SIGPIPE)
	defer stop()
	return cli.Run(ctx, os.Args, e)
}
