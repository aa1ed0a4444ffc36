package apply

import (
	"encoding/json"

	"github.com/pegmigrate/pegmigrate/plan"
	"github.com/pegmigrate/pegmigrate/state"
)

// OwnershipOf tells a plan what a state document remembers of its tables and how far it is.
func OwnershipOf(doc *state.Document, begun *plan.Plan) *plan.Ownership {
	o := &plan.Ownership{Lineage: doc.Lineage}
	o.CreatedTarget, o.Creating = CreatedID(doc, begun)
	p := &o.Progress
	p.Serial, p.StepsAll = doc.Serial, len(begun.Steps)
	p.Finished = doc.Outcome == state.OutcomeDone
	p.RolledBack = doc.Outcome == state.OutcomeRolledBack
	for _, s := range begun.Steps {
		record := doc.Step(s.ID)
		if record != nil && record.Status == state.Done {
			p.StepsDone++
			continue
		}
		if p.Next == "" {
			p.Next = s.ID
		}
		break
	}
	p.PartitionCount = int(begun.Source.Partitions)
	copyProgress(doc, begun, p)
	return o
}

// copyProgress reads how much of the copy the document knows of. The journal of a run that was
// killed may know more.
func copyProgress(doc *state.Document, begun *plan.Plan, p *plan.Progress) {
	for _, s := range begun.Steps {
		if _, ok := s.Action.(plan.Copy); !ok {
			continue
		}
		record := doc.Step(s.ID)
		if record == nil {
			return
		}
		if out, ok, err := unblob[copied](record.Proof, kindCopied); err == nil && ok {
			p.PartitionsCopied, p.RowsCopied = p.PartitionCount, out.Rows
		}
		return
	}
}

// AddCursors counts what cursors say into a progress: those of a journal that is newer than the
// document. Each is the opaque cursor of one partition, of which rows and done are common to all
// engines.
func AddCursors(p *plan.Progress, cursors []state.Blob) {
	for _, b := range cursors {
		var c struct {
			Rows uint64 `json:"rows"`
			Done bool   `json:"done"`
		}
		if b.Kind != kindCursor || json.Unmarshal(b.Data, &c) != nil {
			continue
		}
		p.RowsCopied += c.Rows
		if c.Done {
			p.PartitionsCopied++
		}
	}
}
