package benchtest

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/pegasus"
	"github.com/pegmigrate/pegmigrate/internal/sandbox"
)

// sandboxEnv makes a test binary a sandbox in the folder that it names.
const sandboxEnv = "PEGMIGRATE_BENCH_SANDBOX"

// Serve comes first in the TestMain of a package that calls Start. It runs the sandbox and ends the
// process when the process was started for that, and returns otherwise.
func Serve() {
	if dir := os.Getenv(sandboxEnv); dir != "" {
		os.Exit(serve(dir))
	}
}

// serve runs two clusters until standard input ends.
func serve(dir string) int {
	ctx, cancel := context.WithCancel(context.Background())
	var input sync.WaitGroup
	input.Go(func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	})
	if err := sandbox.Up(ctx, sandbox.UpConfig{Dir: dir, TimeFactor: 1000}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// Start runs two clusters in a process of their own, until the benchmark ends.
func Start(b *testing.B) (dir string) {
	b.Helper()
	dir = b.TempDir()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), sandboxEnv+"="+dir)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait()
	})
	deadline := time.Now().Add(30 * time.Second)
	for {
		if _, err := os.Stat(filepath.Join(dir, sandbox.DescriptionFile)); err == nil {
			return dir
		}
		if time.Now().After(deadline) {
			b.Fatal("the sandbox does not come up")
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// Load creates and fills a table.
func Load(b *testing.B, dir, cluster, table string, partitions int32, spec sandbox.LoadSpec) {
	b.Helper()
	err := sandbox.Remote{Dir: dir}.Load(b.Context(), sandbox.LoadRequest{Cluster: cluster, Table: table, Partitions: partitions, LoadSpec: spec})
	if err != nil {
		b.Fatal(err)
	}
}

// Open opens a table of the i-th cluster.
func Open(b *testing.B, dir string, i int, table string) *pegasus.Table {
	b.Helper()
	d, err := sandbox.ReadDescription(dir)
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(b.Context(), 10*time.Second)
	defer cancel()
	c, err := pegasus.Open(ctx, pegasus.Config{Name: d.Clusters[i].Name, MetaServers: d.Clusters[i].MetaServers})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(c.Close)
	t, err := c.OpenTable(ctx, table)
	if err != nil {
		b.Fatal(err)
	}
	return t
}
