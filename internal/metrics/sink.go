package metrics

import (
	"math"
	"runtime"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/pegmigrate/pegmigrate/internal/event"
)

// About says what is being done, for labels that do not change during a run.
type About struct {
	Version   string
	Migration string
	Command   string // apply, rollback or verify
	Method    string
	// Source and Target are "cluster/table".
	Source, Target string
}

// Sink counts events. It is safe for concurrent use.
type Sink struct {
	registry *prometheus.Registry
	f        *families
	about    About
	now      func() time.Time

	mu           sync.Mutex
	last         time.Time
	cursorSaved  time.Time
	windowOpened time.Time // zero: writes are not rejected, or nobody said so
	resumed      bool
	step         string
	counted      map[string]*moved
	retried      map[string]uint64
	codes        kinds
	errors       kinds
}

// moved is what was added to the counters of one step and kind.
type moved struct{ rows, bytes uint64 }

var _ event.Sink = (*Sink)(nil)

// States of a run and of a step.
const (
	running     = "running"
	waitingGate = "gate"
	done        = "done"
	failed      = "failed"
	stopped     = "interrupted"
	pending     = "pending"
	skipped     = "skipped"
	undone      = "undone"
)

func runStates() []string  { return []string{running, waitingGate, done, failed, stopped} }
func stepStates() []string { return []string{pending, running, done, skipped, failed, undone} }

// New makes a Sink with a registry of its own. now gives the time of events.
func New(a About, now func() time.Time) *Sink {
	s := &Sink{registry: prometheus.NewRegistry(), about: a, now: now, counted: map[string]*moved{}, retried: map[string]uint64{},
		codes: kinds{}, errors: kinds{}}
	s.f = newFamilies(s.registry)
	s.registry.MustRegister(newClocks(s))
	s.f.build.WithLabelValues(a.Version, runtime.Version()).Set(1)
	s.f.run.WithLabelValues(a.Migration, a.Command, a.Method, a.Source, a.Target).Set(1)
	set(s.f.runState, runStates(), running)
	set(s.f.limitReason, reasons(), "none")
	return s
}

// Registry is what a Server offers.
func (s *Sink) Registry() *prometheus.Registry { return s.registry }

// set makes one state 1 and the others 0; labels come before that of the state.
func set(g *prometheus.GaugeVec, states []string, now string, labels ...string) {
	for _, state := range states {
		v := 0.0
		if state == now {
			v = 1
		}
		g.WithLabelValues(append(append([]string{}, labels...), state)...).Set(v)
	}
}

// Emit implements event.Sink.
func (s *Sink) Emit(e event.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = s.now()
	switch e := e.(type) {
	case event.RunStarted:
		s.started(e)
	case event.StepStarted:
		s.step = e.Step
		s.f.stepIndex.Set(float64(e.Index))
		s.f.steps.Set(float64(e.Of))
		set(s.f.stepState, stepStates(), running, e.Step)
	case event.StepSkipped:
		set(s.f.stepState, stepStates(), skipped, e.Step)
		s.rest(e.Step)
	case event.StepDone:
		set(s.f.stepState, stepStates(), done, e.Step)
		s.f.stepSeconds.WithLabelValues(e.Step).Set(e.Elapsed.Seconds())
		s.rest(e.Step)
	case event.StepFailed:
		set(s.f.stepState, stepStates(), failed, e.Step)
		set(s.f.runState, runStates(), failed)
		s.f.failures.WithLabelValues(e.Step, s.codes.name(e.Code)).Inc()
		s.rest(e.Step)
	case event.Waiting:
		s.f.waiting.WithLabelValues(e.Step).Set(e.Elapsed.Seconds())
		s.f.waitingLimit.WithLabelValues(e.Step).Set(e.Limit.Seconds())
	case event.Warning:
		s.f.warnings.WithLabelValues(s.codes.name(e.Code)).Inc()
	case event.MoveProgress:
		s.progress(e)
	case event.LagProgress:
		s.lag(e)
	default:
		s.proof(e)
	}
}

// started begins the steps of a plan anew: a process may run two, the way back after the way there.
func (s *Sink) started(e event.RunStarted) {
	s.resumed = e.Resumed
	s.f.stepState.Reset()
	for _, step := range e.Steps {
		set(s.f.stepState, stepStates(), pending, step)
	}
	s.f.steps.Set(float64(len(e.Steps)))
	s.f.stepIndex.Set(0)
	s.f.gate.Reset()
	set(s.f.runState, runStates(), running)
}

// rest clears what belongs to a step at work.
func (s *Sink) rest(step string) {
	s.f.waiting.DeleteLabelValues(step)
	s.f.waitingLimit.DeleteLabelValues(step)
	s.f.inFlight.Set(0)
	s.f.limitRows.Set(0)
	s.f.limitBytes.Set(0)
	s.f.limitFlight.Set(0)
	set(s.f.limitReason, reasons(), "none")
	s.cursorSaved = time.Time{}
	s.retried = map[string]uint64{} // the next step counts from 0
}

// progress takes in how far a copy or a comparison is.
func (s *Sink) progress(e event.MoveProgress) {
	s.f.progressRows.WithLabelValues(e.Step, e.Kind).Set(float64(e.Rows))
	s.f.progressEstimate.WithLabelValues(e.Step, e.Kind).Set(float64(e.RowsEstimate))
	s.f.partitions.WithLabelValues(e.Step, e.Kind).Set(float64(e.PartitionCount))
	s.f.partitionsDone.WithLabelValues(e.Step, e.Kind).Set(float64(e.PartitionsDone))
	s.f.inFlight.Set(float64(e.InFlight))
	s.f.limitRows.Set(finite(e.InForce.RowsPerSecond))
	s.f.limitBytes.Set(finite(e.InForce.BytesPerSecond))
	s.f.limitFlight.Set(float64(e.InForce.InFlight))
	set(s.f.limitReason, reasons(), reasonOf(e))
	if e.Kind == "verify" {
		s.f.differencesRunning.WithLabelValues(e.Step).Set(float64(e.Differences))
	}
	s.f.waiting.DeleteLabelValues(e.Step)
	s.cursorSaved = e.CursorSaved
	s.count(e)
	for kind, n := range e.Retries {
		if n > s.retried[kind] {
			s.f.retries.WithLabelValues(s.errors.name(kind)).Add(float64(n - s.retried[kind]))
		}
		s.retried[kind] = n
	}
}

// count adds what came since the last report. A number that fell is the beginning of another round. What
// stood there before the first report of a run that goes on is the work of another process.
func (s *Sink) count(e event.MoveProgress) {
	key := e.Step + "\x00" + e.Kind
	m := s.counted[key]
	if m == nil {
		m = &moved{}
		if s.resumed {
			m.rows, m.bytes = e.Rows, e.Bytes
		}
		s.counted[key] = m
	}
	if e.Rows < m.rows {
		m.rows, m.bytes = 0, 0
	}
	s.f.rows.WithLabelValues(e.Step, e.Kind).Add(float64(e.Rows - m.rows))
	if e.Bytes > m.bytes {
		s.f.bytes.WithLabelValues(e.Step, e.Kind).Add(float64(e.Bytes - m.bytes))
	} else {
		s.f.bytes.WithLabelValues(e.Step, e.Kind).Add(0)
	}
	m.rows, m.bytes = e.Rows, e.Bytes
}

func (s *Sink) lag(e event.LagProgress) {
	s.f.lagWorst.Set(float64(e.Worst))
	s.f.lagAll.Set(float64(e.Total))
	s.f.lagRate.Set(finite(e.PerSecond))
	s.f.forecast.Set(e.Forecast.Seconds())
	s.f.lagPartitions.WithLabelValues("behind").Set(float64(e.Behind))
	s.f.lagPartitions.WithLabelValues("unknown").Set(float64(e.Unknown))
	s.f.lagPartitions.WithLabelValues("there").Set(float64(max(e.Partitions-e.Behind-e.Unknown, 0)))
}

// finite is f, or 0 for the rate of a moment that has no length.
func finite(f float64) float64 {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return 0
	}
	return f
}
