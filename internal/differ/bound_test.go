package differ

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

// The bound is the share at which as few differences as were found would be found with 5 %: by summing up the
// probabilities one by one.
func TestUpperBound(t *testing.T) {
	for _, c := range []struct{ k, n uint64 }{
		{0, 1}, {0, 10}, {0, 100}, {0, 100_000}, {1, 2}, {1, 100}, {5, 100}, {50, 100}, {99, 100}, {3, 1000}, {400, 1000},
		{7, 100_000}, {1000, 20_000},
	} {
		p := upperBound(c.k, c.n)
		sum := 0.0
		for i := range c.k + 1 {
			logC := func(n, k float64) float64 {
				a, _ := math.Lgamma(n + 1)
				b, _ := math.Lgamma(k + 1)
				d, _ := math.Lgamma(n - k + 1)
				return a - b - d
			}
			sum += math.Exp(logC(float64(c.n), float64(i)) + float64(i)*math.Log(p) + float64(c.n-i)*math.Log1p(-p))
		}
		if math.Abs(sum-0.05) > 1e-6 {
			t.Errorf("%d of %d: bound %v, at which so few are found with a probability of %v", c.k, c.n, p, sum)
		}
		if p <= float64(c.k)/float64(c.n) {
			t.Errorf("%d of %d: bound %v", c.k, c.n, p)
		}
	}
	// From published tables of the one-sided 95 % bound.
	for _, c := range []struct {
		k, n uint64
		want float64
	}{{0, 100, 0.0295}, {1, 100, 0.0466}, {0, 10, 0.2589}, {0, 0, 1}, {4, 4, 1}} {
		if got := upperBound(c.k, c.n); math.Abs(got-c.want) > 5e-5 {
			t.Errorf("%d of %d: %v, want %v", c.k, c.n, got, c.want)
		}
	}
	if three := upperBound(0, 1_000_000) * 1_000_000; three < 2.99 || three > 3 {
		t.Errorf("none of a million: %v", three)
	}
}

// Whatever the rows are, a bound that holds for their share holds for their number.
func TestRowsBound(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		n := func(what string) uint64 { return rapid.Uint64Range(0, 1000).Draw(rt, what) }
		same, changed, missing, extra := n("equal"), n("changed"), n("missing"), n("extra")
		all, allowExtra := same+changed+missing+extra, rapid.Bool().Draw(rt, "extra rows are allowed")
		differ := changed + missing + extra
		if allowExtra {
			differ -= extra
		}
		if all == 0 {
			return
		}
		share := float64(differ) / float64(all)
		share += (1 - share) * rapid.Float64Range(0, 1).Draw(rt, "slack")
		s, t := same+changed+missing, same+changed+extra
		if got := rowsBound(share, s, t, allowExtra); got < differ || got > s+t {
			rt.Fatalf("%d of %d rows differ, bound %d at a share of %v", differ, all, got, share)
		}
	})
	if got := rowsBound(1, 1000, 1000, false); got != 2000 {
		t.Errorf("tables that have nothing in common: %d", got)
	}
	if got := rowsBound(0.01, 1000, 1000, false); got != 11 {
		t.Errorf("one of a hundred: %d", got)
	}
}
