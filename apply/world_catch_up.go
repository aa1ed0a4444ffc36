package apply

import (
	"context"
	"encoding/json"

	"github.com/pegmigrate/pegmigrate/internal/event"
	"github.com/pegmigrate/pegmigrate/plan"
)

// CatchUpJob is one pass that brings over what differs.
type CatchUpJob struct {
	Source, Target plan.TableRef
	Limits         plan.CopyLimits
	Options        plan.CopyOptions
	// Live says that clients write to the source meanwhile: what is brought over may be old again a moment
	// later, and nothing is read again. Without it a fence is up, and the pass is held by nothing: neither by
	// the caps of Limits nor by a window of time, a threshold of stop_if or a pause.
	Live bool
	// Before, Recheck and Keep are as in VerifyJob; what an earlier pass behind the same fence brought over
	// and read again counts as compared.
	Before  json.RawMessage
	Recheck []int32
	Keep    func(json.RawMessage)
	Report  func(event.MoveProgress)
}

// CatchUpOutcome is what a pass found and did.
type CatchUpOutcome struct {
	// Found is the comparison as both tables were read.
	Found event.Verified
	// Written and Deleted are the rows of the target that were made what the source's are, each acknowledged.
	Written, Deleted uint64
	// Left are differences that remain: of rows that were brought over and read again on both sides, and of
	// rows that no write can mend. With Live it counts the latter only.
	Left uint64
	// TooMany says that more rows were brought over than are read again one by one: nothing is known of
	// them, and another pass over everything has to tell.
	TooMany bool
}

// Equal says that both tables are proven to hold the same rows, if nothing changed meanwhile.
func (o CatchUpOutcome) Equal() bool { return o.Left == 0 && !o.TooMany }

// rows are the counts after the pass.
func (o CatchUpOutcome) rows() ComparedCounts {
	return ComparedCounts{SourceRows: o.Found.SourceRows, TargetRows: o.Found.TargetRows + o.Found.Missing - o.Deleted}
}

// CatchUps brings a copy up to date.
type CatchUps interface {
	// CatchUp compares both tables, and makes rows of the target that differ what the source's are, those
	// that the source lacks included. It returns an error when the pass could not be finished; then some rows
	// may have been brought over.
	CatchUp(ctx context.Context, job CatchUpJob) (CatchUpOutcome, error)
}
