package schema

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// maxTTL is the largest default_ttl: the replicas keep it in 32 bits.
const maxTTL = math.MaxInt32

// integerFrom takes whole numbers not below lowest.
func integerFrom(lowest int64) func(string) error {
	return integerBetween(lowest, math.MaxInt64)
}

// integerBetween takes whole decimal numbers within bounds. The sign + and spaces are refused: the
// servers' parser takes neither.
func integerBetween(lowest, highest int64) func(string) error {
	return func(s string) error {
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil || strings.HasPrefix(s, "+") {
			return errors.New("it is not a whole number")
		}
		if n < lowest {
			return fmt.Errorf("it must be %d or more", lowest)
		}
		if n > highest {
			return fmt.Errorf("it must be %d or less", highest)
		}
		return nil
	}
}

// targetLevel takes a RocksDB level to compact to: -1 for the bottommost, or 1 and more.
func targetLevel(s string) error {
	if err := integerFrom(-1)(s); err != nil {
		return err
	}
	if s == "0" || s == "-0" {
		return errors.New("there is no compaction to level 0")
	}
	return nil
}

func boolValue(s string) error {
	if strings.EqualFold(s, "true") || strings.EqualFold(s, "false") {
		return nil
	}
	return errors.New(`it must be "true" or "false"`)
}

func oneOf(words ...string) func(string) error {
	return func(s string) error {
		if slices.Contains(words, s) {
			return nil
		}
		return errors.New("it must be one of " + strings.Join(words, ", "))
	}
}

// denyValue takes the six values of replica.deny_client_request.
func denyValue(s string) error {
	mode, scope, _ := strings.Cut(s, "*")
	if slices.Contains([]string{"timeout", "reconfig"}, mode) && slices.Contains([]string{"all", "write", "read"}, scope) {
		return nil
	}
	return errors.New("it must be timeout or reconfig, '*', and all, write or read")
}

// throttling takes "<n[K|M]>*<delay|reject>*<ms>", at most one of each kind, separated by commas.
func throttling(s string) error {
	if strings.TrimSpace(s) == "" {
		return errors.New("it is empty")
	}
	seen := map[string]bool{}
	for part := range strings.SplitSeq(s, ",") {
		fields := strings.Split(strings.TrimSpace(part), "*")
		if len(fields) != 3 {
			return fmt.Errorf("%q must have three fields, separated by '*'", part)
		}
		if _, err := rate(fields[0]); err != nil {
			return err
		}
		kind := fields[1]
		if kind != "delay" && kind != "reject" {
			return fmt.Errorf("%q must be delay or reject", kind)
		}
		if seen[kind] {
			return fmt.Errorf("%s occurs twice", kind)
		}
		seen[kind] = true
		if err := integerFrom(0)(fields[2]); err != nil {
			return fmt.Errorf("the milliseconds %q: %w", fields[2], err)
		}
	}
	return nil
}

// throttlingBySize takes "N", "N[K|M]" or the form of throttling.
func throttlingBySize(s string) error {
	if strings.Contains(s, "*") {
		return throttling(s)
	}
	n, err := rate(s)
	if err == nil && n == 0 {
		return errors.New("it must be greater than 0")
	}
	return err
}

// rate reads "200K": a number with an optional K or M.
func rate(s string) (int64, error) {
	digits := strings.TrimRight(s, "KM")
	if len(s)-len(digits) > 1 {
		digits = ""
	}
	if integerFrom(0)(digits) != nil {
		return 0, fmt.Errorf("%q must be a whole number, with K or M behind it if need be", s)
	}
	return strconv.ParseInt(digits, 10, 64)
}

var clockPattern = regexp.MustCompile(`^([01]?\d|2[0-3]):[0-5]\d$`)

// clockTimes takes "3:00,21:00".
func clockTimes(s string) error {
	for part := range strings.SplitSeq(s, ",") {
		if !clockPattern.MatchString(strings.TrimSpace(part)) {
			return fmt.Errorf("%q is not a time of day", part)
		}
	}
	return nil
}

// jsonOrEmpty takes compaction rules; the servers ignore what is not JSON.
func jsonOrEmpty(s string) error {
	if s == "" || json.Valid([]byte(s)) {
		return nil
	}
	return errors.New("it is not JSON")
}
