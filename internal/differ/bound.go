package differ

import "math"

// upperBound is the share of differing rows that is exceeded with a probability of 1-Confidence at most when k of n
// rows that were chosen at random, one independently of another, differ: the one-sided bound of Clopper and Pearson, the share at which k or fewer would be
// found with that probability. For k = 0 it is 1-0.05^(1/n), about 3/n.
func upperBound(k, n uint64) float64 {
	switch {
	case n == 0 || k >= n:
		return 1
	case k == 0:
		return -math.Expm1(math.Log(1-Confidence) / float64(n))
	}
	low, high := float64(k)/float64(n), 1.0
	for range 100 {
		middle := (low + high) / 2
		if atMost(k, n, middle) > 1-Confidence {
			low = middle
		} else {
			high = middle
		}
	}
	return high
}

// rowsBound is how many rows that share is at most, of those that one side has or both: rows that are chosen are
// chosen of all of them, and how many they are is not known. Who have s on the source and t on the target and d
// differ in, have (s+t+d)/2 at most, because no more than d are on one side only; s+t they have in any case. Where
// rows of the target alone are no difference, they are t+d at most, and no more than s differ.
func rowsBound(share float64, s, t uint64, allowExtra bool) uint64 {
	source, target := float64(s), float64(t)
	all := (source + target) / (2 - share)
	most := source + target
	if allowExtra {
		all, most = source+target, source
		if share < 1 {
			all = min(all, target/(1-share))
		}
	}
	return uint64(min(math.Ceil(share*all), most))
}

// atMost is the probability that at most k of n rows differ when each does with probability p: the regularized
// incomplete beta function of 1-p with the parameters n-k and k+1.
func atMost(k, n uint64, p float64) float64 {
	return incompleteBeta(float64(n-k), float64(k)+1, 1-p)
}

// incompleteBeta is the regularized incomplete beta function, by its continued fraction (DLMF 8.17.22), which
// converges fast below the mean; above it the function is mirrored.
func incompleteBeta(a, b, x float64) float64 {
	switch {
	case x <= 0:
		return 0
	case x >= 1:
		return 1
	case x > (a+1)/(a+b+2):
		return 1 - incompleteBeta(b, a, 1-x)
	}
	front := math.Exp(a*math.Log(x) + b*math.Log1p(-x) - logBeta(a, b))
	return front * betaFraction(a, b, x) / a
}

// logBeta is the logarithm of the beta function.
func logBeta(a, b float64) float64 {
	la, _ := math.Lgamma(a)
	lb, _ := math.Lgamma(b)
	lab, _ := math.Lgamma(a + b)
	return la + lb - lab
}

// betaFraction evaluates the continued fraction by Lentz's method.
func betaFraction(a, b, x float64) float64 {
	const (
		tiny    = 1e-300
		enough  = 1e-15
		maxStep = 100_000 // grows with the square root of a and b
	)
	nonzero := func(v float64) float64 {
		if math.Abs(v) < tiny {
			return tiny
		}
		return v
	}
	c, d := 1.0, 1/nonzero(1-(a+b)*x/(a+1))
	out := d
	for i := 1.0; i < maxStep; i++ {
		even := i * (b - i) * x / ((a + 2*i - 1) * (a + 2*i))
		d = 1 / nonzero(1+even*d)
		c = nonzero(1 + even/c)
		out *= d * c
		odd := -(a + i) * (a + b + i) * x / ((a + 2*i) * (a + 2*i + 1))
		d = 1 / nonzero(1+odd*d)
		c = nonzero(1 + odd/c)
		out *= d * c
		if math.Abs(d*c-1) < enough {
			break
		}
	}
	return out
}
