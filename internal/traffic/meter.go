package traffic

import (
	"sync"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// ClientSummary is what one client saw. Times are UTC.
type ClientSummary struct {
	Name   string `json:"name"`
	Kind   string `json:"kind"`
	Driver string `json:"driver"`
	OK     int64  `json:"ok"`
	Failed int64  `json:"failed"`
	// Codes counts failures by the last error code of a server, ERR_TIMEOUT for none.
	Codes map[string]int64 `json:"codes"`
	// Gap is the longest span in which no operation of the client succeeded. It ends with the first
	// one that did; one that is under way when the traffic ends counts up to then.
	Gap Span `json:"longest_gap"`
	// Stall is the longest span in which one worker of the client, as a thread of an application, got
	// nothing done although it tried.
	Stall Span `json:"longest_stall"`
	// FirstFailure is the first failed operation, nil for none.
	FirstFailure *Failure `json:"first_failure"`
	// Served counts acknowledged operations by the cluster that served them, "?" for one whose
	// servers are not known; Serving is the cluster of the last one.
	Served  map[string]int64 `json:"served"`
	Serving string           `json:"serving"`
	// Switches are the moments at which an operation was served by another cluster than the one
	// before, at most maxSwitches of them.
	Switches []Switch `json:"switches"`
	// Stale counts reads that showed less than had been acknowledged before they began; a read of a
	// row that was deleted and is there again is one, too. Readers only.
	Stale int64 `json:"stale"`
	// Queries is how often the configuration of the table was asked for, Reopened how often a Go
	// client was opened anew.
	Queries  int64 `json:"queries"`
	Reopened int64 `json:"reopened"`
	// Repeated counts writes of a dual writer that a side did not take at first.
	Repeated int64 `json:"repeated,omitempty"`
}

// Span is a stretch of time.
type Span struct {
	Milliseconds int64     `json:"ms"`
	From         time.Time `json:"from,omitzero"`
	To           time.Time `json:"to,omitzero"`
}

// Failure is a failed operation.
type Failure struct {
	At   time.Time `json:"at"`
	Code string    `json:"code"`
	Text string    `json:"text"`
}

// Switch is a change of the cluster that serves a client.
type Switch struct {
	At   time.Time `json:"at"`
	From string    `json:"from"`
	To   string    `json:"to"`
}

// maxSwitches bounds the switches that are told.
const maxSwitches = 50

// meter measures one client.
type meter struct {
	clusters map[string]string // server to cluster
	serving  func(client, cluster string)

	mu      sync.Mutex
	s       ClientSummary
	lastOK  time.Time
	stalled map[int]time.Time // worker to the begin of its first operation since its last success
	// Since the last line of progress.
	ok, failed int64
	gap        time.Duration
}

func newMeter(spec clientSpec, clusters map[string]string, now time.Time) *meter {
	return &meter{clusters: clusters, serving: func(string, string) {}, lastOK: now, stalled: map[int]time.Time{},
		s: ClientSummary{Name: spec.name, Kind: spec.kind, Driver: spec.driver, Codes: map[string]int64{}, Served: map[string]int64{}, Switches: []Switch{}}}
}

// begin starts the clock.
func (m *meter) begin(now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lastOK = now
}

// count takes down how an operation of a worker ended, which began at a time.
func (m *meter) count(worker int, began time.Time, r Result) {
	now := time.Now()
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.stalled[worker]; !ok {
		m.stalled[worker] = began
	}
	if r.Err != nil {
		m.fail(now, r)
		return
	}
	m.s.OK++
	m.ok++
	longest(&m.s.Gap, m.lastOK, now)
	m.gap = max(m.gap, now.Sub(m.lastOK))
	m.lastOK = now
	longest(&m.s.Stall, m.stalled[worker], now)
	delete(m.stalled, worker)
	cluster := m.clusters[r.Server]
	if cluster == "" {
		cluster = "?"
	}
	m.s.Served[cluster]++
	before := m.s.Serving
	if before == cluster {
		return
	}
	m.s.Serving = cluster
	m.serving(m.s.Name, cluster)
	if before != "" && len(m.s.Switches) < maxSwitches {
		m.s.Switches = append(m.s.Switches, Switch{now.UTC(), before, cluster})
	}
}

func (m *meter) fail(now time.Time, r Result) {
	m.s.Failed++
	m.failed++
	code := string(r.Code)
	if r.Code == idl.ErrOK {
		code = "status"
	}
	m.s.Codes[code]++
	if m.s.FirstFailure == nil {
		m.s.FirstFailure = &Failure{now.UTC(), code, r.Err.Error()}
	}
}

func (m *meter) stale() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.s.Stale++
}

func (m *meter) firstFailure() *Failure {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.s.FirstFailure
}

// longest keeps the longer of a span and the one between two moments.
func longest(s *Span, from, to time.Time) {
	if ms := to.Sub(from).Milliseconds(); ms > s.Milliseconds {
		*s = Span{ms, from.UTC(), to.UTC()}
	}
}

// tick gives what happened since the last one.
func (m *meter) tick(now time.Time) (ok, failed int64, gap time.Duration, serving string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	ok, failed, gap = m.ok, m.failed, max(m.gap, now.Sub(m.lastOK))
	m.ok, m.failed, m.gap = 0, 0, 0
	return ok, failed, gap, m.s.Serving
}

// summary ends the measurement.
func (m *meter) summary(now time.Time, stats ClientStats) ClientSummary {
	m.mu.Lock()
	defer m.mu.Unlock()
	longest(&m.s.Gap, m.lastOK, now)
	for _, began := range m.stalled {
		longest(&m.s.Stall, began, now)
	}
	m.s.Queries, m.s.Reopened, m.s.Repeated = stats.Queries, stats.Reopened, stats.Repeated
	return m.s
}
