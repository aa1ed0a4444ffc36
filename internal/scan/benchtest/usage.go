package benchtest

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"syscall"
	"time"
)

// CPUTime is what this process has used, user and system.
func CPUTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// ResetPeak makes the kernel forget the largest resident size so far; where it cannot, PeakMB is
// that of the whole run.
func ResetPeak() { _ = os.WriteFile("/proc/self/clear_refs", []byte("5"), 0o600) }

// PeakMB is the largest resident size of this process, 0 where the system does not say.
func PeakMB() float64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for lines := bufio.NewScanner(bytes.NewReader(status)); lines.Scan(); {
		var kb float64
		if n, _ := fmt.Sscanf(lines.Text(), "VmHWM: %f kB", &kb); n == 1 {
			return kb / 1024
		}
	}
	return 0
}
