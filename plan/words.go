package plan

import (
	"fmt"
	"math"
	"strconv"
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

// Duration writes a duration with the two units that matter, without one that is zero: "45 s",
// "3 min 20 s", "5 h", "7 days".
func Duration(d time.Duration) string {
	two := func(n int, unit string, rest int, restUnit string) string {
		if rest == 0 {
			return fmt.Sprintf("%d %s", n, unit)
		}
		return fmt.Sprintf("%d %s %d %s", n, unit, rest, restUnit)
	}
	switch {
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < time.Minute:
		return fmt.Sprintf("%.0f s", d.Seconds())
	case d < time.Hour:
		return two(int(d.Minutes()), "min", int(d.Seconds())%60, "s")
	case d < 48*time.Hour:
		return two(int(d.Hours()), "h", int(d.Minutes())%60, "min")
	}
	return two(int(d.Hours())/24, "days", int(d.Hours())%24, "h")
}

// Share writes a part of a whole, 0.01 as "1 %", with up to three digits that count.
func Share(f float64) string {
	return strconv.FormatFloat(math.Round(f*1e6)/1e4, 'g', -1, 64) + " %"
}

// Counted writes "1 row", "4 rows".
func Counted[N int | int32 | int64 | uint64](n N, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
