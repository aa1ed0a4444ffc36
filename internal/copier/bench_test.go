package copier_test

import (
	"strconv"
	"testing"

	"github.com/pegmigrate/pegmigrate/internal/copier"
	"github.com/pegmigrate/pegmigrate/internal/sandbox"
	"github.com/pegmigrate/pegmigrate/internal/scan"
	"github.com/pegmigrate/pegmigrate/internal/scan/benchtest"
)

// BenchmarkCopy copies rows between two clusters in another process. The
// figure to look at is rows/cpu-s: rows per second of CPU time of this process, user and system.
func BenchmarkCopy(b *testing.B) {
	dir := benchtest.Start(b)
	for i, c := range []struct {
		name                     string
		rows, sortKeys, size     int
		partitions, toPartitions int32
	}{
		{"1-row-per-hash-key", 400_000, 1, 100, 8, 8},
		{"10-rows-per-hash-key", 800_000, 10, 100, 8, 8},
		{"100-rows-per-hash-key", 2_000_000, 100, 100, 8, 8},
		{"1024-partitions", 400_000, 1, 100, 1024, 256},
		{"1000-KB-values", 200, 1, 1_000_000, 64, 64},
	} {
		b.Run(c.name, func(b *testing.B) {
			table := "t" + strconv.Itoa(i)
			spec := sandbox.LoadSpec{Rows: int64(c.rows), ValueSize: c.size, MinSortKeys: c.sortKeys, MaxSortKeys: c.sortKeys}
			benchtest.Load(b, dir, "a", table, c.partitions, spec)
			benchtest.Load(b, dir, "b", table, c.toPartitions, sandbox.LoadSpec{})
			src, dst := benchtest.Open(b, dir, 0, table), benchtest.Open(b, dir, 1, table)
			benchtest.ResetPeak()
			b.ReportAllocs()
			cpu, rows := benchtest.CPUTime(), uint64(0)
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
			b.ReportMetric(float64(rows)/(benchtest.CPUTime()-cpu).Seconds(), "rows/cpu-s")
			b.ReportMetric(benchtest.PeakMB(), "peak-MB")
		})
	}
}
