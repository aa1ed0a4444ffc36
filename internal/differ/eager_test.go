package differ

import (
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/pegkey"
	"github.com/pegmigrate/pegmigrate/internal/scan"
)

// Clocks may be a tolerance apart: an eager comparison takes a row for gone when it is by any of them, another one
// when it may be by one. What default_ttl may have given is looked at from the same horizon by both.
func TestEagerRulesTakeRowsForThereUntilTheyAreGone(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	for _, tc := range []struct {
		left           time.Duration
		patient, eager verdict
	}{
		{30 * time.Second, expired, unequal},
		{-30 * time.Second, expired, unequal},
		{-61 * time.Second, expired, expired},
		{61 * time.Second, unequal, unequal},
	} {
		row := &scan.Row{Key: []byte{0, 1, 'a'}, Expire: pegkey.ExpireTs(now.Add(tc.left))}
		for eager, want := range map[bool]verdict{false: tc.patient, true: tc.eager} {
			o := Options{Tolerance: time.Minute, Eager: eager, Clock: func() time.Time { return now }}
			r := newRules(&o)
			for _, sides := range [][2]*scan.Row{{row, nil}, {nil, row}} {
				if got, _ := r.judge(sides[0], sides[1]); got != want {
					t.Errorf("%v left, eager %v: %v, want %v", tc.left, eager, got, want)
				}
			}
		}
	}
	o := Options{Tolerance: time.Minute, Eager: true, SourceTTL: 3600, Clock: func() time.Time { return now }}
	r := newRules(&o)
	s := &scan.Row{Key: []byte{0, 1, 'a'}, Expire: pegkey.ExpireTs(now.Add(time.Hour))}
	if got, _ := r.judge(s, &scan.Row{Key: s.Key}); got != stamped {
		t.Errorf("a row that the source has stamped: %v", got)
	}
}
