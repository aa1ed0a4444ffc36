package plan

import "time"

// The values of CopyOptions.Overwrite. The empty one writes over rows that the target has.
const (
	// OverwriteNever leaves rows alone that the target has, by check_and_set(value does not exist): a write
	// that servers refuse on a table that is being duplicated.
	OverwriteNever = "never"
	// OverwriteNeverUnatomic reads and then writes: a row that a client writes in between is written over.
	OverwriteNeverUnatomic = "never_unatomic"
)

// The values of CopyOptions.MultiSet. The empty one is MultiSetAuto.
const (
	MultiSetAuto = "auto" // on where it was measured to be faster
	MultiSetOn   = "on"
	MultiSetOff  = "off"
)

// CopyOptions say which rows are copied, what of them, and how. The zero value copies every row as it is.
type CopyOptions struct {
	// Partitions are those of the source that are read, ascending, each once; empty means all.
	Partitions []int32 `json:"partitions,omitempty"`
	// HashKey, SortKey and Value are filters, "prefix:user_" and so on (rowfilter.Parse); "" takes everything.
	HashKey string `json:"hash_key,omitempty"`
	SortKey string `json:"sort_key,omitempty"`
	Value   string `json:"value,omitempty"`
	// DropTTL writes rows without their expiry.
	DropTTL bool `json:"drop_ttl,omitempty"`
	// DropValue writes keys with empty values. Never with a filter of values.
	DropValue bool `json:"drop_value,omitempty"`
	// Overwrite is "", OverwriteNever or OverwriteNeverUnatomic.
	Overwrite string `json:"overwrite,omitempty"`
	// MultiSet is "", MultiSetAuto, MultiSetOn or MultiSetOff. Never MultiSetOn with OverwriteNever or
	// OverwriteNeverUnatomic: a multi_set has no condition.
	MultiSet string `json:"multi_set,omitempty"`
	// MultiSetRows bounds the rows of one multi_set, MultiSetConcurrency the multi_sets in flight per source
	// partition, ScanBatch the rows of one scan request. 0 leaves it to the engine.
	MultiSetRows        int `json:"multi_set_rows,omitempty"`
	MultiSetConcurrency int `json:"multi_set_concurrency,omitempty"`
	ScanBatch           int `json:"scan_batch,omitempty"`
	// Timeout is of one request, 0 leaves it to the engine.
	Timeout time.Duration `json:"timeout_ns,omitempty"`
}

// RowSelection says which rows of the source are meant. The zero value means all of them.
type RowSelection struct {
	Partitions []int32 `json:"partitions,omitempty"` // of the source; empty means all
	HashKey    string  `json:"hash_key,omitempty"`   // as in CopyOptions
	SortKey    string  `json:"sort_key,omitempty"`
	Value      string  `json:"value,omitempty"`
}

// All says that every row of the source is meant.
func (s RowSelection) All() bool {
	return len(s.Partitions) == 0 && s.HashKey == "" && s.SortKey == "" && s.Value == ""
}

// Rows is the part of the options that says which rows are meant.
func (o CopyOptions) Rows() RowSelection {
	return RowSelection{Partitions: o.Partitions, HashKey: o.HashKey, SortKey: o.SortKey, Value: o.Value}
}

// KeepsTarget says that rows which the target has are left alone.
func (o CopyOptions) KeepsTarget() bool { return o.Overwrite != "" }

// Whole says that every row arrives as it is: nothing is left out, cut off or left alone.
func (o CopyOptions) Whole() bool {
	return o.Rows().All() && !o.DropTTL && !o.DropValue && !o.KeepsTarget()
}

// StopIf are the thresholds of the clusters' health at which rows stop moving until it is better. A zero
// field is not looked at.
type StopIf struct {
	// SourceP99 and TargetP99 are of the tables' requests as the servers measure them.
	SourceP99 time.Duration `json:"source_p99_ns,omitempty"`
	TargetP99 time.Duration `json:"target_p99_ns,omitempty"`
	// DiskFree is the share of the disk that must stay free on every server of the target, above 0 and below 1.
	DiskFree float64 `json:"disk_free,omitempty"`
	// PendingCompaction is in bytes, of the target's fullest replica.
	PendingCompaction int64 `json:"pending_compaction,omitempty"`
	// FailuresPerSecond is of requests that fail on either table, those of clients included.
	FailuresPerSecond float64 `json:"failures_per_second,omitempty"`
}

// CatchUp ends a copy that ran while clients wrote. Before the fence goes up one pass over both tables brings over
// what they changed meanwhile. Behind it both are compared once, only what differs is copied or deleted, and that is
// read again on both sides, until there is no difference: it is the comparison of the migration as well.
// Where partition counts let both sides be read in the order of keys, rows are compared as they come; otherwise
// digests of buckets of hash keys, and the rows of unequal ones (differ.MethodAuto). Reading a second time what
// is unequal would cost clients the most on a table that is written to everywhere.
type CatchUp struct {
	Source TableRef `json:"source"`
	Target TableRef `json:"target"`
	// Limits bound the pass before the fence. Behind it only Budget does: clients wait.
	Limits  CopyLimits  `json:"limits"`
	Options CopyOptions `json:"options,omitzero"`
	// Budget bounds the window in which writes are rejected, lifting the fence included; above 0.
	Budget time.Duration `json:"budget_ns"`
}

// Kind implements Action.
func (CatchUp) Kind() string { return "catch_up" }

func (CatchUp) sealed() {}
