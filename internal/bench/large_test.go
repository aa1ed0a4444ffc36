package bench

import (
	"flag"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/pegmigrate/pegmigrate/internal/sandbox"
	"github.com/pegmigrate/pegmigrate/internal/scan/benchtest"
)

// largeRows are the sizes that BenchmarkLarge compares; the second is twice the first.
var largeRows = flag.String("large-rows", "20000000,40000000", "rows of the two tables of BenchmarkLarge")

// What a table of twice the rows may cost, and what any table may.
const (
	largeRatio = 2.2
	largeMB    = 200
)

// largeValue is the size of values in bytes: small rows, of which there are many.
const largeValue = 16

// BenchmarkLarge copies and compares two tables from 1,024 to 256 partitions, the second of twice
// the rows, and fails when that takes more than 2.2 times as long or this process ever has more
// than 200 MB of memory. The clusters compute their rows, see sandbox.PatternSpec.
// Run it with -benchtime 1x.
func BenchmarkLarge(b *testing.B) {
	small, large, ok := strings.Cut(*largeRows, ",")
	first, err := strconv.ParseInt(small, 10, 64)
	second, err2 := strconv.ParseInt(large, 10, 64)
	if !ok || err != nil || err2 != nil || second != 2*first {
		b.Fatalf("-large-rows %q is not N,2N", *largeRows)
	}
	one, two := measureLarge(b, first), measureLarge(b, second)
	for name, took := range one {
		if took > 0 && two[name] > largeRatio*took {
			b.Errorf("%s: twice the rows take %.2f times as long, not more than %.1f is allowed", name, two[name]/took, largeRatio)
		}
	}
}

// measureLarge copies and compares one table; seconds by what was done.
func measureLarge(b *testing.B, rows int64) map[string]float64 {
	took := map[string]float64{}
	b.Run(fmt.Sprintf("rows=%d", rows), func(b *testing.B) {
		box := benchtest.Up(b)
		pattern(b, box.Dir, "a", 1024, sandbox.PatternSpec{Rows: rows, ValueSize: largeValue, Slots: 1024})
		pattern(b, box.Dir, "b", 256, sandbox.PatternSpec{Rows: rows, ValueSize: largeValue, Slots: 1024, Empty: true})
		src, dst := benchtest.Open(b, box.Dir, 0, "t"), benchtest.Open(b, box.Dir, 1, "t")
		b.Run("copy", func(b *testing.B) {
			took["copy"] = copyTable(b, box.PID, src, dst, uint64(rows)) / float64(b.N)
			boundMemory(b)
		})
		b.Run("verify", func(b *testing.B) {
			took["verify"] = verifyTable(b, box.PID, src, dst, uint64(rows)) / float64(b.N)
			boundMemory(b)
		})
	})
	return took
}

func boundMemory(b *testing.B) {
	b.Helper()
	if peak := benchtest.PeakMB(); peak > largeMB {
		b.Errorf("%.0f MB of memory, not more than %d is allowed", peak, largeMB)
	}
}

// pattern makes a table of computed rows.
func pattern(b *testing.B, dir, cluster string, partitions int32, spec sandbox.PatternSpec) {
	b.Helper()
	req := sandbox.LoadRequest{Cluster: cluster, Table: "t", Partitions: partitions, Replicas: 1}
	if err := (sandbox.Remote{Dir: dir}).Pattern(b.Context(), req, spec); err != nil {
		b.Fatal(err)
	}
}
