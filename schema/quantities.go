package schema

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // zones of windows, on machines that have no database of them

	"github.com/dustin/go-humanize"
	"github.com/zclconf/go-cty/cty"
)

var errDuration = errors.New("not a span of time")

// ParseDuration reads "90s", "1h30m", "7d", "1d12h": the form of time.ParseDuration with days in
// front. A day has 24 hours. Negative spans and a bare number are errors.
func ParseDuration(s string) (time.Duration, error) {
	s = strings.TrimSpace(s)
	var days time.Duration
	if d, rest, ok := strings.Cut(s, "d"); ok {
		n, err := strconv.ParseUint(d, 10, 16)
		if err != nil {
			return 0, errDuration
		}
		days, s = time.Duration(n)*24*time.Hour, rest
		if s == "" {
			return days, nil
		}
	}
	if s == "" || strings.ContainsAny(s[:1], "+-") {
		return 0, errDuration
	}
	span, err := time.ParseDuration(s)
	if err != nil || span > math.MaxInt64-days {
		return 0, errDuration
	}
	if _, err := strconv.ParseFloat(s, 64); err == nil {
		return 0, errDuration // "0" is a duration to the time package
	}
	return days + span, nil
}

// ParseSize reads a number of bytes: "64MiB" and "1GiB" count in 1024s, "50MB", "50M" and "1GB" in
// 1000s, a bare number in bytes. At most 2^63-1.
func ParseSize(s string) (int64, error) {
	n, err := humanize.ParseBytes(s)
	if err != nil || n > math.MaxInt64 {
		return 0, fmt.Errorf("%q is not a size", s)
	}
	return int64(n), nil
}

// duration gives an argument that is a span of time greater than zero.
func (l *loader) duration(c *content, name string, required bool) (time.Duration, bool) {
	return l.span(c, name, required, leaveOut(required))
}

// span is duration with a hint of its own for a span of zero.
func (l *loader) span(c *content, name string, required bool, zero string) (time.Duration, bool) {
	s, at, ok := l.text(c, name, required)
	if !ok {
		return 0, false
	}
	d, err := ParseDuration(s)
	switch {
	case err != nil:
		hint := `like "90s", "5m", "1h30m" or "7d"`
		if _, err := strconv.ParseFloat(strings.TrimSpace(s), 64); err == nil {
			hint = fmt.Sprintf("add the unit: %q", strings.TrimSpace(s)+unitOf(name))
		}
		l.errorf(CodeDuration, at, hint, "%q must be a span of time, not %q", name, s)
		return 0, false
	case d <= 0:
		l.errorf(CodeDuration, at, zero, "%q must be greater than zero", name)
		return 0, false
	}
	return d, true
}

// unitOf is the unit that a number without one was most likely meant in: nobody stops at latencies of 50 seconds.
func unitOf(name string) string {
	if strings.HasSuffix(name, "_p99") {
		return "ms"
	}
	return "s"
}

// leaveOut is the hint for a limit of zero.
func leaveOut(required bool) string {
	if required {
		return ""
	}
	return "leave it out to have no limit"
}

// size gives an argument that is a number of bytes greater than zero.
func (l *loader) size(c *content, name string, required bool) (int64, bool) {
	v, at, ok := l.arg(c, name, required)
	if !ok {
		return 0, false
	}
	var n int64
	switch v.Type() {
	case cty.Number:
		whole, exact := wholeNumber(v)
		if !exact {
			l.errorf(CodeSize, at, `like 67108864, "64MiB" or "50MB"`, "%q must be a whole number of bytes, not %s", name, numberText(v))
			return 0, false
		}
		n = whole
	case cty.String:
		parsed, err := ParseSize(v.AsString())
		if err != nil {
			l.errorf(CodeSize, at, `like 67108864, "64MiB" or "50MB"`, "%q must be a number of bytes, not %q", name, v.AsString())
			return 0, false
		}
		n = parsed
	default:
		l.errorf(CodeType, at, `like 67108864, "64MiB" or "50MB"`, "%q must be a number of bytes, not %s", name, describe(v))
		return 0, false
	}
	if n <= 0 {
		l.errorf(CodeLimit, at, leaveOut(required), "%q must be greater than zero", name)
		return 0, false
	}
	return n, true
}

// percent gives an argument like "15%" as a share between 0 and 1, both excluded.
func (l *loader) percent(c *content, name string) float64 {
	s, at, ok := l.text(c, name, false)
	if !ok {
		return 0
	}
	digits, isPercent := strings.CutSuffix(strings.TrimSpace(s), "%")
	f, err := strconv.ParseFloat(strings.TrimSpace(digits), 64)
	if !isPercent || err != nil || !(f > 0 && f < 100) {
		l.errorf(CodeValue, at, `like "15%"`, "%q must be a percentage between 0 and 100, not %q", name, s)
		return 0
	}
	return f / 100
}

// rate gives an argument that is a number of events per second, greater than zero; 0 when it is absent or wrong.
func (l *loader) rate(c *content, name string) float64 {
	v, at, ok := l.typed(c, name, false, cty.Number)
	if !ok {
		return 0
	}
	f, _ := v.AsBigFloat().Float64()
	if !(f > 0 && f < math.MaxInt32) {
		l.errorf(CodeLimit, at, leaveOut(false), "%q must be a number greater than zero, not %s", name, numberText(v))
		return 0
	}
	return f
}

var windowPattern = regexp.MustCompile(`^([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)(?: ([A-Za-z0-9_+/-]{1,64}))?$`)

// window reads "22:00-06:00 Asia/Shanghai".
func (l *loader) window(item textItem) (Window, bool) {
	m := windowPattern.FindStringSubmatch(item.text)
	if m == nil {
		l.errorf(CodeValue, item.at, `like "22:00-06:00" (UTC) or "22:00-06:00 Asia/Shanghai"`, "%q is not a daily window", item.text)
		return Window{}, false
	}
	w := Window{From: clockTime(m[1], m[2]), To: clockTime(m[3], m[4]), Zone: m[5]}
	if w.Zone == "" {
		w.Zone = "UTC"
	}
	// "Local" would mean another time on another machine.
	if _, err := time.LoadLocation(w.Zone); err != nil || w.Zone == "Local" {
		l.errorf(CodeValue, item.at, `name one of the IANA database, like "Asia/Shanghai"; without one it is UTC`, "there is no time zone %q", w.Zone)
		return Window{}, false
	}
	return w, true
}

// clockTime is a time of day that windowPattern has checked.
func clockTime(hour, minute string) time.Duration {
	h, _ := strconv.Atoi(hour)
	m, _ := strconv.Atoi(minute)
	return time.Duration(h)*time.Hour + time.Duration(m)*time.Minute
}
