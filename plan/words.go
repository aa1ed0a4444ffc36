package plan

import (
	"fmt"
	"time"
)

// Bytes writes an amount with a binary unit and at most one decimal: "1.2 TB" in the plan's text
// would be read as 10^12, so the units are KiB, MiB, GiB, TiB.
func Bytes(n uint64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB", "PiB"}
	v, i := float64(n), 0
	for v >= 1024 && i < len(units)-1 {
		v /= 1024
		i++
	}
	if i == 0 {
		return fmt.Sprintf("%d B", n)
	}
	if v >= 100 {
		return fmt.Sprintf("%.0f %s", v, units[i])
	}
	return fmt.Sprintf("%.1f %s", v, units[i])
}

// Rows writes a row count as people say it: 950, 12.6 k, 812 M.
func Rows(n uint64) string {
	switch {
	case n < 1000:
		return fmt.Sprint(n)
	case n < 1_000_000:
		return scaled(n, 1000, "k")
	case n < 1_000_000_000:
		return scaled(n, 1_000_000, "M")
	}
	return scaled(n, 1_000_000_000, "G")
}

func scaled(n, unit uint64, suffix string) string {
	v := float64(n) / float64(unit)
	if v >= 100 {
		return fmt.Sprintf("%.0f %s", v, suffix)
	}
	return fmt.Sprintf("%.1f %s", v, suffix)
}

// Duration writes a duration with the two units that matter: "45 s", "3 min 20 s", "5 h 40 min".
func Duration(d time.Duration) string {
	switch {
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < time.Minute:
		return fmt.Sprintf("%.0f s", d.Seconds())
	case d < time.Hour:
		return fmt.Sprintf("%d min %d s", int(d.Minutes()), int(d.Seconds())%60)
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%d days %d h", int(d.Hours())/24, int(d.Hours())%24)
}
