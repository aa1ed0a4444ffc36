package differ

import (
	"bytes"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/scan"
)

// Side is one of the two tables.
type Side string

// The sides.
const (
	SourceSide Side = "source"
	TargetSide Side = "target"
)

// Kind says in which way source and target disagree about a row.
type Kind string

// The kinds of difference.
const (
	Missing   Kind = "missing"   // on the source, not on the target
	Extra     Kind = "extra"     // on the target, not on the source
	Changed   Kind = "value"     // values differ
	Expiry    Kind = "expiry"    // only the expiry differs
	Misplaced Kind = "misplaced" // in a partition that its hash does not select
	// Drift is no difference: default_ttl or the clocks of two clusters explain that expiries differ.
	// Only OnDrift is told of it.
	Drift Kind = "drift"
)

// Action is what makes the target's row what the source's is.
type Action string

// The actions.
const (
	// CopyRow puts Selection.Wanted of the source's row.
	CopyRow Action = "copy"
	// DeleteRow deletes the target's row.
	DeleteRow Action = "delete"
	// LeaveRow does nothing: a request for the key of a misplaced row goes to the partition that its hash
	// selects, not to where it lies.
	LeaveRow Action = "leave"
)

// Action says what would repair the difference.
func (d *Difference) Action() Action {
	switch {
	case d.Kind == Misplaced:
		return LeaveRow
	case d.Source == nil:
		return DeleteRow
	default:
		return CopyRow
	}
}

// Difference is one row on which source and target disagree.
type Difference struct {
	Kind Kind
	// Side is where a misplaced row lies; empty for other kinds.
	Side Side
	// SourcePartition and TargetPartition are where the row belongs, except on the Side of a
	// misplaced row, where it is the partition that it lies in.
	SourcePartition, TargetPartition int32
	// Key is the raw key. Source and Target are the rows, nil where there is none; of a
	// misplaced row only its side is given. All are valid only during OnDifference.
	Key            []byte
	Source, Target *scan.Row
	// Age is for how long the row had been seen to differ, 0 for one that was looked at once.
	Age time.Duration
}

// Shown is what may be shown and stored of a difference: sizes instead of values. Its JSON form is
// part of Cursor's.
type Shown struct {
	Kind            Kind   `json:"kind"`
	Side            Side   `json:"side,omitempty"`
	SourcePartition int32  `json:"source_partition"`
	TargetPartition int32  `json:"target_partition"`
	HashKey         string `json:"hash_key"` // quoted, or 0x… when binary
	SortKey         string `json:"sort_key"`
	RawKey          []byte `json:"raw_key"`
	SourceBytes     int    `json:"source_bytes"` // of the value
	TargetBytes     int    `json:"target_bytes"`
	SourceExpire    uint32 `json:"source_expire"` // seconds since 2016-01-01 UTC, 0 never
	TargetExpire    uint32 `json:"target_expire"`

	Age time.Duration `json:"age_ns,omitempty"`
}

// Shown is the difference without its values.
func (d *Difference) Shown() Shown {
	e := Shown{
		Kind: d.Kind, Side: d.Side,
		SourcePartition: d.SourcePartition, TargetPartition: d.TargetPartition,
		RawKey: bytes.Clone(d.Key), Age: d.Age,
	}
	e.HashKey, e.SortKey = scan.PrintableKey(d.Key)
	if d.Source != nil {
		e.SourceBytes, e.SourceExpire = len(d.Source.Value), d.Source.Expire
	}
	if d.Target != nil {
		e.TargetBytes, e.TargetExpire = len(d.Target.Value), d.Target.Expire
	}
	return e
}

// Counts say how many rows were compared, with what outcome.
type Counts struct {
	// SourceRows and TargetRows were read, the misplaced ones included.
	SourceRows uint64 `json:"source_rows"`
	TargetRows uint64 `json:"target_rows"`
	// SourceBytes are the keys and values of SourceRows.
	SourceBytes uint64 `json:"source_bytes"`
	Equal       uint64 `json:"equal"`

	// The differences. A row whose value and expiry differ counts as Value.
	Missing         uint64 `json:"missing,omitempty"` // the target lacks it
	Extra           uint64 `json:"extra,omitempty"`   // the source lacks it
	Value           uint64 `json:"value,omitempty"`
	Expiry          uint64 `json:"expiry,omitempty"` // only the expiry differs
	MisplacedSource uint64 `json:"misplaced_source,omitempty"`
	MisplacedTarget uint64 `json:"misplaced_target,omitempty"`

	// AllowedExtra are extra rows with Options.AllowExtra.
	AllowedExtra uint64 `json:"allowed_extra,omitempty"`
	// Expired are rows that were on one side only, or not the same, and expired meanwhile.
	Expired uint64 `json:"expired,omitempty"`
	// Stamped are rows that differ only in the expiry that the default_ttl of one side gave them.
	Stamped uint64 `json:"stamped,omitempty"`
	// Drifted are rows that are equal but for an expiry that default_ttl gave them at another moment, or on
	// one side only, or that the client which writes both tables reckoned twice.
	Drifted uint64 `json:"drifted,omitempty"`
	// Unselected are rows of the source that were read and that Options.Selection leaves out; they count
	// nowhere else. Servers leave some out themselves.
	Unselected uint64 `json:"unselected,omitempty"`
	// Duplicates are keys beyond the first in partitions of the same side and unit; all but
	// one of them are counted as misplaced too. A comparison by digests does not count them.
	Duplicates uint64 `json:"duplicates,omitempty"`
}

// Differences is the number of all differences.
func (c *Counts) Differences() uint64 {
	return c.Missing + c.Extra + c.Value + c.Expiry + c.Misplaced()
}

// Misplaced is the number of misplaced rows of both sides.
func (c *Counts) Misplaced() uint64 { return c.MisplacedSource + c.MisplacedTarget }

// add adds up.
func (c *Counts) add(d *Counts) {
	c.SourceRows += d.SourceRows
	c.TargetRows += d.TargetRows
	c.SourceBytes += d.SourceBytes
	c.Equal += d.Equal
	c.Missing += d.Missing
	c.Extra += d.Extra
	c.Value += d.Value
	c.Expiry += d.Expiry
	c.MisplacedSource += d.MisplacedSource
	c.MisplacedTarget += d.MisplacedTarget
	c.AllowedExtra += d.AllowedExtra
	c.Expired += d.Expired
	c.Stamped += d.Stamped
	c.Drifted += d.Drifted
	c.Unselected += d.Unselected
	c.Duplicates += d.Duplicates
}

// count adds one difference of a kind.
func (c *Counts) count(d *Difference) {
	switch d.Kind {
	case Missing:
		c.Missing++
	case Extra:
		c.Extra++
	case Changed:
		c.Value++
	case Expiry:
		c.Expiry++
	case Misplaced:
		if d.Side == SourceSide {
			c.MisplacedSource++
		} else {
			c.MisplacedTarget++
		}
	}
}
