package copier_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/copier"
	"github.com/pegmigrate/pegmigrate/internal/pegasus"
	"github.com/pegmigrate/pegmigrate/internal/sandbox"
	"github.com/pegmigrate/pegmigrate/internal/scan"
)

// BenchmarkCopy copies rows with 100-byte values between two clusters in another process. The
// figure to look at is rows/cpu-s: rows per second of CPU time of this process, user and system.
func BenchmarkCopy(b *testing.B) {
	dir := startSandbox(b)
	for _, c := range []struct {
		name                     string
		rows, sortKeys           int
		partitions, toPartitions int32
	}{
		{"1-row-per-hash-key", 400_000, 1, 8, 8},
		{"10-rows-per-hash-key", 800_000, 10, 8, 8},
		{"100-rows-per-hash-key", 2_000_000, 100, 8, 8},
		{"1024-partitions", 400_000, 1, 1024, 256},
	} {
		b.Run(c.name, func(b *testing.B) {
			table := "t" + strconv.Itoa(c.sortKeys) + "-" + strconv.Itoa(int(c.partitions))
			spec := sandbox.LoadSpec{Rows: int64(c.rows), ValueSize: 100, MinSortKeys: c.sortKeys, MaxSortKeys: c.sortKeys}
			load(b, dir, "a", table, c.partitions, spec)
			load(b, dir, "b", table, c.toPartitions, sandbox.LoadSpec{})
			src, dst := open(b, dir, 0, table), open(b, dir, 1, table)
			resetPeak()
			b.ReportAllocs()
			cpu, rows := cpuTime(), uint64(0)
			for b.Loop() {
				result, err := copier.Run(b.Context(), scan.Table(src), dst, nil, copier.Options{}, func([]copier.Cursor) error { return nil }, nil)
				if err != nil {
					b.Fatal(err)
				}
				rows += result.Rows
			}
			if want := uint64(c.rows * b.N); rows != want {
				b.Fatalf("%d rows, want %d", rows, want)
			}
			b.ReportMetric(float64(rows)/b.Elapsed().Seconds(), "rows/s")
			b.ReportMetric(float64(rows)/(cpuTime()-cpu).Seconds(), "rows/cpu-s")
			b.ReportMetric(peakMB(), "peak-MB")
		})
	}
}

// startSandbox runs two clusters in a process of their own, until the benchmark ends.
func startSandbox(b *testing.B) (dir string) {
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

// load creates and fills a table.
func load(b *testing.B, dir, cluster, table string, partitions int32, spec sandbox.LoadSpec) {
	b.Helper()
	err := sandbox.Remote{Dir: dir}.Load(b.Context(), sandbox.LoadRequest{Cluster: cluster, Table: table, Partitions: partitions, LoadSpec: spec})
	if err != nil {
		b.Fatal(err)
	}
}

// open opens a table of the i-th cluster.
func open(b *testing.B, dir string, i int, table string) *pegasus.Table {
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

// cpuTime is what this process has used, user and system.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// resetPeak makes the kernel forget the largest resident size so far; where it cannot, peakMB is
// that of the whole run.
func resetPeak() { _ = os.WriteFile("/proc/self/clear_refs", []byte("5"), 0o600) }

// peakMB is the largest resident size of this process, 0 where the system does not say.
func peakMB() float64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for lines := bufio.NewScanner(bytes.NewReader(status)); lines.Scan(); {
		var kb float64
		if n, _ := fmt.Sscanf(lines.Text(), "VmHWM: %f kB", &kb); n == 1 {
			return kb / 1024
		}
	}
	return 0
}
