package view

import (
	"fmt"
	"time"

	"github.com/pegmigrate/pegmigrate/plan"
)

// took writes a measured time: milliseconds below a second, else as plan.Duration does.
func took(d time.Duration) string {
	if d < 0 {
		d = 0
	}
	if d >= time.Second && d < time.Minute {
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	return plan.Duration(d)
}

// about writes a predicted time: nobody can predict milliseconds.
func about(d time.Duration) string {
	if d < time.Second {
		return "under a second"
	}
	return "about " + rounded(d)
}

// rounded writes a duration in whole seconds.
func rounded(d time.Duration) string { return plan.Duration(d.Round(time.Second)) }

// estimate writes a prediction with its band: "about 2 min (50 s to 6 min)".
func estimate(e plan.Estimate) string {
	s := about(e.Duration)
	switch {
	case e.High < time.Second || e.High == e.Duration && e.Low == e.Duration:
		return s
	case e.Low < time.Second:
		return s + " (up to " + rounded(e.High) + ")"
	}
	return s + " (" + rounded(e.Low) + " to " + rounded(e.High) + ")"
}

// rate writes something per second without promising more digits than there are.
func rate(perSecond float64, unit func(uint64) string) string {
	if !(perSecond > 0) || perSecond > 1e18 { // also NaN
		return unit(0)
	}
	return unit(uint64(perSecond))
}

// percent writes a share of an estimate. An estimate cannot prove an end, so the answer never
// reaches 100.
func percent(n, estimate uint64) string {
	if estimate == 0 {
		return ""
	}
	share := min(float64(n)/float64(estimate)*100, 99)
	if share < 10 {
		return fmt.Sprintf("%.1f %%", share)
	}
	return fmt.Sprintf("%.0f %%", share)
}

// stamp writes a moment for people who read logs of several hosts.
func stamp(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.UTC().Format("2006-01-02 15:04:05Z")
}
