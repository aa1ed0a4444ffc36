package sandbox

import (
	"strconv"
	"strings"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// throttle is a throttling_controller of 2.5.0: it counts units per wall-clock
// second and delays or rejects what is above. The zero value lets all pass. It is
// not safe for concurrent use.
type throttle struct {
	value                   string // env value that the limits come from
	delayUnits, rejectUnits int64
	delayFor, rejectAfter   time.Duration
	second, units           int64
}

func (t *throttle) enabled() bool { return t.value != "" }

// set takes the value of the env, "" for none. A value that cannot be parsed turns
// throttling off, as on a server. The table's limits are shared by its partitions.
func (t *throttle) set(value string, partitions int32) {
	if value == t.value {
		return
	}
	*t = throttle{}
	if value == "" {
		return
	}
	next := throttle{value: value}
	for part := range strings.SplitSeq(value, ",") {
		fields := strings.Split(strings.TrimSpace(part), "*")
		if len(fields) != 3 {
			return
		}
		units, ok := throttleUnits(fields[0])
		ms, err := strconv.ParseInt(fields[2], 10, 64)
		if !ok || err != nil || ms < 0 {
			return
		}
		share, wait := units/int64(partitions)+1, time.Duration(ms)*time.Millisecond
		switch fields[1] {
		case "delay":
			next.delayUnits, next.delayFor = share, wait
		case "reject":
			next.rejectUnits, next.rejectAfter = share, wait
		default:
			return
		}
	}
	*t = next
}

// throttleUnits reads "200", "200K" or "2M"; K and M are decimal in 2.5.0.
func throttleUnits(s string) (int64, bool) {
	factor := int64(1)
	switch {
	case strings.HasSuffix(s, "M"):
		factor = 1000 * 1000
	case strings.HasSuffix(s, "K"):
		factor = 1000
	}
	if factor > 1 {
		s = s[:len(s)-1]
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 {
		return 0, false
	}
	return n * factor, true
}

// control counts a request and says what happens to it. No delay is longer than
// half of the client's timeout.
func (t *throttle) control(now time.Time, timeoutMs uint32, units int64) admission {
	if !t.enabled() {
		return admission{}
	}
	if s := now.Unix(); s != t.second {
		t.second, t.units = s, 0
	}
	t.units += units
	if t.rejectUnits > 0 && t.units > t.rejectUnits {
		t.units -= units
		return admission{code: idl.ErrBusy, delay: capDelay(t.rejectAfter, timeoutMs)}
	}
	if t.delayUnits > 0 && t.units > t.delayUnits {
		return admission{delay: capDelay(t.delayFor, timeoutMs)}
	}
	return admission{}
}

func capDelay(d time.Duration, timeoutMs uint32) time.Duration {
	if timeoutMs > 0 {
		return min(d, time.Duration(timeoutMs)*time.Millisecond/2)
	}
	return d
}

// bucket is the token bucket behind replica.read_throttling_by_size. The zero value
// lets all pass. It is not safe for concurrent use.
type bucket struct {
	value  string
	rate   float64 // bytes per second of this partition
	tokens float64
	at     time.Time
}

func (b *bucket) enabled() bool { return b.rate > 0 }

// set takes the value of the env, "" for none.
func (b *bucket) set(value string, partitions int32) {
	if value == b.value {
		return
	}
	*b = bucket{value: value}
	if limit, reject, ok := readSizeLimit(value); ok && reject {
		b.rate = float64(limit / int64(max(partitions, 1)))
		b.tokens = b.rate
	}
}

// readSizeLimit parses "20000", "200K" or "a*delay*x,b*reject*y"; reject is false
// for the delay-only form, which turns throttling off
// (token_bucket_throttling_controller::transform_env_string).
func readSizeLimit(value string) (limit int64, reject, ok bool) {
	if n, ok := throttleUnits(value); ok && n > 0 {
		return n, true, true
	}
	if strings.Contains(value, "delay") && !strings.Contains(value, "reject") {
		return 1, false, true
	}
	_, tail, found := strings.Cut(value, ",")
	if !found {
		tail = value
	}
	units, _, found := strings.Cut(tail, "*reject")
	if n, ok := throttleUnits(units); found && ok && n > 0 {
		return n, true, true
	}
	return 0, false, false
}

// available tells whether a read may start.
func (b *bucket) available(now time.Time) bool {
	if b.at.IsZero() {
		b.at = now
	}
	b.tokens = min(b.rate, b.tokens+now.Sub(b.at).Seconds()*b.rate)
	b.at = now
	return b.tokens > 0
}

// consume takes the bytes of a reply; the bucket may go below zero.
func (b *bucket) consume(bytes int) {
	if b.enabled() {
		b.tokens -= float64(bytes)
	}
}
