package pegasus

import (
	"strconv"
	"strings"
)

// AtLeast tells whether a version such as "2.5.0" or "2.6.0-SNAPSHOT" is major.minor or later; one
// that cannot be read is not.
func AtLeast(version string, major, minor int) bool {
	parts := strings.SplitN(version, ".", 3)
	if len(parts) < 2 {
		return false
	}
	a, errA := strconv.Atoi(parts[0])
	digits := strings.IndexFunc(parts[1], func(r rune) bool { return r < '0' || r > '9' })
	if digits < 0 {
		digits = len(parts[1])
	}
	b, errB := strconv.Atoi(parts[1][:digits])
	return errA == nil && errB == nil && (a > major || a == major && b >= minor)
}
