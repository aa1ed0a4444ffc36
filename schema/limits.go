package schema

import (
	"fmt"
	"time"

	"github.com/hashicorp/hcl/v2"
)

// Limits bounds what a migration may cost others. A zero value means no declared limit; a declared
// one is greater than zero.
type Limits struct {
	// WriteReject bounds how long a fence may reject the writes of clients.
	WriteReject    time.Duration
	RowsPerSecond  int64
	BytesPerSecond int64
	// InFlight is the number of unacknowledged writes, at most 65536.
	InFlight int
	// SendRate, Window and StopIf are nil in a Migration whose method cannot honour them: they
	// are refused, never ignored. Window and StopIf are of method copy.
	SendRate *SendRate
	Window   []Window
	StopIf   *StopIf
	Range    hcl.Range // zero when the block is absent
}

// SendRate is a ramp of the servers' own transfer rate: from Start up to Max by Step, one step per
// Every. Rates are bytes per second.
type SendRate struct {
	Start, Step, Max int64
	Every            time.Duration
}

// Window is a daily span of time, "22:00-06:00 Asia/Shanghai". It passes midnight when To is not
// after From.
type Window struct {
	From, To time.Duration // since midnight, 0 up to but not 24h
	Zone     string        // IANA name as declared, "UTC" when absent
}

// String is the declared form, with the zone always: "22:00-06:00 UTC".
func (w Window) String() string {
	clock := func(d time.Duration) string {
		return fmt.Sprintf("%02d:%02d", int(d.Hours()), int(d.Minutes())%60)
	}
	return clock(w.From) + "-" + clock(w.To) + " " + w.Zone
}

// StopIf holds the thresholds of the clusters' health at which rows stop moving until it is better. Zero means
// not declared.
type StopIf struct {
	// SourceP99 and TargetP99 are of requests as the servers measure them.
	SourceP99, TargetP99 time.Duration
	DiskFree             float64 // share of the target's disks that is free, above 0 and below 1
	PendingCompaction    int64   // bytes, of the target
	FailuresPerSecond    float64 // of requests to both tables, those of clients included
}
