package event

import "time"

// Event is one thing that happened. The set is sealed: only this package declares events, so
// a view can be checked for handling all of them.
type Event interface {
	// Name is the stable value of the "type" field in JSON output.
	Name() string
	sealed()
}

// Sink receives events. Emit must not block for long (it may be called from the data path's
// reporting goroutine, never from the hot path itself) and must be safe for concurrent use.
type Sink interface {
	Emit(Event)
}

// SinkFunc adapts a function to a Sink.
type SinkFunc func(Event)

// Emit calls f.
func (f SinkFunc) Emit(e Event) { f(e) }

// Discard is a Sink that drops everything.
var Discard Sink = SinkFunc(func(Event) {})

// Tee returns a Sink that hands every event to each of sinks in order. Nil sinks are left out.
func Tee(sinks ...Sink) Sink {
	kept := make([]Sink, 0, len(sinks))
	for _, s := range sinks {
		if s != nil {
			kept = append(kept, s)
		}
	}
	return SinkFunc(func(e Event) {
		for _, s := range kept {
			s.Emit(e)
		}
	})
}

// RunStarted opens every run of apply or rollback.
type RunStarted struct {
	Migration string   `json:"migration"`
	Command   string   `json:"command"`
	Lineage   string   `json:"lineage"`
	PlanID    string   `json:"plan_id"`
	Resumed   bool     `json:"resumed"`
	Steps     []string `json:"steps"`
}

// StepStarted says that a step's intent is durable and its work begins.
type StepStarted struct {
	Step  string `json:"step"`
	Index int    `json:"index"` // 1-based
	Of    int    `json:"of"`
	What  string `json:"what"`
	// Impact is what clients notice of this step, empty for nothing.
	Impact string `json:"impact,omitempty"`
}

// ImpactBegun says that clients are affected from now on, by a step whose impact begins later than its work.
type ImpactBegun struct {
	Step   string `json:"step"`
	Impact string `json:"impact"`
}

// StepSkipped says that a step needs no work: it was done by an earlier run, or the live
// clusters already show its result.
type StepSkipped struct {
	Step   string `json:"step"`
	Index  int    `json:"index"`
	Of     int    `json:"of"`
	Reason string `json:"reason"`
}

// StepDone says that the live clusters show the step's result and that this is recorded.
type StepDone struct {
	Step    string        `json:"step"`
	Index   int           `json:"index"`
	Of      int           `json:"of"`
	Elapsed time.Duration `json:"elapsed_ns"`
	Proof   string        `json:"proof,omitempty"`
}

// StepFailed ends a run with an error.
type StepFailed struct {
	Step  string `json:"step"`
	Error string `json:"error"`
	Code  string `json:"code,omitempty"`
	Hint  string `json:"hint,omitempty"`
}

// Waiting tells why nothing moves and until when it will be waited for.
type Waiting struct {
	Step    string        `json:"step"`
	Reason  string        `json:"reason"`
	Elapsed time.Duration `json:"elapsed_ns"`
	Limit   time.Duration `json:"limit_ns"`
}

// Warning is anything the operator should read although the run goes on.
type Warning struct {
	Step string `json:"step,omitempty"`
	Code string `json:"code,omitempty"`
	Text string `json:"text"`
	Hint string `json:"hint,omitempty"`
}

// PartitionProgress is the part of one source partition (copy) or unit (verify).
type PartitionProgress struct {
	Index int32  `json:"index"`
	Rows  uint64 `json:"rows"`
	Bytes uint64 `json:"bytes"`
	// Estimate is the expected number of rows, 0 when unknown. It comes from RocksDB's
	// estimate and may be off by tens of percent: never derive "done" from it.
	Estimate uint64 `json:"estimate,omitempty"`
	Active   bool   `json:"active,omitempty"`
	Done     bool   `json:"done,omitempty"`
}

// MoveProgress is the state of a copy or a comparison at one moment.
type MoveProgress struct {
	Step           string              `json:"step"`
	Kind           string              `json:"kind"` // "copy" or "verify"
	Partitions     []PartitionProgress `json:"partitions,omitempty"`
	PartitionsDone int                 `json:"partitions_done"`
	PartitionCount int                 `json:"partition_count"`
	Rows           uint64              `json:"rows"`
	Bytes          uint64              `json:"bytes"`
	RowsEstimate   uint64              `json:"rows_estimate,omitempty"`
	RowsPerSecond  float64             `json:"rows_per_second"`
	BytesPerSecond float64             `json:"bytes_per_second"`
	// Filtered counts rows that a copy read and left out by its filters, Kept those of Rows that the target had
	// and that stay as they were there. Both are 0 in other work.
	Filtered uint64 `json:"filtered,omitempty"`
	Kept     uint64 `json:"kept,omitempty"`
	// ETA is 0 while unknown.
	ETA         time.Duration `json:"eta_ns,omitempty"`
	InFlight    int           `json:"in_flight"`
	Limit       string        `json:"limit,omitempty"`
	LimitReason string        `json:"limit_reason,omitempty"`
	// LimitSource says who limits: "declared", "control", "control set", "window", "stop_if" and the name of the
	// threshold, as in package pace; "" where the engine follows what servers answer.
	LimitSource string `json:"limit_source,omitempty"`
	// InForce are the caps at this moment as numbers, after easing and with what the control socket set.
	InForce Caps `json:"in_force,omitzero"`
	// Retries counts the requests of this run that were sent again, by what was answered: "ERR_BUSY",
	// "ERR_TIMEOUT". Nil while there were none.
	Retries map[string]uint64 `json:"retries,omitempty"`
	// CursorSaved is when the cursor was made durable last: what came later is moved again after a crash.
	// Zero before the first time, and for work without a cursor.
	CursorSaved time.Time     `json:"cursor_saved,omitzero"`
	Differences uint64        `json:"differences"`
	Elapsed     time.Duration `json:"elapsed_ns"`
}

// Caps bound how fast rows move; 0 is no bound.
type Caps struct {
	RowsPerSecond  float64 `json:"rows_per_second,omitempty"`
	BytesPerSecond float64 `json:"bytes_per_second,omitempty"`
	InFlight       int     `json:"in_flight,omitempty"`
	// Held says that nothing moves: outside of a time window, while a server is to be left alone, or on request.
	Held bool `json:"held,omitempty"`
}

// DifferenceKind says in which way source and target disagree about one row.
type DifferenceKind string

// The kinds of difference.
const (
	Missing   DifferenceKind = "missing"   // on the source, not on the target
	Extra     DifferenceKind = "extra"     // on the target, not on the source
	Changed   DifferenceKind = "value"     // values differ
	Expiry    DifferenceKind = "expiry"    // absolute expiry differs
	Misplaced DifferenceKind = "misplaced" // in a partition that its hash does not select
)

// Difference is one row on which source and target disagree. Values themselves are left out:
// logs travel further than tables may.
type Difference struct {
	Kind            DifferenceKind `json:"kind"`
	Side            string         `json:"side,omitempty"` // "source" or "target", for Misplaced
	SourcePartition int32          `json:"source_partition"`
	TargetPartition int32          `json:"target_partition"`
	HashKey         string         `json:"hash_key"` // quoted, or 0x… when binary
	SortKey         string         `json:"sort_key"`
	RawKey          []byte         `json:"raw_key"`
	SourceBytes     int            `json:"source_bytes"`
	TargetBytes     int            `json:"target_bytes"`
	SourceExpire    uint32         `json:"source_expire"` // seconds since 2016-01-01 UTC, 0 never
	TargetExpire    uint32         `json:"target_expire"`
	// Age is for how long the row had been seen to differ, 0 for one that was looked at once.
	Age time.Duration `json:"age_ns,omitempty"`
}

// Verified is the outcome of one comparison.
type Verified struct {
	Step          string `json:"step"`
	SourceRows    uint64 `json:"source_rows"`
	TargetRows    uint64 `json:"target_rows"`
	Differences   uint64 `json:"differences"`
	Missing       uint64 `json:"missing"`
	Extra         uint64 `json:"extra"`
	Changed       uint64 `json:"changed"`
	ExpiryDiffers uint64 `json:"expiry_differs"`
	Misplaced     uint64 `json:"misplaced"`
	ExpiredMidway uint64 `json:"expired_midway"`
	AllowedExtra  uint64 `json:"allowed_extra"`
	// Stamped rows differ only in the expiry that the source's default_ttl gave them meanwhile.
	Stamped       uint64  `json:"stamped,omitempty"`
	SourceChanged []int32 `json:"source_changed,omitempty"`
	// Drifted rows differ only in an expiry that default_ttl gave them at another moment, or clocks explain: no difference.
	Drifted uint64 `json:"drifted,omitempty"`
	// Open keys kept changing, so that nothing is said about them. Cut says that the comparison was ended early,
	// with more differences than are waited for.
	Open uint64 `json:"open,omitempty"`
	Cut  bool   `json:"cut,omitempty"`
	// Mode is full ("" as well), sample or count, Sample the share of the rows that was drawn and compared and
	// Confidence what that proves, in words.
	Mode       string  `json:"mode,omitempty"`
	Sample     float64 `json:"sample,omitempty"`
	Confidence string  `json:"confidence,omitempty"`
	// Patience is how long a row had to stay different to count, 0 when it was looked at once.
	Patience       time.Duration `json:"patience_ns,omitempty"`
	Round          int           `json:"round"`
	FirstDiffering []Difference  `json:"first_differing,omitempty"`
}

// CaughtUp is the outcome of one pass that brought over what differed.
type CaughtUp struct {
	Step string `json:"step"`
	// Live says that clients wrote meanwhile, so that nothing is proven.
	Live       bool   `json:"live"`
	SourceRows uint64 `json:"source_rows"` // as they were read
	TargetRows uint64 `json:"target_rows"`
	Written    uint64 `json:"written"` // rows of the target
	Deleted    uint64 `json:"deleted"`
	// Left rows differ all the same.
	Left    uint64        `json:"left,omitempty"`
	Elapsed time.Duration `json:"elapsed_ns"`
}

// FenceProven says that every partition of the table answered a probe as fenced or unfenced.
type FenceProven struct {
	Step       string        `json:"step"`
	Cluster    string        `json:"cluster"`
	Table      string        `json:"table"`
	Partitions int           `json:"partitions"`
	Up         bool          `json:"up"`
	Spread     time.Duration `json:"spread_ns"` // first to last partition
	Took       time.Duration `json:"took_ns"`
}

// LagProgress is how far a duplication is behind. Lag of 1 per idle partition is rest on 2.4 and 2.5.
type LagProgress struct {
	Step       string `json:"step"`
	Partitions int    `json:"partitions"`
	// Behind counts the partitions that are over the threshold or, in a drain, not there yet;
	// Unknown those that no primary reports.
	Behind  int   `json:"behind"`
	Unknown int   `json:"unknown,omitempty"`
	Worst   int64 `json:"worst"` // outstanding mutations of the worst partition
	Total   int64 `json:"total"`
	// PerSecond is the rate at which mutations are shipped, Forecast how long the drain would take
	// now; 0 while unknown.
	PerSecond float64       `json:"per_second,omitempty"`
	Forecast  time.Duration `json:"forecast_ns,omitempty"`
	Elapsed   time.Duration `json:"elapsed_ns"`
}

// RouteSwitched says that the route record leads to the target.
type RouteSwitched struct {
	Step    string `json:"step"`
	Path    string `json:"path"`
	From    string `json:"from"`
	To      string `json:"to"`
	Version int32  `json:"version"`
}

// CutOver is the reject window of a finished cut-over, in its parts, in order of time. They add up to
// Total: from the first rejected write until clients can write to the target.
type CutOver struct {
	Step    string        `json:"step"`
	Spread  time.Duration `json:"spread_ns"`  // first to last partition's fence
	Quiesce time.Duration `json:"quiesce_ns"` // until decrees were frozen
	Drain   time.Duration `json:"drain_ns"`   // until the last frozen decree was shipped
	Recheck time.Duration `json:"recheck_ns"` // until the open keys were equal
	// CatchUp is until what differed was brought over and equal, Lift until the source took writes again.
	// Only catch-ups have them, and instead of Drain and Recheck.
	CatchUp time.Duration `json:"catch_up_ns,omitempty"`
	Lift    time.Duration `json:"lift_ns,omitempty"`
	Switch  time.Duration `json:"switch_ns"`  // until the route led to the target, and was read back
	Resolve time.Duration `json:"resolve_ns"` // until every proxy led there
	Total   time.Duration `json:"total_ns"`
	Budget  time.Duration `json:"budget_ns,omitempty"`
	// Predicted is what the plan said of Total.
	Predicted time.Duration `json:"predicted_ns,omitempty"`
}

// GateReached ends a run at a gate that nobody has approved yet.
type GateReached struct {
	Gate    string `json:"gate"`
	Step    string `json:"step"`
	Command string `json:"command"`
	// Until is when the gate opens by itself, Rollback the command that goes back until then; only a
	// return ticket has them.
	Until    time.Time `json:"until,omitzero"`
	Rollback string    `json:"rollback,omitempty"`
}

// UndoStarted, UndoDone and UndoFailed frame the compensation of one step.
type UndoStarted struct {
	Step string `json:"step"`
	What string `json:"what"`
}

// UndoDone says that the live clusters show that the step's change is gone.
type UndoDone struct {
	Step   string `json:"step"`
	Detail string `json:"detail,omitempty"`
}

// UndoFailed is the loudest event there is: something was left behind.
type UndoFailed struct {
	Step   string `json:"step"`
	Error  string `json:"error"`
	Repair string `json:"repair"`
}

// Interrupted says that the run stopped at a safe point because it was told to.
type Interrupted struct {
	Step   string `json:"step"`
	Resume string `json:"resume"`
	Note   string `json:"note,omitempty"`
}

// RunDone closes a run that reached its end.
type RunDone struct {
	Migration string        `json:"migration"`
	Command   string        `json:"command"`
	Rows      uint64        `json:"rows"`
	Bytes     uint64        `json:"bytes"`
	Elapsed   time.Duration `json:"elapsed_ns"`
	Text      string        `json:"text"`
}
