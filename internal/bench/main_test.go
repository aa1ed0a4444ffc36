package bench

import (
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/pegmigrate/pegmigrate/internal/scan/benchtest"
)

func TestMain(m *testing.M) {
	benchtest.Serve()
	goleak.VerifyTestMain(m)
}

// ticksPerSecond is the unit of /proc/PID/stat; Linux has had no other for users for decades.
const ticksPerSecond = 100

// cpuOf is the processor time that another process has used, user and system; 0 where the system
// does not say.
func cpuOf(pid int) time.Duration {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(text), ") ") // the name may have blanks in it
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return 0
	}
	user, _ := strconv.ParseInt(fields[11], 10, 64)
	system, _ := strconv.ParseInt(fields[12], 10, 64)
	return time.Duration(user+system) * time.Second / ticksPerSecond
}

// cost is what both processes spend between begin and report.
type cost struct {
	b           *testing.B
	pid         int
	own, theirs time.Duration
}

// begin starts to count.
func begin(b *testing.B, pid int) *cost {
	b.Helper()
	benchtest.ResetPeak()
	return &cost{b: b, pid: pid, own: benchtest.CPUTime(), theirs: cpuOf(pid)}
}

// report gives a benchmark its figures: rows of each side, and their bytes.
func (c *cost) report(rows, bytes uint64) (seconds float64) {
	own := (benchtest.CPUTime() - c.own).Seconds()
	seconds = c.b.Elapsed().Seconds()
	c.b.ReportMetric(float64(rows)/seconds, "rows/s")
	c.b.ReportMetric(float64(rows)/own, "rows/cpu-s")
	if bytes > 0 {
		c.b.ReportMetric(float64(bytes)/1e6/own, "MB/cpu-s")
	}
	if theirs := (cpuOf(c.pid) - c.theirs).Seconds(); theirs > 0 {
		c.b.ReportMetric(float64(rows)/theirs, "sandbox-rows/cpu-s")
	}
	c.b.ReportMetric(benchtest.PeakMB(), "peak-MB")
	c.b.ReportMetric(0, "ns/op") // of a whole table: says nothing
	return seconds
}
