package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// namespace is what all names begin with.
const namespace = "pegmigrate"

// families are all metrics that are set by events. Times that pass by themselves are in clocks.
type families struct {
	build, run, runState                 *prometheus.GaugeVec
	stepState                            *prometheus.GaugeVec
	stepIndex, steps                     prometheus.Gauge
	stepSeconds                          *prometheus.GaugeVec
	rows, bytes                          *prometheus.CounterVec
	progressRows, progressEstimate       *prometheus.GaugeVec
	partitions, partitionsDone           *prometheus.GaugeVec
	inFlight                             prometheus.Gauge
	limitRows, limitBytes, limitFlight   prometheus.Gauge
	limitReason                          *prometheus.GaugeVec
	retries, warnings, failures          *prometheus.CounterVec
	differencesRunning                   *prometheus.GaugeVec
	differences, verifiedRows, corrected *prometheus.GaugeVec
	lagWorst, lagAll, lagRate, forecast  prometheus.Gauge
	lagPartitions                        *prometheus.GaugeVec
	window                               *prometheus.GaugeVec
	windowBudget, windowPredicted        prometheus.Gauge
	gate                                 *prometheus.GaugeVec
	waiting, waitingLimit                *prometheus.GaugeVec
	undoFailures                         prometheus.Counter
}

// maker registers what it makes.
type maker struct{ registry *prometheus.Registry }

func (m maker) gauge(name, help string) prometheus.Gauge {
	g := prometheus.NewGauge(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help})
	m.registry.MustRegister(g)
	return g
}

func (m maker) gauges(name, help string, labels ...string) *prometheus.GaugeVec {
	g := prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help}, labels)
	m.registry.MustRegister(g)
	return g
}

func (m maker) counter(name, help string) prometheus.Counter {
	c := prometheus.NewCounter(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help})
	m.registry.MustRegister(c)
	return c
}

func (m maker) counters(name, help string, labels ...string) *prometheus.CounterVec {
	c := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, labels)
	m.registry.MustRegister(c)
	return c
}

// newFamilies registers every metric, those of the Go runtime and of the process included.
func newFamilies(r *prometheus.Registry) *families {
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m := maker{registry: r}
	f := &families{
		build:     m.gauges("build_info", "1, with the version of the tool and of Go.", "version", "go_version"),
		run:       m.gauges("run_info", "1, with what is being done.", "migration", "command", "method", "source", "target"),
		runState:  m.gauges("run_state", "1 for the state that the run is in, 0 for the others.", "state"),
		stepState: m.gauges("step_state", "1 for the state that the step is in, 0 for the others.", "step", "state"),
		stepIndex: m.gauge("step_index", "Number of the step at work, from 1; 0 before the first one."),
		steps:     m.gauge("steps", "Number of steps of the plan."),
		stepSeconds: m.gauges("step_duration_seconds",
			"How long a finished step took, in seconds.", "step"),
		undoFailures: m.counter("undo_failures_total", "Compensations that failed: something was left behind."),
		gate:         m.gauges("gate_waiting", "1 while the gate waits for somebody to approve it.", "gate"),
		waiting:      m.gauges("waiting_seconds", "For how long a step has waited without progress, in seconds; 0 when it moves.", "step"),
		waitingLimit: m.gauges("waiting_limit_seconds", "When a wait is given up, in seconds; 0 when it is not.", "step"),
		warnings:     m.counters("warnings_total", "Warnings, by their code.", "code"),
		failures:     m.counters("step_failures_total", "Failures that ended a run, by their code.", "step", "code"),
	}
	f.moving(m)
	f.comparing(m)
	return f
}

// moving registers what is said of rows on their way.
func (f *families) moving(m maker) {
	f.rows = m.counters("rows_total", "Rows that this process moved or compared.", "step", "kind")
	f.bytes = m.counters("bytes_total", "Bytes of keys and values that this process moved or compared.", "step", "kind")
	f.progressRows = m.gauges("progress_rows", "Rows moved or compared, those of earlier runs included.", "step", "kind")
	f.progressEstimate = m.gauges("progress_rows_estimate", "RocksDB's estimate of the rows; off by tens of percent.", "step", "kind")
	f.partitions = m.gauges("partitions", "Partitions to move, or units to compare.", "step", "kind")
	f.partitionsDone = m.gauges("partitions_done", "Partitions or units that are finished.", "step", "kind")
	f.inFlight = m.gauge("writes_in_flight", "Writes without acknowledgement.")
	f.limitRows = m.gauge("limit_rows_per_second", "Cap of rows per second in force; 0 for none.")
	f.limitBytes = m.gauge("limit_bytes_per_second", "Cap of bytes per second in force; 0 for none.")
	f.limitFlight = m.gauge("limit_writes_in_flight", "Cap of writes in flight in force; 0 when not reported.")
	f.limitReason = m.gauges("limit_reason", "1 for the class of what bounds the speed now, 0 for the others.", "reason")
	f.retries = m.counters("retries_total", "Requests of this process that were sent again, by what was answered.", "kind")
	f.lagWorst = m.gauge("lag_worst_mutations", "Outstanding mutations of the partition that is furthest behind.")
	f.lagAll = m.gauge("lag_mutations", "Outstanding mutations of all partitions.")
	f.lagRate = m.gauge("lag_shipped_mutations_per_second", "Mutations that are shipped, per second; 0 while unknown.")
	f.forecast = m.gauge("lag_forecast_seconds", "How long a drain would take now, in seconds; 0 while unknown.")
	f.lagPartitions = m.gauges("lag_partitions", "Partitions of a duplication, by how far they are.", "state")
}

// comparing registers what is proven.
func (f *families) comparing(m maker) {
	f.differencesRunning = m.gauges("differences_found", "Differences found until now by a comparison that is under way.", "step")
	f.differences = m.gauges("differences", "Differences of the last comparison that ended, by their class; open keys kept changing, and drift is no difference.", "step", "class")
	f.verifiedRows = m.gauges("verified_rows", "Rows that the last comparison that ended has read.", "step", "side")
	f.corrected = m.gauges("corrected_rows", "Rows of the target that the last repair or pass of a catch-up wrote or deleted, or had to leave.", "step", "action")
	f.window = m.gauges("reject_window_seconds", "How long clients could not write in the cut-over, by its parts, in seconds; total is their sum.", "part")
	f.windowBudget = m.gauge("reject_window_budget_seconds", "How long writes may be rejected, in seconds; 0 when nothing was declared.")
	f.windowPredicted = m.gauge("reject_window_predicted_seconds", "What the plan said of the window, in seconds; 0 without one.")
}

// clocks are times that pass while no event comes. What is not known is not exported.
type clocks struct {
	s                               *Sink
	lastEvent, cursorAge, windowAge *prometheus.Desc
}

func newClocks(s *Sink) *clocks {
	desc := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc(namespace+"_"+name, help, nil, nil)
	}
	return &clocks{s: s,
		lastEvent: desc("last_event_timestamp_seconds", "When the last event came, in seconds since 1970."),
		cursorAge: desc("cursor_age_seconds", "Time since the cursor was made durable, in seconds: what a crash would move again."),
		windowAge: desc("reject_window_open_seconds", "For how long writes have been rejected, in seconds; 0 when they are not."),
	}
}

// Describe implements prometheus.Collector.
func (c *clocks) Describe(to chan<- *prometheus.Desc) {
	to <- c.lastEvent
	to <- c.cursorAge
	to <- c.windowAge
}

// Collect implements prometheus.Collector.
func (c *clocks) Collect(to chan<- prometheus.Metric) {
	c.s.mu.Lock()
	last, saved, opened, now := c.s.last, c.s.cursorSaved, c.s.windowOpened, c.s.now()
	c.s.mu.Unlock()
	send := func(d *prometheus.Desc, v float64) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v)
	}
	if !last.IsZero() {
		send(c.lastEvent, float64(last.UnixMilli())/1000)
	}
	if !saved.IsZero() {
		send(c.cursorAge, age(saved, now))
	}
	open := 0.0
	if !opened.IsZero() {
		open = age(opened, now)
	}
	send(c.windowAge, open)
}

// age is never negative: clocks are set back.
func age(since, now time.Time) float64 { return max(now.Sub(since), 0).Seconds() }
