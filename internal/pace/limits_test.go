package pace

import "testing"

// Limits are shown in the words of a declaration.
func TestLimitsAsDeclared(t *testing.T) {
	for want, l := range map[string]Limits{
		"":                       {},
		"bytes_per_second 64MiB": {BytesPerSecond: 64 << 20},
		"bytes_per_second 2GiB":  {BytesPerSecond: 2 << 30},
		"bytes_per_second 1500":  {BytesPerSecond: 1500},
		"rows_per_second 5000, bytes_per_second 10KiB, in_flight 64": {RowsPerSecond: 5000, BytesPerSecond: 10 << 10, InFlight: 64},
	} {
		if got := l.String(); got != want {
			t.Errorf("%+v: %q, want %q", l, got, want)
		}
	}
}
