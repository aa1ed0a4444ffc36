package plan

import (
	"time"

	"github.com/pegmigrate/pegmigrate/schema"
)

// Rates that estimates are made of, in rows and bytes per second. They come from the benchmarks
// in BENCHMARKS.md, taken low, because a real cluster replicates every write three times.
const (
	copyRowsPerSecond    = 150_000
	copyBytesPerSecond   = 60 << 20
	verifyRowsPerSecond  = 500_000
	verifyBytesPerSecond = 120 << 20
	// bandLow and bandHigh widen an estimate: RocksDB's row count is itself an estimate, and the
	// clusters serve others meanwhile.
	bandLow  = 0.4
	bandHigh = 3.0
)

// estimateMove predicts how long it takes to move or compare an amount of data under the declared
// caps.
func estimateMove(rows, bytes uint64, limits CopyLimits, verify bool) Estimate {
	rowRate, byteRate := float64(copyRowsPerSecond), float64(copyBytesPerSecond)
	if verify {
		rowRate, byteRate = verifyRowsPerSecond, verifyBytesPerSecond
	}
	lowRows, lowBytes := rowRate/bandLow, byteRate/bandLow
	if cap := float64(limits.RowsPerSecond); cap > 0 {
		rowRate, lowRows = min(rowRate, cap), min(lowRows, cap)
	}
	if cap := float64(limits.BytesPerSecond); cap > 0 {
		byteRate, lowBytes = min(byteRate, cap), min(lowBytes, cap)
	}
	seconds := max(float64(rows)/rowRate, float64(bytes)/byteRate)
	best := max(float64(rows)/lowRows, float64(bytes)/lowBytes)
	return Estimate{
		Duration: toDuration(seconds),
		Low:      toDuration(best),
		High:     toDuration(seconds * bandHigh),
		Rows:     rows,
		Bytes:    bytes,
	}
}

// within stretches an estimate of what may only go on inside daily windows: it waits through the rest of each day
// that it does not fit into, and at worst for the first window. Windows that overlap are added up as if they did
// not; nothing but people reads it.
func (e Estimate) within(windows []schema.Window) Estimate {
	open := openFor(windows)
	if open == 0 || open >= day {
		return e
	}
	waits := func(d time.Duration) time.Duration {
		if d == 0 {
			return 0
		}
		nights := int64((d - 1) / open)
		return d + time.Duration(nights)*(day-open)
	}
	if e.High == 0 {
		return e
	}
	e.Duration, e.Low, e.High = waits(e.Duration), waits(e.Low), waits(e.High)+day-open
	return e
}

const day = 24 * time.Hour

// openFor adds up the windows of a day.
func openFor(windows []schema.Window) time.Duration {
	var open time.Duration
	for _, w := range windows {
		span := w.To - w.From
		if span <= 0 {
			span += day
		}
		open += span
	}
	return open
}

func toDuration(seconds float64) time.Duration {
	return time.Duration(seconds * float64(time.Second)).Round(time.Millisecond)
}

// estimateSync predicts something that becomes effective with the next config sync of every
// replica server.
func estimateSync(interval time.Duration) Estimate {
	return Estimate{Duration: interval / 2, Low: 0, High: interval}
}

// estimateCreate predicts how long a new table takes to become healthy: primaries appear after 10
// to 30 s on a real 2.5.0 cluster, secondaries soon after.
// settle is how long apply lets writes that wait in a primary's queue be prepared before it looks at
// decrees (apply.Waits.Settle); the look itself takes milliseconds.
const settle = 3 * time.Second

func estimateQuiesce() Estimate {
	return Estimate{Duration: settle, Low: settle, High: 2 * settle}
}

func estimateCreate() Estimate {
	return Estimate{Duration: 30 * time.Second, Low: 10 * time.Second, High: 90 * time.Second}
}

// addUp sums the estimates of steps that run one after the other.
func addUp(steps []Step) Estimate {
	var total Estimate
	for _, s := range steps {
		total = total.Plus(s.Estimate)
	}
	return total
}
