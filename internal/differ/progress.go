package differ

import (
	"context"
	"sync/atomic"
	"time"
)

// Reporter receives the progress of a comparison. Report is called from one goroutine at a time
// and must not block for long.
type Reporter interface {
	Report(Progress)
}

// ReporterFunc adapts a function to a Reporter.
type ReporterFunc func(Progress)

// Report calls f.
func (f ReporterFunc) Report(p Progress) { f(p) }

// UnitProgress is the part of one unit, or of one partition of the source in a comparison by digests.
type UnitProgress struct {
	Unit int32
	// Rows and Bytes are of the source, as far as it was read.
	Rows, Bytes  uint64
	Active, Done bool
}

// Progress is the state of a comparison at one moment. Its slices belong to the receiver.
type Progress struct {
	Units     []UnitProgress
	UnitsDone int
	// Rows and Bytes are of the source, units of earlier runs included.
	Rows, Bytes uint64
	// Suspects is how many buckets of a comparison by digests are unequal, and have their rows compared now; Units
	// are then the partitions of the source.
	Suspects int
	// Differences found so far.
	Differences uint64
	// Watched is how many keys of a live comparison were unequal and are being looked at again.
	Watched int64
	// RowsPerSecond and BytesPerSecond are of the last seconds.
	RowsPerSecond, BytesPerSecond float64
	// Limit is what bounds the comparison at present and Reason why; empty without a bound.
	Limit, Reason string
	// LimitSource is who says so, as in pace.State; "" where a server asked for less.
	LimitSource string
	// RowsCap and BytesCap, per second, are the bounds in force, 0 for none; Held says that nothing may be read.
	RowsCap, BytesCap int64
	Held              bool
	// Elapsed is the time since this run began.
	Elapsed time.Duration
}

const (
	// rateKeep is the weight of earlier rates, per second.
	rateKeep = 0.6
	// recent is how long a retry of a scan is shown.
	recent = 2 * time.Second
)

// gauge is what progress shows of one part of the work.
type gauge struct {
	rows, bytes, differences atomic.Uint64
	active, done             atomic.Bool
}

// shows is the gauge as a receiver of progress sees it.
func (g *gauge) shows(index int32) UnitProgress {
	return UnitProgress{Unit: index, Rows: g.rows.Load(), Bytes: g.bytes.Load(), Active: g.active.Load(), Done: g.done.Load()}
}

// survey is where the comparison is: its parts, and the differences that were found.
func (r *run) survey() (parts []UnitProgress, differences uint64) {
	switch {
	case r.digest != nil:
		return r.digest.survey()
	case r.sample != nil:
		return r.sample.survey()
	case r.count != nil:
		return r.count.survey(), 0
	}
	for _, u := range r.parts {
		parts = append(parts, u.shows(u.index))
		differences += u.differences.Load() + u.lateDifferences.Load()
	}
	return parts, differences
}

// meter turns counters into reports. Used by one goroutine at a time.
type meter struct {
	r                   *run
	to                  Reporter
	at                  time.Time
	rows, bytes         uint64
	rowsRate, bytesRate float64
}

func newMeter(r *run, to Reporter) *meter {
	m := &meter{r: r, to: to, at: r.began}
	parts, _ := r.survey()
	for i := range parts {
		m.rows += parts[i].Rows
		m.bytes += parts[i].Bytes
	}
	return m
}

// run reports until ctx ends.
func (m *meter) run(ctx context.Context) {
	ticker := time.NewTicker(m.r.opts.ReportEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			m.report()
		case <-ctx.Done():
			return
		}
	}
}

// report sends one Progress.
func (m *meter) report() {
	var p Progress
	p.Units, p.Differences = m.r.survey()
	for i := range p.Units {
		p.Rows += p.Units[i].Rows
		p.Bytes += p.Units[i].Bytes
		if p.Units[i].Done {
			p.UnitsDone++
		}
	}
	p.Suspects = m.r.suspected()
	if m.r.watch != nil {
		p.Watched = m.r.watch.pending.Load()
	}
	m.rate(&p)
	p.Limit, p.Reason = m.r.limit()
	force := m.r.caps.pacer.State()
	p.RowsCap, p.BytesCap, p.Held = force.RowsPerSecond, force.BytesPerSecond, len(force.Held) > 0
	if p.Limit == force.Limit && p.Reason == force.Reason {
		p.LimitSource = force.Source
	}
	m.to.Report(p)
}

// rate fills in the rates and the time.
func (m *meter) rate(p *Progress) {
	now := time.Now()
	p.Elapsed = now.Sub(m.r.began)
	// A unit that is begun again after a lost run counts from zero.
	if seconds := now.Sub(m.at).Seconds(); seconds > 0 && p.Rows >= m.rows && p.Bytes >= m.bytes {
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
