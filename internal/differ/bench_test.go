package differ_test

import (
	"context"
	"fmt"
	"strconv"
	"testing"

	"github.com/pegmigrate/pegmigrate/internal/differ"
	"github.com/pegmigrate/pegmigrate/internal/pegkey"
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
		for _, method := range []differ.Method{differ.MethodMerge, differ.MethodDigest} {
			b.Run(c.name+"/"+string(method), func(b *testing.B) {
				table := "t" + strconv.Itoa(int(c.partitions)) + "-" + strconv.Itoa(int(c.toPartitions)) + string(method)
				spec := sandbox.LoadSpec{Rows: c.rows, ValueSize: 100}
				benchtest.Load(b, dir, "a", table, c.partitions, spec)
				benchtest.Load(b, dir, "b", table, c.toPartitions, spec)
				src, dst := benchtest.Open(b, dir, 0, table), benchtest.Open(b, dir, 1, table)
				compare(b, scan.Table(src), scan.Table(dst), method)
			})
		}
	}
}

// BenchmarkDifferInMemory leaves out what the client costs: what is left is the comparison itself.
func BenchmarkDifferInMemory(b *testing.B) {
	for _, c := range []struct{ n, m int32 }{{8, 8}, {8, 16}, {6, 4}, {64, 63}} {
		src, dst := newMemory(c.n, 400_000), newMemory(c.m, 400_000)
		for _, method := range []differ.Method{differ.MethodMerge, differ.MethodDigest} {
			b.Run(fmt.Sprintf("%d-to-%d/%s", c.n, c.m, method), func(b *testing.B) { compare(b, src, dst, method) })
		}
	}
}

// compare measures comparisons of equal tables.
func compare(b *testing.B, src, dst scan.Source, method differ.Method) {
	benchtest.ResetPeak()
	b.ReportAllocs()
	cpu, rows := benchtest.CPUTime(), uint64(0)
	for b.Loop() {
		result, err := differ.Run(b.Context(), src, dst, nil, differ.Options{Method: method}, nil, nil)
		if err != nil || result.Differences() != 0 {
			b.Fatalf("%v, %+v", err, result.Counts)
		}
		rows += result.Equal
	}
	b.ReportMetric(float64(rows)/b.Elapsed().Seconds(), "rows/s")
	b.ReportMetric(float64(rows)/(benchtest.CPUTime()-cpu).Seconds(), "rows/cpu-s")
	b.ReportMetric(benchtest.PeakMB(), "peak-MB")
}

// memory is a table whose pages cost nothing.
type memory struct{ parts [][]scan.Row }

// newMemory lays rows one behind the other, as pages have them.
func newMemory(count int32, rows int) *memory {
	m := &memory{parts: make([][]scan.Row, count)}
	arenas := make([][]byte, count)
	for i := range arenas {
		arenas[i] = make([]byte, 0, rows/int(count)*140)
	}
	value := make([]byte, 100)
	var key []byte
	for i := range rows {
		key = pegkey.Encode(key[:0], fmt.Appendf(nil, "user%012d", i), []byte("s"))
		p := pegkey.Partition(pegkey.HashRaw(key), count)
		from := len(arenas[p])
		arenas[p] = append(append(arenas[p], key...), value...)
		row := arenas[p][from:]
		m.parts[p] = append(m.parts[p], scan.Row{Key: row[:len(key)], Value: row[len(key):]})
	}
	return m
}

// PartitionCount implements scan.Source.
func (m *memory) PartitionCount() int32 { return int32(len(m.parts)) }

// Open implements scan.Source.
func (m *memory) Open(spec scan.Spec) scan.Cursor {
	return &memoryScan{rows: m.parts[spec.Partition], batch: spec.Batch, after: spec.After}
}

// memoryScan gives pages that alias the table.
type memoryScan struct {
	rows  []scan.Row
	batch int
	after []byte
}

// Next implements scan.Cursor.
func (s *memoryScan) Next(context.Context) (scan.Page, error) {
	if s.after != nil { // begun again by another batch
		for len(s.rows) > 0 && string(s.rows[0].Key) <= string(s.after) {
			s.rows = s.rows[1:]
		}
		s.after = nil
	}
	n := min(s.batch, len(s.rows))
	page := scan.Page{Rows: s.rows[:n], Last: n == len(s.rows)}
	s.rows = s.rows[n:]
	return page, nil
}

// Close implements scan.Cursor.
func (s *memoryScan) Close() {}
