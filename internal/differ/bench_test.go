package differ_test

import (
	"strconv"
	"testing"

	"github.com/pegmigrate/pegmigrate/internal/differ"
	"github.com/pegmigrate/pegmigrate/internal/sandbox"
	"github.com/pegmigrate/pegmigrate/internal/scan"
	"github.com/pegmigrate/pegmigrate/internal/scan/benchtest"
)

// BenchmarkDiffer compares equal tables with 100-byte values in clusters of another process. The
// figure to look at is rows/cpu-s: rows per side and second of CPU time of this process.
func BenchmarkDiffer(b *testing.B) {
	dir := benchtest.Start(b)
	for _, c := range []struct {
		name                     string
		rows                     int64
		partitions, toPartitions int32
	}{
		{"8-partitions", 500_000, 8, 8},
		{"8-to-16-partitions", 500_000, 8, 16},
		{"1024-to-1023-partitions", 500_000, 1024, 1023},
	} {
		b.Run(c.name, func(b *testing.B) {
			table := "t" + strconv.Itoa(int(c.partitions)) + "-" + strconv.Itoa(int(c.toPartitions))
			spec := sandbox.LoadSpec{Rows: c.rows, ValueSize: 100}
			benchtest.Load(b, dir, "a", table, c.partitions, spec)
			benchtest.Load(b, dir, "b", table, c.toPartitions, spec)
			src, dst := benchtest.Open(b, dir, 0, table), benchtest.Open(b, dir, 1, table)
			benchtest.ResetPeak()
			b.ReportAllocs()
			cpu, rows := benchtest.CPUTime(), uint64(0)
			for b.Loop() {
				result, err := differ.Run(b.Context(), scan.Table(src), scan.Table(dst), nil, differ.Options{}, nil, nil)
				if err != nil || result.Differences() != 0 {
					b.Fatalf("%v, %+v", err, result.Counts)
				}
				rows += result.Equal
			}
			b.ReportMetric(float64(rows)/b.Elapsed().Seconds(), "rows/s")
			b.ReportMetric(float64(rows)/(benchtest.CPUTime()-cpu).Seconds(), "rows/cpu-s")
			b.ReportMetric(benchtest.PeakMB(), "peak-MB")
		})
	}
}
