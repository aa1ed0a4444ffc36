package scan_test

import (
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/pegkey"
	"github.com/pegmigrate/pegmigrate/internal/scan"
)

// TestUncomparedCountsWhatChangedLeavesOut: a row counts exactly when its change would not be seen.
func TestUncomparedCountsWhatChangedLeavesOut(t *testing.T) {
	start := time.Unix(1_800_000_000, 0)
	for _, lives := range []time.Duration{0, time.Minute, 59 * time.Minute, 61 * time.Minute, 3 * time.Hour, 200 * time.Hour} {
		for _, later := range []time.Duration{0, 58 * time.Minute, time.Hour, 5 * time.Hour, 300 * time.Hour} {
			row := scan.Row{Key: pegkey.Encode(nil, []byte("h"), []byte("s")), Value: []byte("v")}
			if lives > 0 {
				row.Expire = pegkey.ExpireTs(start.Add(lives))
			}
			with, without := scan.NewDigests(start), scan.NewDigests(start)
			with.Add(&row)
			now := start.Add(later)
			if n := with.Uncompared(now); (n == 1) == scan.Changed(with, without, now) {
				t.Errorf("a row that lives %v, %v later: %d uncompared, changed %v", lives, later, n, scan.Changed(with, without, now))
			}
		}
	}
}
