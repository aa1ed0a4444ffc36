package copier

import (
	"time"
)

// Reporter receives the progress of a copy. Report is called from one goroutine at a time and
// must not block for long.
type Reporter interface {
	Report(Progress)
}

// ReporterFunc adapts a function to a Reporter.
type ReporterFunc func(Progress)

// Report calls f.
func (f ReporterFunc) Report(p Progress) { f(p) }

// PartitionProgress is the part of one source partition, earlier runs included.
type PartitionProgress struct {
	Partition int32
	// Rows and Bytes are acknowledged and behind the cursor.
	Rows, Bytes  uint64
	Active, Done bool
}

// Progress is the state of a copy at one moment. Its slices belong to the receiver.
type Progress struct {
	// Partitions are those that are to be copied.
	Partitions     []PartitionProgress
	PartitionsDone int
	// Rows and Bytes are of all partitions, earlier runs included; so are Filtered and Kept, see
	// Cursor.
	Rows, Bytes, Filtered, Kept uint64
	// RowsPerSecond and BytesPerSecond are of the last seconds of this run.
	RowsPerSecond, BytesPerSecond float64
	// InFlight is the number of writes without acknowledgement.
	InFlight int
	// Limit is what bounds the copy at present and Reason why, e.g. "820 of 2048 writes in
	// flight" and "ERR_BUSY from 10.0.0.1:34801: 40 % of cap". Both empty without a bound.
	Limit, Reason string
	// LimitSource is who says so, as in pace.State; "" where the target or the source asked for less.
	LimitSource string
	// RowsCap and BytesCap, per second, and FlightCap are the bounds in force, 0 for none; Held says that
	// nothing may move.
	RowsCap, BytesCap int64
	FlightCap         int
	Held              bool
	// Retries counts what this run sent again, by the code that was answered; nil while there was nothing.
	Retries map[string]uint64
	// Saved is when a cursor was made durable last, zero before.
	Saved time.Time
	// Elapsed is the time since this run began.
	Elapsed time.Duration
}

// Rates are averaged over a few seconds: rateKeep is the weight of what came before, per second.
const rateKeep = 0.6

// meter turns counters into reports. Used by one goroutine at a time.
type meter struct {
	r           *run
	to          Reporter
	at          time.Time
	rows, bytes uint64
	rowsRate    float64
	bytesRate   float64
}

func newMeter(r *run, to Reporter) *meter {
	m := &meter{r: r, to: to, at: r.began}
	for _, p := range r.parts {
		m.rows += p.rows.Load()
		m.bytes += p.bytes.Load()
	}
	return m
}

// report sends one Progress.
func (m *meter) report() {
	p := Progress{Partitions: make([]PartitionProgress, len(m.r.parts)), InFlight: m.r.win.inFlight()}
	for i, part := range m.r.parts {
		one := PartitionProgress{
			Partition: part.index, Rows: part.rows.Load(), Bytes: part.bytes.Load(),
			Active: part.active.Load() > 0, Done: part.done.Load(),
		}
		p.Rows += one.Rows
		p.Bytes += one.Bytes
		p.Filtered += part.filtered.Load()
		p.Kept += part.kept.Load()
		if one.Done {
			p.PartitionsDone++
		}
		p.Partitions[i] = one
	}
	m.rate(&p)
	p.Limit, p.Reason = m.r.limit()
	force := m.r.caps.pacer.State()
	p.RowsCap, p.BytesCap, p.FlightCap, p.Held = force.RowsPerSecond, force.BytesPerSecond, int(m.r.win.limit.Load()), len(force.Held) > 0
	if p.Limit == force.Limit && p.Reason == force.Reason {
		p.LimitSource = force.Source
	}
	p.Retries = m.r.gov.again.counts()
	if saved := m.r.saved.Load(); saved != nil {
		p.Saved = *saved
	}
	m.to.Report(p)
}

// rate fills in the rates and the time.
func (m *meter) rate(p *Progress) {
	now := time.Now()
	p.Elapsed = now.Sub(m.r.began)
	if seconds := now.Sub(m.at).Seconds(); seconds > 0 {
		fresh := min(seconds*(1-rateKeep), 1)
		if m.rowsRate == 0 {
			fresh = 1
		}
		m.rowsRate += fresh * (float64(p.Rows-m.rows)/seconds - m.rowsRate)
		m.bytesRate += fresh * (float64(p.Bytes-m.bytes)/seconds - m.bytesRate)
		m.at, m.rows, m.bytes = now, p.Rows, p.Bytes
	}
	p.RowsPerSecond, p.BytesPerSecond = m.rowsRate, m.bytesRate
}
