package schema

import (
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
	// are refused, never ignored.
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

// StopIf holds the thresholds of the clusters' health at which work stops. Zero means not declared.
type StopIf struct {
	SourceP99 time.Duration
	DiskFree  float64 // share of the disk that is free, above 0 and below 1
}
