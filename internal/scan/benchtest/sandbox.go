package benchtest

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/pprof"
	"sync"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/pegasus"
	"github.com/pegmigrate/pegmigrate/internal/sandbox"
)

// sandboxEnv makes a test binary a sandbox in the folder that it names; profileEnv names a file for
// the sandbox's CPU profile.
const (
	sandboxEnv = "PEGMIGRATE_BENCH_SANDBOX"
	profileEnv = "PEGMIGRATE_BENCH_SANDBOX_PROFILE"
)

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
	if err := profile(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer pprof.StopCPUProfile()
	if err := sandbox.Up(ctx, sandbox.UpConfig{Dir: dir, TimeFactor: 200}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// profile begins the profile that somebody asked for.
func profile(ctx context.Context) error {
	path := os.Getenv(profileEnv)
	if path == "" {
		return nil
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	return pprof.StartCPUProfile(f)
}

// Start is Up for who only needs the folder.
func Start(b *testing.B) (dir string) {
	b.Helper()
	return Up(b).Dir
}

// Box is a sandbox in a process of its own.
type Box struct {
	Dir string
	PID int
}

// Up runs two clusters in a process of their own, until the benchmark ends.
func Up(b *testing.B) Box {
	b.Helper()
	dir := b.TempDir()
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
			return Box{Dir: dir, PID: cmd.Process.Pid}
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
