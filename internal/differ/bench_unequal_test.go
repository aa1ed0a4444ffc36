package differ_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/pegmigrate/pegmigrate/internal/differ"
	"github.com/pegmigrate/pegmigrate/internal/pegasus"
	"github.com/pegmigrate/pegmigrate/internal/sandbox"
	"github.com/pegmigrate/pegmigrate/internal/scan"
	"github.com/pegmigrate/pegmigrate/internal/scan/benchtest"
)

// BenchmarkUnequal compares tables of which one lacks every 250th row, as when clients wrote since they were copied:
// reads/row is how often the rows of a side are read.
func BenchmarkUnequal(b *testing.B) {
	const rows, every = 500_000, 250
	dir := benchtest.Start(b)
	for _, c := range []struct{ n, m int32 }{{2, 8}, {4, 8}, {8, 16}, {64, 64}} {
		table := fmt.Sprintf("u%d-%d", c.n, c.m)
		spec := sandbox.LoadSpec{Rows: rows, ValueSize: 100}
		benchtest.Load(b, dir, "a", table, c.n, spec)
		benchtest.Load(b, dir, "b", table, c.m, spec)
		src, dst := benchtest.Open(b, dir, 0, table), benchtest.Open(b, dir, 1, table)
		spoil(b, dst, every)
		for _, method := range []differ.Method{differ.MethodMerge, differ.MethodDigest} {
			b.Run(fmt.Sprintf("%d-to-%d/%s", c.n, c.m, method), func(b *testing.B) {
				cpu, count := benchtest.CPUTime(), 0
				for b.Loop() {
					result, err := differ.Run(b.Context(), scan.Table(src), scan.Table(dst), nil, differ.Options{Method: method}, nil, nil)
					if err != nil || result.Missing != rows/every {
						b.Fatalf("%v, %+v", err, result.Counts)
					}
					count++
				}
				b.ReportMetric(float64(rows*count)/b.Elapsed().Seconds(), "rows/s")
				b.ReportMetric(float64(rows*count)/(benchtest.CPUTime()-cpu).Seconds(), "rows/cpu-s")
			})
		}
	}
}

// spoil deletes one row of so many.
func spoil(b *testing.B, table *pegasus.Table, every int) {
	b.Helper()
	var keys [][]byte
	seen := 0
	for p := range table.PartitionCount() {
		reader := scan.NewReader(scan.Table(table), scan.NewSizer(1<<20, 1000), scan.Spec{Partition: p})
		for {
			page, err := reader.Next(b.Context())
			if err != nil {
				b.Fatal(err)
			}
			for i := range page.Rows {
				if seen++; seen%every == 0 {
					keys = append(keys, slices.Clone(page.Rows[i].Key))
				}
			}
			last := page.Last
			page.Release()
			if last {
				break
			}
		}
		reader.Close()
	}
	for _, key := range keys {
		if err := table.Remove(b.Context(), key); err != nil {
			b.Fatal(err)
		}
	}
}
