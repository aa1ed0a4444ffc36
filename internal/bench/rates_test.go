package bench

import (
	"fmt"
	"testing"

	"github.com/pegmigrate/pegmigrate/internal/copier"
	"github.com/pegmigrate/pegmigrate/internal/differ"
	"github.com/pegmigrate/pegmigrate/internal/pegasus"
	"github.com/pegmigrate/pegmigrate/internal/sandbox"
	"github.com/pegmigrate/pegmigrate/internal/scan"
	"github.com/pegmigrate/pegmigrate/internal/scan/benchtest"
)

// point is one table of the matrix.
type point struct {
	perHashKey, valueSize int
	partitions            int32
}

// points are the whole matrix, or what is worth a quick look.
func points(quick bool) []point {
	if quick {
		return []point{{1, 100, 8}, {100, 100, 8}}
	}
	var list []point
	for _, partitions := range []int32{8, 256} {
		for _, size := range []int{100, 4096} {
			for _, rows := range []int{1, 10, 100} {
				list = append(list, point{rows, size, partitions})
			}
		}
	}
	return list
}

// rows is how many rows the table has: seconds of work, and less than a GB in both clusters.
func (p point) rows() int64 {
	switch {
	case p.valueSize > 1000:
		return 80_000
	case p.perHashKey == 1:
		return 500_000
	default:
		return 1_000_000
	}
}

// BenchmarkRates copies tables between clusters of another process and compares them; -short is a
// part of it. rows/cpu-s is of processor time of this process, which is the client; those of a
// comparison are rows of each side. sandbox-rows/cpu-s is the same of the clusters' process, of
// both clusters together.
func BenchmarkRates(b *testing.B) {
	for _, p := range points(testing.Short()) {
		b.Run(fmt.Sprintf("rows=%d/value=%d/partitions=%d", p.perHashKey, p.valueSize, p.partitions), p.run)
	}
}

func (p point) run(b *testing.B) {
	box := benchtest.Up(b)
	spec := sandbox.LoadSpec{Rows: p.rows(), ValueSize: p.valueSize, MinSortKeys: p.perHashKey}
	benchtest.Load(b, box.Dir, "a", "t", p.partitions, spec)
	benchtest.Load(b, box.Dir, "b", "t", p.partitions, sandbox.LoadSpec{})
	src, dst := benchtest.Open(b, box.Dir, 0, "t"), benchtest.Open(b, box.Dir, 1, "t")
	b.Run("copy", func(b *testing.B) { copyTable(b, box.PID, src, dst, uint64(p.rows())) })
	b.Run("verify", func(b *testing.B) { verifyTable(b, box.PID, src, dst, uint64(p.rows())) })
}

// copyTable measures copies of a table of so many rows.
func copyTable(b *testing.B, pid int, src, dst *pegasus.Table, want uint64) (seconds float64) {
	var rows, bytes uint64
	spent := begin(b, pid)
	for b.Loop() {
		result, err := copier.Run(b.Context(), scan.Table(src), dst, nil, copier.Options{}, func([]copier.Cursor) error { return nil }, nil)
		if err != nil {
			b.Fatal(err)
		}
		if result.Rows != want {
			b.Fatalf("%d rows were copied, want %d", result.Rows, want)
		}
		rows += result.Rows
		bytes += result.Bytes
	}
	return spent.report(rows, bytes)
}

// verifyTable measures comparisons of two equal tables of so many rows.
func verifyTable(b *testing.B, pid int, src, dst *pegasus.Table, want uint64) (seconds float64) {
	var rows uint64
	spent := begin(b, pid)
	for b.Loop() {
		result, err := differ.Run(b.Context(), scan.Table(src), scan.Table(dst), nil, differ.Options{}, nil, nil)
		if err != nil {
			b.Fatal(err)
		}
		if result.Differences() != 0 || result.Equal != want {
			b.Fatalf("%d rows are equal, want %d: %+v", result.Equal, want, result.Counts)
		}
		rows += result.Equal
	}
	return spent.report(rows, 0)
}
