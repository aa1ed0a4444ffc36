package differ

import (
	"math"
	"testing"
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
