package difference

import (
	"time"
)

// Version is the version of the report that this package writes. It is raised when a reader of the old form would
// misread the new one; added fields do not raise it.
const Version = 1

// The types of lines, in the order in which a report has them.
const (
	typeHeader     = "header"
	typeDifference = "difference"
	typeEnd        = "end"
)

// The kinds of difference. What they mean is as in package event.
const (
	Missing   = "missing"   // on the source, not on the target
	Extra     = "extra"     // on the target, not on the source
	Changed   = "value"     // values differ
	Expiry    = "expiry"    // only the expiry differs
	Misplaced = "misplaced" // in a partition that its hash does not select
	// Drift is a row that differs in nothing but an expiry which default_ttl or clocks explain. It is no difference;
	// it is listed so that it can be put right.
	Drift = "drift"
)

// Kinds are all kinds in the order in which people are told about them.
func Kinds() []string { return []string{Missing, Extra, Changed, Expiry, Misplaced, Drift} }

// Table is a table as it was when it was compared.
type Table struct {
	// Cluster is the label of the cluster block, Name what the cluster calls itself, "" when it did not say.
	Cluster string `json:"cluster"`
	Name    string `json:"name,omitempty"`
	Table   string `json:"table"`
	// AppID and Partitions tell a table from one that was made in its place; CreatedAt as well, where servers say it.
	AppID      int32     `json:"app_id"`
	Partitions int32     `json:"partitions"`
	CreatedAt  time.Time `json:"created_at,omitzero"`
}

// Header is the first line.
type Header struct {
	Type      string    `json:"type"`
	Version   int       `json:"version"`
	Migration string    `json:"migration"`
	Tool      string    `json:"tool"` // version of pegmigrate, for people
	At        time.Time `json:"at"`   // when the comparison began
	Source    Table     `json:"source"`
	Target    Table     `json:"target"`
	// Mode is full or sample, Sample the share of the rows of the latter.
	Mode   string  `json:"mode"`
	Sample float64 `json:"sample,omitempty"`
	// Patience is how long a row had to stay different to be one, 0 when nothing carried writes over.
	Patience time.Duration `json:"patience_ns,omitempty"`
	// Rows says which rows were meant, "" for all: the filters and partitions of the copy, for people.
	Rows string `json:"rows,omitempty"`
}

// Entry is one difference. Expiries are in seconds since 2016-01-01 UTC, 0 for never; sizes are of values, in bytes.
type Entry struct {
	Type            string `json:"type"`
	Kind            string `json:"kind"`
	Side            string `json:"side,omitempty"` // of a misplaced row, source or target
	SourcePartition int32  `json:"source_partition"`
	TargetPartition int32  `json:"target_partition"`
	Key             []byte `json:"key"` // raw: u16 length of the hash key, hash key, sort key
	HashKey         string `json:"hash_key"`
	SortKey         string `json:"sort_key"`
	SourceExpire    uint32 `json:"source_expire"`
	TargetExpire    uint32 `json:"target_expire"`
	SourceBytes     int    `json:"source_bytes"`
	TargetBytes     int    `json:"target_bytes"`
	// Age is for how long it had been different when it was told, 0 when it was looked at once.
	Age time.Duration `json:"age_ns,omitempty"`
}

// End is the last line. Counts has the number of lines of each kind; what the comparison counted without a line of
// its own, because it ended early, is not in it.
type End struct {
	Type   string            `json:"type"`
	Lines  uint64            `json:"lines"`
	Counts map[string]uint64 `json:"counts"`
	// SourceRows and TargetRows were compared.
	SourceRows uint64 `json:"source_rows"`
	TargetRows uint64 `json:"target_rows"`
	// Open is how many keys kept changing, so that nothing is said about them.
	Open uint64 `json:"open,omitempty"`
	// Cut says that the comparison was ended before everything was compared.
	Cut bool      `json:"cut,omitempty"`
	At  time.Time `json:"at"`
}

// Differences is the number of lines that are differences; rows that drifted are none.
func (e *End) Differences() uint64 { return e.Lines - e.Counts[Drift] }
