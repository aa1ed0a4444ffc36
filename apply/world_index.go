package apply

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/pegmigrate/pegmigrate/internal/event"
	"github.com/pegmigrate/pegmigrate/plan"
)

// ErrNoPosition says that a row has no position where the declaration looks for it.
var ErrNoPosition = errors.New("no position")

// IndexJob is one pass over a table for its geo index.
type IndexJob struct {
	Table, Index plan.TableRef
	Geo          plan.GeoOptions
	Limits       plan.CopyLimits
	// Unpaced is as in CopyJob.
	Unpaced bool
	// Cursors and Save are as in CopyJob, by partition of Table; not used by Prove.
	Cursors map[string]json.RawMessage
	Save    func(map[string]json.RawMessage) error
	Report  func(event.MoveProgress)
}

// IndexOutcome is what a proof found.
type IndexOutcome struct {
	// Rows are those of the table, Unplaced the ones of them without a position, and Held the rows of the index.
	Rows     uint64 `json:"rows"`
	Unplaced uint64 `json:"unplaced,omitempty"`
	Held     uint64 `json:"held"`
	// Fleeting rows were so near their expiry that one of the two readings may have missed them. They are
	// counted in Rows and say nothing else.
	Fleeting uint64 `json:"fleeting,omitempty"`
	// Differing partitions of the index do not hold the rows that they should, ascending; Differences is how many
	// rows differ at least, and 0 only when none does.
	Differing   []int32 `json:"differing,omitempty"`
	Differences uint64  `json:"differences,omitempty"`
}

// Indexes makes and proves geo indexes. The tables must not be written to meanwhile.
type Indexes interface {
	// Build returns nil only when the index has acknowledged a row for every row of the table that has a position.
	// Without Geo.Skip a row that has none ends it with an error that wraps ErrNoPosition. On error the cursors
	// saved last are good to resume from.
	Build(ctx context.Context, job IndexJob) error
	// Prove reads both tables. Differences are a result, not an error.
	Prove(ctx context.Context, job IndexJob) (IndexOutcome, error)
}
