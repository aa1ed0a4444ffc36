package pegasus

import (
	"math/rand/v2"
	"time"
)

// pause is the back-off before repetition n (from 0): minPause doubled n times, at
// most maxPause, spread by a third so that many waiting requests do not come back
// together.
func pause(n int) time.Duration {
	d := maxPause
	if n < 7 {
		d = min(minPause<<max(n, 0), maxPause)
	}
	return d*2/3 + rand.N(d/3+1)
}
