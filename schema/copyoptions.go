package schema

import "time"

// CopyOptions say which rows a copy moves, what of them, and how: the options of the shell's copy_data.
type CopyOptions struct {
	// Partitions are those of the source that are read, ascending, each once; empty means all.
	Partitions []int32
	// HashKey, SortKey and Value are filters, KIND:PATTERN with KIND anywhere, prefix, postfix or exact; in a
	// PATTERN \xHH is a byte and \\ a backslash. "" takes everything.
	HashKey, SortKey, Value string
	// DropTTL writes rows without their expiry: keep_ttl = false.
	DropTTL bool
	// DropValue writes keys with empty values: copy_value = false. Never with a filter of values.
	DropValue bool
	// Overwrite is what becomes of rows that the target has. Default OverwriteAlways; "" is the same.
	Overwrite Overwrite
	// MultiSet says whether rows of one hash key travel in one request. Default MultiSetAuto; "" is the same.
	// Never MultiSetOn unless rows are overwritten.
	MultiSet MultiSet
	// MultiSetRows bounds the rows of one multi_set, MultiSetConcurrency the multi_sets in flight per source
	// partition, ScanBatch the rows of one scan request; 0 leaves it to the engine.
	MultiSetRows, MultiSetConcurrency, ScanBatch int
	// Timeout is of one request; 0 leaves it to the engine.
	Timeout time.Duration
	// Geo declares an index of positions beside the target; nil for none.
	Geo *Geo
}

// Overwrite says what becomes of rows that the target has.
type Overwrite string

// The values of overwrite.
const (
	OverwriteAlways Overwrite = "always"
	// OverwriteNever leaves them alone by check_and_set, which servers refuse on a table that is duplicated.
	OverwriteNever Overwrite = "never"
	// OverwriteNeverUnatomic reads first and then writes: what a client writes in between is lost.
	OverwriteNeverUnatomic Overwrite = "never_unatomic"
)

// MultiSet says whether rows of one hash key travel in one request.
type MultiSet string

// The values of multi_set.
const (
	MultiSetAuto MultiSet = "auto" // where it was measured to be faster
	MultiSetOn   MultiSet = "on"
	MultiSetOff  MultiSet = "off"
)

// Bounds of the options of a copy.
const (
	maxPartition = 1<<31 - 2
	// maxMultiSetRows is beyond what fits into one request of max_allowed_write_size, 1 MiB.
	maxMultiSetRows        = 10_000
	maxMultiSetConcurrency = 1024
	// maxScanBatch is the servers' own bound as shipped, rocksdb_max_iteration_count.
	maxScanBatch = 1000
	minTimeout   = 100 * time.Millisecond
	maxTimeout   = 10 * time.Minute
)
