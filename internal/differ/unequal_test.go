package differ

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pegmigrate/pegmigrate/internal/scan/scantest"
)

// Where many partitions hold rows that differ each is read once, as long as there is more than one unit; sums would
// have them read twice. Either way the same is found.
func TestUnequalTablesAreReadOnce(t *testing.T) {
	const rows = 5000
	for _, c := range []struct {
		n, m  int32
		reads int64
	}{{8, 16, 1}, {2, 8, 1}, {64, 64, 1}, {3, 4, 1}, {5, 8, 2}} {
		t.Run(fmt.Sprintf("%d to %d", c.n, c.m), func(t *testing.T) {
			src, dst := fill(c.n, rows), fill(c.m, rows)
			plant(putter{src}, putter{dst}, 200)
			read := [2]atomic.Int64{}
			for i, table := range []*scantest.Table{src, dst} {
				table.Visit = func(_ int32, rows int) error {
					read[i].Add(int64(rows))
					return nil
				}
			}
			result, err := Run(t.Context(), src, dst, nil, Options{Unequal: true}, nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			if want := rows + 3*int64(200); read[0].Load() != c.reads*want || read[1].Load() != c.reads*want {
				t.Errorf("%d and %d rows were read, want %d times %d", read[0].Load(), read[1].Load(), c.reads, want)
			}
			src, dst = fill(c.n, rows), fill(c.m, rows)
			plant(putter{src}, putter{dst}, 200)
			other, err := Run(t.Context(), src, dst, nil, Options{Method: MethodDigest}, nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(other.Counts, result.Counts); diff != "" {
				t.Errorf("(-digests +got)\n%s", diff)
			}
		})
	}
}
