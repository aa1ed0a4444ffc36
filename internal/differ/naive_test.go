package differ

import (
	"bytes"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/pegkey"
	"github.com/pegmigrate/pegmigrate/internal/scan"
	"github.com/pegmigrate/pegmigrate/internal/scan/scantest"
)

// found is a difference as the naive comparison and the tests see it.
type found struct {
	kind      Kind
	side      Side
	key       string
	partition int32 // where a misplaced row lies
}

// visible are the rows that clients can read, and the misplaced ones.
func visible(t *scantest.Table, side Side, into map[found]int) map[string]scan.Row {
	rows := map[string]scan.Row{}
	for p := range t.PartitionCount() {
		for _, row := range t.Rows(p) {
			if pegkey.Partition(pegkey.HashRaw(row.Key), t.PartitionCount()) == p {
				rows[string(row.Key)] = row
			} else {
				into[found{Misplaced, side, string(row.Key), p}]++
			}
		}
	}
	return rows
}

// naive compares two tables with maps. horizon is now plus the tolerance.
func naive(src, dst *scantest.Table, horizon time.Time, allowExtra bool) map[found]int {
	out := map[found]int{}
	s, t := visible(src, SourceSide, out), visible(dst, TargetSide, out)
	gone := func(row scan.Row) bool { return pegkey.Expired(row.Expire, horizon) }
	for k, a := range s {
		b, ok := t[k]
		switch {
		case !ok && !gone(a):
			out[found{kind: Missing, key: k}]++
		case !ok || gone(a) && gone(b):
		case !bytes.Equal(a.Value, b.Value):
			out[found{kind: Changed, key: k}]++
		case a.Expire != b.Expire:
			out[found{kind: Expiry, key: k}]++
		}
	}
	for k, b := range t {
		if _, ok := s[k]; !ok && !gone(b) && !allowExtra {
			out[found{kind: Extra, key: k}]++
		}
	}
	return out
}
